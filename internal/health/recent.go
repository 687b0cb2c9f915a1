package health

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// recentFor is how long a public answer about health is reused, so that asking
// often costs the dependencies nothing.
const recentFor = 2 * time.Second

// recent is the last outcome of the checks.
type recent struct {
	mu     sync.Mutex
	status Status
	until  time.Time

	latest   atomic.Pointer[Status] // what status was last
	renewing atomic.Bool
}

// Recent returns the status of the dependencies, at most two seconds old. It
// does not tell whether the process drains: that concerns load balancers, not
// clients.
func (c *Checker) Recent(ctx context.Context) Status {
	c.recent.mu.Lock()
	defer c.recent.mu.Unlock()
	if now := time.Now(); now.After(c.recent.until) {
		// Others reuse the answer, so it must not depend on whether the one who
		// asked first waits for it.
		c.recent.status = c.run(context.WithoutCancel(ctx)).Status
		c.recent.until = time.Now().Add(recentFor)
		status := c.recent.status
		c.recent.latest.Store(&status)
	}
	return c.recent.status
}

// Latest returns the status for whoever sends requests here: draining, or what
// [Checker.Recent] found last. It does not wait, so that a dependency that hangs
// does not make the process seem to hang: only the first call does, a second at
// most. What is too old is found anew meanwhile, for the next one who asks.
func (c *Checker) Latest(ctx context.Context) Status {
	if c.draining.Load() {
		return Draining
	}
	latest := c.recent.latest.Load()
	if latest == nil {
		return c.Recent(ctx)
	}
	if c.recent.renewing.CompareAndSwap(false, true) {
		go func() {
			defer c.recent.renewing.Store(false)
			c.Recent(context.WithoutCancel(ctx))
		}()
	}
	return *latest
}
