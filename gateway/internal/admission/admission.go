// Package admission decides which requests may go on to the backends.
//
// A [Controller] bounds how many requests wait for an answer at once. The bound
// follows the latency: it is as high as the backends can work on, and a little
// more, so that a queue at them stays short and what is above is refused at once
// instead of waiting in vain. How it moves stands in limit.go.
//
// Near the bound not all are equal: see [Class] for who goes first, and tenant.go
// for how tenants share. Each tenant also has a bound of its own, which holds
// however idle the backends are.
//
// The package knows nothing of HTTP, and reads no clock: every moment is passed
// in, in nanoseconds of Unix time.
package admission

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Class says who goes first when the limit is reached.
type Class uint8

// The classes, those that go first at the end.
const (
	// Batch is what nobody waits for at a screen; it leaves a fifth of the limit
	// to the others.
	Batch Class = iota
	// Normal is everything else.
	Normal
	// Auth is signing in and refreshing, without which nobody can do anything. It
	// may pass the limit by a half, as long as it takes no more than half of it:
	// a flood of sign-ins does not keep out those who are signed in.
	Auth
)

// Reason says why a request was refused.
type Reason uint8

// The reasons.
const (
	Admitted Reason = iota
	// OverLimit: the backends have as much to do as they can.
	OverLimit
	// OverShare: likewise, and the tenant has its fair share of it already.
	OverShare
	// OverTenant: the tenant has as many requests in flight as it may ever have.
	OverTenant
)

// String is the label of the reason in metrics.
func (r Reason) String() string { return [...]string{"admitted", "limit", "fairness", "tenant"}[r] }

// Outcome says what the time until an answer's head is worth as a measurement.
type Outcome uint8

// The outcomes.
const (
	// Ignored says nothing about how busy the backends are: an error, or a time
	// that the client determined.
	Ignored Outcome = iota
	// Measured is a success.
	Measured
	// Dropped is an answer that did not come in time, or a backend that refused.
	Dropped
)

// Config bounds a [Controller].
type Config struct {
	Min, Max int // bounds of the limit, at least 1
}

// Controller admits requests. Make it with [New]. It is safe for concurrent use.
type Controller struct {
	config Config
	on     bool

	inFlight atomic.Int64
	auth     atomic.Int64 // those of them in class Auth
	limit    atomic.Int64
	// probe is how long a probe is, and period how far apart their beginnings are,
	// in ns; period is 0 while the limit is not in use.
	probe, period atomic.Int64

	window  window
	routes  atomic.Pointer[[]*Route]
	tenants tenants

	mu sync.Mutex // held by whoever moves the limit
	at state
}

// initial is the limit of a gateway that has measured nothing yet, if the least
// is not more.
const initial = 16

// New returns a controller. Without a config there is no limit but that of each
// tenant.
func New(c *Config) *Controller {
	a := &Controller{}
	a.tenants.init()
	a.limit.Store(math.MaxInt32)
	if c != nil {
		a.config, a.on = *c, true
		a.set(initial)
	}
	return a
}

// Request is what is asked for.
type Request struct {
	Route *Route // where the latency is compared
	Class Class
	// Tenant is who asks; empty for all who are not signed in, taken together.
	Tenant string
	// Most is how many requests the tenant may have in flight; 0 is any number.
	Most int
	// Long is set when the client determines how long it takes until the backend
	// can answer, as with a streamed upload. It takes nothing of the limit and
	// counts for the tenant alone.
	Long bool
}

// Ticket is a request that was admitted. The zero value is none. It is given
// back in two parts: [Controller.Answered], then [Controller.Done].
type Ticket struct {
	route  *Route
	tenant *tenant
	class  Class
	holds  bool // a slot of the limit
	quiet  bool // it was admitted while the backends had nothing to queue
}

// Admit admits a request or says why not. It never waits.
func (a *Controller) Admit(r *Request, now int64) (Ticket, Reason) {
	t := Ticket{route: r.Route, class: r.Class}
	if t.tenant = a.tenants.enter(r.Tenant, r.Most); t.tenant == nil {
		return Ticket{}, OverTenant
	}
	if r.Long || !a.on {
		return t, Admitted
	}
	limit, n := a.limit.Load(), a.inFlight.Add(1)
	mine := a.tenants.hold(t.tenant)
	t.holds, t.quiet = true, n <= quiet(limit)
	if r.Class == Auth {
		a.auth.Add(1)
	}
	if (n*4 >= limit*3 || a.probing(now)) && !a.window.used.Load() {
		a.window.used.Store(true)
	}
	if reason := a.crowded(r.Class, n, mine, limit, now); reason != Admitted {
		a.Done(&t)
		return Ticket{}, reason
	}
	return t, Admitted
}

// quiet is how many may be in flight without a queue at the backends.
func quiet(limit int64) int64 { return max(1, limit/2) }

// crowded decides when n are in flight with this request, mine of them the
// tenant's.
func (a *Controller) crowded(c Class, n, mine, limit, now int64) Reason {
	most, above := limit, limit+limit/2+2
	auth := above
	if a.probing(now) {
		// What is admitted shall be quiet, signing in aside, and those who hold less
		// than others shall find room all the same.
		least := int64(a.config.Min)
		most, above = max(least, limit*2/5), max(least, quiet(limit))
	}
	switch {
	case c == Batch && n*5 > most*4:
		return OverLimit
	case n <= most:
		return Admitted
	case c == Auth && n <= auth && a.auth.Load()*2 <= most+2:
		return Admitted
	case mine == n: // nobody else is there to be fair to
		return OverLimit
	case !a.tenants.modest(mine, n):
		return OverShare
	case n > above:
		return OverLimit
	}
	return Admitted
}

// Answered takes back the slot of the limit once the head of the answer is
// there, and learns from how long that took. What follows, such as a long body
// or a WebSocket, costs the backends little.
func (a *Controller) Answered(t *Ticket, o Outcome, took time.Duration, now int64) {
	if !t.holds {
		return
	}
	a.release(t)
	a.learn(t, o, int64(took), now)
}

func (a *Controller) release(t *Ticket) {
	t.holds = false
	if t.class == Auth {
		a.auth.Add(-1)
	}
	a.inFlight.Add(-1)
	a.tenants.release(t.tenant)
}

// Done takes back the tenant's slot, once the answer is complete, and that of
// the limit if it is still held.
func (a *Controller) Done(t *Ticket) {
	if t.tenant == nil {
		return
	}
	if t.holds {
		a.release(t)
	}
	a.tenants.leave(t.tenant)
	*t = Ticket{}
}

// Limit returns the limit now.
func (a *Controller) Limit() int { return int(a.limit.Load()) }

// InFlight returns how many requests hold a slot of the limit.
func (a *Controller) InFlight() int { return int(a.inFlight.Load()) }

// Tenant returns how many requests of a tenant are in flight.
func (a *Controller) Tenant(id string) int { return a.tenants.count(id) }
