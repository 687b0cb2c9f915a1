package field

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Username checks a user name: 3 to 50 letters of one script, digits, '.', '_'
// and '-'. Mixing scripts would allow look-alikes of other users' names.
func (c *Checker) Username(pointer string, s *string) {
	if !c.Line(pointer, s, 3, 50) {
		return
	}
	var script *unicode.RangeTable
	for _, r := range *s {
		switch {
		case r == '.', r == '_', r == '-', unicode.IsDigit(r), unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r):
			own := scriptOf(r)
			if own == unicode.Common || own == unicode.Inherited {
				continue // such as the Japanese long vowel mark: of any script
			}
			if script != nil && own != script {
				c.Add(pointer, "mixed_scripts", "must not mix letters of different scripts")
				return
			}
			script = own
		default:
			c.Add(pointer, "invalid_format", "may hold letters, digits and . _ - only")
			return
		}
	}
}

func scriptOf(r rune) *unicode.RangeTable {
	if unicode.Is(unicode.Latin, r) { // by far the most common
		return unicode.Latin
	}
	for _, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return table
		}
	}
	return nil
}

// Bounds of a password. The byte bound keeps hashing's input small.
const (
	passwordMin      = 8
	passwordMax      = 64
	passwordMaxBytes = 256
)

// Password checks a new password: 8 to 64 code points with an upper-case letter,
// a lower-case letter and a digit. It is never trimmed; NFC makes the same
// password of different keyboards equal.
func (c *Checker) Password(pointer string, s *string) {
	*s = norm.NFC.String(*s)
	if !c.noControl(pointer, *s, "") {
		return
	}
	n := utf8.RuneCountInString(*s)
	if n < passwordMin || n > passwordMax || len(*s) > passwordMaxBytes {
		c.Add(pointer, "out_of_range", "must have %d to %d characters and at most %d bytes", passwordMin, passwordMax, passwordMaxBytes)
	}
	var upper, lower, digit bool
	for _, r := range *s {
		upper = upper || unicode.IsUpper(r)
		lower = lower || unicode.IsLower(r)
		digit = digit || unicode.IsDigit(r)
	}
	if !upper || !lower || !digit {
		c.Add(pointer, "too_simple", "must have an upper-case letter, a lower-case letter and a digit")
	}
}
