// Package health answers whether a process can serve: liveness says only that
// it runs, readiness asks its dependencies.
package health

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/buildinfo"
)

// Status of a process or of one dependency.
type Status string

// The statuses. A degraded process serves, with something missing.
const (
	Healthy   Status = "healthy"
	Degraded  Status = "degraded"
	Unhealthy Status = "unhealthy"
	Draining  Status = "draining"
)

// checkTimeout bounds one round of checks.
const checkTimeout = time.Second

// Check asks one dependency.
type Check struct {
	Name string
	// Required makes a failure unhealthy instead of degraded.
	Required bool
	// Run returns nil when the dependency answers. The error's text is shown on
	// the ops listener only.
	Run func(ctx context.Context) error
}

// Result of one check.
type Result struct {
	Status    Status `json:"status"`
	LatencyMS int64  `json:"latency_ms"`
	Error     string `json:"error,omitzero"`
}

// Report is the payload of /health/ready.
type Report struct {
	Status        Status            `json:"status"`
	Version       string            `json:"version"`
	UptimeSeconds int64             `json:"uptime"`
	Checks        map[string]Result `json:"checks"`
}

// Checker runs the checks of one process.
type Checker struct {
	dependencies []*dependency
	started      time.Time
	draining     atomic.Bool
	recent       recent
}

// NewChecker returns a checker.
func NewChecker(checks ...Check) *Checker {
	c := &Checker{started: time.Now()}
	for _, check := range checks {
		c.dependencies = append(c.dependencies, &dependency{Check: check})
	}
	return c
}

// Drain makes the process not ready for good, so that load balancers turn
// away before it stops.
func (c *Checker) Drain() { c.draining.Store(true) }

// Ready runs all checks in parallel, within one second, and says whether
// traffic should come here. What is asked of it while a check runs shares that
// check's answer.
func (c *Checker) Ready(ctx context.Context) Report {
	report := c.run(ctx)
	if c.draining.Load() {
		report.Status = Draining
	}
	return report
}

func (c *Checker) run(ctx context.Context) Report {
	results := make([]Result, len(c.dependencies))
	var wg sync.WaitGroup
	for i, d := range c.dependencies {
		wg.Go(func() { results[i] = d.result(ctx) })
	}
	wg.Wait()

	report := Report{
		Status:        Healthy,
		Version:       buildinfo.Version,
		UptimeSeconds: int64(time.Since(c.started) / time.Second),
		Checks:        make(map[string]Result, len(results)),
	}
	for i, r := range results {
		report.Checks[c.dependencies[i].Name] = r
		if r.Status == Unhealthy || r.Status == Degraded && report.Status == Healthy {
			report.Status = r.Status
		}
	}
	return report
}

// Serving reports whether the process should get traffic.
func (s Status) Serving() bool { return s == Healthy || s == Degraded }
