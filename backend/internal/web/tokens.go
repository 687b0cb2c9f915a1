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
	known *token.Cache[struct{}]
	now   func() time.Time
}

// NewTokens returns what verifies tokens of a keyring.
func NewTokens(keys *token.Keyring, now func() time.Time) *Tokens {
	return &Tokens{keys, token.NewCache[struct{}](maxTokens, tokenCacheCounters), now}
}

// verify returns the claims of a valid token (see [token.Keyring.Verify]).
func (t *Tokens) verify(bearer []byte) (token.Claims, error) {
	now := t.now()
	if known := t.known.Get(bearer, now); known != nil {
		return known.Claims, nil
	}
	text := string(bearer)
	claims, key, err := t.keys.VerifyKey(text)
	if err == nil {
		t.known.Put(&token.Known[struct{}]{Text: text, Key: key, Claims: claims}, now)
	}
	return claims, err
}
