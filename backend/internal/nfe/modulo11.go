package nfe

// modulo11 returns the check digit ('0' to '9') of the characters of s: from the
// right weights 2 to 9 over and over, a character counting as its ASCII code less
// 48; 0 when the sum leaves 0 or 1, otherwise 11 less what it leaves.
func modulo11(s string) byte {
	sum, weight := 0, 2
	for i := len(s) - 1; i >= 0; i-- {
		sum += (int(s[i]) - '0') * weight
		if weight++; weight > 9 {
			weight = 2
		}
	}
	return remainderDigit(sum % 11)
}

func remainderDigit(r int) byte {
	if r < 2 {
		return '0'
	}
	return byte('0' + 11 - r)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// digitsOf reports whether s is low to high digits.
func digitsOf(s string, low, high int) bool {
	return len(s) >= low && len(s) <= high && digits(s)
}

// repeated reports whether s is one character over and over.
func repeated(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			return false
		}
	}
	return true
}
