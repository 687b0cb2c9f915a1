package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

func newHasher(t testing.TB, c Config) *Hasher {
	t.Helper()
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{MemoryKiB: 8, Time: 1})
	phc, err := h.Hash(t.Context(), "Correct-Horse-7")
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Hash(t.Context(), "Correct-Horse-7")
	if err != nil || again == phc {
		t.Errorf("two hashes of one password are the same (error %v)", err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=8,t=1,p=1$") || strings.Contains(phc, "Horse") {
		t.Errorf("got %s", phc)
	}
	for password, want := range map[string]bool{"Correct-Horse-7": true, "correct-Horse-7": false, "": false, "Correct-Horse-7 ": false} {
		if ok, outdated, err := h.Verify(t.Context(), password, phc); ok != want || outdated || err != nil {
			t.Errorf("%q: got %v, %v, %v", password, ok, outdated, err)
		}
	}
	// The same characters, composed and decomposed.
	phc, _ = h.Hash(t.Context(), "Jos\u00e9-1234")
	if ok, _, _ := h.Verify(t.Context(), "Jose\u0301-1234", phc); !ok {
		t.Error("NFC and NFD of one password differ")
	}
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	old, now := newHasher(t, Config{MemoryKiB: 8, Time: 1}), newHasher(t, Config{MemoryKiB: 16, Time: 1})
	phc, err := old.Hash(t.Context(), "Correct-Horse-7")
	if err != nil {
		t.Fatal(err)
	}
	if ok, outdated, err := now.Verify(t.Context(), "Correct-Horse-7", phc); !ok || !outdated || err != nil {
		t.Errorf("got %v, %v, %v", ok, outdated, err)
	}
	if _, outdated, _ := now.Verify(t.Context(), "wrong", phc); outdated {
		t.Error("a wrong password asks for a new hash")
	}
}

func TestMalformedHash(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{MemoryKiB: 8, Time: 1})
	phc, err := h.Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "x", "$2a$10$abc", strings.Replace(phc, "argon2id", "argon2i", 1), strings.Replace(phc, "m=8", "m=0", 1),
		strings.Replace(phc, "p=1", "p=2", 1), strings.Replace(phc, "p=1", "p=1x", 1), strings.Replace(phc, "m=8", "m=+8", 1),
		strings.Replace(phc, "v=19", "v=16", 1), phc[:len(phc)-4], phc + "$", phc + "\n",
		// More than anybody may cost.
		strings.Replace(phc, "m=8", "m=1048577", 1), strings.Replace(phc, "m=8", "m=4294967295", 1), strings.Replace(phc, "m=8", "m=99999999999", 1),
		strings.Replace(phc, "t=1", "t=65", 1), strings.Replace(phc, "m=8,t=1", "m=1048576,t=5", 1),
		"$2b$15$" + bcryptTail, "$2b$31$" + bcryptTail, "$2b$03$" + bcryptTail,
		"$2x$04$" + bcryptTail, "$2b$04$" + bcryptTail[1:], "$2b$04$" + bcryptTail + "\n"} {
		if ok, outdated, err := h.Verify(t.Context(), "x", bad); ok || outdated || !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: got %v, %v, %v", bad, ok, outdated, err)
		}
	}
	// The same work is done: a full queue refuses these too.
	h.waiting.Store(maxQueue)
	for name, verify := range map[string]func() error{
		"malformed": func() error { _, _, err := h.Verify(t.Context(), "x", ""); return err },
		"nothing":   func() error { return h.VerifyNothing(t.Context(), "x") },
	} {
		if err := verify(); !problem.Is(err, problem.Overloaded) {
			t.Errorf("%s: got %v with a full queue", name, err)
		}
	}
}

// bcryptTail is salt and hash of "secret" at cost 4.
const bcryptTail = "2II6KBnN0z94EDnP3oIPzuYeiM9fuJfu7o7T1dmY2dH9txYUunej6"

func TestBcrypt(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{MemoryKiB: 8, Time: 1})
	for _, version := range []string{"$2a$", "$2b$", "$2y$"} {
		for password, want := range map[string]bool{"secret": true, "Secret": false, "": false, "secret ": false} {
			ok, outdated, err := h.Verify(t.Context(), password, version+"04$"+bcryptTail)
			if ok != want || outdated != want || err != nil {
				t.Errorf("%s, %q: got %v, %v, %v", version, password, ok, outdated, err)
			}
		}
	}
}

// A stored hash that needs the memory of three of today's runs when there is
// room for three; one that needs more than there is runs alone.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	for memory, most := range map[int]int{8: 3, 24: 1, 64: 0} {
		synctest.Test(t, func(t *testing.T) {
			h := newHasher(t, Config{MemoryKiB: 8, Time: 1, Concurrency: 4})
			phc, err := newHasher(t, Config{MemoryKiB: memory, Time: 1}).Hash(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			for others := range 5 {
				if !h.running.TryAcquire(int64(8 * others)) {
					t.Fatal("room was not given back")
				}
				done := make(chan error, 1)
				go func() {
					_, _, err := h.Verify(t.Context(), "x", phc)
					done <- err
				}()
				synctest.Wait()
				if ran := len(done) == 1; ran != (others <= most) {
					t.Errorf("%d KiB beside %d others of 8: ran %v", memory, others, ran)
				}
				h.running.Release(int64(8 * others))
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestQueueIsBounded is not parallel: the metrics are those of the whole process.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, Config{MemoryKiB: 8, Time: 1, Concurrency: 1})
		waiting, refused := hashesWaiting.Get(), hashesRefused.Get()
		if err := h.running.Acquire(t.Context(), h.capacity); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, maxQueue)
		for range maxQueue {
			go func() {
				_, err := h.Hash(t.Context(), "x")
				done <- err
			}()
		}
		synctest.Wait()
		if got := hashesWaiting.Get() - waiting; got != maxQueue {
			t.Errorf("%v hashes are said to wait, want %d", got, maxQueue)
		}
		if _, err := h.Hash(t.Context(), "x"); !problem.Is(err, problem.Overloaded) {
			t.Errorf("with a full queue: got %v", err)
		}
		h.running.Release(h.capacity)
		for range maxQueue {
			if err := <-done; err != nil {
				t.Errorf("queued: got %v", err)
			}
		}
		if _, err := h.Hash(t.Context(), "x"); err != nil {
			t.Errorf("with an empty queue: got %v", err)
		}
		if err := h.running.Acquire(t.Context(), h.capacity); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Hash(ctx, "x"); !problem.Is(err, problem.Overloaded) {
			t.Errorf("at the deadline: got %v", err)
		}
		if got := hashesWaiting.Get() - waiting; got != 0 {
			t.Errorf("%v hashes are said to wait, want none", got)
		}
		if got := hashesRefused.Get() - refused; got != 2 {
			t.Errorf("%d refusals are counted, want 2", got)
		}
	})
}

func TestProductionNeedsOWASP(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		c          Config
		production bool
		ok         bool
	}{
		{Config{MemoryKiB: 19456, Time: 2}, true, true},
		{Config{MemoryKiB: 19455, Time: 2}, true, false},
		{Config{MemoryKiB: 19456, Time: 1}, true, false},
		{Config{MemoryKiB: 8, Time: 1}, false, true},
		{Config{MemoryKiB: 1 << 20, Time: 4}, true, true},
		{Config{MemoryKiB: 1 << 20, Time: 5}, true, false},
		{Config{MemoryKiB: 65536, Time: 64}, true, true},
		{Config{MemoryKiB: 1<<20 + 1, Time: 2}, true, false},
		{Config{MemoryKiB: 65536, Time: 65}, true, false},
	} {
		m := &config.Mistakes{Production: tc.production}
		tc.c.Validate(m)
		if ok := len(m.Names()) == 0; ok != tc.ok {
			t.Errorf("%+v: got %v", tc, m)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	h := newHasher(b, Config{MemoryKiB: 19456, Time: 2})
	phc, err := h.Hash(b.Context(), "Correct-Horse-7")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, _, err := h.Verify(b.Context(), "Correct-Horse-7", phc); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// What can be read costs no more than the bounds say.
func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$2b$04$" + bcryptTail)
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
			return
		}
		if s.bcrypt != nil {
			if cost, err := bcrypt.Cost(s.bcrypt); err != nil || cost > maxCost || string(s.bcrypt) != encoded {
				t.Errorf("%q: got cost %d, %v", encoded, cost, err)
			}
			return
		}
		if !s.valid() || len(s.key) != keyBytes || len(encoded) > 512 {
			t.Errorf("%q: got %+v", encoded, s)
		}
	})
}
