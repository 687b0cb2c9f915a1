package nfe

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/quagmt/udecimal"
)

// maxFindings is as many as help whoever reads them, and bounds the answer to a
// document full of mistakes.
const maxFindings = 2000

// A checker looks at one document. Paths are put together only for findings, from
// where the checker stands: a list and an index, and a group within.
type checker struct {
	o        Options
	list     string
	index    int
	group    string
	findings []Finding
}

// at moves the checker to a group of the document; in to an element of a list.
func (c *checker) at(group string) { c.list, c.group = "", group }

func (c *checker) in(list string, index int, group string) {
	c.list, c.index, c.group = list, index, group
}

func (c *checker) path(name string) string {
	var b strings.Builder
	if c.list != "" {
		b.WriteString("/" + c.list + "/" + itoa(c.index))
	}
	if c.group != "" {
		b.WriteString("/" + c.group)
	}
	if name != "" {
		b.WriteString("/" + name)
	}
	return b.String()
}

// add records that a field breaks a rule. Without a code it is the rule's, if that
// has just one.
func (c *checker) add(rule RuleID, name, expected, actual, code string) {
	switch {
	case len(c.findings) > maxFindings:
		return
	case len(c.findings) == maxFindings:
		c.findings = append(c.findings, Finding{Rule: "findings.more", Severity: Error, Expected: itoa(maxFindings)})
		return
	}
	r := rulesByID[rule]
	if code == "" && len(r.Codes) == 1 {
		code = r.Codes[0]
	}
	c.findings = append(c.findings, Finding{
		Path: c.path(name), Rule: rule, Severity: r.Severity, Expected: clip(expected, 200), Actual: clip(actual, 100), Code: code,
	})
}

func itoa(n int) string { return strconv.Itoa(n) }

func span(low, high int) string { return itoa(low) + "–" + itoa(high) }

// clip shortens what is shown of a value to so many characters and makes it safe
// to show.
func clip(s string, most int) string {
	if len(s) <= most && utf8.ValidString(s) {
		return s
	}
	r := []rune(strings.ToValidUTF8(s[:min(len(s), 4*most)], "\uFFFD"))
	if len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return string(r)
}

// need reports whether there is a value, and finds fault when there is none.
func (c *checker) need(name, s string) bool {
	if s == "" {
		c.add("required", name, "", "", "")
	}
	return s != ""
}

// line checks one line of text, if there is any: low to high characters.
func (c *checker) line(name, s string, low, high int) { c.text(name, s, low, high, false) }

// free checks text that may hold tabs and line breaks.
func (c *checker) free(name, s string, low, high int) { c.text(name, s, low, high, true) }

func (c *checker) text(name, s string, low, high int, breaks bool) {
	if s == "" {
		return
	}
	n, control, foreign := 0, false, false
	for _, r := range s {
		n++
		switch {
		case r >= ' ' && r < 0x7f:
		case breaks && (r == '\n' || r == '\t'):
		case r == utf8.RuneError || unicode.IsControl(r):
			control = true
		case r > 0xff:
			foreign = true
		}
	}
	if control {
		c.add("text.control", name, "", s, "")
		return
	}
	if n < low || n > high {
		c.add("text.length", name, span(low, high), itoa(n), "")
	}
	if isSpace(s[0]) || isSpace(s[len(s)-1]) {
		c.add("text.space", name, "", s, "")
	}
	if foreign {
		c.add("text.latin", name, "", s, "")
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' }

// enum checks a code, if there is one, and reports whether it is there and good.
func (c *checker) enum(name, s string, e enumeration) bool {
	if s == "" {
		return false
	}
	if !e.has(s) {
		c.add("code.unknown", name, e.text, s, "")
		return false
	}
	return true
}

// digits checks text of low to high digits, if there is any.
func (c *checker) digits(name, s string, low, high int) bool {
	if s == "" || digitsOf(s, low, high) {
		return s != ""
	}
	expected := fmt.Sprintf(`\d{%d,%d}`, low, high)
	if low == high {
		expected = fmt.Sprintf(`\d{%d}`, low)
	}
	c.add("format", name, expected, s, "")
	return false
}

// id checks the identifier of a row, if there is one.
func (c *checker) id(name, s string) {
	if s != "" && (len(s) != 36 || uuid.Validate(s) != nil) { // other lengths are other spellings
		c.add("format", name, "UUID", s, "")
	}
}

// cnpj and cpf check an identification, if there is one; code is the rejection
// where it stands.
func (c *checker) cnpj(name, s, code string) {
	if s == "" {
		return
	}
	if rule := checkCNPJ(s, c.o.StrictLetters); rule != "" {
		expected := ""
		if rule == "cnpj.digit" {
			expected, _ = CNPJDigits(s[:12])
		}
		c.add(rule, name, expected, s, code)
	}
}

func (c *checker) cpf(name, s, code string) {
	if s == "" {
		return
	}
	if rule := checkCPF(s); rule != "" {
		c.add(rule, name, "", s, code)
	}
}

// money checks an amount of up to 13 integer and 2 decimal digits, and returns it.
func (c *checker) money(name string, m Money) amount { return c.decimal(name, string(m), 13, 2) }

// rate checks a rate or percentage of up to 3 integer and 4 decimal digits.
func (c *checker) rate(name string, d Decimal) amount { return c.decimal(name, string(d), 3, 4) }

// An amount is a decimal that was checked. One that is not sound takes no part in
// comparisons: it has its finding already.
type amount struct {
	udecimal.Decimal
	given bool // a text stands there
	sound bool // nothing is wrong with it; an absent one is a sound zero
}

func (c *checker) decimal(name, s string, integer, fraction int) amount {
	if s == "" {
		return amount{sound: true}
	}
	a := amount{given: true}
	d, ok := number(s)
	switch {
	case !ok:
		c.add("decimal.form", name, "", s, "")
	case d.IsNeg():
		c.add("decimal.negative", name, "", s, "")
	case !fits(s, integer, fraction):
		c.add("decimal.range", name, fmt.Sprintf("%d,%d", integer, fraction), s, "")
	default:
		a.Decimal, a.sound = d, true
	}
	return a
}

// fits reports whether a number as written has at most so many integer digits,
// zeros in front aside, and decimal digits.
func fits(s string, integer, fraction int) bool {
	i, f, ok := shape(s)
	return ok && i <= integer && f <= fraction
}

// moment checks a date, if there is one.
func (c *checker) moment(name string, t Timestamp) {
	if t == "" {
		return
	}
	if _, ok := t.Time(); !ok {
		c.add("date.form", name, "", string(t), "")
	}
}
