package health

import (
	"context"
	"sync"
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
	}
	return c.recent.status
}
