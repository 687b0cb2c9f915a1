package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// reap closes connections that nobody uses before the backend does.
func (p *Proxy) reap() {
	ticker := time.NewTicker(maxIdle / 2)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-ticker.C:
			for _, b := range p.backends {
				b.closeIdle(now.Add(-maxIdle))
			}
		}
	}
}

// Check is a health check: it reports whether any backend takes connections.
func (p *Proxy) Check(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make(chan error, len(p.backends))
	for _, b := range p.backends {
		go func() {
			conn, err := b.dial(ctx, b.addr)
			if err == nil {
				err = conn.Close()
			}
			failures <- err
		}()
	}
	var list []error
	for range p.backends {
		err := <-failures
		if err == nil {
			return nil
		}
		list = append(list, err)
	}
	return fmt.Errorf("no backend takes connections: %w", errors.Join(list...))
}

// pick chooses, of two random backends not yet tried, the one with fewer
// requests under way, or returns -1. Two choices spread load nearly as well as
// knowing all, and do not send every gateway to the same idle backend.
func (p *Proxy) pick(tried uint64) int {
	var free [maxBackends]int
	n := 0
	for i := range p.backends {
		if tried&(1<<i) == 0 {
			free[n] = i
			n++
		}
	}
	switch n {
	case 0:
		return -1
	case 1:
		return free[0]
	}
	first := rand.IntN(n)      //nolint:gosec // spreads load, and there is nothing to guess
	second := rand.IntN(n - 1) //nolint:gosec // as above
	if second >= first {
		second++
	}
	a, b := free[first], free[second]
	if p.backends[b].inFlight.Load() < p.backends[a].inFlight.Load() {
		return b
	}
	return a
}
