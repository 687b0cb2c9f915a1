package edge

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/admission"
	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/config"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
)

// AdmissionConfig is how many requests may wait for the backends.
type AdmissionConfig struct {
	Switch string `env:"ADMISSION" envDefault:"on" doc:"Whether requests that the backends have no room for are refused at once (on), or wait at the backends (off); the limits in flight of each tenant stand either way" kind:"on or off"`
	Min    int    `env:"ADMISSION_MIN" envDefault:"64" doc:"Number of requests to the backends that are always let through at once; less keeps tenants from waiting for each other where backends can work on few at a time, and refuses sooner"`
	Max    int    `env:"ADMISSION_MAX" envDefault:"0" doc:"Most requests to the backends at once, BACKEND_MAX_CONNS for each entry of BACKENDS at most, where a name counts once; 0 for as many as that"`
}

// maxAdmission bounds what a setting may ask for.
const maxAdmission = 1 << 20

// Validate implements [config.Checked].
func (c *AdmissionConfig) Validate(m *config.Mistakes) {
	if c.Switch != "on" && c.Switch != "off" {
		m.Add("ADMISSION", "is %q; on or off is wanted", c.Switch)
	}
	m.Range("ADMISSION_MIN", c.Min, 1, maxAdmission)
	m.Range("ADMISSION_MAX", c.Max, 0, maxAdmission)
	if c.Max > 0 && c.Max < c.Min {
		m.Add("ADMISSION_MAX", "is %d; at least ADMISSION_MIN is wanted, which is %d", c.Max, c.Min)
	}
}

// Bounds returns the bounds of the limit, nil for none, when so many connections
// to the backends may be open.
func (c *AdmissionConfig) Bounds(connections int) *admission.Config {
	if c.Switch == "off" {
		return nil
	}
	most := connections
	if c.Max > 0 {
		most = min(most, c.Max)
	}
	return &admission.Config{Min: min(c.Min, most), Max: most}
}

// Admission is the step that keeps from the backends what they have no room for.
// What it refuses is answered at once: 429 when the tenant has as many requests
// in flight as it may have, which is for the tenant to change, and otherwise 503.
type Admission struct {
	limits     *Limits
	fleet      func() int
	controller *admission.Controller
	refused    [4]*metrics.Counter // by admission.Reason
	// done takes a slot back at the end of an answer: of its last byte, or of a
	// WebSocket. It is made once, since it would be an allocation for each request.
	done func(*Exchange)
}

// NewAdmission returns admission to the operations of the table. Fleet is how
// many gateways share a tenant's limit.
func NewAdmission(limits *Limits, fleet func() int, table *route.Table, bounds *admission.Config) *Admission {
	a := &Admission{limits: limits, fleet: fleet, controller: admission.New(bounds)}
	a.done = func(ex *Exchange) { a.controller.Done(&ex.ticket) }
	limits.admission = a
	for _, r := range table.Routes() {
		r.Admission = a.controller.NewRoute()
	}
	for reason := admission.OverLimit; reason <= admission.OverTenant; reason++ {
		a.refused[reason] = metrics.GetOrCreateCounter(fmt.Sprintf(`gateway_admission_refused_total{reason=%q}`, reason))
	}
	newest.Store(a.controller)
	return a
}

// newest is the controller that the gauges tell of: that of the gateway which was
// made last, if there are several in a process.
var newest = func() *atomic.Pointer[admission.Controller] {
	p := &atomic.Pointer[admission.Controller]{}
	for name, value := range map[string]func(*admission.Controller) float64{
		`gateway_admission_limit`:         func(c *admission.Controller) float64 { return float64(c.Limit()) },
		`gateway_admission_in_flight`:     func(c *admission.Controller) float64 { return float64(c.InFlight()) },
		`gateway_admission_quiet_seconds`: func(c *admission.Controller) float64 { return c.Quiet().Seconds() },
	} {
		metrics.NewGauge(name, func() float64 {
			if c := p.Load(); c != nil {
				return value(c)
			}
			return 0
		})
	}
	return p
}()

// Spare refuses a request early when its tenant has as many in flight as it may
// have: what Admit would refuse most likely shall not cost the tenant and the
// user a token. Admit decides, since others may come in between.
func (a *Admission) Spare() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if ex.Claims != nil && a.bounds(ex.Route) {
				if most := a.most(ex); most > 0 && a.controller.Tenant(ex.Claims.Tenant) >= most {
					a.refuse(ex, admission.OverTenant)
					return
				}
			}
			next(ex)
		}
	}
}

// InFlight returns how many requests hold a slot.
func (a *Admission) InFlight() int { return a.controller.InFlight() }

// Admit lets requests to the backends through that they have room for. Probes,
// and what the gateway answers by itself, always pass.
func (a *Admission) Admit() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if a.bounds(ex.Route) {
				a.admit(ex, next)
			} else {
				next(ex)
			}
		}
	}
}

// bounds reports whether requests to the operation are bounded at all.
func (a *Admission) bounds(r *route.Route) bool { return !r.Local && r.Class != route.Probe }

// most is how many requests the caller's tenant may have in flight here; 0 is
// any number.
func (a *Admission) most(ex *Exchange) int {
	return a.share(a.limits.numberInForce(a.limits.tenantOf(ex), ex.Start).number)
}

func (a *Admission) admit(ex *Exchange, next Handler) {
	request := admission.Request{Route: ex.Route.Admission, Class: classOf(ex.Route), Long: ex.Body.Length != 0 && !ex.Body.done}
	if ex.Claims != nil {
		request.Tenant = ex.Claims.Tenant
		request.Most = a.most(ex)
	}
	start := time.Now()
	ticket, reason := a.controller.Admit(&request, start.UnixNano())
	if reason != admission.Admitted {
		a.refuse(ex, reason)
		return
	}
	ex.ticket = ticket
	finished := false
	defer func() {
		if !finished { // a panic, which is answered further out
			a.controller.Done(&ex.ticket)
		}
	}()
	next(ex)
	finished = true
	took := ex.Upstream
	if !ex.Asked { // refused or answered before a backend was
		took = time.Since(start)
	}
	a.controller.Answered(&ex.ticket, outcomeOf(ex), took, start.Add(took).UnixNano())
	ex.After(a.done)
}

// share is this gateway's part of a number that the fleet shares, at least 1.
// None is 0.
func (a *Admission) share(number int) int {
	fleet := max(1, a.fleet())
	return (number + fleet - 1) / fleet
}

func (a *Admission) refuse(ex *Exchange, reason admission.Reason) {
	a.refused[reason].Inc()
	if reason == admission.OverTenant {
		p := problem.Newf(problem.RateLimited, "The limit %q is used up; see the Retry-After header.", limit.InFlight)
		p.RetryAfter = time.Second
		ex.limit = limit.InFlight
		ex.Refuse(p)
		return
	}
	p := problem.New(problem.Overloaded)
	// Spread, so that those who are refused together do not come again together.
	p.RetryAfter = time.Duration(1+rand.IntN(3)) * time.Second //nolint:gosec // there is nothing to guess
	ex.Refuse(p)
}

// classOf says who goes first.
func classOf(r *route.Route) admission.Class {
	switch r.Class {
	case route.Auth, route.Refresh:
		return admission.Auth
	case route.Export:
		return admission.Batch
	}
	return admission.Normal
}

// outcomeOf says what the time of an answer is worth. Only successes are
// compared with each other: an error is often quick.
func outcomeOf(ex *Exchange) admission.Outcome {
	status := ex.Ctx.Response.StatusCode()
	switch {
	case ex.Problem != nil && (ex.Problem.Code == problem.Timeout || ex.Problem.Code == problem.Overloaded),
		ex.Problem == nil && status == fasthttp.StatusServiceUnavailable:
		return admission.Dropped
	case ex.Problem != nil || status >= fasthttp.StatusBadRequest:
		return admission.Ignored
	}
	return admission.Measured
}

// inFlight is the number of requests that a tenant may have in flight, and the
// override that it comes from, if it is not the plan's.
type inFlight struct {
	number    int
	agreement *ratelimit.Agreement
}

func (l *Limits) numberInForce(t *limit.Tenant, now time.Time) inFlight {
	if a := l.overrides.Find(t, uuid.Nil, limit.InFlight, false, now); a != nil {
		return inFlight{a.Limit.Requests, a}
	}
	return inFlight{number: l.policies.Load().Plan(planOf(t)).InFlight}
}

// explain says what remains of the tenant's requests in flight at this gateway.
func (a *Admission) explain(t *limit.Tenant, now time.Time) (e explainedLimit, limited bool) {
	f := a.limits.numberInForce(t, now)
	if f.number == 0 {
		return e, false
	}
	form := limit.InFlightLimit(f.number)
	e = explainedLimit{
		Policy: limit.InFlight, Requests: form.Requests, Period: int64(form.Period / time.Second), Burst: form.Burst, Source: "plan",
		Remaining: int64(max(0, a.share(f.number)-a.controller.Tenant(t.ID))),
	}
	if e.Remaining == 0 {
		e.Reset = 1
	}
	e.agreed(f.agreement)
	return e, true
}
