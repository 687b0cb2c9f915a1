package ratelimit

import (
	"errors"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

var (
	fallbackGauge = metrics.NewGauge(`gateway_ratelimit_fallback`, nil)
	fallbackTotal = metrics.NewCounter(`gateway_ratelimit_fallback_total`)
)

// errLate: an answer came, but after what it granted had died.
var errLate = errors.New("the answer came too late")

// unavailable is how long to wait when nobody can count.
const unavailable = time.Second

// source is where the token of one bucket comes from, once the store has
// answered or failed to.
type source int

const (
	unknown source = iota
	leased         // set aside from what is on lease here
	paid           // granted for this request
	spare          // the store has one, and did not charge it
	none           // the store has none
	share          // this gateway's share has one
	noShare        // this gateway's share has none
	free           // nobody counts, and the request goes on
	nobody         // nobody counts, and the request does not go on
)

func (s source) denies() bool { return s == none || s == noShare || s == nobody }

// source says what the answer, or none, means for charge i.
func (o *order) source(i int, err error, now instant) source {
	a, token := &o.asks[i], o.parts[i].token
	switch {
	case token.left > 0 && now.before(token.until):
		return leased
	case token.left > 0 || err != nil:
		return unknown
	case a.short():
		return none
	case a.Granted == 0:
		return spare
	case a.Policy.rule.lease > 0 && !now.before(o.until(i)):
		return unknown
	}
	return paid
}

// alone decides for one bucket without the store.
func (l *Limiter) alone(p *Policy, b *bucket, n int, now instant) source {
	if l.mode == FallbackClosed {
		return nobody
	}
	if r := p.rule.alone(n); r.has(b.aloneFill(r, now)) {
		return share
	}
	if l.mode == FallbackOpen && !p.Strict {
		return free
	}
	return noShare
}

// consume takes what a request that goes on has used.
func (b *bucket) consume(s source, n int, now instant) {
	b.admit(now)
	switch s {
	case leased:
		b.leases.spent++
	case share:
		b.takeAlone(b.policy.rule.alone(n), now)
	}
}

// giveBack keeps for others what a request that was refused has not used. What
// the store granted is never handed back to it, so it becomes a lease here.
func (o *order) giveBack(i int, s source, now instant) {
	b, token := o.parts[i].bucket, o.parts[i].token
	if s == paid { // dead at once if the bucket does not lease
		token = lease{until: o.until(i), left: 1}
	} else if s != leased {
		return
	}
	if b.policy.rule == o.asks[i].Policy.rule {
		b.leases.drop(now)
		b.leases.put(token)
	}
}

// decision is what the source means for the request.
func (s source) decision(shadow, denied bool) Decision {
	return Decision{
		Admitted:    shadow || !s.denies(),
		Shadowed:    shadow && !denied && (s == none || s == noShare),
		Unavailable: s == nobody && !shadow,
	}
}

// tell sets what is left and how long to wait, by whoever decided.
func (b *bucket) tell(d *Decision, s source, n int, now instant) {
	switch s {
	case share, noShare:
		b.describeAlone(d, b.policy.rule.alone(n), now)
	case free: // nothing is known to be left, and there is nothing to wait for
	case nobody:
		d.Wait = unavailable
	default:
		b.describe(d, now)
	}
}

// gateways returns how many share the limits.
func (l *Limiter) gateways() int { return max(1, l.fleet()) }

// calm is how long the store must have answered all the time for an outage to be
// over: one in which an answer is late now and then is one, not many.
const calm = 2 * time.Second

// turn notes whether a decision was made without the store. The log has a line
// at the beginning of an outage and one at its end.
func (l *Limiter) turn(alone bool, cause error) {
	if !alone && !l.outage.Load() {
		return
	}
	now := l.clock().mono
	if alone {
		fallbackTotal.Inc()
		l.lastAlone.Store(now)
		if l.outage.CompareAndSwap(false, true) {
			l.log.Warn("the shared rate limits do not answer", "fallback", l.mode, "cause", cause)
		}
	}
	if l.fallback.Load() != alone && l.fallback.CompareAndSwap(!alone, alone) {
		if alone {
			fallbackGauge.Set(1)
		} else {
			fallbackGauge.Set(0)
		}
	}
	if !alone && now-l.lastAlone.Load() >= calm.Microseconds() && l.outage.CompareAndSwap(true, false) {
		l.log.Info("rate limits are counted by all gateways together again")
	}
}
