package contact

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gatehouse/internal/problem"
)

// Bounds of a file that is imported.
const (
	MaxFile    = 10 << 20 // bytes
	maxRecords = 10_000
)

// maxFindings bounds a refusal of a file that is full of mistakes.
const maxFindings = 50

// fieldNames are the fields of a contact that a file must give.
var fieldNames = []string{"name", "gender", "age", "address", "phone", "email"}

// record is one contact of a file.
type record struct {
	line     int // where it starts, from 1
	in       Input
	findings findings // empty when it can be imported
}

// findings are what is wrong with a record; the names are those of fields, or
// empty.
type findings []problem.Field

func (f *findings) add(name, code, message string) {
	*f = append(*f, problem.Field{Name: name, Code: code, Message: message})
}

func (f findings) about(name string) bool {
	return slices.ContainsFunc(f, func(p problem.Field) bool { return p.Name == name })
}

// set takes a field's text.
func (r *record) set(name, text string) {
	switch name {
	case "name":
		r.in.Name = text
	case "gender":
		switch strings.ToLower(strings.TrimSpace(text)) {
		case male, "true":
			r.in.Gender = true
		case female, "false":
			r.in.Gender = false
		default:
			r.findings.add(name, "invalid_value", "must be male or female")
		}
	case "age":
		text = strings.TrimSpace(text)
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || strconv.FormatInt(n, 10) != text {
			r.findings.add(name, "invalid_type", fmt.Sprintf("must be a whole number from 0 to %d", maxAge))
			return
		}
		r.in.Age = int32(n)
	case "address":
		r.in.Address = text
	case "phone":
		r.in.Phone = text
	case "email":
		r.in.Email = text
	}
}

// check adds what the API would find wrong with the contact, in the order of
// the fields.
func (r *record) check() {
	var p *problem.Error
	if errors.As(r.in.check(), &p) {
		for _, f := range p.Fields {
			if name := strings.TrimPrefix(f.Name, "/"); !r.findings.about(name) {
				r.findings.add(name, f.Code, f.Message)
			}
		}
	}
	slices.SortStableFunc(r.findings, func(a, b problem.Field) int {
		return slices.Index(fieldNames, a.Name) - slices.Index(fieldNames, b.Name)
	})
}

// refuse says why nothing of a file is taken.
func refuse(detail string, records []record) error {
	p := problem.Newf(problem.ValidationFailed, "%s", detail)
	for _, r := range records {
		for _, f := range r.findings {
			if len(p.Fields) == maxFindings {
				return p
			}
			place := fmt.Sprintf("line %d", r.line)
			if f.Name != "" {
				place += ": " + f.Name
			}
			p.Fields = append(p.Fields, problem.Field{Name: place, Code: f.Code, Message: f.Message})
		}
	}
	return p
}

// refuseFile refuses a file for what is wrong at a line.
func refuseFile(line int, code, message string) error {
	return refuse("The file cannot be read; nothing was imported.", []record{{line: line, findings: findings{{Code: code, Message: message}}}})
}

func tooManyRecords(line int) error {
	return refuseFile(line, "too_long", fmt.Sprintf("is where contact %d starts; a file may hold %d", maxRecords+1, maxRecords))
}

// checkUTF8 refuses files in another encoding.
func checkUTF8(file []byte) error {
	// In UTF-16 the first character, which is ASCII, has a NUL, and a byte
	// order mark is not UTF-8.
	head := file[:min(len(file), 2)]
	if bytes.IndexByte(head, 0) >= 0 || string(head) == "\xff\xfe" || string(head) == "\xfe\xff" {
		return refuseFile(1, "invalid_utf8", "must be in UTF-8; this looks like UTF-16")
	}
	for i := 0; i < len(file); {
		r, size := utf8.DecodeRune(file[i:])
		if r == utf8.RuneError && size == 1 {
			return refuseFile(lineAt(file, i), "invalid_utf8", "must be in UTF-8; another encoding, such as Latin-1, is not read")
		}
		i += size
	}
	return nil
}

// lineAt returns the number of the line that a byte is in.
func lineAt(file []byte, offset int) int { return 1 + bytes.Count(file[:offset], []byte("\n")) }
