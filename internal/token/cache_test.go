package token

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

var cacheNoon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newTestCache(maxTokens int) *Cache[int] {
	return NewCache[int](maxTokens, CacheCounters{&metrics.Counter{}, &metrics.Counter{}, &metrics.Counter{}})
}

func known(text string, expires time.Time) *Known[int] {
	return &Known[int]{Text: text, Key: &Key{}, Claims: Claims{ID: text, ExpiresAt: expires}}
}

func TestCache(t *testing.T) {
	t.Parallel()
	c := newTestCache(1000)
	c.Put(known("head.claims.signature", cacheNoon.Add(time.Minute)), cacheNoon)

	if got := c.Get([]byte("head.claims.signature"), cacheNoon); got == nil || got.Claims.ID != "head.claims.signature" {
		t.Errorf("get = %+v", got)
	}
	// The signature finds an entry; only the whole token is it.
	for _, other := range []string{"head.other.signature", "signature", ".signature", "x.head.claims.signature", "head.claims.signaturE", ""} {
		if c.Get([]byte(other), cacheNoon) != nil {
			t.Errorf("%q was taken for another token", other)
		}
	}
	if c.Get([]byte("head.claims.signature"), cacheNoon.Add(time.Minute)) != nil {
		t.Error("a token was known at its exp")
	}
	if n := c.Len(); n != 0 {
		t.Errorf("%d tokens, want 0: an expired one is forgotten", n)
	}
	kept := known("head.claims.signature", cacheNoon.Add(time.Minute))
	c.Put(kept, cacheNoon)
	c.Drop(known("head.other.signature", cacheNoon.Add(time.Minute))) // has the place of another
	if c.Get([]byte("head.claims.signature"), cacheNoon) != kept {
		t.Error("another token was dropped")
	}
	c.Put(known("a.b.late", cacheNoon), cacheNoon) // accepted within the leeway only
	if n := c.Len(); n != 1 {
		t.Errorf("%d tokens, want 1: an expired one is not kept", n)
	}
	c.Drop(kept)
	if c.Get([]byte("head.claims.signature"), cacheNoon) != nil || c.Len() != 0 {
		t.Error("a token was known after it was dropped")
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newTestCache(10 * cacheShards)
	for i := range 100 * cacheShards {
		c.Put(known(fmt.Sprintf("h.c.%d", i), cacheNoon.Add(time.Hour)), cacheNoon)
	}
	if n := c.Len(); n > 10*cacheShards {
		t.Errorf("%d tokens, want at most %d", n, 10*cacheShards)
	}
	// What expires first goes first.
	small := &cacheShard[int]{byHash: map[uint64]*Known[int]{}}
	for i := range cacheSample {
		k := known(fmt.Sprint(i), cacheNoon.Add(time.Duration(i+1)*time.Minute))
		k.hash = uint64(i)
		small.byHash[k.hash] = k
	}
	if !small.evict(cacheNoon) || small.byHash[0] != nil || len(small.byHash) != cacheSample-1 {
		t.Errorf("left: %v", small.byHash)
	}
	if small.evict(cacheNoon.Add(3*time.Minute)) || len(small.byHash) != cacheSample-3 {
		t.Errorf("%d left, want the two expired ones gone", len(small.byHash))
	}
}

func TestCacheConcurrently(t *testing.T) {
	t.Parallel()
	c := newTestCache(cacheShards)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				text := fmt.Sprintf("h.%d.%d", g%2, i%100)
				if got := c.Get([]byte(text), cacheNoon); got != nil && got.Text != text {
					t.Errorf("asked for %s, got %s", text, got.Text)
				}
				c.Put(known(text, cacheNoon.Add(time.Hour)), cacheNoon)
			}
		})
	}
	wg.Wait()
}

func BenchmarkCache(b *testing.B) {
	c := newTestCache(20_000)
	for i := range 10_000 {
		c.Put(known(fmt.Sprintf("h.c.%043d", i), time.Now().Add(time.Hour)), time.Now())
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		text, now := []byte(fmt.Sprintf("h.c.%043d", 77)), time.Now()
		for pb.Next() {
			if c.Get(text, now) == nil {
				b.Error("not found")
				return
			}
		}
	})
}
