package backend

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/internal/keystore"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// keysDir makes a key file whose first key is the secret of the other tests.
func keysDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	keys, err := token.BeginKeys(token.ImportSecret(testSecret, time.Now()), token.EdDSA, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := keystore.Create(dir, keys); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (s *testServer) jwks(t *testing.T) (document []byte, keys []*token.Key) {
	t.Helper()
	a := s.do("GET", "/.well-known/jwks.json", "", nil).want(t, 200)
	if got := a.Header.Get("Content-Type"); got != "application/jwk-set+json" {
		t.Errorf("got Content-Type %q", got)
	}
	if got := a.Header.Get("Cache-Control"); got != "public, max-age=30" {
		t.Errorf("got Cache-Control %q", got)
	}
	keys, err := token.ParseJWKS(a.body)
	if err != nil {
		t.Fatal(err)
	}
	return a.body, keys
}

func TestSecretsServeNoPublicKey(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	if document, _ := s.jwks(t); string(document) != `{"keys":[]}` {
		t.Errorf("got %s", document)
	}
	s.do("GET", "/.well-known/jwks.json?kid=x", "", nil).problem(t, 400, "invalid_query", "kid")
	s.do("POST", "/.well-known/jwks.json", "", "{}").problem(t, 405, "method_not_allowed")
}

// TestKeysRotateWithoutARejectedToken goes from a shared secret to keys of a
// file and through five rotations; every token that was given out stays valid,
// and whoever has only what is served can verify it.
func TestKeysRotateWithoutARejectedToken(t *testing.T) {
	t.Parallel()
	dir := keysDir(t)
	s := newTestServer(t, func(c *Config) {
		c.Token = token.Config{KeysDir: dir, KeysPoll: 100 * time.Millisecond, Issuer: "gatehouse", Audience: "gatehouse"}
	})
	verifier := token.NewKeyring(token.Config{Secret: testSecret, Issuer: "gatehouse", Audience: "gatehouse"}, time.Now)
	tokens := []string{s.signup("acme", "ana").Access}
	for range 5 {
		keys, err := keystore.Change(dir, func(keys []token.StoredKey) ([]token.StoredKey, error) {
			return token.Rotate(keys, "", 0, time.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
		next := keys[len(keys)-1].ID
		var document []byte
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(string(document), next); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the new key is not served: %s", document)
			}
			var served []*token.Key
			document, served = s.jwks(t)
			verifier.SetFetched(served)
		}
		tokens = append(tokens, s.login("acme", "ana").Access)
		for i, access := range tokens {
			s.do("GET", "/api/v1/auth/me", access, nil).want(t, 200)
			if _, err := verifier.Verify(access); err != nil {
				t.Errorf("token %d of %d: %v", i+1, len(tokens), err)
			}
		}
	}
	seen := map[string]bool{}
	for _, access := range tokens {
		header, _, _ := strings.Cut(access, ".")
		seen[header] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d keys have signed, want 6", len(seen))
	}
	for _, k := range mustRead(t, dir) {
		if document, _ := s.jwks(t); strings.Contains(string(document), base64.RawURLEncoding.EncodeToString([]byte(k.Secret.Reveal()))) {
			t.Error("a secret is served")
		}
	}
	// A key that is revoked takes its tokens with it, and no others.
	keys, err := keystore.Change(dir, func(keys []token.StoredKey) ([]token.StoredKey, error) {
		return token.Revoke(keys, keys[5].ID, time.Now())
	})
	if err != nil || keys[5].State != token.StateRevoked {
		t.Fatalf("%+v, %v", keys, err)
	}
	last := tokens[len(tokens)-1]
	for deadline := time.Now().Add(10 * time.Second); s.do("GET", "/api/v1/auth/me", last, nil).StatusCode != 401; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the revoked key's token stays valid")
		}
	}
	s.do("GET", "/api/v1/auth/me", tokens[0], nil).want(t, 200)
	s.do("GET", "/api/v1/auth/me", s.login("acme", "ana").Access, nil).want(t, 200)
}

func mustRead(t *testing.T, dir string) []token.StoredKey {
	t.Helper()
	keys, err := keystore.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestConfigWithAKeyFile(t *testing.T) {
	t.Parallel()
	base := []string{
		"CURSOR_ENCRYPTION_KEY=" + testSecret, "TENANT_DB_KEY=" + testSecret, "LOG_HASH_KEY=" + testSecret,
		"REDIS_URL=redis://127.0.0.1:6379/0",
		"DATABASE_URL=postgres://gh_app:a-long-password@127.0.0.1:1/gatehouse",
		"MAINT_DATABASE_URL=postgres://gh_maint:a-long-password@127.0.0.1:1/gatehouse",
	}
	var c Config
	if err := config.Load(&c, append(base, "JWT_KEYS_DIR="+keysDir(t))); err != nil {
		t.Error(err)
	}
	if err := config.Load(&c, append(base, "JWT_KEYS_DIR="+t.TempDir())); err == nil || !strings.Contains(err.Error(), "backend keys init") {
		t.Errorf("without a key file: %v", err)
	}
}
