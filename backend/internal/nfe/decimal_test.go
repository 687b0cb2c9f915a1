package nfe

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/quagmt/udecimal"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[Decimal]string{
		"": "0", "0": "0", "0.00": "0", "12": "12", "-0.5": "-0.5", "007.10": "7.1",
		"99999999999.9999999999": "99999999999.9999999999",
		"-0":                     "0",
	} {
		got, ok := text.Number()
		if !ok || got.String() != want {
			t.Errorf("%q: got %s, %t, want %s", text, got, ok, want)
		}
	}
	for _, text := range []Decimal{
		"+1", "1.", ".5", "1,5", "1e3", "1E3", "0x10", "NaN", "Inf", "-", "--1", " 1", "1 ", "1.2.3", "१",
		"1_000", "1.000.000,00", "0.00000000000000000001", Decimal(strings.Repeat("9", 65)), "1\x00",
	} {
		if got, ok := text.Number(); ok {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

func TestMoneyInJSONHasTwoDecimals(t *testing.T) {
	t.Parallel()
	for text, want := range map[Money]string{
		"5": `"5.00"`, "5.1": `"5.10"`, "0": `"0.00"`, "5.00": `"5.00"`, "-3": `"-3.00"`, "5.123": `"5.123"`,
		"abc": `"abc"`, "": `""`, "9999999999999.99": `"9999999999999.99"`,
	} {
		got, err := json.Marshal(text)
		if err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, want)
		}
	}
}

// The worked examples of arithmetic, rounded half up.
func TestCents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b Decimal
		want Money
	}{
		{"3", "5.00", "15.00"},
		{"39680", "1.1298099798", "44830.86"},
		{"1", "0.005", "0.01"},
		{"1", "0.00499", "0.00"},
		{"-1", "0.005", "-0.01"},
		{"99999999999.9999", "99999999999.9999999999", "9999999999999989999990.00"},
	} {
		a, _ := c.a.Number()
		b, _ := c.b.Number()
		if got := Cents(a.Mul(b)); got != c.want {
			t.Errorf("%s × %s: got %s, want %s", c.a, c.b, got, c.want)
		}
	}
	if got := Cents(udecimal.Zero); got != "0.00" {
		t.Errorf("zero: got %s", got)
	}
}

// Both formats in which PostgreSQL sends and takes numeric values.
func TestDecimalsInPostgreSQL(t *testing.T) {
	t.Parallel()
	m := pgtype.NewMap()
	for _, text := range []string{"0", "15.00", "-0.5000", "1.1298099798", "9999999999999.99"} {
		for _, format := range []int16{pgtype.TextFormatCode, pgtype.BinaryFormatCode} {
			var n pgtype.Numeric
			if err := n.Scan(text); err != nil {
				t.Fatal(err)
			}
			sent, err := m.Encode(pgtype.NumericOID, format, n, nil)
			if err != nil {
				t.Fatal(err)
			}
			var d Decimal
			if err := m.Scan(pgtype.NumericOID, format, sent, &d); err != nil {
				t.Fatal(err)
			}
			var money Money
			if err := m.Scan(pgtype.NumericOID, format, sent, &money); err != nil {
				t.Fatal(err)
			}
			got, _ := d.Number()
			want, _ := number(text)
			if !got.Equal(want) || string(money) != string(d) {
				t.Errorf("%s in format %d: got %s and %s", text, format, d, money)
			}
		}
		sent, err := m.Encode(pgtype.NumericOID, pgtype.TextFormatCode, Money(text), nil)
		if err != nil || string(sent) != text {
			t.Errorf("%s as a parameter: got %s, %v", text, sent, err)
		}
	}
	d := Decimal("left")
	if err := m.Scan(pgtype.NumericOID, pgtype.TextFormatCode, nil, &d); err != nil || d != "" {
		t.Errorf("null: got %q, %v", d, err)
	}
	if err := d.Scan(12.5); err == nil {
		t.Error("a float is scanned")
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"", "0", "-1.50", "1e5", "NaN", "+1", strings.Repeat("9", 64), "0.0000000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := Decimal(s).Number()
		if !ok || s == "" {
			return
		}
		for _, c := range strings.TrimPrefix(s, "-") {
			if c != '.' && (c < '0' || c > '9') {
				t.Fatalf("%q is read as %s", s, d)
			}
		}
		again, ok := Decimal(d.String()).Number()
		if !ok || !again.Equal(d) {
			t.Fatalf("%q is %s, read again %s, %t", s, d, again, ok)
		}
	})
}
