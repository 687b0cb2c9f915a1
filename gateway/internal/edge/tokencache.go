package edge

import (
	"github.com/VictoriaMetrics/metrics"

	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/internal/token"
)

var tokenCacheCounters = token.CacheCounters{
	Hits:      metrics.NewCounter(`gateway_token_cache_hits_total`),
	Misses:    metrics.NewCounter(`gateway_token_cache_misses_total`),
	Evictions: metrics.NewCounter(`gateway_token_cache_evictions_total`),
}

// TokenCache remembers tokens that were verified.
type TokenCache = token.Cache[identified]

// NewTokenCache returns a cache for up to max tokens, about 1 KiB each.
func NewTokenCache(maxTokens int) *TokenCache {
	return token.NewCache[identified](maxTokens, tokenCacheCounters)
}

// knownToken is a verified token.
type knownToken = token.Known[identified]

// identified is what is kept with a token of who calls.
type identified struct {
	tenantHash string
	// tag and subject name the buckets of the tenant and the user, which are held
	// from one request to the next.
	tag, subject        []byte
	tenant, user, class ratelimit.Held
}

func newKnownToken(text string, key *token.Key, claims token.Claims, tenantHash string) *knownToken {
	k := &knownToken{Text: text, Key: key, Claims: claims, Value: identified{tenantHash: tenantHash}}
	tag, split := appendIdentity(nil, &k.Claims)
	k.Value.tag, k.Value.subject = tag[:split:split], tag[split:]
	return k
}
