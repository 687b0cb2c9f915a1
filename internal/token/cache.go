package token

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const (
	cacheShards = 64
	cacheSample = 8 // entries looked at to find one that can go
)

// Cache remembers tokens that were verified, with a value for each, until they
// expire or lose the key that signed them. It is looked up by the token's
// signature, whose bytes are spread evenly and unique to the token, and then the
// whole token is compared. Only valid tokens enter it, so nobody can fill it with
// rubbish. It is safe for concurrent use.
type Cache[T any] struct {
	seed     maphash.Seed
	perShard int
	counters CacheCounters
	shards   [cacheShards]cacheShard[T]
}

// CacheCounters count what became of look-ups, and tokens that had to make room.
type CacheCounters struct {
	Hits, Misses, Evictions *metrics.Counter
}

type cacheShard[T any] struct {
	mu     sync.RWMutex
	byHash map[uint64]*Known[T] // of the signature
}

// Known is a verified token. It never changes once it is in a cache.
type Known[T any] struct {
	Text   string
	Key    *Key
	Claims Claims
	Value  T

	hash uint64
}

// good reports whether the token still says who calls.
func (k *Known[T]) good(now time.Time) bool {
	return now.Before(k.Claims.ExpiresAt) && k.Key.Trusted(now)
}

// NewCache returns a cache for up to so many tokens, about 1 KiB each.
func NewCache[T any](maxTokens int, counters CacheCounters) *Cache[T] {
	c := &Cache[T]{seed: maphash.MakeSeed(), perShard: max(1, maxTokens/cacheShards), counters: counters}
	for i := range c.shards {
		c.shards[i].byHash = map[uint64]*Known[T]{}
	}
	return c
}

// Get returns the entry of a token that has not expired and whose key is still
// trusted, or nil.
func (c *Cache[T]) Get(text []byte, now time.Time) *Known[T] {
	hash := maphash.Bytes(c.seed, text[bytes.LastIndexByte(text, '.')+1:])
	shard := c.shard(hash)
	shard.mu.RLock()
	known := shard.byHash[hash]
	shard.mu.RUnlock()
	if known == nil || known.Text != string(text) {
		c.counters.Misses.Inc()
		return nil
	}
	if !known.good(now) {
		c.counters.Misses.Inc()
		c.Drop(known)
		return nil
	}
	c.counters.Hits.Inc()
	return known
}

func (c *Cache[T]) shard(hash uint64) *cacheShard[T] { return &c.shards[hash%cacheShards] }

// Put keeps a verified token, instead of one whose hash is the same. One that has
// expired, and is still accepted only because clocks differ, is not worth keeping.
func (c *Cache[T]) Put(known *Known[T], now time.Time) {
	if !now.Before(known.Claims.ExpiresAt) {
		return
	}
	known.hash = maphash.String(c.seed, known.Text[strings.LastIndexByte(known.Text, '.')+1:])
	shard := c.shard(known.hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if len(shard.byHash) >= c.perShard && shard.evict(now) {
		c.counters.Evictions.Inc()
	}
	shard.byHash[known.hash] = known
}

// Len returns how many tokens are kept.
func (c *Cache[T]) Len() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.RLock()
		n += len(c.shards[i].byHash)
		c.shards[i].mu.RUnlock()
	}
	return n
}

// Drop forgets a token.
func (c *Cache[T]) Drop(known *Known[T]) {
	shard := c.shard(known.hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.byHash[known.hash] == known {
		delete(shard.byHash, known.hash)
	}
}

// evict removes what is no longer good from a sample of entries, or else, which it
// reports, the one that expires first.
func (s *cacheShard[T]) evict(now time.Time) bool {
	var first *Known[T]
	freed, seen := false, 0
	for hash, known := range s.byHash {
		switch {
		case !known.good(now):
			delete(s.byHash, hash)
			freed = true
		case first == nil || known.Claims.ExpiresAt.Before(first.Claims.ExpiresAt):
			first = known
		}
		if seen++; seen == cacheSample {
			break
		}
	}
	if !freed {
		delete(s.byHash, first.hash)
	}
	return !freed
}
