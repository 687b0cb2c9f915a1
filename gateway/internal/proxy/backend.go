package proxy

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// outcome is how one attempt at one backend ended.
type outcome int

const (
	answered outcome = iota
	notSent          // no connection: nothing left this machine
	busy             // all connections to this backend are in use
	noAnswer         // the connection ended before a byte came back
	broken           // what came back is no usable answer
	timedOut
	unsent // the client did not send all of its body
	outcomes
)

// String is the label of the outcome in metrics.
func (o outcome) String() string {
	return [outcomes]string{"answered", "not_sent", "busy", "no_answer", "broken", "timeout", "unsent"}[o]
}

// blames reports whether the outcome speaks against the backend. An answer
// never does, whatever its status: a service that refuses or fails at its work
// is there, and its health check is the place to say that it should be left
// alone.
func (o outcome) blames() bool {
	return o == notSent || o == noAnswer || o == broken || o == timedOut
}

// backend is one process that requests are passed on to.
type backend struct {
	entry string // as configured: the address itself or the name that it was found by
	addr  string // what is dialed, and its name in logs and metrics
	host  string // what requests to it say in Host
	name  string // what its certificate bears

	set         *balance
	dial        Dialer
	dialTimeout time.Duration
	maxConns    int

	inFlight    atomic.Int64
	place       atomic.Int32 // a standing
	warming     atomic.Int64 // since when its share grows, as time since the set's start; 0 when it is whole
	failures    atomic.Int32 // attempts in a row that blame it
	unreachable atomic.Bool  // the last connection could not be opened
	waited      atomic.Int64 // nanoseconds until answers, in sum

	health // guarded by the set's mutex
	pool

	series    *metrics.Set
	counts    [outcomes]*metrics.Counter
	ejected   [outcomes]*metrics.Counter // by what led to it
	checks    [verdicts]*metrics.Counter
	stopWatch context.CancelFunc
}

// newBackend returns a backend that nobody uses yet, with its metrics.
func newBackend(entry, addr string, set *balance) *backend {
	b := &backend{
		entry: entry, addr: addr, set: set, series: metrics.NewSet(),
		dial: set.dial, dialTimeout: set.config.DialTimeout, maxConns: set.config.MaxConns,
	}
	b.host, b.name = hostOf(entry)
	counter := func(name, label string, value fmt.Stringer) *metrics.Counter {
		return b.series.NewCounter(fmt.Sprintf(`gateway_proxy_%s_total{backend=%q,%s=%q}`, name, addr, label, value))
	}
	for o := range outcomes {
		b.counts[o] = counter("requests", "outcome", o)
		if o.blames() {
			b.ejected[o] = counter("ejections", "reason", o)
		}
	}
	for v := range verdicts {
		b.checks[v] = counter("health_checks", "outcome", v)
	}
	gauge := func(name string, read func() float64) {
		b.series.NewGauge(fmt.Sprintf(`gateway_proxy_%s{backend=%q}`, name, addr), read)
	}
	gauge("in_flight", func() float64 { return float64(b.inFlight.Load()) })
	gauge("wait_seconds_total", func() float64 { return time.Duration(b.waited.Load()).Seconds() })
	gauge("backend_up", func() float64 {
		if b.standing() == usable {
			return 1
		}
		return 0
	})
	metrics.RegisterSet(b.series)
	return b
}

// begin counts a request that is on its way to the backend.
func (b *backend) begin() { b.inFlight.Add(1) }

// end is begin's other half. Took is the time until the answer's head.
func (b *backend) end(o outcome, took time.Duration) {
	b.inFlight.Add(-1)
	b.counts[o].Inc()
	switch {
	case o == answered:
		b.waited.Add(int64(took))
		if b.failures.Load() != 0 {
			b.failures.Store(0)
			b.set.prove(b)
		}
	case o.blames() && b.failures.Add(1) >= ejectAfter:
		b.set.eject(b, o)
	}
}

// leave ends what a backend has of its own. Requests under way are finished.
func (b *backend) leave() {
	b.gone = true
	b.stopWatch()
	if b.readmission != nil {
		b.readmission.Stop()
	}
	b.retire()
	metrics.UnregisterSet(b.series, true)
}
