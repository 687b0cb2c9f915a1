package contact

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"gatehouse/backend/internal/tenantdb"
)

// The part of vCard (RFC 6350, and RFC 2426 for 3.0) that a contact needs is
// small and the libraries for it keep no line numbers, so it is read here.

// vCardLine is the longest line that is written, in bytes without its end (RFC
// 6350 section 3.2).
const vCardLine = 75

// Properties of a contact. Age has none in vCard, gender none in 3.0.
const (
	propName      = "FN"
	propGender    = "GENDER"
	propGenderOld = "X-GENDER"
	propAge       = "X-AGE"
	propAddress   = "ADR"
	propPhone     = "TEL"
	propEmail     = "EMAIL"
)

var vCardFields = map[string]string{
	propName: "name", propGender: "gender", propGenderOld: "gender", propAge: "age",
	propAddress: "address", propPhone: "phone", propEmail: "email",
}

// writeVCards writes vCards 4.0. The name is given whole, as the given name too,
// since it is not known which part is which; so is the address, as the street.
func writeVCards(buf *bytes.Buffer, contacts []tenantdb.Contact) {
	for _, c := range contacts {
		gender := "F"
		if c.Gender {
			gender = "M"
		}
		writeFolded(buf, "BEGIN:VCARD")
		writeFolded(buf, "VERSION:4.0")
		writeFolded(buf, "UID:urn:uuid:"+c.ID.String())
		writeFolded(buf, propName+":"+escapeText(c.Name))
		writeFolded(buf, "N:;"+escapeText(c.Name)+";;;")
		writeFolded(buf, propGender+":"+gender)
		writeFolded(buf, propAge+":"+strconv.Itoa(int(c.Age)))
		writeFolded(buf, propPhone+":"+escapeText(c.Phone))
		writeFolded(buf, propEmail+":"+escapeText(c.Email))
		writeFolded(buf, propAddress+":;;"+escapeText(c.Address)+";;;;")
		writeFolded(buf, "END:VCARD")
	}
}

var textEscaper = strings.NewReplacer(`\`, `\\`, ",", `\,`, ";", `\;`, "\n", `\n`)

func escapeText(s string) string { return textEscaper.Replace(s) }

// unescapeText reads a text value. A backslash before anything else stands for
// itself.
func unescapeText(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case 'n', 'N':
				b.WriteByte('\n')
				i++
				continue
			case '\\', ',', ';':
				i++
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// writeFolded writes a line, folded where it is too long but never inside a character.
func writeFolded(buf *bytes.Buffer, line string) {
	room := vCardLine
	for len(line) > room {
		cut := room
		for !utf8.RuneStart(line[cut]) {
			cut--
		}
		buf.WriteString(line[:cut])
		buf.WriteString("\r\n ")
		line, room = line[cut:], vCardLine-1
	}
	buf.WriteString(line)
	buf.WriteString("\r\n")
}

// readVCards reads a file of vCards. What stands between them, or in a card that
// does not end, is a record that cannot be imported.
func readVCards(file []byte) ([]record, error) {
	if err := checkUTF8(file); err != nil {
		return nil, err
	}
	var records []record
	var card *vCard
	stray := false // the last record is of lines outside cards
	for line, text := range unfolded(strings.TrimPrefix(string(file), "\uFEFF")) {
		if text == "" {
			continue
		}
		p := parseProperty(text)
		begins := p.name == "BEGIN" && strings.EqualFold(p.value, "VCARD")
		if card != nil && begins {
			records = append(records, card.unfinished())
			card = nil
		}
		switch {
		case begins:
			card, stray = &vCard{line: line}, false
		case card != nil && p.name == "END" && strings.EqualFold(p.value, "VCARD"):
			records = append(records, card.record())
			card = nil
		case card != nil:
			card.add(p)
		case !stray:
			stray = true
			rec := record{line: line}
			rec.findings.add("", "invalid_format", "is outside of BEGIN:VCARD and END:VCARD")
			records = append(records, rec)
		}
		if len(records) > maxRecords || len(records) == maxRecords && card != nil {
			return nil, tooManyRecords(line)
		}
	}
	if card != nil {
		records = append(records, card.unfinished())
	}
	if len(records) == 0 {
		return nil, refuseFile(1, "required", "must be BEGIN:VCARD")
	}
	return records, nil
}

// unfolded returns the lines of a file with the number of each, those that were
// folded as one.
func unfolded(file string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		var whole strings.Builder
		first, line := 1, 0
		for text := range strings.SplitSeq(file, "\n") {
			line++
			text = strings.TrimSuffix(text, "\r")
			if line > 1 && (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")) {
				whole.WriteString(text[1:])
				continue
			}
			if line > 1 && !yield(first, whole.String()) {
				return
			}
			whole.Reset()
			whole.WriteString(text)
			first = line
		}
		yield(first, whole.String())
	}
}

// property is a line of a card. The name is in upper case without its group;
// it is empty when the line is not one of a card.
type property struct{ name, params, value string }

func parseProperty(line string) property {
	quoted := false
	colon := strings.IndexFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ':' && !quoted
	})
	if colon < 0 {
		return property{}
	}
	name, params, _ := strings.Cut(line[:colon], ";")
	if _, grouped, ok := strings.Cut(name, "."); ok {
		name = grouped
	}
	return property{strings.ToUpper(strings.TrimSpace(name)), params, line[colon+1:]}
}

// each returns the parameters of a property, names in upper case. In 3.0 a value
// may stand alone; its name is then TYPE.
func (p property) each() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for rest, ok := p.params, p.params != ""; ok; {
			quoted := false
			end := strings.IndexFunc(rest, func(r rune) bool {
				if r == '"' {
					quoted = !quoted
				}
				return r == ';' && !quoted
			})
			param := rest
			if ok = end >= 0; ok {
				param, rest = rest[:end], rest[end+1:]
			}
			name, value, named := strings.Cut(param, "=")
			if !named {
				name, value = "TYPE", param
			}
			if !yield(strings.ToUpper(name), strings.Trim(value, `"`)) {
				return
			}
		}
	}
}

// notPreferred is the preference of a property that claims none (RFC 6350
// section 5.3: 1 is the highest, 100 the lowest).
const notPreferred = 101

func (p property) preference() int {
	best := notPreferred
	for name, value := range p.each() {
		switch name {
		case "PREF":
			if n, err := strconv.Atoi(value); err == nil && n >= 1 {
				best = min(best, n)
			}
		case "TYPE": // as 3.0 has it
			for t := range strings.SplitSeq(value, ",") {
				if strings.EqualFold(t, "pref") {
					best = 1
				}
			}
		}
	}
	return best
}

func (p property) encoded() bool {
	for name := range p.each() {
		if name == "ENCODING" {
			return true
		}
	}
	return false
}

// vCard is a card as far as it has been read: of each field the most preferred
// property, the first of equals.
type vCard struct {
	line      int
	version   string
	fields    map[string]property
	preferred map[string]int
	malformed bool
}

func (c *vCard) add(p property) {
	if p.name == "" {
		c.malformed = true
	}
	if p.name == "VERSION" {
		c.version = strings.TrimSpace(p.value)
	}
	name, ok := vCardFields[p.name]
	if !ok {
		return
	}
	if c.fields == nil {
		c.fields, c.preferred = map[string]property{}, map[string]int{}
	}
	preference := p.preference()
	if known, ok := c.preferred[name]; !ok || preference < known {
		c.fields[name], c.preferred[name] = p, preference
	}
}

func (c *vCard) unfinished() record {
	rec := record{line: c.line}
	rec.findings.add("", "invalid_format", "has no END:VCARD")
	return rec
}

func (c *vCard) record() record {
	rec := record{line: c.line}
	if c.malformed {
		rec.findings.add("", "invalid_format", "has a line without a colon")
	}
	if c.version != "3.0" && c.version != "4.0" {
		rec.findings.add("", "invalid_value", "must have VERSION 3.0 or 4.0")
	}
	for _, name := range fieldNames {
		switch p, ok := c.fields[name]; {
		case !ok:
			rec.findings.add(name, "required", "is missing")
		case p.encoded():
			rec.findings.add(name, "invalid_format", "must not be encoded")
		default:
			rec.set(name, p.text())
		}
	}
	rec.check()
	return rec
}

// text returns the value as the field of a contact.
func (p property) text() string {
	switch p.name {
	case propGender, propGenderOld:
		sex, _, _ := strings.Cut(p.value, ";") // what follows is free text
		switch strings.ToUpper(strings.TrimSpace(sex)) {
		case "M":
			return male
		case "F":
			return female
		}
		return sex
	case propPhone:
		if scheme, number, ok := strings.Cut(p.value, ":"); ok && strings.EqualFold(strings.TrimSpace(scheme), "tel") {
			return number
		}
	case propAddress:
		return joinAddress(p.value)
	}
	return unescapeText(p.value)
}

// joinAddress returns the components of an address that are not empty, in their
// order.
func joinAddress(value string) string {
	var b strings.Builder
	add := func(part string) {
		part = strings.TrimSpace(unescapeText(part))
		if part == "" {
			return
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(part)
	}
	from := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case ';', ',': // components, and values of one
			add(value[from:i])
			from = i + 1
		}
	}
	add(value[from:])
	return b.String()
}
