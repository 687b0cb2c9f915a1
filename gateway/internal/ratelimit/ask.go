package ratelimit

import (
	"bytes"
	"cmp"
	"context"
)

// order is one command to the store: what it asks for, and what was set aside
// for it here.
type order struct {
	asked instant // before the command was sent
	tag   []byte
	asks  []Ask
	parts [MaxCharges]part // as asks
	space [MaxCharges]Ask
}

type part struct {
	bucket *bucket
	// token is on lease here and set aside for the request, so the store is not
	// asked for one.
	token lease
	// leads is set for the one command of a bucket under way that may bring a
	// lease and that carries the debt.
	leads bool
	// aloneAt is the share's state that the debt was reckoned from.
	aloneAt int64
}

// add puts a bucket into the order. The shard is locked.
func (o *order) add(b *bucket, key []byte, token lease, need, extra int64, n int, now instant) {
	p := part{bucket: b, token: token, aloneAt: max(b.aloneAt, b.fullAt, now.mono)}
	a := Ask{Policy: b.policy, Key: key, Need: need}
	if !b.asking {
		a.Extra, a.Debt = extra, b.debt(now, n)
		p.leads = a.Extra > 0 || a.Debt > 0
		b.asking = p.leads
	}
	o.parts[len(o.asks)] = p
	o.asks = append(o.asks, a)
}

// order sets aside a token of each bucket that has one and orders one of each
// other, with leases.
func (l *Limiter) order(tag []byte, charges []Charge, at []*bucket, now instant) *order {
	o := &order{asked: now, tag: tag}
	o.asks = o.space[:0]
	n := l.gateways()
	for i, b := range at {
		need := int64(0)
		// The token has to live until the answer is here.
		token, ok := b.leases.take(now.add(b.policy.rule.lease / aheadPart))
		if !ok && b.empty(now) {
			token, ok = b.leases.take(now)
		}
		if !ok {
			need = 1
		}
		o.add(b, charges[i].Key, token, need, b.wants(now, need > 0), n, now)
	}
	return o
}

// renewal orders leases ahead of need, or nothing when none is due. The request
// that found it due does not wait, so tag and keys are copied.
func (l *Limiter) renewal(tag []byte, charges []Charge, at []*bucket, now instant) *order {
	due := false
	for _, b := range at {
		due = due || b.due(now)
	}
	if !due {
		return nil
	}
	var o *order
	for i, b := range at {
		extra := b.wants(now, b.due(now))
		if extra == 0 || b.asking {
			continue
		}
		if o == nil {
			o = &order{tag: bytes.Clone(tag)}
			o.asks = o.space[:0]
		}
		o.add(b, bytes.Clone(charges[i].Key), lease{}, 0, extra, l.gateways(), now)
	}
	return o
}

// renew sends a renewal and takes in the answer. An error needs no more: the
// next request without a token will meet it too.
func (l *Limiter) renew(s *shard, o *order) {
	o.asked = l.clock()
	err := l.store.Take(context.Background(), o.tag, o.asks)
	s.mu.Lock()
	o.learn(err, l.clock())
	s.mu.Unlock()
	if err == nil {
		l.turn(false, nil)
	}
}

// learn takes in the answers. The shard is locked.
func (o *order) learn(err error, now instant) {
	for i := range o.asks {
		o.parts[i].bucket.learn(&o.asks[i], &o.parts[i], err, now, o.until(i))
	}
}

// until is when the tokens of an answer die.
func (o *order) until(i int) instant { return o.asked.add(o.asks[i].Policy.rule.life()) }

// finish takes in the answer to an order of a waiting request, or an error, and
// sets its decisions. It reports whether the fallback had to decide, and why.
func (l *Limiter) finish(s *shard, charges []Charge, o *order, err error) (alone bool, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := l.clock()
	o.learn(err, now)
	answered := err == nil && refused(o.asks)
	denied := answered
	n := l.gateways()
	var sources [MaxCharges]source
	for i := range charges {
		src := o.source(i, err, now)
		if src == unknown && !answered {
			alone, cause = true, cmp.Or(err, errLate)
			src = l.alone(charges[i].Policy, o.parts[i].bucket, n, now)
		}
		sources[i] = src
		denied = denied || src.denies() && !charges[i].Policy.Shadow
	}
	for i := range charges {
		c, b := &charges[i], o.parts[i].bucket
		if denied {
			o.giveBack(i, sources[i], now)
		} else {
			b.consume(sources[i], n, now)
		}
		c.Decision = sources[i].decision(c.Policy.Shadow, denied)
		b.tell(&c.Decision, sources[i], n, now)
	}
	return alone, cause
}
