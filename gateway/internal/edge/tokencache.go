package edge

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/token"
)

var (
	cacheHits      = metrics.NewCounter(`gateway_token_cache_hits_total`)
	cacheMisses    = metrics.NewCounter(`gateway_token_cache_misses_total`)
	cacheEvictions = metrics.NewCounter(`gateway_token_cache_evictions_total`)
)

const (
	cacheShards = 64
	cacheSample = 8 // entries looked at to find one that can go
)

// TokenCache remembers tokens that were verified, until they expire, are revoked
// or lose the key that signed them. It is looked up by the token's signature,
// whose bytes are spread evenly and unique to the token, and then the whole
// token is compared. Only valid tokens enter
// it, so nobody can fill it with rubbish. It is safe for concurrent use.
type TokenCache struct {
	seed     maphash.Seed
	perShard int
	shards   [cacheShards]tokenShard
}

type tokenShard struct {
	mu          sync.RWMutex
	bySignature map[string]*knownToken
}

// knownToken is a verified token. It never changes once it is in the cache.
type knownToken struct {
	text       string
	key        *token.Key
	claims     token.Claims
	tenantHash string
}

// good reports whether the token still says who calls.
func (k *knownToken) good(now time.Time) bool {
	return now.Before(k.claims.ExpiresAt) && k.key.Trusted(now)
}

// signature is the part that finds the token.
func (k *knownToken) signature() string { return k.text[strings.LastIndexByte(k.text, '.')+1:] }

// NewTokenCache returns a cache for up to max tokens, about 1 KiB each.
func NewTokenCache(maxTokens int) *TokenCache {
	c := &TokenCache{seed: maphash.MakeSeed(), perShard: max(1, maxTokens/cacheShards)}
	for i := range c.shards {
		c.shards[i].bySignature = map[string]*knownToken{}
	}
	return c
}

// get returns the entry of a token that has not expired and whose key is still
// trusted, or nil.
func (c *TokenCache) get(text []byte, now time.Time) *knownToken {
	signature := text[bytes.LastIndexByte(text, '.')+1:]
	shard := &c.shards[maphash.Bytes(c.seed, signature)%cacheShards]
	shard.mu.RLock()
	known := shard.bySignature[string(signature)]
	shard.mu.RUnlock()
	if known == nil || known.text != string(text) {
		cacheMisses.Inc()
		return nil
	}
	if !known.good(now) {
		cacheMisses.Inc()
		c.drop(known)
		return nil
	}
	cacheHits.Inc()
	return known
}

// put keeps a verified token. One that has expired, and is still accepted only
// because clocks differ, is not worth keeping.
func (c *TokenCache) put(known *knownToken, now time.Time) {
	if !now.Before(known.claims.ExpiresAt) {
		return
	}
	signature := known.signature()
	shard := &c.shards[maphash.String(c.seed, signature)%cacheShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if len(shard.bySignature) >= c.perShard {
		shard.evict(now)
	}
	shard.bySignature[signature] = known
}

// drop forgets a token.
func (c *TokenCache) drop(known *knownToken) {
	signature := known.signature()
	shard := &c.shards[maphash.String(c.seed, signature)%cacheShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.bySignature[signature] == known {
		delete(shard.bySignature, signature)
	}
}

// evict removes what is no longer good from a sample of entries, or else the
// one that expires first.
func (s *tokenShard) evict(now time.Time) {
	var first string
	freed, seen := false, 0
	for signature, known := range s.bySignature {
		switch {
		case !known.good(now):
			delete(s.bySignature, signature)
			freed = true
		case first == "" || known.claims.ExpiresAt.Before(s.bySignature[first].claims.ExpiresAt):
			first = signature
		}
		if seen++; seen == cacheSample {
			break
		}
	}
	if !freed {
		delete(s.bySignature, first)
		cacheEvictions.Inc()
	}
}

// len returns how many tokens are kept.
func (c *TokenCache) len() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.RLock()
		n += len(c.shards[i].bySignature)
		c.shards[i].mu.RUnlock()
	}
	return n
}
