package edge

import (
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Authenticator finds out who calls.
type Authenticator struct {
	keys    *token.Keyring
	cache   *TokenCache
	limits  *Limits
	hash    func(tenant string) string
	now     func() time.Time
	refused map[token.Kind]*metrics.Counter
}

// NewAuthenticator returns an authenticator. Hash turns a tenant into what may
// appear in logs; now is the clock that exp is held against.
func NewAuthenticator(keys *token.Keyring, cache *TokenCache, limits *Limits, hash func(string) string, now func() time.Time) *Authenticator {
	a := &Authenticator{keys: keys, cache: cache, limits: limits, hash: hash, now: now, refused: map[token.Kind]*metrics.Counter{}}
	for _, kind := range token.Kinds() {
		a.refused[kind] = metrics.GetOrCreateCounter(fmt.Sprintf(`gateway_auth_refused_total{kind=%q}`, kind))
	}
	return a
}

// Authenticate verifies the bearer token of operations that need one. The token
// is taken from the Authorization header alone, and it is the only thing that
// says who calls: X-Tenant-Id may repeat the tenant, as a safeguard against
// working in the wrong one, and chooses nothing.
//
// Every answer of 401, also the backend's, is charged to the address's tight
// limit. Tokens that are refused here are answered 429 once it is used up.
func (a *Authenticator) Authenticate() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if ex.Route.Public {
				next(ex)
				return
			}
			known, err := a.identify(ex)
			if err != nil {
				a.refuse(ex, err)
				return
			}
			if tenant := ex.Fields.TenantID; tenant != nil && string(tenant) != known.claims.Tenant {
				ex.Refuse(problem.New(problem.TenantMismatch))
				return
			}
			ex.Claims, ex.TenantHash = &known.claims, known.tenantHash
			next(ex)
			if ex.Ctx.Response.StatusCode() == fasthttp.StatusUnauthorized {
				a.limits.countAddress(ex)
			}
		}
	}
}

// identify returns the verified token of the request. A token that was seen
// before costs a look-up instead of a verification.
func (a *Authenticator) identify(ex *Exchange) (*knownToken, error) {
	bearer, ok := token.FromBearer(ex.Fields.Authorization)
	if !ok {
		return nil, &token.Error{Kind: token.Missing}
	}
	now := a.now()
	if known := a.cache.get(bearer, now); known != nil {
		return known, nil
	}
	text := string(bearer)
	claims, err := a.keys.Verify(text)
	if err != nil {
		return nil, err
	}
	known := &knownToken{text: text, claims: claims, tenantHash: a.hash(claims.Tenant)}
	a.cache.put(known, now)
	return known, nil
}

func (a *Authenticator) refuse(ex *Exchange, err error) {
	if counter := a.refused[token.KindOf(err)]; counter != nil {
		counter.Inc()
	}
	if a.limits.chargeAddress(ex, a.limits.Public) {
		ex.Refuse(problem.Wrap(problem.Unauthenticated, err))
	}
}
