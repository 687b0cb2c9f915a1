package nfe

import (
	"bytes"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const goodKey = "35260711222333000181550010000001231482193759"

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key  string
		want []RuleID
	}{
		{goodKey, nil},
		{"35260712ABC34501DE35550010000001231482193750", nil},
		{"33150308370779000149550010001100931002410775", nil},
		{"13181017921427000125650010000000309887251170", nil},
		{"43171207364617000135550000000120141000120146", []RuleID{"key.code"}},
		{"52060433009911002506550120000007800267301615", []RuleID{"key.emission"}},
		{"43101000012345678901559999999999991999999993", []RuleID{"key.issuer", "key.code"}},
		{"3526050X0J92JY000196570010000006041448679011", []RuleID{"key.modelo"}},
		{"05260712ABC34501DE35550010000001231482193750", []RuleID{"key.uf"}}, // remainders 0 and 1 are one digit
		{"34260711222333000181550010000001231482193750", []RuleID{"key.uf", "key.digit"}},
		{"35261311222333000181550010000001231482193759", []RuleID{"key.month", "key.digit"}},
		{"35260711222333000181550010000001231482193758", []RuleID{"key.digit"}},
		{"", []RuleID{"key.form"}},
		{goodKey[1:], []RuleID{"key.form"}},
		{goodKey + "0", []RuleID{"key.form"}},
		{strings.ToLower("35260712ABC34501DE35550010000001231482193750"), []RuleID{"key.form"}},
		{"NFe" + goodKey[3:], []RuleID{"key.form"}},
		{"3526071122233300018155001000000123148219375X", []RuleID{"key.form"}},
	} {
		if got := CheckKey(c.key).Rules(); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.key, got, c.want)
		}
	}
}

// keyWith composes a key that differs from the good one in some parts.
func keyWith(t *testing.T, change func(*Key)) string {
	t.Helper()
	k, ok := ParseKey(goodKey)
	if !ok {
		t.Fatal("the good key has no good form")
	}
	change(&k)
	s, err := k.Compose()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Keys whose digit is right and one part of which is wrong.
func TestCheckKeyFindsEachPart(t *testing.T) {
	t.Parallel()
	for want, change := range map[RuleID]func(*Key){
		"key.uf":       func(k *Key) { k.UF = "36" },
		"key.month":    func(k *Key) { k.Month = "2600" },
		"key.issuer":   func(k *Key) { k.Issuer = "11222333000182" },
		"key.modelo":   func(k *Key) { k.Modelo = "57" },
		"key.number":   func(k *Key) { k.Numero = "0" },
		"key.emission": func(k *Key) { k.TipoEmissao = "8" },
		"key.code":     func(k *Key) { k.CodigoNumerico = "00000123" }, // the number
	} {
		if got := CheckKey(keyWith(t, change)).Rules(); !slices.Equal(got, []RuleID{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	cpf := keyWith(t, func(k *Key) { k.Issuer, k.Serie = "00052998224725", "920" })
	if got := CheckKey(cpf); got != 0 {
		t.Errorf("a CPF in the key: got %q", got.Rules())
	}
	high := keyWith(t, func(k *Key) { k.Numero, k.CodigoNumerico = "912345679", "12345679" })
	if got := CheckKey(high); got != 0 {
		t.Errorf("a cNF that is the end of a number of nine digits: got %q", got.Rules())
	}
}

// Every change of one of the first 43 digits of an all-digit key with a remainder
// of 2 or more is caught: 387 changes each.
func TestKeyDigitCatchesSingleChanges(t *testing.T) {
	t.Parallel()
	keys := []string{goodKey, "33150308370779000149550010001100931002410775"}
	random := mathrand.New(mathrand.NewPCG(1, 2)) //nolint:gosec // the same keys in each run
	for len(keys) < 50 {
		s := make([]byte, lenKey-1)
		for i := range s {
			s[i] = byte('0' + random.IntN(10))
		}
		if d := modulo11(string(s)); d != '0' {
			keys = append(keys, string(s)+string(d))
		}
	}
	for _, key := range keys {
		changes := 0
		for i := range lenKey - 1 {
			for c := byte('0'); c <= '9'; c++ {
				changed := key[:i] + string(c) + key[i+1:]
				if changed == key {
					continue
				}
				changes++
				if CheckKey(changed)&KeyDigit == 0 {
					t.Errorf("%s is not told from %s", changed, key)
				}
			}
		}
		if changes != 387 {
			t.Fatalf("%d changes tried, want 387", changes)
		}
	}
}

// What the digit cannot tell apart: remainders 0 and 1, and two characters of the
// same weight, eight places apart, in each other's place.
func TestKeyDigitCannotTellApart(t *testing.T) {
	t.Parallel()
	alphanumeric := "35260712ABC34501DE35550010000001231482193750"
	swapped := []byte(goodKey)
	swapped[28], swapped[36] = swapped[36], swapped[28]
	for of, changed := range map[string]string{alphanumeric: "0" + alphanumeric[1:], goodKey: string(swapped)} {
		if changed == of || CheckKey(changed)&KeyDigit != 0 {
			t.Errorf("%s is told from %s", changed, of)
		}
	}
}

func TestComposeRefusesOtherParts(t *testing.T) {
	t.Parallel()
	good, _ := ParseKey(goodKey)
	for name, change := range map[string]func(*Key){
		"uf": func(k *Key) { k.UF = "SP" }, "month": func(k *Key) { k.Month = "202607" },
		"issuer": func(k *Key) { k.Issuer = "52998224725" }, "modelo": func(k *Key) { k.Modelo = "" },
		"serie": func(k *Key) { k.Serie = "1000" }, "numero": func(k *Key) { k.Numero = "1234567890" },
		"emission": func(k *Key) { k.TipoEmissao = "" }, "code": func(k *Key) { k.CodigoNumerico = "1" },
		"moved": func(k *Key) { k.UF, k.Month = "3", "52607" },
	} {
		k := good
		change(&k)
		if s, err := k.Compose(); !errors.Is(err, ErrKeyParts) {
			t.Errorf("%s: composed %q, %v", name, s, err)
		}
	}
}

func TestDrawCode(t *testing.T) {
	t.Parallel()
	for range 1000 {
		code, err := DrawCode(rand.Reader, "123")
		if err != nil || !digitsOf(code, 8, 8) || !validCode(code) {
			t.Fatalf("drew %q, %v", code, err)
		}
	}
	for _, code := range []string{
		"00000000", "11111111", "22222222", "33333333", "44444444", "55555555", "66666666", "77777777", "88888888", "99999999",
		"12345678", "23456789", "34567890", "45678901", "56789012", "67890123", "78901234", "89012345", "90123456", "01234567",
	} {
		if validCode(code) {
			t.Errorf("%s may be drawn", code)
		}
	}
	for _, code := range []string{"12345679", "87654321", "00000001", "01234568"} {
		if !validCode(code) {
			t.Errorf("%s may not be drawn", code)
		}
	}
	// 4294967295 is beyond the fair range, then the number itself, then 2.
	source := bytes.NewReader([]byte{255, 255, 255, 255, 0, 0, 0, 123, 0, 0, 0, 2})
	if got, err := DrawCode(source, "123"); got != "00000002" || err != nil {
		t.Errorf("got %q, %v, want 00000002", got, err)
	}
	if _, err := DrawCode(iotest.ErrReader(errors.New("no entropy")), "123"); err == nil {
		t.Error("a code is drawn from nothing")
	}
	if _, err := DrawCode(bytes.NewReader(make([]byte, 8000)), "123"); !errors.Is(err, ErrNotRandom) {
		t.Errorf("zeros: got %v, want ErrNotRandom", err)
	}
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{goodKey, "35260712ABC34501DE35550010000001231482193750", "", "x", strings.Repeat("9", 44)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, ok := ParseKey(s)
		if faults := CheckKey(s); ok != (faults&KeyForm == 0) {
			t.Fatalf("%q: parsed %t, faults %q", s, ok, faults.Rules())
		}
		if !ok {
			return
		}
		again, err := k.Compose()
		if err != nil || again[:43] != s[:43] {
			t.Fatalf("%q composed again: %q, %v", s, again, err)
		}
		if CheckKey(again)&KeyDigit != 0 {
			t.Fatalf("%q has another digit", again)
		}
	})
}

// Not parallel: what is counted is the allocations of the whole process.
func TestCheckKeyDoesNotAllocate(t *testing.T) {
	for _, key := range []string{goodKey, "35260712ABC34501DE35550010000001231482193750", "x"} {
		if n := testing.AllocsPerRun(100, func() { CheckKey(key) }); n != 0 {
			t.Errorf("%s: %v allocations", key, n)
		}
	}
}

func BenchmarkCheckKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if CheckKey(goodKey) != 0 {
			b.Fatal("a good key is refused")
		}
	}
}
