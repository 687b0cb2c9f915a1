package ratelimit

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/limit"
)

// Policy is a named limit that buckets are charged under. Make one with
// [NewPolicy]; it never changes. The name is part of a bucket's name, so two
// policies of one name mean the same buckets, as an override and the default
// that it replaces do; only those in shadow have buckets of their own.
type Policy struct {
	Name  string
	Limit limit.Limit
	PolicyOptions

	bucket string // the name that the policy has in names of buckets
	rule   rule
	quota  string // in RateLimit-Policy
	level  string // begins what is told of it in RateLimit
	args   [3]any // interval, tolerance and firm, as the script wants them

	admitted, refused, shadowed *metrics.Counter
}

// shadowSuffix keeps the buckets of a policy in shadow apart from those of the
// one that is enforced under the same name.
const shadowSuffix = "~shadow"

// PolicyOptions say how a policy is enforced.
type PolicyOptions struct {
	// Shadow policies refuse nothing: a request that they have no token for is
	// let through, marked and counted.
	Shadow bool
	// Strict policies are enforced by this gateway's own buckets also when
	// [FallbackOpen] lets everything else through.
	Strict bool
}

// NewPolicy returns a policy.
func NewPolicy(name string, l limit.Limit, o PolicyOptions) *Policy {
	r := newRule(l)
	bucket, firm := name, 1
	if o.Shadow {
		bucket, firm = name+shadowSuffix, 0
	}
	counter := func(what string) *metrics.Counter {
		return metrics.GetOrCreateCounter(fmt.Sprintf(`gateway_ratelimit_%s_total{policy=%q}`, what, name))
	}
	return &Policy{
		Name:          name,
		Limit:         l,
		PolicyOptions: o,
		bucket:        bucket,
		quota:         fmt.Sprintf(`"%s";q=%d;w=%d`, name, l.Requests, seconds(l.Period)), // names need no escapes
		level:         fmt.Sprintf(`"%s";r=`, name),
		rule:          r,
		args:          [3]any{r.interval, r.tolerance, firm},
		admitted:      counter("admitted"),
		refused:       counter("refused"),
		shadowed:      counter("shadow"),
	}
}
