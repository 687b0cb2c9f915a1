package nfe

// NoGTIN is what stands where a product has no GTIN.
const NoGTIN = "SEM GTIN"

// ValidGTIN reports whether s is a GTIN of 8, 12, 13 or 14 digits, or [NoGTIN].
func ValidGTIN(s string) bool { return checkGTIN(s) == "" }

func checkGTIN(s string) RuleID {
	if s == NoGTIN {
		return ""
	}
	switch len(s) {
	case 8, 12, 13, 14:
	default:
		return "gtin.form"
	}
	if !digits(s) {
		return "gtin.form"
	}
	sum := 0
	for i := len(s) - 2; i >= 0; i-- {
		n := int(s[i] - '0')
		if (len(s)-i)%2 == 0 {
			n *= 3
		}
		sum += n
	}
	if int(s[len(s)-1]-'0') != (10-sum%10)%10 {
		return "gtin.digit"
	}
	return ""
}
