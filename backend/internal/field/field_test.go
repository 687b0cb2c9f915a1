package field

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gatehouse/internal/problem"
)

// codes returns the codes of the findings in err.
func codes(err error) []string {
	var p *problem.Error
	if !errors.As(err, &p) {
		return nil
	}
	var list []string
	for _, f := range p.Fields {
		list = append(list, f.Code)
	}
	return list
}

func TestLineAndText(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in, line, text string // the finding of each, "" for none
	}{
		{"abc", "", ""},
		{"  abc  ", "", ""},
		{"", "blank", "blank"},
		{" \t\n ", "blank", "blank"},
		{"ab", "too_short", "too_short"},
		{strings.Repeat("ã", 5), "", ""},
		{strings.Repeat("a\u0303", 5), "", ""}, // five code points after NFC
		{strings.Repeat("ã", 6), "too_long", "too_long"},
		{"a\tb\nc", "control_character", ""},
		{"a\r\nb", "control_character", ""},
		{"a\rbc", "control_character", "control_character"},
		{"a\x00b", "control_character", "control_character"},
		{"a\u0085b", "control_character", "control_character"},
	} {
		var line, text Checker
		s := tc.in
		line.Line("/x", &s, 3, 5)
		if got := strings.Join(codes(line.Err()), " "); got != tc.line {
			t.Errorf("Line(%q): got %q, want %q", tc.in, got, tc.line)
		}
		s = tc.in
		text.Text("/x", &s, 3, 5)
		if got := strings.Join(codes(text.Err()), " "); got != tc.text {
			t.Errorf("Text(%q): got %q, want %q", tc.in, got, tc.text)
		}
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"a@b.c": true, " a@b.c ": true, "ana+x@exámple.com.br": true, "a@b": false, "a@b.": false, "@b.c": false, "a@@b.c": false,
		"a b@c.d": false, "a@b c.d": false, "a\u00a0b@c.d": false, "a@.c": false, "": false, "a@b.c\n": true,
		strings.Repeat("a", 251) + "@b.c": true, strings.Repeat("a", 252) + "@b.c": false,
	} {
		var c Checker
		c.Email("/email", &in)
		if got := c.Err() == nil; got != ok {
			t.Errorf("%q: got %v, want %v", in, got, ok)
		}
	}
}

func TestPhone(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"1234567890": true, "+55 (11) 91234-56789": true, "123456789": false, "123456789012345678901": false,
		"12345.6789": false, "1234567890x": false, "١٢٣٤٥٦٧٨٩٠": false,
	} {
		var c Checker
		c.Phone("/phone", &in)
		if got := c.Err() == nil; got != ok {
			t.Errorf("%q: got %v, want %v", in, got, ok)
		}
	}
}

func TestUsername(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ana": "", "a.b_c-9": "", "joão": "", "анна": "", "田中三": "", "サーバー": "", "ana lima": "invalid_format", "ana@x": "invalid_format",
		"аna": "mixed_scripts", "ab": "too_short", strings.Repeat("a", 50): "", strings.Repeat("a", 51): "too_long",
		"Ωmega": "mixed_scripts", "a/b": "invalid_format", "a\u200bb": "invalid_format", "\U0001F600\U0001F600\U0001F600": "invalid_format",
	} {
		var c Checker
		c.Username("/username", &in)
		if got := strings.Join(codes(c.Err()), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Abcdefg1": "", "Abcdef1": "out_of_range", strings.Repeat("Aa1", 21) + "x": "", strings.Repeat("Aa1", 22): "out_of_range",
		"abcdefg1": "too_simple", "ABCDEFG1": "too_simple", "Abcdefgh": "too_simple", " Abcde1 ": "", "Ábcdefg١": "",
		"Aa1" + strings.Repeat("\U0001F600", 61): "", "Abcdef1\n": "control_character", "": "out_of_range too_simple",
	} {
		var c Checker
		s := in
		c.Password("/password", &s)
		if got := strings.Join(codes(c.Err()), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if strings.TrimSpace(s) == s && s != in && !strings.ContainsAny(in, "\u0301") {
			t.Errorf("%q was changed to %q", in, s)
		}
	}
}

func TestTenantID(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"a": true, "tenant-1_x": true, strings.Repeat("a", 36): true, strings.Repeat("a", 37): false, "": false,
		"-a": false, "_a": false, "a.b": false, "a b": false, "ä": false, "a\x00": false,
	} {
		if got := ValidTenantID(in); got != ok {
			t.Errorf("%q: got %v, want %v", in, got, ok)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Ana", "ANA", "ａｎａ"}, {"José", "JOSE\u0301", "josé"}, {"Straße", "STRASSE"}, {"ﬁm", "FIM"},
	} {
		for _, s := range same[1:] {
			if Fold(s) != Fold(same[0]) {
				t.Errorf("%q and %q fold to %q and %q", s, same[0], Fold(s), Fold(same[0]))
			}
		}
	}
	if Fold("Ana") == Fold("Aná") {
		t.Error("an accent does not matter")
	}
}

func TestSortKey(t *testing.T) {
	t.Parallel()
	names := []string{"zoe", "Álvaro", "bruno", "Ana", "élise", "Çelik", "carla", "alvaro2"}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(SortKey(a), SortKey(b)) })
	if got, want := strings.Join(names, " "), "Álvaro alvaro2 Ana bruno carla Çelik élise zoe"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzSortKey(f *testing.F) {
	f.Add("Álvaro")
	f.Add(strings.Repeat("\ufdfa", 100))
	f.Add("\U0010FFFF\U0010FFFF")
	f.Fuzz(func(t *testing.T, s string) {
		key := SortKey(s)
		if len(key) > sortKeyBytes || key >= MaxSortKey || utf8.ValidString(s) && !utf8.ValidString(key) {
			t.Errorf("SortKey(%q) = %q", s, key)
		}
	})
}
