package nfe

import "slices"

// Abroad stands for a state outside Brazil, MunicipioAbroad for its municipalities.
const (
	Abroad          = "EX"
	MunicipioAbroad = "9999999"
	Brazil          = "1058"
)

// ufs are the states by their code of the IBGE.
var ufs = [100]string{
	11: "RO", 12: "AC", 13: "AM", 14: "RR", 15: "PA", 16: "AP", 17: "TO",
	21: "MA", 22: "PI", 23: "CE", 24: "RN", 25: "PB", 26: "PE", 27: "AL", 28: "SE", 29: "BA",
	31: "MG", 32: "ES", 33: "RJ", 35: "SP",
	41: "PR", 42: "SC", 43: "RS",
	50: "MS", 51: "MT", 52: "GO", 53: "DF",
}

// UFOfCode returns the state (SP) of a code of the IBGE (35), or "".
func UFOfCode(code string) string {
	if len(code) != 2 || !digits(code) {
		return ""
	}
	return ufs[(code[0]-'0')*10+code[1]-'0']
}

// CodeOfUF returns the code of the IBGE (35) of a state (SP), or "".
func CodeOfUF(uf string) string {
	if len(uf) != 2 {
		return ""
	}
	if i := slices.Index(ufs[:], uf); i > 0 {
		return string([]byte{byte('0' + i/10), byte('0' + i%10)})
	}
	return ""
}

// municipiosOutOfRule are the nine whose seventh digit is not what the rule says
// (NT 2008.004).
var municipiosOutOfRule = []string{
	"2201919", "2201988", "2202251", "2611533", "3117836", "3152131", "4305871", "5203939", "5203962",
}

// ValidMunicipio reports whether s is the code of a Brazilian municipality by its
// form and digit; whether there is such a place is not known here.
func ValidMunicipio(s string) bool { return checkMunicipio(s) == "" }

func checkMunicipio(s string) RuleID {
	if !digitsOf(s, 7, 7) || UFOfCode(s[:2]) == "" {
		return "municipio.form"
	}
	sum := 0
	for i := range 6 {
		n := int(s[i]-'0') * (1 + i%2)
		sum += n/10 + n%10
	}
	if int(s[6]-'0') != (10-sum%10)%10 && !slices.Contains(municipiosOutOfRule, s) {
		return "municipio.digit"
	}
	return ""
}
