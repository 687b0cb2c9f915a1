package auth

import (
	"bytes"
	"strings"
	"testing"
)

func TestRefreshTokenForm(t *testing.T) {
	t.Parallel()
	raw, hash := newRefreshToken("acme")
	if other, _ := newRefreshToken("acme"); other == raw {
		t.Error("two tokens are the same")
	}
	tenant, parsed, ok := parseRefreshToken(raw)
	if !ok || tenant != "acme" || !bytes.Equal(parsed, hash) || len(hash) != 32 {
		t.Errorf("got %q, %x, %v", tenant, parsed, ok)
	}
	_, secret, _ := strings.Cut(raw, ".")
	if len(secret) != 43 {
		t.Errorf("got a secret of %d characters, want 43", len(secret))
	}
	// The hash covers the prefix: under another tenant it is another token.
	if _, parsed, _ := parseRefreshToken("globex." + secret); bytes.Equal(parsed, hash) {
		t.Error("the tenant is not part of the hash")
	}
}

func FuzzParseRefreshToken(f *testing.F) {
	raw, _ := newRefreshToken("acme")
	f.Add(raw)
	f.Add("")
	f.Add(strings.Repeat(".", 100))
	f.Fuzz(func(t *testing.T, raw string) {
		tenant, hash, ok := parseRefreshToken(raw)
		if ok && (len(raw) != len(tenant)+1+43 || len(hash) != 32) || !ok && hash != nil {
			t.Errorf("%q: got %q, %x, %v", raw, tenant, hash, ok)
		}
	})
}
