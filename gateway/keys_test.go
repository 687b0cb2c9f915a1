package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/token"
)

// keyFile is the key file of an installation, and a backend's keyring over it.
type keyFile struct {
	*token.Keyring
	dir  string
	mu   sync.Mutex
	keys []token.StoredKey
}

func newKeyFile(t testing.TB, a token.Algorithm) *keyFile {
	t.Helper()
	f := &keyFile{dir: t.TempDir()}
	active, err := token.GenerateKey(a, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f.change(t, func([]token.StoredKey) ([]token.StoredKey, error) { return token.BeginKeys(active, a, time.Now()) })
	f.Keyring = f.open(t, f.dir)
	return f
}

func (f *keyFile) config(dir string) token.Config {
	return token.Config{KeysDir: dir, KeysPoll: 100 * time.Millisecond, Issuer: "gatehouse", Audience: "gatehouse"}
}

func (f *keyFile) open(t testing.TB, dir string) *token.Keyring {
	t.Helper()
	k, err := token.Open(f.config(dir), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// change replaces the file, which processes then notice by themselves.
func (f *keyFile) change(t testing.TB, fn func([]token.StoredKey) ([]token.StoredKey, error)) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	keys, err := fn(f.keys)
	if err != nil {
		t.Fatal(err)
	}
	f.keys = keys
	writeKeys(t, f.dir, keys)
}

func writeKeys(t testing.TB, dir string, keys []token.StoredKey) {
	t.Helper()
	content, err := token.FormatKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, token.KeyFile)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// ahead returns the keyring of a process that is one rotation ahead.
func (f *keyFile) ahead(t testing.TB) *token.Keyring {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	keys, err := token.Rotate(f.keys, "", 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeKeys(t, dir, keys)
	return f.open(t, dir)
}

func (f *keyFile) rotate(t testing.TB) {
	t.Helper()
	f.change(t, func(keys []token.StoredKey) ([]token.StoredKey, error) { return token.Rotate(keys, "", 0, time.Now()) })
}

// serve makes the backend serve the public keys, beside what it answers anyway.
// It returns how many other requests came.
func (f *keyFile) serve(b *backend) *atomic.Int64 {
	var others atomic.Int64
	b.answerWith(func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) == "/.well-known/jwks.json" {
			ctx.SetContentType("application/jwk-set+json")
			ctx.SetBody(f.JWKS())
			return
		}
		others.Add(1)
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"message":"ok","data":{}}`)
	})
	return &others
}

// newFileRig has a gateway that reads the key file itself.
func newFileRig(t testing.TB, a token.Algorithm) (*rig, *keyFile) {
	t.Helper()
	f := newKeyFile(t, a)
	r := newRig(t, func(c *Config) { c.Token = f.config(f.dir) })
	f.serve(r.backend)
	return r, f
}

// newJWKSRig has a gateway that gets the public keys from its backend.
func newJWKSRig(t testing.TB) (*rig, *keyFile, *atomic.Int64) {
	t.Helper()
	f := newKeyFile(t, token.EdDSA)
	r := newRig(t, func(c *Config) {
		c.Token = f.config("")
		c.Keys.JWKS = "backend"
	})
	others := f.serve(r.backend)
	eventually(t, "the gateway has the keys", func() bool { return r.follows.keys.Check(t.Context()) == nil })
	return r, f, others
}

// TestRotationsUnderLoad rotates five times while clients use tokens old and
// new: none is refused. A rotation waits, as `backend keys rotate` does, until
// every process knows the next key.
func TestRotationsUnderLoad(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) (*rig, *keyFile){
		"HS256 from a file": func(t testing.TB) (*rig, *keyFile) { return newFileRig(t, token.HS256) },
		"EdDSA from a file": func(t testing.TB) (*rig, *keyFile) { return newFileRig(t, token.EdDSA) },
		"EdDSA from the backends": func(t testing.TB) (*rig, *keyFile) {
			r, f, _ := newJWKSRig(t)
			return r, f
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, f := start(t)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { f.Run(ctx) }) // the backend follows its file
			var requests atomic.Int64
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
			defer client.CloseIdleConnections()
			for range 4 {
				wg.Go(func() {
					old := sign(t, f.Keyring, "tenant1", uuid.New())
					for ctx.Err() == nil {
						for _, bearer := range []string{old, sign(t, f.Keyring, "tenant1", uuid.New())} {
							if status := getThing(t, client, r, bearer); status != 200 {
								t.Errorf("a valid token is answered %d", status)
								cancel()
							}
							requests.Add(1)
						}
					}
				})
			}
			for range 5 {
				next := sign(t, f.ahead(t), "tenant1", uuid.New())
				eventually(t, "every process knows the next key", func() bool {
					_, gatewayErr := r.follows.keys.Ring().Verify(next)
					_, backendErr := f.Verify(next)
					return gatewayErr == nil && backendErr == nil || ctx.Err() != nil
				})
				f.rotate(t)
				before := requests.Load()
				eventually(t, "requests go on", func() bool { return requests.Load() > before+50 || ctx.Err() != nil })
			}
			cancel()
			wg.Wait()
			f.mu.Lock()
			defer f.mu.Unlock()
			if len(f.keys) != 7 {
				t.Errorf("%d keys, want five that retire, one that is active and one that is next", len(f.keys))
			}
		})
	}
}

func getThing(t testing.TB, client *http.Client, r *rig, bearer string) int {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+r.Addr("http")+"/things/7", nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	response, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// TestRevokedKey: also the tokens that were verified with it before.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	r, f, _ := newJWKSRig(t)
	bearer := map[string]string{"Authorization": "Bearer " + sign(t, f.Keyring, "tenant1", uuid.New())}
	for range 2 {
		if a := r.do(t, "GET", "/things/7", bearer, ""); a.status != 200 {
			t.Fatalf("a valid token is answered %d", a.status)
		}
	}
	f.change(t, func(keys []token.StoredKey) ([]token.StoredKey, error) {
		return token.Revoke(keys, keys[0].ID, time.Now())
	})
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key's token is refused", func() bool { return r.do(t, "GET", "/things/7", bearer, "").status == 401 })
	bearer["Authorization"] = "Bearer " + sign(t, f.Keyring, "tenant1", uuid.New())
	if a := r.do(t, "GET", "/things/7", bearer, ""); a.status != 200 {
		t.Errorf("a token of the key that was promoted is answered %d", a.status)
	}
}

// TestNoKeysYet: a gateway that has never seen the backends' keys is not ready,
// and says so instead of refusing tokens that may be valid.
func TestNoKeysYet(t *testing.T) {
	t.Parallel()
	f := newKeyFile(t, token.EdDSA)
	r := newRig(t, func(c *Config) {
		c.Token = f.config("")
		c.Keys.JWKS = "backend"
	})
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(503) })
	bearer := map[string]string{"Authorization": "Bearer " + sign(t, f.Keyring, "tenant1", uuid.New())}
	a := r.do(t, "GET", "/things/7", bearer, "")
	a.problem(t, 503, "unavailable")
	if a.header.Get("Retry-After") == "" || a.header.Get("Www-Authenticate") != "" {
		t.Errorf("answered with %v", a.header)
	}
	r.do(t, "GET", "/things/7", nil, "").problem(t, 401, "unauthenticated")
	r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer rubbish"}, "").problem(t, 401, "unauthenticated")
	if report := r.checker.Ready(t.Context()); report.Status.Serving() || report.Checks["keys"].Error == "" {
		t.Errorf("ready without keys: %+v", report)
	}
	f.serve(r.backend)
	eventually(t, "it is ready", func() bool { return r.checker.Ready(t.Context()).Status.Serving() })
	if a := r.do(t, "GET", "/things/7", bearer, ""); a.status != 200 {
		t.Errorf("with keys the token is answered %d", a.status)
	}
}

// TestKeyFileWithAMistake: the last good one stays, and the mistake is counted.
func TestKeyFileWithAMistake(t *testing.T) {
	t.Parallel()
	r, f := newFileRig(t, token.EdDSA)
	bearer := map[string]string{"Authorization": "Bearer " + sign(t, f.Keyring, "tenant1", uuid.New())}
	if err := os.WriteFile(filepath.Join(f.dir, token.KeyFile), []byte(`{"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mistake is logged", func() bool {
		return len(r.logs.lines(t, "a watched file is refused; its last good content stays in force")) > 0
	})
	if metricValue(t, r, `config_file_refused_total{file="keys.json"}`) < 1 {
		t.Error("the mistake is not counted")
	}
	if a := r.do(t, "GET", "/things/7", bearer, ""); a.status != 200 {
		t.Errorf("a token of the last good file is answered %d", a.status)
	}
	r.Reload()
	if n := len(r.logs.lines(t, "a watched file is refused; its last good content stays in force")); n < 2 {
		t.Error("whoever asks for it is not told again")
	}
}

// TestKeysOfAnotherService holds that a gateway in front of a service that is
// not ours gets the keys from our backends, and sends them no requests.
func TestKeysOfAnotherService(t *testing.T) {
	t.Parallel()
	f := newKeyFile(t, token.EdDSA)
	ours := newBackend(t)
	others := f.serve(ours)
	r := newRig(t, func(c *Config) {
		c.Token = f.config("")
		c.Keys.JWKS, c.Keys.Backends = "backend", []string{ours.addr}
	})
	eventually(t, "the gateway has the keys", func() bool { return r.follows.keys.Check(t.Context()) == nil })
	signed := sign(t, f.Keyring, "tenant1", uuid.New())
	if a := r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer " + signed}, ""); a.status != 200 {
		t.Errorf("answer = %d %s", a.status, a.body)
	}
	if got, _ := r.backend.last(); got.target != "/things/7" {
		t.Errorf("the service got %q", got.target)
	}
	if n := others.Load(); n != 0 {
		t.Errorf("our backend got %d requests besides those for keys", n)
	}
}
