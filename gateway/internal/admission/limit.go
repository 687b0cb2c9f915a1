package admission

import (
	"sync/atomic"
	"time"
)

// How the limit moves.
//
// A backend that works on k requests at once answers n of them, n above k, n/k
// times slower than one that has nothing to queue. So the time that answers
// would take without a queue, divided by the time that they take, tells k/n; and
// the limit becomes
//
//	limit × (quiet time ÷ time) × 1.2 + 2
//
// which rests at 1.2 k + 2. What is added, and not multiplied, brings the limits
// of gateways that share backends together. Both times are sums over all answers
// of a window, each compared with the quiet time of its own route, so that a mix
// that turns to slow routes is no sign of a queue, and that short and long
// requests weigh as much as they occupy the backends.
//
// The quiet time of a route is the mean of answers to requests that were
// admitted while no more than half of the limit was in use. When the limit is in
// use all the time there are none; so now and then, for the time of a few
// answers, the limit is halved and the queue runs empty. Gateways that share
// backends do so at the same moments of the wall clock, since one alone would
// measure the queue of the others. A backend that became slower for good is
// known by that too: it stays slow while there is no queue.
const (
	headroom = 1.2
	extra    = 2

	minWindow  = int64(100 * time.Millisecond)
	maxWindow  = int64(time.Second)
	enough     = 16 // answers that make a window of less than maxWindow
	minProbe   = int64(50 * time.Millisecond)
	maxProbe   = int64(time.Second)
	minPeriod  = int64(2 * time.Second)
	probeShare = 8  // a probe takes at most this part of a period
	wanted     = 32 // quiet answers that a probe is to bring

	// memory is how many quiet answers the quiet time is the mean of, about; fewClear
	// of them that say twice or half of it are a backend that changed.
	memory   = 128
	fewFirst = 4
	fewClear = 16
	// doubt: with so few answers the quiet time may be twice as long. Of requests
	// that began together the short ones are answered first.
	doubt = 8
)

// window is what was measured since the limit moved last.
type window struct {
	taken, quiet atomic.Int64 // sums in ns
	answers      atomic.Int64
	dropped      atomic.Int64
	used         atomic.Bool // three quarters of the limit were in use
	ends         atomic.Int64
}

// state belongs to whoever moves the limit.
type state struct {
	limit  float64
	began  int64
	period int64   // the period that highest is of
	start  float64 // the limit when that period began
}

// Route is where the latency of one operation is compared with its own past.
// Make it with [Controller.NewRoute]; handlers keep it.
type Route struct {
	base       atomic.Int64 // quiet time in ns; 0: not known yet
	sum, count atomic.Int64 // of quiet answers since base moved
	known      int64        // how many answers base rests on, at most memory
	// allowed is base and what it may be wrong by: a quiet time that rests on few
	// answers is no reason to slow down.
	allowed atomic.Int64
}

// NewRoute returns the measurements of one more operation.
func (a *Controller) NewRoute() *Route {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &Route{}
	var routes []*Route
	if former := a.routes.Load(); former != nil {
		routes = append(routes, *former...)
	}
	routes = append(routes, r)
	a.routes.Store(&routes)
	return r
}

// Quiet returns how long an answer takes while nothing queues, or 0.
func (r *Route) Quiet() time.Duration { return time.Duration(r.base.Load()) }

// Quiet returns the mean of the routes' quiet times, or 0.
func (a *Controller) Quiet() time.Duration {
	var sum, known time.Duration
	if routes := a.routes.Load(); routes != nil {
		for _, r := range *routes {
			if quiet := r.Quiet(); quiet > 0 {
				sum, known = sum+quiet, known+1
			}
		}
	}
	return sum / max(1, known)
}

// probing reports whether the limit is halved for a moment.
func (a *Controller) probing(now int64) bool {
	period := a.period.Load()
	return period > 0 && now%period < a.probe.Load()
}

// learn takes one answer into account.
func (a *Controller) learn(t *Ticket, o Outcome, took, now int64) {
	w := &a.window
	switch {
	case o == Dropped:
		w.dropped.Add(1)
	case o != Measured || took <= 0:
	case t.quiet:
		t.route.sum.Add(took)
		t.route.count.Add(1)
	default:
		if allowed := t.route.allowed.Load(); allowed > 0 {
			w.taken.Add(took)
			w.quiet.Add(allowed)
			w.answers.Add(1)
		}
	}
	if now >= w.ends.Load() && a.mu.TryLock() {
		a.move(now)
		a.mu.Unlock()
	}
}

// move ends a window.
func (a *Controller) move(now int64) {
	w := &a.window
	answers := w.answers.Load()
	if now < w.ends.Load() {
		return // another did meanwhile
	}
	for _, r := range *a.routes.Load() {
		r.settle()
	}
	if age := now - a.at.began; answers < enough && age < maxWindow && a.at.began > 0 {
		w.ends.Store(now + minWindow)
		return
	}
	a.at.began = now
	w.answers.Store(0)
	taken, quiet := w.taken.Swap(0), w.quiet.Swap(0)
	// What a move has changed shows in answers to requests that came after it, so
	// the next window is long enough to be mostly of those.
	w.ends.Store(now + min(max(minWindow, 2*taken/max(1, answers)), maxWindow))
	dropped := w.dropped.Swap(0)
	if !w.used.Swap(false) {
		a.period.Store(0)
		return // what is not in use says nothing about how much would be too much
	}
	if answers > 0 {
		a.plan(taken / answers)
	}
	if p := now / minPeriod; p != a.at.period {
		a.at.period, a.at.start = p, a.at.limit
	}
	next := a.at.limit
	switch {
	case dropped > answers/10:
		next *= 0.9
	case taken > 0:
		next = next*headroom*min(1, float64(quiet)/float64(taken)) + extra
	}
	// Between two probes a slower backend cannot be told from a queue, so the limit
	// falls to no less than half.
	a.set(max(next, a.at.start/2))
}

// plan sets how long probes are, and how far apart, by the mean time of an
// answer: one for the queue to run empty, and more for what is wanted. Periods are powers of two, so that gateways whose answers take
// different times still probe at common moments.
func (a *Controller) plan(mean int64) {
	probe := mean + mean*wanted*2/int64(a.at.limit)
	probe = min(max(probe, minProbe), maxProbe)
	period := minPeriod
	for period < probeShare*probe {
		period *= 2
	}
	a.probe.Store(probe)
	a.period.Store(period)
}

func (a *Controller) set(limit float64) {
	a.at.limit = min(max(limit, float64(a.config.Min)), float64(a.config.Max))
	a.limit.Store(int64(a.at.limit))
}

// settle takes the quiet answers into the quiet time once there are a few.
func (r *Route) settle() {
	n := r.count.Load()
	if n < fewFirst || n < fewClear && r.known == memory {
		return
	}
	r.count.Add(-n)
	mean, base := r.sum.Swap(0)/n, r.base.Load()
	if n >= fewClear && (mean > 2*base || mean < base/2) {
		r.known = min(r.known, n/2)
	}
	base += (mean - base) * n / (n + r.known)
	r.known = min(r.known+n, memory)
	r.base.Store(base)
	r.allowed.Store(base + base*doubt/r.known)
}
