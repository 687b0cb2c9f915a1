package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// The tests run in bubbles of testing/synctest: their clock is a fake one, and
// each fails when a goroutine is left behind.

// fleet is a number of backends that share a key file.
type fleet struct {
	*token.Keyring
	t     testing.TB
	dir   string
	keys  []token.StoredKey
	addrs []string

	mu     sync.Mutex
	answer map[string]func(ctx context.Context) ([]byte, error) // by address, instead of the keys
	asked  []string
	times  []time.Time
	logs   bytes.Buffer
}

func newFleet(t testing.TB, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), answer: map[string]func(context.Context) ([]byte, error){}}
	for i := range n {
		f.addrs = append(f.addrs, fmt.Sprint("backend", i))
	}
	active, err := token.GenerateKey(token.EdDSA, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f.change(func([]token.StoredKey) ([]token.StoredKey, error) {
		return token.BeginKeys(active, token.EdDSA, time.Now())
	})
	f.Keyring, err = token.Open(f.config(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// config has the key file.
func (f *fleet) config() token.Config {
	return token.Config{KeysDir: f.dir, KeysPoll: 10 * time.Second, Issuer: "g", Audience: "g"}
}

func (f *fleet) change(fn func([]token.StoredKey) ([]token.StoredKey, error)) {
	f.t.Helper()
	keys, err := fn(f.keys)
	if err != nil {
		f.t.Fatal(err)
	}
	content, err := token.FormatKeys(keys)
	if err != nil {
		f.t.Fatal(err)
	}
	f.keys = keys
	path := filepath.Join(f.dir, token.KeyFile)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
	if f.Keyring != nil {
		if err := f.Reload(); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fleet) rotate(times int) {
	f.t.Helper()
	for range times {
		f.change(func(keys []token.StoredKey) ([]token.StoredKey, error) { return token.Rotate(keys, "", 0, time.Now()) })
	}
}

func (f *fleet) fetch(ctx context.Context, addr, path string, limit int) ([]byte, error) {
	f.mu.Lock()
	f.asked = append(f.asked, addr)
	f.times = append(f.times, time.Now())
	answer := f.answer[addr]
	f.mu.Unlock()
	if path != "/.well-known/jwks.json" || limit != token.MaxJWKS {
		f.t.Errorf("asked for %s of at most %d bytes", path, limit)
	}
	if answer != nil {
		return answer(ctx)
	}
	return f.JWKS(), nil
}

func refuses(context.Context) ([]byte, error) { return nil, errors.New("connection refused") }

func hangs(ctx context.Context) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func says(text string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return []byte(text), nil }
}

// set makes all backends answer so; nil is with their keys.
func (f *fleet) set(answer func(context.Context) ([]byte, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, addr := range f.addrs {
		f.answer[addr] = answer
	}
}

func (f *fleet) fetches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// Write implements io.Writer for the log.
func (f *fleet) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logs.Write(line)
}

func (f *fleet) logged(text string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Count(f.logs.String(), text)
}

// gateway runs a source that has nothing but the backends' keys.
func (f *fleet) gateway(t *testing.T) *Source {
	t.Helper()
	return f.source(t, token.Config{KeysPoll: 10 * time.Second, Issuer: "g", Audience: "g"}, backend)
}

func (f *fleet) source(t *testing.T, c token.Config, jwks string) *Source {
	t.Helper()
	s, err := Open(Options{
		Config: Config{JWKS: jwks}, Token: c, Backends: f.addrs, Fetch: f.fetch, Log: slog.New(slog.NewTextHandler(f, nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func (f *fleet) sign() string {
	f.t.Helper()
	signed, err := f.Sign(token.Claims{UserID: uuid.New(), Tenant: "t", Username: "u", Session: uuid.New(), Role: token.Member}, time.Minute)
	if err != nil {
		f.t.Fatal(err)
	}
	return signed
}

// wants checks a token that is signed now.
func (f *fleet) wants(s *Source, name string, want token.Kind) {
	f.t.Helper()
	if _, err := s.Ring().Verify(f.sign()); token.KindOf(err) != want || want == "" && err != nil {
		f.t.Errorf("%s: %v, want %q", name, err, want)
	}
}

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	for value, wrong := range map[string]bool{"off": false, "backend": false, "": true, "on": true, "https://x/jwks.json": true} {
		c := Config{JWKS: value}
		var m config.Mistakes
		c.Validate(&m)
		if (len(m.Names()) > 0) != wrong || c.On() != (value == "backend") {
			t.Errorf("%q: %v", value, m.Names())
		}
	}
}

func TestBackendsKeysArePolled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		s := f.gateway(t)
		synctest.Wait()
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
		f.wants(s, "at first", "")
		if _, err := s.Ring().Sign(token.Claims{UserID: uuid.New(), Tenant: "t", Username: "u", Session: uuid.New(), Role: token.Member}, time.Minute); err == nil {
			t.Error("a gateway with public keys signs")
		}
		for i := range 5 {
			f.rotate(1)
			f.wants(s, fmt.Sprint("right after rotation ", i+1), "") // with the key that was next
			time.Sleep(12 * time.Second)
			f.wants(s, fmt.Sprint("a poll after rotation ", i+1), "")
		}
		// In turn, with pauses of 8 to 12 s.
		first := slices.Index(f.addrs, f.asked[0])
		for i, addr := range f.asked {
			if addr != f.addrs[(first+i)%3] {
				t.Errorf("asked %v, want one after the other", f.asked)
				break
			}
			if i > 0 {
				if pause := f.times[i].Sub(f.times[i-1]); pause < 8*time.Second || pause > 12*time.Second {
					t.Errorf("a pause of %v", pause)
				}
			}
		}
		if n := f.logged("serve their public keys"); n != 1 {
			t.Errorf("logged %d times that there are keys, want once:\n%s", n, &f.logs)
		}
	})
}

func TestNotReadyUntilKeysCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		f.set(refuses)
		s := f.gateway(t)
		time.Sleep(time.Minute)
		if err := s.Check(t.Context()); err == nil {
			t.Error("ready without keys")
		}
		if _, err := s.Ring().Verify(f.sign()); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("a token without keys: %v", err)
		}
		if err := s.Look(); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("Look: %v", err)
		}
		if n := f.logged("no backend serves"); n != 1 {
			t.Errorf("logged %d times that there are none, want once", n)
		}
		// The first answer comes soon, not after a whole pause.
		f.set(nil)
		time.Sleep(400 * time.Millisecond)
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
		f.wants(s, "as soon as a backend answers", "")
		// Backends that sign with a secret serve no key.
		f.set(says(`{"keys":[]}`))
		time.Sleep(12 * time.Second)
		if err := s.Check(t.Context()); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("Check without any key: %v", err)
		}
	})
}

func TestKeysStayWhileBackendsFail(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(context.Context) ([]byte, error){
		"gone": refuses, "hung": hangs, "HTML": says("<html>"), "nothing": says(""),
		"a key without its name": says(`{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 2)
				s := f.gateway(t)
				time.Sleep(time.Second)
				f.set(answer)
				time.Sleep(time.Hour)
				f.wants(s, "an hour later", "")
				if err := s.Check(t.Context()); err != nil {
					t.Errorf("Check: %v", err)
				}
				if age := s.jwks.age(); age < 3500 {
					t.Errorf("the keys are %v s old", age)
				}
				if n := f.logged("no backend serves"); n != 1 {
					t.Errorf("logged %d times, want once", n)
				}
				f.set(nil)
				f.rotate(2)
				time.Sleep(13 * time.Second)
				f.wants(s, "after the recovery", "")
				if age := s.jwks.age(); age > 13 {
					t.Errorf("the keys are %v s old", age)
				}
				if n := f.logged("the backends serve"); n != 2 {
					t.Errorf("logged %d times that they serve, want at first and again", n)
				}
			})
		})
	}
}

// TestNextBackendIsAsked: one that fails in whatever way costs half a second.
func TestNextBackendIsAsked(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(context.Context) ([]byte, error){"gone": refuses, "hung": hangs, "HTML": says("<html>")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 2)
				f.answer["backend0"] = answer
				s := f.gateway(t)
				time.Sleep(600 * time.Millisecond)
				f.wants(s, "at first", "")
				for range 4 {
					f.rotate(2)
					time.Sleep(13 * time.Second)
					f.wants(s, "after two rotations at once", "")
				}
				if n := f.logged("no backend serves"); n != 0 {
					t.Errorf("logged %d times that no backend serves keys", n)
				}
			})
		})
	}
}

func TestLookFindsKeysAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		s := f.gateway(t)
		time.Sleep(time.Second)
		f.rotate(2) // the active key was never served
		f.wants(s, "before", token.UnknownKey)
		if err := s.Look(); err != nil {
			t.Error(err)
		}
		f.wants(s, "after", "")
	})
}

// TestMadeUpKeysCostLittle: however many requests name unknown keys, the
// backends are asked once in ten seconds more, and nobody waits for longer than
// a second.
func TestMadeUpKeysCostLittle(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(context.Context) ([]byte, error){"quick": nil, "hung": hangs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 8)
				s := f.gateway(t)
				time.Sleep(time.Second)
				f.set(answer)
				f.mu.Lock()
				f.asked = nil
				f.mu.Unlock()
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						for range 1000 {
							start := time.Now()
							if err := s.Look(); err != nil {
								t.Error(err)
							}
							if took := time.Since(start); took > time.Second {
								t.Errorf("a request waited %v", took)
							}
							time.Sleep(100 * time.Millisecond)
						}
					})
				}
				wg.Wait() // 100 s and more
				polls, perRound := 13, 1
				if answer != nil {
					perRound = 8 // each is asked
				}
				if n := f.fetches(); n > (polls+11)*perRound {
					t.Errorf("%d fetches", n)
				}
			})
		})
	}
}

// TestLooksAreShared: whoever comes while the gateway looks gets what it finds.
func TestLooksAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		s := f.gateway(t)
		time.Sleep(time.Second)
		f.rotate(2)
		before := f.fetches()
		f.set(func(ctx context.Context) ([]byte, error) {
			time.Sleep(300 * time.Millisecond)
			return f.JWKS(), nil
		})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				if err := s.Look(); err != nil {
					t.Error(err)
				}
				f.wants(s, fmt.Sprint("request ", i), "")
			})
		}
		wg.Wait()
		if n := f.fetches() - before; n != 1 {
			t.Errorf("%d fetches, want one for all", n)
		}
	})
}

// TestOwnKeysBesideTheBackends: from JWT_SECRET to keys of the backends without
// a rejected token.
func TestOwnKeysBesideTheBackends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		f.set(refuses)
		c := token.Config{Secret: "a secret for the tests of this package, 32+", KeysPoll: 10 * time.Second, Issuer: "g", Audience: "g"}
		s := f.source(t, c, backend)
		time.Sleep(time.Minute)
		old := token.NewKeyring(c, time.Now)
		signed, err := old.Sign(token.Claims{UserID: uuid.New(), Tenant: "t", Username: "u", Session: uuid.New(), Role: token.Member}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ring().Verify(signed); err != nil {
			t.Errorf("the secret's token: %v", err)
		}
		if s.Check(t.Context()) == nil {
			t.Error("ready before the backends' keys are known")
		}
		// Its key may well be the backends': no verdict.
		f.wants(s, "a backend's token", token.UnknownKey)
		if err := s.Look(); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("Look: %v", err)
		}
		f.set(nil)
		time.Sleep(time.Second)
		f.wants(s, "a backend's token", "")
		if _, err := s.Ring().Verify(signed); err != nil || s.Check(t.Context()) != nil {
			t.Errorf("the secret's token: %v", err)
		}
	})
}

func TestKeysOfAFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		s := f.source(t, f.config(), off)
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
		f.rotate(2)
		f.wants(s, "before it looks", token.UnknownKey)
		if err := s.Look(); err != nil {
			t.Error(err)
		}
		f.wants(s, "after it looked", "")
		f.rotate(2)
		if err := s.Look(); err != nil { // too soon
			t.Error(err)
		}
		f.wants(s, "too soon", token.UnknownKey)
		s.Reload()
		f.wants(s, "after SIGHUP", "")
		f.rotate(2)
		time.Sleep(12 * time.Second)
		f.wants(s, "after a poll", "")
		if f.fetches() != 0 {
			t.Error("the backends were asked")
		}
	})
}

func TestReloadAsksTheBackends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		s := f.gateway(t)
		time.Sleep(time.Second)
		f.rotate(2)
		s.Reload()
		f.wants(s, "after SIGHUP", "")
	})
}

func TestSecretsNeedNoLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		s := f.source(t, token.Config{Secret: "a secret for the tests of this package, 32+", KeysPoll: time.Second}, off)
		if err := s.Look(); err != nil {
			t.Error(err)
		}
		if s.asked.Load() >= 0 || s.Check(t.Context()) != nil || f.fetches() != 0 {
			t.Error("looked for keys that cannot change")
		}
	})
}

func TestOpenWantsAGoodFile(t *testing.T) {
	t.Parallel()
	_, err := Open(Options{
		Config: Config{JWKS: off}, Token: token.Config{KeysDir: t.TempDir()}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
