package edge

import (
	"context"
	"net/netip"

	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/problem"
)

// Limits are the policies that the edge enforces, and the limiter that counts.
type Limits struct {
	Limiter *ratelimit.Limiter
	Public  *ratelimit.Policy // operations without security, and refused tokens, by address
	Address *ratelimit.Policy // all others, by address: a guard against floods
	Tenant  *ratelimit.Policy
	User    *ratelimit.Policy
}

// NewLimits returns the policies of a configuration.
func NewLimits(c ratelimit.Config, limiter *ratelimit.Limiter) *Limits {
	return &Limits{
		Limiter: limiter,
		Public:  ratelimit.NewPolicy("public", c.Public, c.FleetSize),
		Address: ratelimit.NewPolicy("address", c.Address, c.FleetSize),
		Tenant:  ratelimit.NewPolicy("tenant", c.Tenant, c.FleetSize),
		User:    ratelimit.NewPolicy("user", c.User, c.FleetSize),
	}
}

// LimitAddress limits each client address, before anything is spent on finding
// out who calls. Operations without security are limited tightly, since only
// the address stands against guessing there. Those that need a token, and the
// probes, have the flood guard. It also tells the client about all limits that
// were counted.
func (l *Limits) LimitAddress() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			policy := l.Address
			if ex.Route.Public && ex.Route.Class != route.Probe {
				policy = l.Public
			}
			if l.chargeAddress(ex, policy) {
				next(ex)
			}
			ex.tellLimits()
		}
	}
}

// LimitRefused charges the flood guard for what is refused further in before it
// comes as far as LimitAddress: unknown paths, malformed requests, unwanted
// bodies. Saying no costs little, so it is said first and counted on the way
// out; above the limit the answer becomes 429.
func (l *Limits) LimitRefused() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			next(ex)
			if len(ex.charges) == 0 {
				l.chargeAddress(ex, l.Address)
				ex.tellLimits()
			}
		}
	}
}

// tellLimits writes what was charged into the answer.
func (ex *Exchange) tellLimits() {
	h := &ex.Ctx.Response.Header
	ex.body = ratelimit.AppendPolicies(ex.body[:0], ex.charges)
	h.SetCanonical(rateLimitPolicy, ex.body)
	ex.body = ratelimit.AppendLevels(ex.body[:0], ex.charges)
	h.SetCanonical(rateLimit, ex.body)
}

var (
	rateLimitPolicy = []byte("RateLimit-Policy")
	rateLimit       = []byte("RateLimit")
)

// LimitIdentity limits each tenant and each user, in one decision: a request
// that one of them refuses costs the other nothing.
func (l *Limits) LimitIdentity() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if ex.Claims == nil || l.chargeIdentity(ex) {
				next(ex)
			}
		}
	}
}

// chargeAddress takes a token from the client address's bucket, or refuses the
// request.
func (l *Limits) chargeAddress(ex *Exchange, policy *ratelimit.Policy) bool {
	ex.tag = append(ex.tag[:0], "a:"...)
	ex.tag = appendBucketAddr(ex.tag, ex.Client)
	n := len(ex.charges)
	ex.charges = append(ex.charges, ratelimit.Charge{Policy: policy})
	return l.take(ex, ex.tag, n)
}

// countAddress charges an answer of 401 that a backend gave, without changing
// it.
func (l *Limits) countAddress(ex *Exchange) {
	ex.tag = append(ex.tag[:0], "a:"...)
	ex.tag = appendBucketAddr(ex.tag, ex.Client)
	ex.charges = append(ex.charges, ratelimit.Charge{Policy: l.Public})
	l.Limiter.Take(context.Background(), ex.tag, ex.charges[len(ex.charges)-1:])
}

func (l *Limits) chargeIdentity(ex *Exchange) bool {
	// The tag and the user's key share one buffer: t:<tenant><user>.
	ex.tag = append(ex.tag[:0], "t:"...)
	ex.tag = append(ex.tag, ex.Claims.Tenant...)
	split := len(ex.tag)
	ex.tag = appendUUID(ex.tag, ex.Claims.UserID)
	n := len(ex.charges)
	ex.charges = append(ex.charges,
		ratelimit.Charge{Policy: l.Tenant},
		ratelimit.Charge{Policy: l.User, Key: ex.tag[split:]})
	return l.take(ex, ex.tag[:split], n)
}

// take decides the charges from n on.
func (l *Limits) take(ex *Exchange, tag []byte, n int) bool {
	charges := ex.charges[n:]
	l.Limiter.Take(context.Background(), tag, charges)
	refused := ratelimit.Refused(charges)
	if refused == nil {
		return true
	}
	p := problem.Newf(problem.RateLimited, "The limit %q is used up; see the Retry-After header.", refused.Policy.Name)
	p.RetryAfter = refused.Wait
	ex.Refuse(p)
	return false
}

// appendBucketAddr appends the address that counts: IPv6 by its /64, since a
// subscriber has at least that many addresses (RFC 6177).
func appendBucketAddr(b []byte, addr netip.Addr) []byte {
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			addr = network.Addr()
		}
	}
	return addr.AppendTo(b)
}

// appendUUID appends 32 hexadecimal digits.
func appendUUID(b []byte, id [16]byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range id {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}
