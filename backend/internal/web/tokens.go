package web

import (
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/token"
)

// maxTokens is how many verified tokens are remembered, about 1 KiB each.
const maxTokens = 10_000

var tokenCacheCounters = token.CacheCounters{
	Hits:      metrics.NewCounter(`backend_token_cache_hits_total`),
	Misses:    metrics.NewCounter(`backend_token_cache_misses_total`),
	Evictions: metrics.NewCounter(`backend_token_cache_evictions_total`),
}

// Tokens verifies tokens. One that was seen before costs a look-up; whether its
// session lives is asked with each statement all the same.
type Tokens struct {
	keys  *token.Keyring
	known *token.Cache[string]
	hash  func(tenant string) string
	now   func() time.Time
}

// NewTokens returns what verifies tokens of a keyring. Hash gives the name under
// which a tenant appears in logs.
func NewTokens(keys *token.Keyring, hash func(tenant string) string, now func() time.Time) *Tokens {
	return &Tokens{keys, token.NewCache[string](maxTokens, tokenCacheCounters), hash, now}
}

// verify returns the claims of a valid token (see [token.Keyring.Verify]) and its
// tenant's name in logs.
func (t *Tokens) verify(bearer []byte) (token.Claims, string, error) {
	now := t.now()
	if known := t.known.Get(bearer, now); known != nil {
		return known.Claims, known.Value, nil
	}
	text := string(bearer)
	claims, key, err := t.keys.VerifyKey(text)
	if err != nil {
		return claims, "", err
	}
	hash := t.hash(claims.Tenant)
	t.known.Put(&token.Known[string]{Text: text, Key: key, Claims: claims, Value: hash}, now)
	return claims, hash, nil
}
