package password

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

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
		strings.Replace(phc, "p=1", "p=2", 1), strings.Replace(phc, "v=19", "v=16", 1), phc[:len(phc)-4], phc + "$"} {
		if ok, _, err := h.Verify(t.Context(), "x", bad); ok || err == nil {
			t.Errorf("%q: got %v, %v", bad, ok, err)
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, Config{MemoryKiB: 8, Time: 1, Concurrency: 1})
		if err := h.running.Acquire(t.Context(), 1); err != nil {
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
		if _, err := h.Hash(t.Context(), "x"); !problem.Is(err, problem.Overloaded) {
			t.Errorf("with a full queue: got %v", err)
		}
		h.running.Release(1)
		for range maxQueue {
			if err := <-done; err != nil {
				t.Errorf("queued: got %v", err)
			}
		}
		if _, err := h.Hash(t.Context(), "x"); err != nil {
			t.Errorf("with an empty queue: got %v", err)
		}
		if err := h.running.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Hash(ctx, "x"); !problem.Is(err, problem.Overloaded) {
			t.Errorf("at the deadline: got %v", err)
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
