package nfe

import (
	"fmt"

	"github.com/quagmt/udecimal"
)

// Decimal is a decimal number as text, such as "1.1298099798". It holds whatever
// was given, also what is no number; [Decimal.Number] tells. The empty string is
// an absent value and counts as zero.
type Decimal string

// Money is an amount in reais as text. In JSON it has two decimals.
type Money string

// Number returns the value, and whether the text is a number: an optional minus,
// one or more digits, and at most 19 decimals after a point. Signs of plus,
// exponents, blanks, NaN, and more than 64 characters are no numbers.
func (d Decimal) Number() (udecimal.Decimal, bool) { return number(string(d)) }

// Number is as [Decimal.Number].
func (m Money) Number() (udecimal.Decimal, bool) { return number(string(m)) }

// Cents rounds half up, away from zero, to two decimals.
func Cents(d udecimal.Decimal) Money { return Money(d.RoundHAZ(2).StringFixed(2)) }

// longestNumber is far more than any field takes and bounds the work of parsing.
const longestNumber = 64

func number(s string) (udecimal.Decimal, bool) {
	if s == "" {
		return udecimal.Zero, true
	}
	if _, _, ok := shape(s); !ok {
		return udecimal.Zero, false
	}
	d, err := udecimal.Parse(s)
	return d, err == nil
}

// shape counts the digits of a number before its point, zeros in front aside, and
// behind it, and reports whether s has none but one sign and one point beside them.
// The library checks the rest; alone it would take a plus as well, and in long
// texts two signs.
func shape(s string) (integer, fraction int, ok bool) {
	point := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '-' && i == 0:
		case c == '.' && !point:
			point = true
		case c < '0' || c > '9':
			return 0, 0, false
		case point:
			fraction++
		case c != '0' || integer > 0:
			integer++
		}
	}
	return integer, fraction, len(s) <= longestNumber
}

// MarshalText writes the amount with two decimals, or as it was given when it is
// no amount or has more of them.
func (m Money) MarshalText() ([]byte, error) {
	if d, ok := m.Number(); ok && m != "" && d.Prec() <= 2 {
		return []byte(d.StringFixed(2)), nil
	}
	return []byte(m), nil
}

// Scan reads a database's value: text, or null as absent.
func (d *Decimal) Scan(src any) error { return scan((*string)(d), src) }

// Scan reads a database's value: text, or null as absent.
func (m *Money) Scan(src any) error { return scan((*string)(m), src) }

func scan(dst *string, src any) error {
	switch v := src.(type) {
	case nil:
		*dst = ""
	case string:
		*dst = v
	case []byte:
		*dst = string(v)
	default:
		return fmt.Errorf("scan %T into a decimal", src)
	}
	return nil
}
