package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// Options are what a [Limiter] is made of.
type Options struct {
	// Store keeps the buckets that all gateways share.
	Store Store
	// Keys is the most buckets to remember here, about 300 bytes each; there may
	// be up to 64 times MaxCharges more.
	Keys int
	// Fallback decides while the store does not answer.
	Fallback Fallback
	// Fleet returns how many gateways share the limits, for the fallback. It is
	// called often; nil means one.
	Fleet func() int
	// Now is the clock, both its wall and its monotonic reading; nil means
	// time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Limiter decides by the store's buckets, mostly without asking for them. It is
// safe for concurrent use; requests share a lock only with those of the same tag
// and of a few others.
type Limiter struct {
	store     Store
	buckets   *table
	mode      Fallback
	fleet     func() int
	clock     func() instant
	log       *slog.Logger
	fallback  atomic.Bool  // the last decision was made without the store
	outage    atomic.Bool  // such a one is not long ago
	lastAlone atomic.Int64 // when it was, as instant.mono
}

// New returns a limiter.
func New(o Options) *Limiter {
	if o.Fleet == nil {
		o.Fleet = func() int { return 1 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	fallbackGauge.Set(0)
	return &Limiter{
		store:   o.Store,
		buckets: newTable(o.Keys),
		mode:    o.Fallback,
		fleet:   o.Fleet,
		clock:   newClock(o.Now),
		log:     o.Log,
	}
}

// Take charges all buckets or none, sets their decisions and counts them. It
// never fails, and sends at most one command to the store. Tag is common to the
// buckets; neither it nor the keys are kept. There may be up to [MaxCharges]
// charges.
func (l *Limiter) Take(ctx context.Context, tag []byte, charges []Charge) {
	var found [MaxCharges]*bucket
	at := found[:len(charges)]
	s := l.buckets.shard(tag)

	s.mu.Lock()
	// Read under the lock: a pause before it must not let a dead lease live.
	now := l.clock()
	s.find(at, tag, charges, now)
	switch weigh(charges, at, now) {
	case refuse:
		refuseAll(charges, at, now)
		s.mu.Unlock()
	case spend:
		spendAll(charges, at, now)
		ahead := l.renewal(tag, charges, at, now)
		s.mu.Unlock()
		if ahead != nil {
			go l.renew(s, ahead)
		}
	case ask:
		o := l.order(tag, charges, at, now)
		s.mu.Unlock()
		err := l.store.Take(ctx, tag, o.asks)
		if errors.Is(err, errOverslept) {
			// That says nothing about the store, which may be well: to decide alone
			// would be to pass the bound for no reason.
			o.asked = l.clock()
			err = l.store.Take(ctx, tag, o.asks)
		}
		l.turn(l.finish(s, charges, o, err))
	}
	count(charges)
}

// Peek sets the decisions that the store's buckets would give to one request,
// and consumes nothing. What is on lease, here or elsewhere, they do not hold. It
// may take until the deadline of ctx.
func (l *Limiter) Peek(ctx context.Context, tag []byte, charges []Charge) error {
	asks := make([]Ask, len(charges))
	for i := range charges {
		asks[i] = Ask{Policy: charges[i].Policy, Key: charges[i].Key}
	}
	if err := l.store.Take(ctx, tag, asks); err != nil {
		return err
	}
	for i := range charges {
		r, fill := charges[i].Policy.rule, asks[i].Fill
		d := Decision{Admitted: r.has(fill) || charges[i].Policy.Shadow}
		d.Shadowed = d.Admitted && !r.has(fill)
		d.Remaining, d.Wait = r.level(fill)
		charges[i].Decision = d
	}
	return nil
}

// verdict is what can be said about a request without asking.
type verdict int

const (
	spend  verdict = iota // every bucket has a token on lease here
	ask                   // some have none
	refuse                // some are known to be empty
)

func weigh(charges []Charge, at []*bucket, now instant) verdict {
	v := spend
	for i, b := range at {
		switch {
		case b.leases.drop(now):
		case !b.empty(now):
			v = ask
		case !charges[i].Policy.Shadow:
			return refuse
		}
	}
	return v
}

// refuseAll sets the decisions of a request that some buckets have no token
// for. It consumes nothing.
func refuseAll(charges []Charge, at []*bucket, now instant) {
	for i, b := range at {
		d := Decision{Admitted: b.leases.drop(now) || !b.empty(now) || charges[i].Policy.Shadow}
		b.describe(&d, now)
		charges[i].Decision = d
	}
}

// spendAll takes a token from each bucket; a bucket in shadow may have none.
func spendAll(charges []Charge, at []*bucket, now instant) {
	for i, b := range at {
		_, spent := b.leases.take(now)
		if spent {
			b.leases.spent++
		}
		b.admit(now)
		d := Decision{Admitted: true, Shadowed: !spent}
		b.describe(&d, now)
		charges[i].Decision = d
	}
}

func count(charges []Charge) {
	refused := Refused(charges) != nil
	for i := range charges {
		c := &charges[i]
		switch {
		case !c.Admitted:
			c.Policy.refused.Inc()
		case !refused:
			c.Policy.admitted.Inc()
			if c.Shadowed {
				c.Policy.shadowed.Inc()
			}
		}
	}
}
