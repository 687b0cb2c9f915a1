package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

// whole decodes a body that has no envelope.
func (a answer) whole(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
}

// keyID returns the kid of a token.
func keyID(t testing.TB, access string) string {
	t.Helper()
	header, _, _ := strings.Cut(access, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := strings.Cut(string(text), `"kid":"`)
	id, _, ok := strings.Cut(id, `"`)
	if !ok {
		t.Fatalf("no kid in %s", text)
	}
	return id
}

// Keys are rotated while clients work and refresh, and nobody is refused:
// neither by gateways that have the public keys from the backends nor by one
// that has the file. What a revoked key has signed no longer counts.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	keys := func(args ...string) (string, int) {
		return program(t, shared.Backends[0].Path(), []string{"JWT_KEYS_DIR=" + dir, "APP_ENV=development"}, append([]string{"keys"}, args...)...)
	}
	if out, code := keys("init", "--alg", "EdDSA"); code != 0 {
		t.Fatalf("keys init: exit code %d: %s", code, out)
	}
	if out, code := keys("init"); code == 0 {
		t.Errorf("keys init replaces keys: %s", out)
	}
	s := ownStack(t, stack.Options{
		Gateways: 3, Backends: 2,
		BackendEnv: []string{"JWT_SECRET=", "JWT_KEYS_DIR=" + dir, "JWT_KEYS_POLL=100ms"},
		GatewayEnv: []string{"JWT_SECRET=", "JWT_JWKS=backend", "JWT_KEYS_POLL=100ms"},
	})
	s.Gateways[2].Setenv("JWT_JWKS=off", "JWT_KEYS_DIR="+dir)
	if err := s.Gateways[2].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	gateways := clients(t, s)
	published := func(c *client) (kids []string) {
		t.Helper()
		var set struct {
			Keys []struct{ Kid string }
		}
		c.do("GET", "/.well-known/jwks.json", "", nil).want(200).whole(&set)
		for _, k := range set.Keys {
			kids = append(kids, k.Kid)
		}
		return kids
	}
	for _, g := range gateways {
		if kids := published(g); len(kids) != 2 {
			t.Errorf("the published keys are %q, want the active and the next one", kids)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work sync.WaitGroup
	var requests, refreshes atomic.Int64
	used := sync.Map{} // kid -> true
	for i := range 4 {
		c := gateways[i%len(gateways)]
		_, tokens := c.newUser()
		work.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				// Each token goes through every gateway, its refresh through one.
				g := gateways[n%len(gateways)]
				used.Store(keyID(t, tokens.Access), true)
				if a := g.do("GET", me, tokens.Access, nil); a.StatusCode != http.StatusOK {
					t.Errorf("got %d: %s", a.StatusCode, a.body)
					return
				}
				requests.Add(1)
				if n%40 == 39 {
					g.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).want(200).into(&tokens)
					refreshes.Add(1)
				}
				pause(ctx, 20*time.Millisecond)
			}
		})
	}
	// A new key is known everywhere within two looks at it.
	for range 5 {
		for {
			out, code := keys("rotate", "--wait", "2s")
			if code == 0 {
				break
			}
			if !strings.Contains(out, "the next key is") {
				t.Fatalf("keys rotate: exit code %d: %s", code, out)
			}
			pause(ctx, 100*time.Millisecond)
		}
		active := activeKey(t, keys)
		eventually(t, "the new key signs", func() bool {
			_, known := used.Load(active)
			return known
		})
	}
	cancel()
	work.Wait()
	t.Logf("%d requests, %d refreshes", requests.Load(), refreshes.Load())

	// Revoked.
	c := gateways[0]
	name, tokens := c.newUser()
	admittedEverywhere(t, gateways, "before", tokens.Access)
	id := keyID(t, tokens.Access)
	if id != activeKey(t, keys) {
		t.Fatalf("the token is signed with %s, which is not active", id)
	}
	if out, code := keys("revoke", id); code != 0 {
		t.Fatalf("keys revoke: exit code %d: %s", code, out)
	}
	revoked := time.Now()
	for i, g := range gateways {
		eventually(t, fmt.Sprintf("gateway %d refuses what the key has signed", i+1), func() bool {
			a := g.do("GET", me, tokens.Access, nil)
			return a.StatusCode == http.StatusUnauthorized && a.quota("tenant") == ""
		})
		eventually(t, "the key is not published", func() bool { return !strings.Contains(strings.Join(published(g), " "), id) })
	}
	t.Logf("the key was gone %v after its revocation", time.Since(revoked).Round(10*time.Millisecond))
	var next string
	eventually(t, "another key signs", func() bool {
		next = c.login(name, password, stack.DemoTenant).Access
		return keyID(t, next) != id
	})
	admittedEverywhere(t, gateways, "after", next)
	if out, _ := keys("list"); strings.Count(out, "revoked") != 1 || !strings.Contains(out, id) {
		t.Errorf("keys list: %s", out)
	}
}

// activeKey returns the kid that `backend keys list` calls active.
func activeKey(t testing.TB, keys func(args ...string) (string, int)) string {
	t.Helper()
	out, code := keys("list")
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "active" {
			return words[len(words)-1]
		}
	}
	t.Fatalf("keys list: exit code %d: %s", code, out)
	return ""
}

// With a shared secret there is nothing to publish.
func TestNoPublicKeys(t *testing.T) {
	t.Parallel()
	for _, c := range clients(t, shared) {
		var set struct{ Keys []any }
		if c.do("GET", "/.well-known/jwks.json", "", nil).want(200).whole(&set); set.Keys == nil || len(set.Keys) != 0 {
			t.Errorf("got %v, want an empty list", set.Keys)
		}
	}
}
