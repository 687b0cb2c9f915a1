package edge

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Limits are the policies that the edge enforces, and the limiter that counts.
type Limits struct {
	limiter   *ratelimit.Limiter
	shadow    *ratelimit.Shadow
	tenants   func(id string) *limit.Tenant
	overrides ratelimit.Overrides
	policies  atomic.Pointer[ratelimit.Policies]
	admission *Admission // which counts requests in flight
}

// NewLimits returns limits that follow the policies. Tenants tells what is known
// of a tenant; one that is not known has the default plan.
func NewLimits(p *ratelimit.Policies, limiter *ratelimit.Limiter, shadow *ratelimit.Shadow, tenants func(id string) *limit.Tenant) *Limits {
	l := &Limits{limiter: limiter, shadow: shadow, tenants: tenants}
	l.Follow(p)
	return l
}

// Follow replaces the policies. Requests under way keep theirs.
func (l *Limits) Follow(p *ratelimit.Policies) { l.policies.Store(p) }

// LimitAddress limits each client address, before anything is spent on finding
// out who calls. Operations without security are limited tightly, since only
// the address stands against guessing there; signing in and refreshing have
// buckets of their own. Those that need a token, and the probes, have the flood
// guard. It also tells the client about all limits that were counted.
func (l *Limits) LimitAddress() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if l.chargeAddress(ex, addressPolicy(ex.Route)) {
				next(ex)
			}
			ex.tellLimits()
		}
	}
}

func addressPolicy(r *route.Route) string {
	switch {
	case !r.Public || r.Class == route.Probe:
		return limit.Address
	case r.Class == route.Auth:
		return limit.Auth
	case r.Class == route.Refresh:
		return limit.Refresh
	}
	return limit.Public
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
				l.chargeAddress(ex, limit.Address)
				ex.tellLimits()
			}
		}
	}
}

// tellLimits writes what was charged into the answer.
func (ex *Exchange) tellLimits() {
	h := &ex.Ctx.Response.Header
	if ex.body = ratelimit.AppendPolicies(ex.body[:0], ex.charges); len(ex.body) > 0 {
		h.SetCanonical(rateLimitPolicy, ex.body)
		ex.body = ratelimit.AppendLevels(ex.body[:0], ex.charges)
		h.SetCanonical(rateLimit, ex.body)
	}
}

var (
	rateLimitPolicy = []byte("RateLimit-Policy")
	rateLimit       = []byte("RateLimit")
)

// LimitIdentity limits each tenant, each user, and each user's requests to the
// operation's class, in one decision: a request that one of them refuses costs
// the others nothing.
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
func (l *Limits) chargeAddress(ex *Exchange, policy string) bool {
	n := l.addAddress(ex, policy)
	return l.take(ex, ex.tag, n)
}

// countAddress charges an answer of 401 that a backend gave, without changing
// it.
func (l *Limits) countAddress(ex *Exchange) {
	n := l.addAddress(ex, limit.Public)
	l.limiter.Take(ex.context(), ex.tag, ex.charges[n:])
}

func (l *Limits) addAddress(ex *Exchange, policy string) int {
	ex.tag = append(ex.tag[:0], "a:"...)
	ex.tag = appendBucketAddr(ex.tag, ex.Client)
	n := len(ex.charges)
	pair := l.policies.Load().ByAddress(policy)
	if pair.Enforced != nil {
		ex.charges = append(ex.charges, ratelimit.Charge{Policy: pair.Enforced, Held: ex.held})
	}
	if pair.Shadow != nil {
		ex.charges = append(ex.charges, ratelimit.Charge{Policy: pair.Shadow})
	}
	return n
}

func (l *Limits) chargeIdentity(ex *Exchange) bool {
	n := len(ex.charges)
	k := &ex.known.Value
	t := l.tenantOf(ex)
	plan := l.policies.Load().Plan(planOf(t))
	for _, one := range [...]struct {
		name string
		key  []byte
		held *ratelimit.Held
	}{
		{limit.PerTenant, nil, &k.tenant}, {limit.PerUser, k.subject, &k.user}, {string(ex.Route.Class), k.subject, &k.class},
	} {
		for i, f := range l.inForce(plan, t, ex.Claims.UserID, one.name, ex.Start) {
			if f.policy == nil {
				continue
			}
			c := ratelimit.Charge{Policy: f.policy, Key: one.key}
			if i == 0 { // few are in shadow
				c.Held = one.held
			}
			ex.charges = append(ex.charges, c)
		}
	}
	return l.take(ex, k.tag, n)
}

// tenantOf returns what is known of the caller's tenant, or nil.
func (l *Limits) tenantOf(ex *Exchange) *limit.Tenant {
	if ex.tenant == nil {
		ex.tenant = l.tenants(ex.Claims.Tenant)
	}
	return ex.tenant
}

// appendIdentity appends the tag of a tenant's buckets, t:<tenant>, and after it
// the user's key, which begins at split.
func appendIdentity(b []byte, c *token.Claims) (tag []byte, split int) {
	b = append(b, "t:"...)
	b = append(b, c.Tenant...)
	return appendUUID(b, c.UserID), len(b)
}

// inForce is a policy that applies, and the override that it comes from, if it
// is not the plan's.
type inForce struct {
	policy    *ratelimit.Policy
	agreement *ratelimit.Agreement
}

// inForce returns what applies to a user under the name of a policy, first what
// is enforced, then what is in shadow: what was agreed on with the user, or else
// with the tenant, or else its plan. There may be none.
func (l *Limits) inForce(plan *ratelimit.Plan, t *limit.Tenant, user uuid.UUID, name string, now time.Time) [2]inForce {
	pair := plan.Policy(name)
	both := [2]inForce{{policy: pair.Enforced}, {policy: pair.Shadow}}
	for i, shadow := range [...]bool{false, true} {
		if a := l.overrides.Find(t, user, name, shadow, now); a != nil {
			both[i] = inForce{a.Policy, a}
		}
	}
	return both
}

func planOf(t *limit.Tenant) string {
	if t == nil {
		return limit.DefaultPlan
	}
	return t.Plan
}

// take decides the charges from n on.
func (l *Limits) take(ex *Exchange, tag []byte, n int) bool {
	charges := ex.charges[n:]
	l.limiter.Take(ex.context(), tag, charges)
	for i := range charges {
		if charges[i].Shadowed {
			l.noteShadow(ex, charges[i].Policy.Name)
		}
	}
	refused := ratelimit.Refused(charges)
	if refused == nil {
		return true
	}
	if refused.Unavailable {
		if ex.Route != nil && ex.Route.Class == route.Probe {
			return true // else load balancers would give up every gateway
		}
		ex.Refuse(problem.New(problem.Unavailable))
		return false
	}
	p := problem.Newf(problem.RateLimited, "The limit %q is used up; see the Retry-After header.", refused.Policy.Name)
	p.RetryAfter = refused.Wait
	ex.limit = refused.Policy.Name
	ex.Refuse(p)
	return false
}

func (l *Limits) noteShadow(ex *Exchange, policy string) {
	tenant := ""
	if ex.Claims != nil {
		tenant = ex.Claims.Tenant
	}
	l.shadow.Note(policy, tenant)
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
