package ratelimit

import (
	"context"
	"sync/atomic"
	"time"
)

// MaxCharges is the most buckets that one decision may charge: tenant, user and
// class, each with a shadow.
const MaxCharges = 6

// Charge is one bucket of a decision. The caller sets Policy and Key, the
// limiter sets Decision. The buckets of a decision must differ.
type Charge struct {
	Policy *Policy
	// Key tells the buckets of a policy within a tag apart; it may be empty. It
	// is not kept, and contains no NUL.
	Key []byte
	// Held may remember the bucket until the next decision with the same tag and
	// key; nil remembers nothing.
	Held *Held

	Decision
}

// Held spares looking a bucket up. Whoever is charged again and again keeps one
// for each of its buckets; that of a policy with another name is told apart. The
// zero value remembers none yet. It is safe for concurrent use.
type Held struct{ bucket atomic.Pointer[bucket] }

// of returns what is remembered, unless it was forgotten by its shard since. The
// shard is locked.
func (h *Held) of(p *Policy) *bucket {
	if h == nil {
		return nil
	}
	if b := h.bucket.Load(); b != nil && !b.gone && b.policy.bucket == p.bucket {
		return b
	}
	return nil
}

func (h *Held) remember(b *bucket) {
	if h != nil {
		h.bucket.Store(b)
	}
}

// Decision is what a bucket says to one more request.
type Decision struct {
	// Admitted is whether this bucket had a token, or only watches. The request
	// goes on only if all buckets of the decision admit it.
	Admitted bool
	// Shadowed is set when a policy in shadow would have refused the request.
	Shadowed bool
	// Unavailable is set when the request is not admitted because nobody can
	// count it: see [FallbackClosed].
	Unavailable bool
	// Remaining is how many more requests this gateway knows the bucket to have
	// tokens for: what it held in Redis when that last answered, refilled since,
	// and what is on lease here.
	Remaining int64
	// Wait is the time until the bucket has one token more than now; zero when
	// it is full, or when nobody counts. For a bucket that did not admit it is the time to wait.
	Wait time.Duration
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

// Store keeps the buckets that all gateways share.
type Store interface {
	// Take answers all asks in one atomic step, by one clock: the needs of all
	// buckets are granted, or none if one that is enforced has no token. Tag is
	// common to the buckets; it is not kept, and contains no NUL. An error says
	// that nobody knows whether the buckets were charged.
	Take(ctx context.Context, tag []byte, asks []Ask) error
}

// Ask is what one bucket is asked for, and its answer.
type Ask struct {
	Policy *Policy
	Key    []byte // as in [Charge]

	Need  int64 // tokens for this request, 0 or 1
	Extra int64 // tokens to lease besides, if the bucket has plenty
	Debt  int64 // µs of refill that were spent without asking; charged in any case

	Granted int64 // tokens, Need among them
	Fill    int64 // µs until the bucket is full, afterwards
}

// short reports whether the bucket had no token for what was needed.
func (a *Ask) short() bool {
	return a.Need > 0 && a.Granted == 0 && !a.Policy.rule.has(a.Fill)
}

// refused reports whether a bucket that is enforced was short.
func refused(asks []Ask) bool {
	for i := range asks {
		if asks[i].short() && !asks[i].Policy.Shadow {
			return true
		}
	}
	return false
}
