package danfe

import (
	"image/color"
	"strconv"
	"strings"

	"gatehouse/backend/internal/nfe"
)

func itoa(n int) string { return strconv.Itoa(n) }

// join puts a separator between those parts that are not empty.
func join(separator string, parts ...string) string {
	var given []string
	for _, part := range parts {
		if part != "" {
			given = append(given, part)
		}
	}
	return strings.Join(given, separator)
}

// labelled puts a label before a text, unless that is empty.
func labelled(label, text string) string {
	if text == "" {
		return ""
	}
	return label + text
}

// number shows a document's number as 000.000.123.
func number(numero string) string {
	if numero == "" || len(numero) > 9 {
		return numero
	}
	padded := strings.Repeat("0", 9-len(numero)) + numero
	return padded[:3] + "." + padded[3:6] + "." + padded[6:]
}

// groups shows a key in groups of four.
func groups(key string) string {
	var b strings.Builder
	for i, r := range key {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// moment shows a time as people in Brazil write it, where the issuer is.
func moment(t nfe.Timestamp) string {
	at, ok := t.Time()
	if !ok {
		return string(t)
	}
	return at.Format("02/01/2006 15:04:05")
}

// decimal shows a number with a comma, and points between thousands: 1.234,56. It
// keeps at least so many decimals and leaves out zeros after those. What is no
// number stays as it is.
func decimal[T ~string](value T, least int) string {
	d, ok := nfe.Decimal(value).Number()
	if !ok || value == "" {
		return string(value)
	}
	whole, part, _ := strings.Cut(d.String(), ".")
	part += strings.Repeat("0", max(0, least-len(part)))
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "." + whole[i:]
	}
	return sign + whole + labelled(",", part)
}

// money shows an amount, 0,00 if there is none.
func money(m nfe.Money) string {
	if m == "" {
		return "0,00"
	}
	return decimal(m, 2)
}

func black(c color.Color) bool {
	r, _, _, _ := c.RGBA()
	return r == 0
}
