package edge

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// AuthenticatorOptions is what an authenticator is made of.
type AuthenticatorOptions struct {
	Keys   *token.Keyring
	Cache  *TokenCache
	Limits *Limits
	// Look is called for a token whose key is not known, to find new keys. Its
	// error says that no verdict is possible. Nil is for keys that never change.
	Look func() error
	// Revoked reports whether a valid token counts no more, because its session
	// was ended or its tenant suspended. It is asked for every request, so it
	// must be quick. Nil revokes nothing.
	Revoked func(*token.Claims) bool
	// Hash turns a tenant into what may appear in logs.
	Hash func(tenant string) string
	// Now is the clock that exp is held against; nil is when the request began.
	Now func() time.Time
}

// Authenticator finds out who calls.
type Authenticator struct {
	AuthenticatorOptions
	refused map[token.Kind]*metrics.Counter
}

// NewAuthenticator returns an authenticator.
func NewAuthenticator(o AuthenticatorOptions) *Authenticator {
	a := &Authenticator{AuthenticatorOptions: o, refused: map[token.Kind]*metrics.Counter{}}
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
// limit. Tokens that are refused here are answered 429 once it is used up. While
// the gateway has never seen the keys it can judge no token and says 503.
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
			if tenant := ex.Fields.TenantID; tenant != nil && string(tenant) != known.Claims.Tenant {
				ex.Refuse(problem.New(problem.TenantMismatch))
				return
			}
			ex.known, ex.Claims, ex.TenantHash = known, &known.Claims, known.Value.tenantHash
			next(ex)
			if ex.Ctx.Response.StatusCode() == fasthttp.StatusUnauthorized {
				a.Limits.countAddress(ex)
			}
		}
	}
}

// identify returns the verified token of the request. A token that was seen
// before costs a look-up instead of a verification; whether it was revoked is
// asked each time.
func (a *Authenticator) identify(ex *Exchange) (*knownToken, error) {
	bearer, ok := token.FromBearer(ex.Fields.Authorization)
	switch {
	case ex.Fields.Twice:
		return nil, &token.Error{Kind: token.Malformed}
	case !ok:
		return nil, &token.Error{Kind: token.Missing}
	}
	now := ex.Start
	if a.Now != nil {
		now = a.Now()
	}
	known := a.Cache.Get(bearer, now)
	if known == nil {
		text := string(bearer)
		span := ex.Span.Child("verify token")
		claims, key, err := a.verify(text)
		if err != nil {
			span.Fail(string(cmp.Or(token.KindOf(err), "unavailable")))
		}
		span.End()
		if err != nil {
			return nil, err
		}
		known = newKnownToken(text, key, claims, a.Hash(claims.Tenant))
		if !a.revoked(known) {
			a.Cache.Put(known, now)
			return known, nil
		}
	} else if !a.revoked(known) {
		return known, nil
	}
	a.Cache.Drop(known)
	return nil, &token.Error{Kind: token.Revoked}
}

func (a *Authenticator) revoked(known *knownToken) bool {
	return a.Revoked != nil && a.Revoked(&known.Claims)
}

// verify verifies a token. When its key is not known, or none is, it looks for
// new keys once; they may also have come by themselves in the meantime.
func (a *Authenticator) verify(text string) (token.Claims, *token.Key, error) {
	generation := a.Keys.Generation()
	claims, key, err := a.Keys.VerifyKey(text)
	if a.Look == nil || token.KindOf(err) != token.UnknownKey && !errors.Is(err, token.ErrNoKeys) {
		return claims, key, err
	}
	lookErr := a.Look()
	if a.Keys.Generation() != generation {
		claims, key, err = a.Keys.VerifyKey(text)
	}
	if token.KindOf(err) == token.UnknownKey && lookErr != nil {
		err = lookErr
	}
	return claims, key, err
}

// refuse answers 401, or 503 when the token could not be judged.
func (a *Authenticator) refuse(ex *Exchange, err error) {
	kind := token.KindOf(err)
	if kind == "" {
		ex.Refuse(problem.Wrap(problem.Unavailable, err))
		return
	}
	a.refused[kind].Inc()
	if a.Limits.chargeAddress(ex, limit.Public) {
		ex.Refuse(problem.Wrap(problem.Unauthenticated, err))
	}
}
