package web

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/token"
)

// A token that was seen before is taken for what it says until it expires, and no
// other text is taken for it.
func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	keys := token.NewKeyring(token.Config{Secret: "A-secret-of-this-test-only-0123456789", Issuer: "g", Audience: "g"}, clock)
	want := token.Claims{UserID: uuid.New(), Tenant: "acme", Username: "ana", Session: uuid.New(), Role: token.Member}
	text, err := keys.Sign(want, 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	tokens := NewTokens(keys, strings.ToUpper, clock)
	for range 3 {
		bearer := []byte(text)
		got, hash, err := tokens.verify(bearer)
		clear(bearer) // the request's buffer is used again
		if err != nil || got.Session != want.Session || got.Tenant != "acme" || hash != "ACME" {
			t.Errorf("got %+v, %q, %v", got, hash, err)
		}
	}
	if tokens.known.Len() != 1 {
		t.Errorf("%d tokens are kept", tokens.known.Len())
	}
	head, rest, _ := strings.Cut(text, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for _, other := range []string{"", ".", signature, "." + signature, head + ".." + signature, payload + "." + head + "." + signature, text + "A", text[:len(text)-1]} {
		if _, _, err := tokens.verify([]byte(other)); err == nil {
			t.Errorf("%q was taken for a token", other)
		}
	}
	now = now.Add(10*time.Minute + 2*token.Leeway)
	if _, _, err := tokens.verify([]byte(text)); token.KindOf(err) != token.Expired || tokens.known.Len() != 0 {
		t.Errorf("an expired token: %v, %d are kept", err, tokens.known.Len())
	}
}
