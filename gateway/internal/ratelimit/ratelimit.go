// Package ratelimit decides how many requests a client address, a tenant or a
// user may send.
//
// A [Policy] is a token bucket with a name: requests per period, and a burst
// that may come at once. Its arithmetic is the generic cell rate algorithm in
// whole microseconds (gcra.go), apart from where the buckets are kept. There
// are two stores with one meaning: [Redis], which all gateways share, and
// [Local], this process's own. A [Limiter] asks the shared store and goes on
// with the local one when that does not answer in time.
//
// Several buckets are charged in one decision: either all of them give a token
// or none does, so a request that is refused consumes nothing. The buckets of
// one decision carry a tag, which keeps them in one slot of a Redis Cluster
// and under one lock of the local store.
package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Policy is a named limit that buckets are charged under. Make one with
// [NewPolicy]; it never changes.
type Policy struct {
	Name  string
	Limit Limit

	fleet rule // all gateways together
	local rule // one gateway while the fleet's count is out of reach

	// args are fleet's numbers as the script wants them.
	args [2]any

	admitted *metrics.Counter
	refused  *metrics.Counter
}

// NewPolicy returns a policy. Gateways is how many gateways share the limit
// when they cannot ask each other.
func NewPolicy(name string, limit Limit, gateways int) *Policy {
	p := &Policy{
		Name:     name,
		Limit:    limit,
		fleet:    limit.rule(1),
		local:    limit.rule(gateways),
		admitted: metrics.GetOrCreateCounter(fmt.Sprintf(`gateway_ratelimit_admitted_total{policy=%q}`, name)),
		refused:  metrics.GetOrCreateCounter(fmt.Sprintf(`gateway_ratelimit_refused_total{policy=%q}`, name)),
	}
	p.args = [2]any{p.fleet.interval, p.fleet.tolerance}
	return p
}

// Charge is one bucket of a decision. The caller sets Policy and Key, the store
// sets Decision.
type Charge struct {
	Policy *Policy
	// Key tells the buckets of a policy within a tag apart; it may be empty. It
	// is not kept.
	Key []byte

	Decision
}

// Decision is what a bucket says to one more request.
type Decision struct {
	// Admitted is whether this bucket had a token. The request goes on only if
	// all buckets of the decision had one.
	Admitted bool
	// Remaining is how many more requests the bucket would admit now.
	Remaining int64
	// Wait is the time until the bucket has one token more than now; zero when
	// it is full. For a bucket that did not admit it is the time to wait.
	Wait time.Duration
}

// Store keeps buckets. Take charges all of them, or none if one has no token
// left, and sets their decisions. Tag is common to the buckets and is not kept.
type Store interface {
	Take(ctx context.Context, tag []byte, charges []Charge) error
}

// Refused returns the charge that was not admitted and asks for the longest
// wait, or nil when all were admitted.
func Refused(charges []Charge) *Charge {
	var worst *Charge
	for i := range charges {
		if c := &charges[i]; !c.Admitted && (worst == nil || c.Wait > worst.Wait) {
			worst = c
		}
	}
	return worst
}

// Config is the limits.
type Config struct {
	Public    Limit `env:"RATE_LIMIT_PUBLIC" envDefault:"60/1m,20" doc:"Limit of each client address (IPv6: each /64) on operations without security, and on refused tokens" kind:"requests/period,burst such as 60/1m,20"`
	Address   Limit `env:"RATE_LIMIT_ADDRESS" envDefault:"6000/1m,1000" doc:"Flood guard: limit of each client address on all other operations" kind:"requests/period,burst such as 60/1m,20"`
	Tenant    Limit `env:"RATE_LIMIT_TENANT" envDefault:"6000/1m,1000" doc:"Limit of each tenant" kind:"requests/period,burst such as 60/1m,20"`
	User      Limit `env:"RATE_LIMIT_USER" envDefault:"600/1m,100" doc:"Limit of each user" kind:"requests/period,burst such as 60/1m,20"`
	FleetSize int   `env:"RATE_LIMIT_FLEET_SIZE" envDefault:"1" doc:"How many gateways share the limits; while Redis does not answer each enforces its share"`
}
