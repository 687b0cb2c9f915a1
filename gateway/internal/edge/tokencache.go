package edge

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/gateway/internal/ratelimit"
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
// token is compared. Only valid tokens enter it, so nobody can fill it with rubbish. It is safe for concurrent use.
type TokenCache struct {
	seed     maphash.Seed
	perShard int
	shards   [cacheShards]tokenShard
}

type tokenShard struct {
	mu     sync.RWMutex
	byHash map[uint64]*knownToken // of the signature
}

// knownToken is a verified token. It never changes once it is in the cache.
type knownToken struct {
	text       string
	key        *token.Key
	hash       uint64
	claims     token.Claims
	tenantHash string

	// tag and subject name the buckets of the tenant and the user, which are held
	// from one request to the next.
	tag, subject        []byte
	tenant, user, class ratelimit.Held
}

func newKnownToken(text string, key *token.Key, claims token.Claims, tenantHash string) *knownToken {
	k := &knownToken{text: text, key: key, claims: claims, tenantHash: tenantHash}
	tag, split := appendIdentity(nil, &k.claims)
	k.tag, k.subject = tag[:split:split], tag[split:]
	return k
}

// good reports whether the token still says who calls.
func (k *knownToken) good(now time.Time) bool {
	return now.Before(k.claims.ExpiresAt) && k.key.Trusted(now)
}

// NewTokenCache returns a cache for up to max tokens, about 1 KiB each.
func NewTokenCache(maxTokens int) *TokenCache {
	c := &TokenCache{seed: maphash.MakeSeed(), perShard: max(1, maxTokens/cacheShards)}
	for i := range c.shards {
		c.shards[i].byHash = map[uint64]*knownToken{}
	}
	return c
}

// get returns the entry of a token that has not expired and whose key is still
// trusted, or nil.
func (c *TokenCache) get(text []byte, now time.Time) *knownToken {
	hash := maphash.Bytes(c.seed, text[bytes.LastIndexByte(text, '.')+1:])
	shard := c.shard(hash)
	shard.mu.RLock()
	known := shard.byHash[hash]
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

func (c *TokenCache) shard(hash uint64) *tokenShard { return &c.shards[hash%cacheShards] }

// put keeps a verified token, instead of one whose hash is the same. One that has expired, and is still accepted only
// because clocks differ, is not worth keeping.
func (c *TokenCache) put(known *knownToken, now time.Time) {
	if !now.Before(known.claims.ExpiresAt) {
		return
	}
	known.hash = maphash.String(c.seed, known.text[strings.LastIndexByte(known.text, '.')+1:])
	shard := c.shard(known.hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if len(shard.byHash) >= c.perShard {
		shard.evict(now)
	}
	shard.byHash[known.hash] = known
}

// drop forgets a token.
func (c *TokenCache) drop(known *knownToken) {
	shard := c.shard(known.hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.byHash[known.hash] == known {
		delete(shard.byHash, known.hash)
	}
}

// evict removes what is no longer good from a sample of entries, or else the
// one that expires first.
func (s *tokenShard) evict(now time.Time) {
	var first *knownToken
	freed, seen := false, 0
	for hash, known := range s.byHash {
		switch {
		case !known.good(now):
			delete(s.byHash, hash)
			freed = true
		case first == nil || known.claims.ExpiresAt.Before(first.claims.ExpiresAt):
			first = known
		}
		if seen++; seen == cacheSample {
			break
		}
	}
	if !freed {
		delete(s.byHash, first.hash)
		cacheEvictions.Inc()
	}
}
