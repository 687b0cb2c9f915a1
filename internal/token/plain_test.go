package token

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/internal/config"
)

// Every token that Sign makes is verified without its header being parsed.
func TestOwnTokensArePlain(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	secret := newPlainKeyring()
	pair := newPlainKeyring()
	pair.mu.Lock()
	pair.own = []*Key{newPrivateKey(private)}
	pair.replace()
	pair.mu.Unlock()
	for name, k := range map[string]*Keyring{"HS256": secret, "EdDSA": pair} {
		text := signPlain(t, k)
		if k.verifyPlain(text, &wire{}) == nil {
			t.Errorf("%s: it is left to the parser", name)
		}
		if secret != k && secret.verifyPlain(text, &wire{}) != nil {
			t.Errorf("%s: it is found valid by the key of another", name)
		}
	}
}

// FuzzPlain holds what is verified without parsing the header against the jwt
// package: nothing passes that it would refuse.
func FuzzPlain(f *testing.F) {
	k := newPlainKeyring()
	good := signPlain(f, k)
	for _, text := range []string{good, good + "=", good + ".", "." + good, good[:len(good)-1], strings.Replace(good, ".", "..", 1), ".", "..", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var w, parsed wire
		if k.verifyPlain(text, &w) == nil {
			return
		}
		if _, err := k.parser.ParseWithClaims(text, &parsed, func(t *jwt.Token) (any, error) {
			key, err := k.keys.Load().find(t, k.now())
			if err != nil {
				return nil, err
			}
			return key.verifying, nil
		}); err != nil {
			t.Errorf("%q is found valid, and the parser says %v", text, err)
		}
	})
}

func newPlainKeyring() *Keyring {
	return NewKeyring(Config{Secret: config.Secret(strings.Repeat("aB3$x", 8)), Issuer: "gatehouse", Audience: "gatehouse"}, time.Now)
}

func signPlain(tb testing.TB, k *Keyring) string {
	tb.Helper()
	text, err := k.Sign(Claims{UserID: uuid.New(), Tenant: "acme", Username: "ana", Session: uuid.New(), Role: Member}, time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
