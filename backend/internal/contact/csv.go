package contact

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/backend/internal/tenantdb"
)

// Columns of a CSV file (RFC 4180). An import needs those that can be edited,
// in any order, and takes no notice of the others.
var csvColumns = []string{"id", "name", "gender", "age", "address", "phone", "email", "created_at", "updated_at"}

const csvTime = "2006-01-02T15:04:05.000Z07:00" // RFC 3339

func writeCSVHeader(buf *bytes.Buffer) { writeRecords(buf, [][]string{csvColumns}) }

func writeCSV(buf *bytes.Buffer, contacts []tenantdb.Contact) {
	records := make([][]string, len(contacts))
	for i, c := range contacts {
		gender := female
		if c.Gender {
			gender = male
		}
		records[i] = []string{
			c.ID.String(), guard(c.Name), gender, strconv.Itoa(int(c.Age)), guard(c.Address), guard(c.Phone), guard(c.Email),
			c.CreatedAt.UTC().Format(csvTime), c.UpdatedAt.UTC().Format(csvTime),
		}
	}
	writeRecords(buf, records)
}

func writeRecords(buf *bytes.Buffer, records [][]string) {
	w := csv.NewWriter(buf)
	w.UseCRLF = true
	_ = w.WriteAll(records) // a Buffer takes everything
}

// formulaStarts are the characters that make a spreadsheet take a cell for a
// formula; East Asian ones take the wide forms, too.
const formulaStarts = "=+-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20"

// isFormula reports whether a cell is a formula to a spreadsheet, perhaps behind
// apostrophes.
func isFormula(cell string) bool {
	r, size := utf8.DecodeRuneInString(strings.TrimLeft(cell, "'"))
	return size > 0 && strings.ContainsRune(formulaStarts, r)
}

// guard puts an apostrophe before what a spreadsheet would compute, telephone
// numbers with a country code among it. Text that looks as if guard had been
// there gets one more, so that unguard always gives back what was.
func guard(cell string) string {
	if isFormula(cell) {
		return "'" + cell
	}
	return cell
}

// unguard takes away the apostrophe that guard puts.
func unguard(cell string) string {
	if strings.HasPrefix(cell, "'") && isFormula(cell) {
		return cell[1:]
	}
	return cell
}

// readCSV reads a file with a header. A file whose structure is broken is
// refused whole, since nothing tells where its next record starts.
func readCSV(file []byte) ([]record, error) {
	start := 0
	if bytes.HasPrefix(file, []byte("\uFEFF")) {
		start = len("\uFEFF")
	}
	if err := checkUTF8(file); err != nil {
		return nil, err
	}
	in := &bounded{r: bytes.NewReader(file[start:])}
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1 // a wrong number is a finding of the record's
	r.ReuseRecord = true
	// next reads a record. The line of an error is that where the record starts.
	next := func() (cells []string, err error) {
		from := start + int(r.InputOffset())
		in.left = maxRecord
		cells, err = r.Read()
		var syntax *csv.ParseError
		switch {
		case errors.Is(err, errRecordTooLong):
			return nil, refuseFile(lineAt(file, from), "too_long", fmt.Sprintf("must not hold more than %d KiB", maxRecord>>10))
		case errors.As(err, &syntax):
			return nil, refuseFile(syntax.StartLine, "invalid_format", csvMistake(syntax))
		}
		return cells, err
	}

	header, err := next()
	if errors.Is(err, io.EOF) {
		return nil, refuseFile(1, "required", "must be a header that names the columns")
	}
	if err != nil {
		return nil, err
	}
	headerLine, _ := r.FieldPos(0)
	columns, err := readHeader(headerLine, header)
	if err != nil {
		return nil, err
	}
	var records []record
	for {
		cells, err := next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if len(records) == maxRecords {
			return nil, tooManyRecords(line)
		}
		records = append(records, csvRecord(line, columns, cells))
	}
}

// readHeader returns the columns' names, "" for those of no interest.
func readHeader(line int, cells []string) ([]string, error) {
	columns := make([]string, len(cells))
	seen := map[string]bool{}
	var f findings
	for i, cell := range cells {
		name := strings.TrimSpace(cell)
		switch {
		case !slices.Contains(csvColumns, name):
			f.add(columnName(i, name), "unknown_field", "is not a column of contacts")
		case seen[name]:
			f.add(name, "duplicate_field", "occurs twice")
		case slices.Contains(fieldNames, name):
			columns[i] = name
		}
		seen[name] = true
	}
	for _, name := range fieldNames {
		if !seen[name] {
			f.add(name, "required", "is missing in the header")
		}
	}
	if len(f) > 0 {
		return nil, refuse(fmt.Sprintf("The header is not one of contacts, which has the columns %s.", strings.Join(fieldNames, ", ")),
			[]record{{line: line, findings: f}})
	}
	return columns, nil
}

// columnName is how an unknown column is called: by its name if that is fit to
// be shown.
func columnName(i int, name string) string {
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("column %d", i+1)
	}
	return name
}

func csvRecord(line int, columns, cells []string) record {
	rec := record{line: line}
	if len(cells) != len(columns) {
		rec.findings.add("", "invalid_format", fmt.Sprintf("has %d cells, the header %d", len(cells), len(columns)))
		return rec
	}
	for i, column := range columns {
		if cell := unguard(cells[i]); column != "" {
			rec.set(column, cell)
		}
	}
	rec.check()
	return rec
}

func csvMistake(e *csv.ParseError) string {
	if errors.Is(e.Err, csv.ErrBareQuote) {
		return fmt.Sprintf(`has a quote at line %d, byte %d in a cell that does not start with one`, e.Line, e.Column)
	}
	return fmt.Sprintf(`has a quoted cell that does not end properly, at line %d, byte %d`, e.Line, e.Column)
}

// maxRecord bounds a record, in bytes, far above the longest contact: a reader
// that is fed without bound would hold millions of empty cells.
const maxRecord = 64 << 10

var errRecordTooLong = errors.New("record too long")

// bounded reads at most left bytes more.
type bounded struct {
	r    *bytes.Reader
	left int
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRecordTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
