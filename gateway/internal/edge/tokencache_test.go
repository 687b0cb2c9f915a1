package edge

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/token"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func known(text string, expires time.Time) *knownToken {
	return &knownToken{text: text, key: &token.Key{}, claims: token.Claims{ID: text, ExpiresAt: expires}}
}

func TestTokenCache(t *testing.T) {
	t.Parallel()
	c := NewTokenCache(1000)
	c.put(known("head.claims.signature", noon.Add(time.Minute)), noon)

	if got := c.get([]byte("head.claims.signature"), noon); got == nil || got.claims.ID != "head.claims.signature" {
		t.Errorf("get = %+v", got)
	}
	// The signature finds an entry; only the whole token is it.
	for _, other := range []string{"head.other.signature", "signature", ".signature", "x.head.claims.signature", "head.claims.signaturE", ""} {
		if c.get([]byte(other), noon) != nil {
			t.Errorf("%q was taken for another token", other)
		}
	}
	if c.get([]byte("head.claims.signature"), noon.Add(time.Minute)) != nil {
		t.Error("a token was known at its exp")
	}
	if n := c.len(); n != 0 {
		t.Errorf("%d tokens, want 0: an expired one is forgotten", n)
	}
	kept := known("head.claims.signature", noon.Add(time.Minute))
	c.put(kept, noon)
	c.drop(known("head.other.signature", noon.Add(time.Minute))) // has the place of another
	if c.get([]byte("head.claims.signature"), noon) != kept {
		t.Error("another token was dropped")
	}
	c.put(known("a.b.late", noon), noon) // accepted within the leeway only
	if n := c.len(); n != 1 {
		t.Errorf("%d tokens, want 1: an expired one is not kept", n)
	}
	c.drop(kept)
	if c.get([]byte("head.claims.signature"), noon) != nil || c.len() != 0 {
		t.Error("a token was known after it was dropped")
	}
}

func TestTokenCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := NewTokenCache(10 * cacheShards)
	for i := range 100 * cacheShards {
		c.put(known(fmt.Sprintf("h.c.%d", i), noon.Add(time.Hour)), noon)
	}
	if n := c.len(); n > 10*cacheShards {
		t.Errorf("%d tokens, want at most %d", n, 10*cacheShards)
	}
	// What expires first goes first.
	small := &tokenShard{byHash: map[uint64]*knownToken{}}
	for i := range cacheSample {
		k := known(fmt.Sprint(i), noon.Add(time.Duration(i+1)*time.Minute))
		k.hash = uint64(i)
		small.byHash[k.hash] = k
	}
	small.evict(noon)
	if small.byHash[0] != nil || len(small.byHash) != cacheSample-1 {
		t.Errorf("left: %v", small.byHash)
	}
	before := cacheEvictions.Get()
	small.evict(noon.Add(3 * time.Minute))
	if len(small.byHash) != cacheSample-3 || cacheEvictions.Get() < before {
		t.Errorf("%d left, want the two expired ones gone", len(small.byHash))
	}
}

func TestTokenCacheConcurrently(t *testing.T) {
	t.Parallel()
	c := NewTokenCache(cacheShards)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				text := fmt.Sprintf("h.%d.%d", g%2, i%100)
				if got := c.get([]byte(text), noon); got != nil && got.text != text {
					t.Errorf("asked for %s, got %s", text, got.text)
				}
				c.put(known(text, noon.Add(time.Hour)), noon)
			}
		})
	}
	wg.Wait()
}

// FuzzAuthenticateHeader checks that the cache changes nothing: a header is
// taken for a caller exactly when its token verifies, and for that caller.
func FuzzAuthenticateHeader(f *testing.F) {
	keys := token.NewKeyring(token.Config{Secret: "a secret for this fuzz test only, 32+", Issuer: "g", Audience: "g"}, time.Now)
	valid, err := keys.Sign(token.Claims{UserID: uuid.New(), Tenant: "t", Username: "u", Session: uuid.New(), Role: token.Member}, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	a := NewAuthenticator(AuthenticatorOptions{
		Keys: keys, Cache: NewTokenCache(100), Hash: func(string) string { return "" }, Now: time.Now,
	})
	for _, seed := range []string{"", "Bearer ", "Bearer a.b.c", "Bearer " + valid, "bearer  " + valid, "Basic " + valid, "Bearer " + valid + "=", "Bearer\t" + valid} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for range 2 { // the second time from the cache, if at all
			got, err := a.identify(&Exchange{Fields: Fields{Authorization: []byte(header)}})
			bearer, _ := token.FromBearer(header)
			want, verifyErr := keys.Verify(bearer)
			if (err == nil) != (verifyErr == nil) || err == nil && got.claims != want {
				t.Fatalf("%q was taken for %+v (%v), want %+v (%v)", header, got, err, want, verifyErr)
			}
		}
	})
}

func BenchmarkTokenCache(b *testing.B) {
	c := NewTokenCache(20_000)
	for i := range 10_000 {
		c.put(known(fmt.Sprintf("h.c.%043d", i), time.Now().Add(time.Hour)), time.Now())
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		text, now := []byte(fmt.Sprintf("h.c.%043d", 77)), time.Now()
		for pb.Next() {
			if c.get(text, now) == nil {
				b.Error("not found")
				return
			}
		}
	})
}

// len returns how many tokens are kept.
func (c *TokenCache) len() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.RLock()
		n += len(c.shards[i].byHash)
		c.shards[i].mu.RUnlock()
	}
	return n
}
