package nfe

import (
	"errors"
	"fmt"
	"strings"
)

const lenKey = 44

// Key is an access key in its parts.
type Key struct {
	UF             string // code of the IBGE, 2 digits
	Month          string // AAMM of issue, in the issuer's offset
	Issuer         string // CNPJ, or CPF after 000
	Modelo         string
	Serie          string // 3 digits
	Numero         string // 9 digits
	TipoEmissao    string // 1 digit
	CodigoNumerico string // cNF, 8 digits
	Digit          string // cDV
}

// ParseKey takes a key of 44 characters apart. It looks at the form only, see
// [CheckKey] for the rest.
func ParseKey(s string) (Key, bool) {
	if !keyForm(s) {
		return Key{}, false
	}
	return Key{
		UF: s[:2], Month: s[2:6], Issuer: s[6:20], Modelo: s[20:22], Serie: s[22:25], Numero: s[25:34],
		TipoEmissao: s[34:35], CodigoNumerico: s[35:43], Digit: s[43:],
	}, true
}

// keyForm is [0-9]{6}[0-9A-Z]{12}[0-9]{26}.
func keyForm(s string) bool {
	return len(s) == lenKey && digits(s[:6]) && alphanumeric(s[6:18]) && digits(s[18:])
}

// ErrKeyParts says that the parts of a key do not have their lengths and forms.
var ErrKeyParts = errors.New("parts of another length or form than a key's")

// Compose puts a key together from its parts and computes the digit. Serie and
// Numero may be given without their zeros.
func (k Key) Compose() (string, error) {
	s := k.UF + k.Month + k.Issuer + k.Modelo + zeros(k.Serie, 3) + zeros(k.Numero, 9) + k.TipoEmissao + k.CodigoNumerico
	if len(k.UF) != 2 || len(k.Month) != 4 || len(k.Issuer) != lenCNPJ || len(k.Modelo) != 2 || len(k.Serie) > 3 ||
		len(k.Numero) > 9 || len(k.TipoEmissao) != 1 || len(k.CodigoNumerico) != 8 || !keyForm(s+"0") {
		return "", fmt.Errorf("access key: %w", ErrKeyParts)
	}
	return s + string(modulo11(s)), nil
}

// zeros pads s on the left to n digits.
func zeros(s string, n int) string { return strings.Repeat("0", max(0, n-len(s))) + s }

// KeyFaults are the rules that a key breaks, as a set of bits.
type KeyFaults uint16

// The faults of a key. A key of another form has no other fault.
const (
	KeyForm        KeyFaults = 1 << iota
	KeyUF                    // no state has the code
	KeyMonth                 // the month is not 01 to 12
	KeyIssuer                // neither a CNPJ nor 000 and a CPF
	KeyModelo                // neither 55 nor 65
	KeyNumber                // the number is 0
	KeyTipoEmissao           // not a value of layout 4.00
	KeyCode                  // cNF is the number, or one that is not drawn at random
	KeyDigit
)

// keyRules are the rules of the faults, in the order of their bits.
var keyRules = [...]RuleID{
	"key.form", "key.uf", "key.month", "key.issuer", "key.modelo", "key.number", "key.emission", "key.code", "key.digit",
}

// Rules returns the rules that are broken.
func (f KeyFaults) Rules() []RuleID {
	var rules []RuleID
	for i, rule := range keyRules {
		if f&(1<<i) != 0 {
			rules = append(rules, rule)
		}
	}
	return rules
}

// CheckKey checks the key of an NF-e or NFC-e by itself. It does not allocate.
// What the digit cannot tell apart, it does not: remainders 0 and 1, and characters
// whose values are equal modulo 11.
func CheckKey(s string) KeyFaults {
	k, ok := ParseKey(s)
	if !ok {
		return KeyForm
	}
	var f KeyFaults
	if UFOfCode(k.UF) == "" {
		f |= KeyUF
	}
	if month := (k.Month[2]-'0')*10 + k.Month[3] - '0'; month < 1 || month > 12 {
		f |= KeyMonth
	}
	if checkCNPJ(k.Issuer, false) != "" && (k.Issuer[:3] != "000" || checkCPF(k.Issuer[3:]) != "") {
		f |= KeyIssuer
	}
	if k.Modelo != ModeloNFe && k.Modelo != ModeloNFCe {
		f |= KeyModelo
	}
	if k.Numero == "000000000" {
		f |= KeyNumber
	}
	if k.TipoEmissao == "0" || k.TipoEmissao == "8" {
		f |= KeyTipoEmissao
	}
	if k.CodigoNumerico == k.Numero[1:] && k.Numero[0] == '0' || !validCode(k.CodigoNumerico) {
		f |= KeyCode
	}
	if k.Digit[0] != modulo11(s[:lenKey-1]) {
		f |= KeyDigit
	}
	return f
}
