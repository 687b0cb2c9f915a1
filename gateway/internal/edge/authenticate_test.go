package edge

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/token"
)

// signer is a backend's keyring over a key file of its own.
type signer struct {
	*token.Keyring
	dir  string
	keys []token.StoredKey
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	active, err := token.GenerateKey(token.EdDSA, noon)
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{dir: t.TempDir()}
	s.change(t, func([]token.StoredKey) ([]token.StoredKey, error) { return token.BeginKeys(active, token.EdDSA, noon) })
	s.Keyring, err = token.Open(token.Config{KeysDir: s.dir, KeysPoll: time.Hour, Issuer: "g", Audience: "g"},
		slog.New(slog.DiscardHandler), func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change replaces the key file.
func (s *signer) change(t testing.TB, fn func([]token.StoredKey) ([]token.StoredKey, error)) {
	t.Helper()
	var err error
	if s.keys, err = fn(s.keys); err != nil {
		t.Fatal(err)
	}
	content, err := token.FormatKeys(s.keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, token.KeyFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Keyring != nil {
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *signer) rotate(t testing.TB) {
	t.Helper()
	s.change(t, func(keys []token.StoredKey) ([]token.StoredKey, error) { return token.Rotate(keys, "", 0, noon) })
}

func (s *signer) token(t testing.TB, session uuid.UUID) *Exchange {
	t.Helper()
	signed, err := s.Sign(token.Claims{UserID: uuid.New(), Tenant: "t", Username: "u", Session: session, Role: token.Member}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &Exchange{Fields: Fields{Authorization: []byte("Bearer " + signed)}}
}

// newAuthenticator has the public keys of a signer, as they were served.
func newAuthenticator(t testing.TB, s *signer, change func(*AuthenticatorOptions)) *Authenticator {
	t.Helper()
	o := AuthenticatorOptions{
		Keys:  token.NewKeyring(token.Config{Issuer: "g", Audience: "g"}, func() time.Time { return noon }),
		Cache: NewTokenCache(1000), Hash: func(string) string { return "hash" }, Now: func() time.Time { return noon },
	}
	if change != nil {
		change(&o)
	}
	fetch(t, o.Keys, s)
	return NewAuthenticator(o)
}

func fetch(t testing.TB, ring *token.Keyring, s *signer) {
	t.Helper()
	keys, err := token.ParseJWKS(s.JWKS())
	if err != nil {
		t.Error(err)
	}
	ring.SetFetched(keys)
}

func TestRevokedTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	ended := map[uuid.UUID]bool{}
	a := newAuthenticator(t, s, func(o *AuthenticatorOptions) {
		o.Revoked = func(c *token.Claims) bool { return ended[c.Session] }
	})
	known, fresh := uuid.New(), uuid.New()
	ex, other := s.token(t, known), s.token(t, uuid.New())
	for range 2 {
		for _, ex := range []*Exchange{ex, other} {
			if _, err := a.identify(ex); err != nil {
				t.Fatal(err)
			}
		}
	}
	ended[known], ended[fresh] = true, true
	for range 2 {
		if got, err := a.identify(ex); token.KindOf(err) != token.Revoked || got != nil {
			t.Errorf("a known token of an ended session: %+v, %v", got, err)
		}
		if got, err := a.identify(s.token(t, fresh)); token.KindOf(err) != token.Revoked || got != nil {
			t.Errorf("a new token of an ended session: %+v, %v", got, err)
		}
	}
	if n := a.Cache.Len(); n != 1 {
		t.Errorf("%d tokens are kept, want that of the other session alone", n)
	}
	if _, err := a.identify(other); err != nil {
		t.Errorf("the other session: %v", err)
	}
	// A suspended tenant is resumed.
	ended[known] = false
	if _, err := a.identify(ex); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestRotationsKeepTheCache: tokens of a key that stays are not verified again,
// and those of one that goes are refused at once, from the cache too.
func TestRotationsKeepTheCache(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	a := newAuthenticator(t, s, nil)
	ex := s.token(t, uuid.New())
	first, err := a.identify(ex)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s.rotate(t)
		fetch(t, a.Keys, s)
		if again, err := a.identify(ex); err != nil || again != first {
			t.Fatalf("after a rotation: %p, %v, want %p from the cache", again, err, first)
		}
		if _, err := a.identify(s.token(t, uuid.New())); err != nil {
			t.Fatalf("a token of the new key: %v", err)
		}
	}
	s.change(t, func(keys []token.StoredKey) ([]token.StoredKey, error) {
		return token.Revoke(keys, first.Key.ID(), noon)
	})
	fetch(t, a.Keys, s)
	before := a.Cache.Len()
	if _, err := a.identify(ex); token.KindOf(err) != token.UnknownKey {
		t.Errorf("after its key was revoked: %v", err)
	}
	if n := a.Cache.Len(); n != before-1 {
		t.Errorf("%d tokens are kept, want %d", n, before-1)
	}
}

func TestUnknownKeysAreLookedFor(t *testing.T) {
	t.Parallel()
	var a *Authenticator
	var look func() error
	looks := 0
	s := newSigner(t)
	a = newAuthenticator(t, s, func(o *AuthenticatorOptions) {
		o.Look = func() error { looks++; return look() }
	})
	strange := newSigner(t).token(t, uuid.New())
	for _, c := range []struct {
		name  string
		ex    *Exchange
		look  func() error
		looks int
		kind  token.Kind
	}{
		{"known", s.token(t, uuid.New()), nil, 0, ""},
		{"no token", &Exchange{}, nil, 0, token.Missing},
		{"rubbish", &Exchange{Fields: Fields{Authorization: []byte("Bearer a.b.c")}}, nil, 0, token.Malformed},
		{"unknown for good", strange, func() error { return nil }, 1, token.UnknownKey},
		{"unknown, and the keys were never seen", strange, func() error { return token.ErrNoKeys }, 1, ""},
	} {
		looks, look = 0, c.look
		got, err := a.identify(c.ex)
		if looks != c.looks || token.KindOf(err) != c.kind || (err == nil) != (got != nil) {
			t.Errorf("%s: %+v, %v after %d looks, want %q after %d", c.name, got, err, looks, c.kind, c.looks)
		}
		if c.name == "unknown, and the keys were never seen" && !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A revoked active key lets a new one sign that nobody has heard of.
	s.rotate(t)
	s.rotate(t)
	look = func() error { fetch(t, a.Keys, s); return nil }
	if _, err := a.identify(s.token(t, uuid.New())); err != nil {
		t.Errorf("a key that was found: %v", err)
	}
	// The look finds it, and says nevertheless that another source was not seen.
	s.rotate(t)
	s.rotate(t)
	look = func() error { fetch(t, a.Keys, s); return token.ErrNoKeys }
	if _, err := a.identify(s.token(t, uuid.New())); err != nil {
		t.Errorf("a key that was found, with an error: %v", err)
	}
}

func TestNoKeysAreNoVerdict(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	looked := func() error { return token.ErrNoKeys }
	a := newAuthenticator(t, s, func(o *AuthenticatorOptions) { o.Look = func() error { return looked() } })
	a.Keys.SetFetched(nil)
	if _, err := a.identify(s.token(t, uuid.New())); !errors.Is(err, token.ErrNoKeys) {
		t.Errorf("without keys: %v", err)
	}
	if _, err := a.identify(&Exchange{}); token.KindOf(err) != token.Missing {
		t.Errorf("without keys and a token: %v", err)
	}
	looked = func() error { fetch(t, a.Keys, s); return nil }
	if _, err := a.identify(s.token(t, uuid.New())); err != nil {
		t.Errorf("with keys that were found: %v", err)
	}
}

// TestKnownTokensCostNoAllocation is not parallel: AllocsPerRun counts what the
// whole process allocates.
func TestKnownTokensCostNoAllocation(t *testing.T) {
	s := newSigner(t)
	a := newAuthenticator(t, s, func(o *AuthenticatorOptions) {
		o.Revoked = func(c *token.Claims) bool { return c.Session == uuid.Nil }
	})
	ex := s.token(t, uuid.New())
	if n := testing.AllocsPerRun(100, func() {
		if _, err := a.identify(ex); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkIdentify(b *testing.B) {
	s := newSigner(b)
	for name, max := range map[string]int{"cached": 20_000, "verified": 0} {
		b.Run(name, func(b *testing.B) {
			a := newAuthenticator(b, s, func(o *AuthenticatorOptions) {
				o.Revoked = func(c *token.Claims) bool { return c.Session == uuid.Nil }
			})
			ex := s.token(b, uuid.New())
			b.ReportAllocs()
			for b.Loop() {
				known, err := a.identify(ex)
				if err != nil {
					b.Fatal(err)
				}
				if max == 0 {
					a.Cache.Drop(known)
				}
			}
		})
	}
}
