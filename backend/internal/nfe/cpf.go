package nfe

const lenCPF = 11

// ValidCPF reports whether s is a CPF of 11 digits without separators.
func ValidCPF(s string) bool { return checkCPF(s) == "" }

// checkCPF returns the rule that s breaks, or none. Its weights go on beyond 9,
// unlike those of all other numbers.
func checkCPF(s string) RuleID {
	switch {
	case !digitsOf(s, lenCPF, lenCPF):
		return "cpf.form"
	case repeated(s):
		return "cpf.repeated"
	case s[9] != cpfDigit(s[:9]), s[10] != cpfDigit(s[:10]):
		return "cpf.digit"
	}
	return ""
}

func cpfDigit(s string) byte {
	sum := 0
	for i := range len(s) {
		sum += int(s[i]-'0') * (len(s) + 1 - i)
	}
	return remainderDigit(sum % 11)
}
