// Package field checks the values that clients send against their bounds and
// collects every finding, so that one answer names all that is wrong.
//
// Text is brought to NFC and trimmed before it is measured; lengths are Unicode
// code points. NUL and other control characters are refused everywhere.
package field

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/internal/problem"
)

// Checker collects findings. Its methods take the field's JSON pointer and a
// pointer to the value, which they normalise in place.
type Checker struct{ findings []problem.Field }

// Err returns a validation_failed problem with all findings, or nil.
func (c *Checker) Err() error {
	if len(c.findings) == 0 {
		return nil
	}
	return &problem.Error{Code: problem.ValidationFailed, Fields: c.findings}
}

// maxFindings is as many as help whoever reads them.
const maxFindings = 50

// Full reports that there is no use in looking for more findings.
func (c *Checker) Full() bool { return len(c.findings) >= maxFindings }

// Add records a finding of the caller's own.
func (c *Checker) Add(pointer, code, format string, args ...any) {
	c.findings = append(c.findings, problem.Field{Name: pointer, Code: code, Message: fmt.Sprintf(format, args...)})
}

// Line checks one line of text: low to high code points, no control character.
func (c *Checker) Line(pointer string, s *string, low, high int) bool {
	return c.text(pointer, s, low, high, "")
}

// Text checks free text, which may also hold tabs and line breaks.
func (c *Checker) Text(pointer string, s *string, low, high int) bool {
	*s = strings.ReplaceAll(*s, "\r\n", "\n")
	return c.text(pointer, s, low, high, "\t\n")
}

func (c *Checker) text(pointer string, s *string, low, high int, allowed string) bool {
	*s = strings.TrimSpace(norm.NFC.String(*s))
	if !c.noControl(pointer, *s, allowed) {
		return false
	}
	switch n := utf8.RuneCountInString(*s); {
	case n == 0 && low > 0:
		c.Add(pointer, "blank", "must not be blank")
	case n < low:
		c.Add(pointer, "too_short", "must have at least %d characters, has %d", low, n)
	case n > high:
		c.Add(pointer, "too_long", "must have at most %d characters, has %d", high, n)
	default:
		return true
	}
	return false
}

func (c *Checker) noControl(pointer, s, allowed string) bool {
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			c.Add(pointer, "control_character", "must not hold the control character U+%04X", r)
			return false
		}
	}
	return true
}

// Int checks that a number lies within [low, high].
func (c *Checker) Int(pointer string, v int32, low, high int32) {
	if v < low || v > high {
		c.Add(pointer, "out_of_range", "must be from %d to %d, is %d", low, high, v)
	}
}

var emailForm = regexp.MustCompile(`^[^@\s\p{Z}]+@[^@\s\p{Z}]+\.[^@\s\p{Z}]+$`)

// foldedMax bounds the folded form in bytes; compatibility forms can unfold to
// many times their length, and an index entry holds less than 2,700 bytes.
const foldedMax = 1020

// Email checks an e-mail address: at most 255 code points, something@host.tld.
func (c *Checker) Email(pointer string, s *string) {
	if !c.Line(pointer, s, 1, 255) {
		return
	}
	if !emailForm.MatchString(*s) {
		c.Add(pointer, "invalid_format", "must be an e-mail address such as ana@example.com")
	} else if len(Fold(*s)) > foldedMax {
		c.Add(pointer, "too_long", "must have at most %d bytes in its folded form", foldedMax)
	}
}

var phoneForm = regexp.MustCompile(`^[0-9 ()+-]*$`)

// Phone checks a telephone number: 10 to 20 digits, spaces and ( ) + -.
func (c *Checker) Phone(pointer string, s *string) {
	if c.Line(pointer, s, 10, 20) && !phoneForm.MatchString(*s) {
		c.Add(pointer, "invalid_format", "may hold digits, spaces and ( ) + - only")
	}
}

// TenantID checks the form of a tenant's id.
func (c *Checker) TenantID(pointer, s string) {
	if !ValidTenantID(s) {
		c.Add(pointer, "invalid_format", "must be 1 to 36 of A-Z a-z 0-9 _ -, starting with a letter or digit")
	}
}

// ValidTenantID reports whether s has the form of a tenant's id.
func ValidTenantID(s string) bool {
	if len(s) == 0 || len(s) > 36 || s[0] == '_' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		switch b := s[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '_', b == '-':
		default:
			return false
		}
	}
	return true
}
