package contact

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
)

const csvHeader = "name,gender,age,address,phone,email\r\n"

// summary is what a file was read as: a line for each record or, when it was
// refused, for each finding.
func summary(records []record, err error) string {
	var lines []string
	for _, f := range problemFields(err) {
		lines = append(lines, "refused "+f.Name+" "+f.Code)
	}
	if err != nil {
		return strings.Join(lines, "\n")
	}
	for _, r := range records {
		line := fmt.Sprintf("%d", r.line)
		for _, f := range r.findings {
			line += " " + f.Name + " " + f.Code
		}
		if len(r.findings) == 0 {
			line += fmt.Sprintf(" %+v", r.in)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func problemFields(err error) []problem.Field {
	if err == nil {
		return nil
	}
	return problem.From(err).Fields
}

func TestReadCSV(t *testing.T) {
	t.Parallel()
	const ana = "Ana,female,34,Rua 1,1234567890,ana@example.com\r\n"
	const read = " {Name:Ana Gender:false Age:34 Address:Rua 1 Phone:1234567890 Email:ana@example.com}"
	utf16 := func(s string, high, low int) string {
		var b []byte
		for _, c := range []byte(s) {
			pair := [2]byte{}
			pair[high], pair[low] = 0, c
			b = append(b, pair[:]...)
		}
		return string(b)
	}
	for _, tc := range []struct{ name, file, want string }{
		{"plain", csvHeader + ana, "2" + read},
		{"bare line feeds", strings.ReplaceAll(csvHeader+ana, "\r", ""), "2" + read},
		{"no final line end", strings.TrimSpace(csvHeader + ana), "2" + read},
		{"byte order mark", "\uFEFF" + csvHeader + ana, "2" + read},
		{"empty lines", csvHeader + "\r\n\r\n" + ana + "\r\n", "4" + read},
		{"another order", "email,id,age,phone,created_at,address,gender,name\nana@example.com,x,34,1234567890,,Rua 1,false,Ana\n", "2" + read},
		{"quoted header", `"name" ,gender,age,address,phone,email` + "\n" + ana, "refused line 1 invalid_format"},
		{"blanks around", csvHeader + " Ana , FEMALE , 34 , Rua 1 , 1234567890 , ana@example.com ", "2" + read},
		{"lines in a cell", csvHeader + "Ana,female,34,\"Rua 1\r\n\"\"x\"\"\",1234567890,ana@example.com\r\n" + ana,
			"2 {Name:Ana Gender:false Age:34 Address:Rua 1\n\"x\" Phone:1234567890 Email:ana@example.com}\n4" + read},
		{"a formula", csvHeader + "'=1,female,34,'''@x,'+123456789,'-a@b.cd\r\n",
			"2 {Name:=1 Gender:false Age:34 Address:''@x Phone:+123456789 Email:-a@b.cd}"},
		{"a formula as it is", csvHeader + "=1,female,34,@x,+123456789,-a@b.cd\r\n",
			"2 {Name:=1 Gender:false Age:34 Address:@x Phone:+123456789 Email:-a@b.cd}"},
		{"apostrophes", csvHeader + "'t Hooft,male,34,'' x,1234567890,'a@b.cd\r\n",
			"2 {Name:'t Hooft Gender:true Age:34 Address:'' x Phone:1234567890 Email:'a@b.cd}"},
		{"NFD", csvHeader + "Jose\u0301,true,0,\U0001F600,1234567890,a@b.cd",
			"2 {Name:José Gender:true Age:0 Address:\U0001F600 Phone:1234567890 Email:a@b.cd}"},
		{"header only", csvHeader, ""},

		{"all that can be wrong", csvHeader + "\"\",x,old,\"a\rb\",1,ab\r\n",
			"2 name blank gender invalid_value age invalid_type address control_character phone too_short email invalid_format"},
		{"numbers", csvHeader + strings.Join([]string{
			"a,male,151,b,1234567890,a@b.cd", "a,male,-1,b,1234567890,a@b.cd", "a,male,+1,b,1234567890,a@b.cd", "a,male,01,b,1234567890,a@b.cd",
			"a,male,1.0,b,1234567890,a@b.cd", "a,male,,b,1234567890,a@b.cd", "a,male,99999999999999999999,b,1234567890,a@b.cd",
		}, "\n"), "2 age out_of_range\n3 age out_of_range\n4 age invalid_type\n5 age invalid_type\n6 age invalid_type\n7 age invalid_type\n8 age invalid_type"},
		{"NUL", csvHeader + "a\x00b,male,1,b,1234567890,a@b.cd", "2 name control_character"},
		{"too few cells", csvHeader + "Ana\r\n" + ana, "2  invalid_format\n3" + read},
		{"too many cells", csvHeader + ana[:len(ana)-2] + ",\r\n", "2  invalid_format"},
		{"bad line after many", csvHeader + "\"\n\n\n\",male,1,b,1234567890,a@b.cd\r\n" + ",male,1,b,1234567890,a@b.cd", "2 name blank\n6 name blank"},

		{"empty", "", "refused line 1 required"},
		{"blank", "\r\n\r\n", "refused line 1 required"},
		{"byte order mark only", "\uFEFF", "refused line 1 required"},
		{"columns missing", "name,email\r\n", "refused line 1: gender required\nrefused line 1: age required\nrefused line 1: address required\nrefused line 1: phone required"},
		{"columns twice", "name," + csvHeader, "refused line 1: name duplicate_field"},
		{"ignored column twice", "id,id," + csvHeader, "refused line 1: id duplicate_field"},
		{"unknown columns", "tenant_id,Name,,\x01," + csvHeader,
			"refused line 1: tenant_id unknown_field\nrefused line 1: Name unknown_field\nrefused line 1: column 3 unknown_field\nrefused line 1: column 4 unknown_field"},
		{"semicolons", strings.ReplaceAll(csvHeader, ",", ";"), "refused line 1: name;gender;age;address;phone;email unknown_field\n" +
			"refused line 1: name required\nrefused line 1: gender required\nrefused line 1: age required\nrefused line 1: address required\n" +
			"refused line 1: phone required\nrefused line 1: email required"},
		{"quote in a cell", csvHeader + ana + "A\"na,female,34,Rua 1,1234567890,ana@example.com\r\n", "refused line 3 invalid_format"},
		{"text after a quote", csvHeader + ana + "\"A\nB\"na,female,34,Rua 1,1234567890,ana@example.com\r\n", "refused line 3 invalid_format"},
		{"open quote", csvHeader + "\n\"" + ana + ana, "refused line 3 invalid_format"},
		{"Latin-1", csvHeader + ana + "Jos\xe9,male,34,Rua 1,1234567890,ana@example.com\r\n", "refused line 3 invalid_utf8"},
		{"UTF-16LE", utf16(csvHeader+ana, 1, 0), "refused line 1 invalid_utf8"},
		{"UTF-16BE", utf16(csvHeader+ana, 0, 1), "refused line 1 invalid_utf8"},
		{"UTF-16LE with its mark", "\xff\xfe" + utf16(csvHeader+ana, 1, 0), "refused line 1 invalid_utf8"},
		{"UTF-16BE with its mark", "\xfe\xff" + utf16(csvHeader+ana, 0, 1), "refused line 1 invalid_utf8"},
		{"a huge line", csvHeader + ana + strings.Repeat(",", MaxFile), "refused line 3 too_long"},
		{"a huge cell", csvHeader + ana + `"` + strings.Repeat("\n", MaxFile), "refused line 3 too_long"},
		{"a huge header", strings.Repeat("name,", 1<<20), "refused line 1 too_long"},
		{"surrogates", csvHeader + "\xed\xa0\x80", "refused line 2 invalid_utf8"},
		{"as many as can be", csvHeader + strings.Repeat("x\n", maxRecords+1), "refused line 10002 too_long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, summary(readCSV([]byte(tc.file)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if records, err := readCSV([]byte(csvHeader + strings.Repeat("x\n", maxRecords))); err != nil || len(records) != maxRecords {
		t.Errorf("got %d records, %v", len(records), err)
	}
}

func TestRefusalIsBounded(t *testing.T) {
	t.Parallel()
	_, err := readCSV([]byte(strings.Repeat("x,", 1000) + "\n"))
	if got := len(problemFields(err)); got != maxFindings {
		t.Errorf("got %d findings, want %d", got, maxFindings)
	}
}

// awkward is a contact of the kind that files get wrong.
func awkward(r *rand.Rand) Input {
	pieces := []string{
		"'", "''", "=", "+", "-", "@", "\"", ",", ";", ":", "\\", "\\n", "\\,", "\n", "\t", " ", "a", "BEGIN:VCARD", "é", "e\u0301",
		"\u0303", "\U0001F600", "日本", "\uFF1D", "\uFEFF", "\u2028", "\u00a0", "1", "%", "_", "END:VCARD", "x\n y",
	}
	for {
		text := func(n int) string {
			var b strings.Builder
			for range 1 + r.IntN(n) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			return b.String()
		}
		in := Input{
			Name: strings.NewReplacer("\n", "", "\t", "").Replace(text(20)), Gender: r.IntN(2) == 0, Age: r.Int32N(maxAge + 1),
			Address: text(60), Phone: []string{"+55 11 91234-5678", "-123456789", "(11) 1234-5678"}[r.IntN(3)],
			Email: strings.NewReplacer("\n", "", "\t", "", " ", "", "@", "", "\u00a0", "", "\u2028", "").Replace(text(6)) + "@b.cd",
		}
		if in.check() == nil {
			return in
		}
	}
}

func rows(inputs ...Input) []tenantdb.Contact {
	list := make([]tenantdb.Contact, len(inputs))
	for i, in := range inputs {
		list[i] = tenantdb.Contact{ID: uuid.New(), Name: in.Name, Gender: in.Gender, Age: in.Age, Address: in.Address, Phone: in.Phone,
			Email: in.Email, CreatedAt: time.Unix(0, 0), UpdatedAt: time.Unix(0, 0)}
	}
	return list
}

// What is exported is imported as it was, to the letter.
func TestFilesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that repeats itself
	inputs := make([]Input, 2000)
	for i := range inputs {
		inputs[i] = awkward(r)
	}
	var table, cards bytes.Buffer
	writeCSVHeader(&table)
	writeCSV(&table, rows(inputs...))
	writeVCards(&cards, rows(inputs...))
	for name, read := range map[string]func() ([]record, error){
		"csv":   func() ([]record, error) { return readCSV(table.Bytes()) },
		"vcard": func() ([]record, error) { return readVCards(cards.Bytes()) },
	} {
		records, err := read()
		if err != nil || len(records) != len(inputs) {
			t.Fatalf("%s: got %d records, want %d: %v", name, len(records), len(inputs), err)
		}
		for i, rec := range records {
			if len(rec.findings) > 0 || rec.in != inputs[i] {
				t.Errorf("%s: got %+v %v, want %+v", name, rec.in, rec.findings, inputs[i])
			}
		}
	}
}

// No cell of an export is a formula, whatever is stored.
func TestExportHoldsNoFormula(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // as above
	var file bytes.Buffer
	writeCSVHeader(&file)
	for range 500 {
		writeCSV(&file, rows(awkward(r)))
	}
	records, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range records {
		for _, cell := range cells {
			if first, _ := utf8.DecodeRuneInString(cell); strings.ContainsRune("=+-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20", first) {
				t.Errorf("got a cell %q", cell)
			}
		}
	}
}

// Whatever a file holds, no record is taken that the API would refuse or change,
// and what is taken can be written and read again.
func fuzzReader(t *testing.T, read func([]byte) ([]record, error), write func(*bytes.Buffer, []tenantdb.Contact), file []byte) {
	records, err := read(file)
	if err != nil {
		if p := problem.From(err); p.Code != problem.ValidationFailed || len(p.Fields) == 0 || len(p.Fields) > maxFindings {
			t.Errorf("got %v", err)
		}
		return
	}
	var good []Input
	last := 0
	for _, rec := range records {
		if rec.line <= last || rec.line > 1+bytes.Count(file, []byte("\n")) {
			t.Errorf("a record at line %d comes after one at %d", rec.line, last)
		}
		last = rec.line
		if len(rec.findings) > 0 {
			continue
		}
		in := rec.in
		if err := in.check(); err != nil || in != rec.in {
			t.Errorf("took %+v: %v, %+v", rec.in, err, in)
		}
		good = append(good, in)
	}
	if len(good) == 0 {
		return
	}
	var again bytes.Buffer
	write(&again, rows(good...))
	records, err = read(again.Bytes())
	if err != nil || len(records) != len(good) {
		t.Fatalf("got %d records, want %d: %v", len(records), len(good), err)
	}
	for i, rec := range records {
		if rec.in != good[i] || len(rec.findings) > 0 {
			t.Errorf("got %+v %v, want %+v", rec.in, rec.findings, good[i])
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte(csvHeader + "Ana,female,34,Rua 1,1234567890,ana@example.com\r\n"))
	f.Add([]byte("\uFEFFemail,id,age,phone,created_at,address,gender,name\na@b.cd,x,34,+123456789,,\"Rua\n1\",true,'=1\nx"))
	f.Add([]byte(csvHeader + "\"a\"b,c\n\"\n\xff"))
	f.Add([]byte(csvHeader + "\u00a0'+,male,0,''-\u00a0,1234567890,'@b.c\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		fuzzReader(t, readCSV, func(b *bytes.Buffer, contacts []tenantdb.Contact) {
			writeCSVHeader(b)
			writeCSV(b, contacts)
		}, file)
	})
}
