package nfe

import "strings"

const lenCNPJ = 14

// ValidCNPJ reports whether s is a CNPJ, numeric or alphanumeric (Receita Federal,
// IN 2.229/2024), without separators and in upper case.
func ValidCNPJ(s string) bool { return checkCNPJ(s, false) == "" }

// CNPJDigits returns the two check digits of the 12 characters of a CNPJ's base,
// and whether base has that form.
func CNPJDigits(base string) (string, bool) {
	if len(base) != lenCNPJ-2 || !alphanumeric(base) {
		return "", false
	}
	first := modulo11(base)
	second := modulo11(base + string(first))
	return string([]byte{first, second}), true
}

// checkCNPJ returns the rule that s breaks, or none.
func checkCNPJ(s string, strict bool) RuleID {
	switch {
	case len(s) != lenCNPJ, !alphanumeric(s[:12]), !digits(s[12:]):
		return "cnpj.form"
	case repeated(s):
		return "cnpj.repeated"
	case s[12] != modulo11(s[:12]), s[13] != modulo11(s[:13]):
		return "cnpj.digit"
	case strict && strings.ContainsAny(s, "IOUQF"):
		return "cnpj.letters"
	}
	return ""
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'A' || s[i] > 'Z') {
			return false
		}
	}
	return true
}
