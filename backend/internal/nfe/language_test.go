package nfe

import (
	"strings"
	"testing"
)

func TestLocalize(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"": "en", "en": "en", "pt-BR": "pt-BR", "pt": "pt-BR", "pt-PT": "pt-BR", "pt-BR,pt;q=0.9,en;q=0.8": "pt-BR",
		"en-US,en;q=0.9,pt;q=0.8": "en", "de": "en", "de, pt;q=0.5": "pt-BR", "*": "en", "en;q=0.1,pt;q=0.2": "pt-BR",
		"pt;q=0": "en", ";;;": "en", "pt" + strings.Repeat(",pt", 1000): "en", "\xff": "en",
	} {
		findings := []Finding{{Rule: "cnpj.digit"}, {Rule: "total.sum"}}
		if got := Localize(findings, accept); got != want {
			t.Errorf("%.40q: got %q, want %q", accept, got, want)
		}
		message := map[string]string{
			"en":    "The check digits of the CNPJ are wrong.",
			"pt-BR": "Os dígitos verificadores do CNPJ não conferem.",
		}[want]
		if got := findings[0].Message; got != message {
			t.Errorf("%.40q: got message %q, want %q", accept, got, message)
		}
		if findings[1].Message == "" {
			t.Errorf("%.40q: the second finding has no message", accept)
		}
	}
}

func FuzzLocalize(f *testing.F) {
	for _, s := range []string{"", "pt-BR,pt;q=0.9", "en;q=x", "*-*", "a-b-c-d-e-f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		findings := []Finding{{Rule: "required"}}
		if tag := Localize(findings, accept); tag != "en" && tag != "pt-BR" || findings[0].Message == "" {
			t.Fatalf("%q: %q, %+v", accept, tag, findings)
		}
	})
}
