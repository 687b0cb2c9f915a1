package contact

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func card(lines ...string) string {
	return "BEGIN:VCARD\r\nVERSION:4.0\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VCARD\r\n"
}

var anaLines = []string{"FN:Ana", "GENDER:F", "X-AGE:34", "TEL:1234567890", "EMAIL:ana@example.com", "ADR:;;Rua 1;;;;"}

// but returns the lines of Ana's card with those of the same properties
// replaced, and the others added.
func but(lines ...string) string {
	all := append([]string(nil), lines...)
	name := func(line string) string { return line[:strings.IndexAny(line, ":;")] }
	for _, known := range anaLines {
		replaced := false
		for _, line := range lines {
			replaced = replaced || name(line) == name(known)
		}
		if !replaced {
			all = append(all, known)
		}
	}
	return card(all...)
}

func TestReadVCards(t *testing.T) {
	t.Parallel()
	const read = " {Name:Ana Gender:false Age:34 Address:Rua 1 Phone:1234567890 Email:ana@example.com}"
	ana := but()
	for _, tc := range []struct{ name, file, want string }{
		{"plain", ana, "1" + read},
		{"two", ana + "\r\n" + ana, "1" + read + "\n11" + read},
		{"bare line feeds", strings.ReplaceAll(ana, "\r", ""), "1" + read},
		{"byte order mark", "\uFEFF" + ana, "1" + read},
		{"lower case", strings.NewReplacer("BEGIN:VCARD", "begin:vcard", "FN", "fn", "TEL", "tel", "END:VCARD", "End:vCard").Replace(ana), "1" + read},
		{"3.0", strings.NewReplacer("4.0", "3.0", "GENDER:F", "X-GENDER:Female").Replace(ana), "1" + read},
		{"folded", strings.NewReplacer("ana@example", "ana@exa\r\n mple", "Rua 1", "Rua\r\n  1").Replace(ana), "1" + read},
		{"folded at a tab", but("FN:A\r\n\tn\r\n a"), "1" + read},
		{"groups and parameters", but(`item1.TEL;TYPE="home,voice";X="a:b;c":1234567890`, "GENDER:F;she", "ADR;LABEL=\"x:y\":;;Rua 1;;;;"), "1" + read},
		{"a telephone URI", but("TEL;VALUE=uri:tel:1234567890"), "1" + read},
		{"the preferred one", but("EMAIL:x@y.zz", "EMAIL;PREF=2:b@y.zz", "EMAIL;PREF=1:ana@example.com", "EMAIL;PREF=1:z@y.zz",
			"TEL:0000000000", "TEL;TYPE=CELL;TYPE=pref:1234567890"), "1" + read},
		{"the preferred one of 3.0", but("TEL:0000000000", "TEL;cell;pref:1234567890"), "1" + read},
		{"other properties", but("N:x;y", "PHOTO;ENCODING=b:AAAA\r\n AAAA", "NOTE:a\\nb", "BDAY:19900101"), "1" + read},
		{"escapes", but(`FN:A\,n\;a\\x\q\`, `ADR:;;Rua\n1\, x;;;;`), `1 {Name:A,n;a\x\q\ Gender:false Age:34 Address:Rua` + "\n" + `1, x Phone:1234567890 Email:ana@example.com}`},
		{"an address in parts", but("ADR:PO 1;;Rua 1, fundos;Sao Paulo;SP;01000-000;Brasil"),
			"1 {Name:Ana Gender:false Age:34 Address:PO 1, Rua 1, fundos, Sao Paulo, SP, 01000-000, Brasil Phone:1234567890 Email:ana@example.com}"},
		{"blank lines", "\r\n" + strings.ReplaceAll(ana, "\r\n", "\r\n\r\n"), "2" + read},

		{"nothing in it", card(), "1 name required gender required age required address required phone required email required"},
		{"2.1", strings.Replace(ana, "4.0", "2.1", 1), "1  invalid_value"},
		{"no version", strings.Replace(ana, "VERSION:4.0\r\n", "", 1), "1  invalid_value"},
		{"values", but("FN: ", "GENDER:O", "X-AGE:x", "ADR:;;;;;;", "TEL:+1", "EMAIL:x"),
			"1 name blank gender invalid_value age invalid_type address blank phone too_short email invalid_format"},
		{"encoded", but("FN;ENCODING=QUOTED-PRINTABLE:Jos=C3=A9", "TEL;ENCODING=b:eA=="), "1 name invalid_format phone invalid_format"},
		{"NUL", but("FN:a\x00b"), "1 name control_character"},
		{"a line without a colon", but("FN:Ana\r\nxyz"), "1  invalid_format"},
		{"no end", strings.Replace(ana, "END:VCARD\r\n", "", 1) + ana, "1  invalid_format\n9" + read},
		{"no end at the end", ana + strings.Replace(ana, "END:VCARD\r\n", "", 1), "1" + read + "\n10  invalid_format"},
		{"lines outside", "x\r\ny\r\n" + ana + "END:VCARD\r\nz\r\n", "1  invalid_format\n3" + read + "\n12  invalid_format"},
		{"something else", "<html>\r\n</html>", "1  invalid_format"},

		{"empty", "", "refused line 1 required"},
		{"blank", " \r\n\r\n", "1  invalid_format"},
		{"Latin-1", but("FN:Jos\xe9"), "refused line 3 invalid_utf8"},
		{"UTF-16", "B\x00E\x00G\x00I\x00N\x00", "refused line 1 invalid_utf8"},
		{"too many", strings.Repeat("BEGIN:VCARD\nEND:VCARD\n", maxRecords+1), "refused line 20001 too_long"},
		{"a huge line", but("FN:" + strings.Repeat("x", MaxFile)), "1 name too_long"},
		{"a huge address", but("ADR:" + strings.Repeat(";", MaxFile)), "1 address blank"},
		{"a huge parameter", but("TEL;TYPE=" + strings.Repeat(",", MaxFile) + ":1234567890"), "1" + read},
		{"many parameters", but("TEL" + strings.Repeat(";", MaxFile) + ":1234567890"), "1" + read},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, summary(readVCards([]byte(tc.file)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if records, err := readVCards([]byte(strings.Repeat("BEGIN:VCARD\nEND:VCARD\n", maxRecords))); err != nil || len(records) != maxRecords {
		t.Errorf("got %d records, %v", len(records), err)
	}
}

func TestWriteVCard(t *testing.T) {
	t.Parallel()
	row := rows(Input{
		Name: "Ana; Souza", Gender: true, Age: 34, Address: "Rua das Flores, 12\n" + strings.Repeat("é", 60), Phone: "+55 11 91234-5678", Email: "ana@example.com",
	})
	row[0].ID = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")
	var b bytes.Buffer
	writeVCards(&b, row)
	want := strings.Join([]string{
		"BEGIN:VCARD", "VERSION:4.0", "UID:urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057", `FN:Ana\; Souza`, `N:;Ana\; Souza;;;`,
		"GENDER:M", "X-AGE:34", "TEL:+55 11 91234-5678", "EMAIL:ana@example.com",
		`ADR:;;Rua das Flores\, 12\n` + strings.Repeat("é", 24), " " + strings.Repeat("é", 36) + ";;", " ;;", "END:VCARD", "",
	}, "\r\n")
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.SplitSeq(b.String(), "\r\n") {
		if len(line) > 75 || !utf8.ValidString(line) {
			t.Errorf("got a line of %d bytes: %q", len(line), line)
		}
	}
}

func FuzzReadVCards(f *testing.F) {
	f.Add([]byte(but()))
	f.Add([]byte(but(`item1.TEL;TYPE="home,pref";X="a:b;c":tel:1234567890`, `ADR:a;b\;c;d,e\n;;;;`, "FN:x\r\n y")))
	f.Add([]byte("x\nBEGIN:VCARD\nFN:a\nBEGIN:VCARD\nVERSION:3.0\nend:vcard\n y"))
	f.Add([]byte(but("FN:\u00a0a\\", "EMAIL;PREF=1;PREF=x:'@b.c")))
	f.Fuzz(func(t *testing.T, file []byte) { fuzzReader(t, readVCards, writeVCards, file) })
}
