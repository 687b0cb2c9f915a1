package nfe

import (
	"fmt"
	"testing"
)

func TestCNPJ(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"12ABC34501DE": "35", "112223330001": "81", "423189490001": "84", "123456780001": "95",
		"000000000001": "91", "0X0J92JY0001": "96",
	} {
		if got, ok := CNPJDigits(base); !ok || got != want {
			t.Errorf("digits of %s: got %q, %t, want %q", base, got, ok, want)
		}
		if !ValidCNPJ(base + want) {
			t.Errorf("%s%s is refused", base, want)
		}
	}
	for s, want := range map[string]RuleID{
		"11222333000182": "cnpj.digit", "00000000000000": "cnpj.repeated", "12abc34501de35": "cnpj.form",
		"12ABC34501DE3A": "cnpj.form", "12ABC34501DE36": "cnpj.digit", "1122233300018": "cnpj.form",
		"11111111111111": "cnpj.repeated", "": "cnpj.form", "11.222.333/0001-81": "cnpj.form", "112223330001８１": "cnpj.form",
		"11222333000181\n": "cnpj.form", "12ÁBC34501DE35": "cnpj.form",
	} {
		if got := checkCNPJ(s, false); got != want {
			t.Errorf("%q: got rule %q, want %q", s, got, want)
		}
	}
	if _, ok := CNPJDigits("12abc34501de"); ok {
		t.Error("digits of a lower-case base")
	}
}

// Letters that look like digits are allowed unless they are asked to be refused,
// and characters whose values are equal modulo 11 all verify.
func TestCNPJLetters(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"126BC34501DE35", "12ABC34501DE35", "12LBC34501DE35", "12WBC34501DE35"} {
		if !ValidCNPJ(s) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, letter := range "IOUQF" {
		base := "12" + string(letter) + "BC34501DE"
		last, _ := CNPJDigits(base)
		if got := checkCNPJ(base+last, false); got != "" {
			t.Errorf("%s: got rule %q, want none", base+last, got)
		}
		if got, want := checkCNPJ(base+last, true), RuleID("cnpj.letters"); got != want {
			t.Errorf("%s, strict: got rule %q, want %q", base+last, got, want)
		}
	}
	if got := checkCNPJ("12ABC34501DE35", true); got != "" {
		t.Errorf("strict: got rule %q, want none", got)
	}
}

func TestCPF(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"11144477735", "52998224725", "12345678909", "22233366638"} {
		if !ValidCPF(s) {
			t.Errorf("%s is refused", s)
		}
	}
	for s, want := range map[string]RuleID{
		"11111111111": "cpf.repeated", "52998224726": "cpf.digit", "5299822472": "cpf.form", "529982247250": "cpf.form",
		"529.982.247-25": "cpf.form", "5299822472X": "cpf.form", "": "cpf.form", "52998224715": "cpf.digit",
	} {
		if got := checkCPF(s); got != want {
			t.Errorf("%q: got rule %q, want %q", s, got, want)
		}
	}
}

func TestGTIN(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"SEM GTIN", "7891000315507", "7894900011517", "5901234123457", "12345670", "036000291452"} {
		if !ValidGTIN(s) {
			t.Errorf("%s is refused", s)
		}
		if s == NoGTIN {
			continue
		}
		for i := range len(s) {
			for c := byte('0'); c <= '9'; c++ {
				if changed := s[:i] + string(c) + s[i+1:]; changed != s && ValidGTIN(changed) {
					t.Errorf("%s is accepted, one digit off %s", changed, s)
				}
			}
		}
	}
	for _, s := range []string{"", "sem gtin", "789100031550", "78910003155078", "7891000315507 ", "789100031550X", "0"} {
		if ValidGTIN(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestMunicipio(t *testing.T) {
	t.Parallel()
	for _, s := range append([]string{"3550308", "3304557", "5300108", "3106200", "4314902", "4106902"}, municipiosOutOfRule...) {
		if got := checkMunicipio(s); got != "" {
			t.Errorf("%s: got rule %q, want none", s, got)
		}
	}
	for s, want := range map[string]RuleID{
		"3550309": "municipio.digit", "2201918": "municipio.digit", "355030": "municipio.form", "35503080": "municipio.form",
		"9999999": "municipio.form", "3650308": "municipio.form", "355030A": "municipio.form", "": "municipio.form",
	} {
		if got := checkMunicipio(s); got != want {
			t.Errorf("%q: got rule %q, want %q", s, got, want)
		}
	}
}

func TestUF(t *testing.T) {
	t.Parallel()
	n := 0
	for i := range 100 {
		code := fmt.Sprintf("%02d", i)
		uf := UFOfCode(code)
		if uf == "" {
			continue
		}
		n++
		if got := CodeOfUF(uf); got != code {
			t.Errorf("code of %s: got %q, want %q", uf, got, code)
		}
	}
	if n != 27 {
		t.Errorf("got %d states, want 27", n)
	}
	for _, s := range []string{"", "3", "355", "AA", "3A", "00", "99"} {
		if got := UFOfCode(s); got != "" {
			t.Errorf("state of %q: got %s", s, got)
		}
		if got := CodeOfUF(s); got != "" {
			t.Errorf("code of %q: got %s", s, got)
		}
	}
}

func FuzzCNPJ(f *testing.F) {
	for _, s := range []string{"12ABC34501DE35", "11222333000181", "00000000000000", "", "12abc34501de35"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !ValidCNPJ(s) {
			return
		}
		if last, ok := CNPJDigits(s[:12]); !ok || last != s[12:] {
			t.Fatalf("%q is accepted with other digits than %q", s, last)
		}
	})
}

func FuzzCPF(f *testing.F) {
	for _, s := range []string{"11144477735", "11111111111", "", "5299822472X"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !ValidCPF(s) {
			return
		}
		for _, at := range []int{9, 10} {
			changed := s[:at] + string('0'+(s[at]-'0'+1)%10) + s[at+1:]
			if ValidCPF(changed) {
				t.Fatalf("%q and %q are accepted", s, changed)
			}
		}
	})
}
