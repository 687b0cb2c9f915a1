package health

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errNoAnswer = errors.New("no answer in time")

// dependency runs its check at most once at a time. A check that ignores its
// context is left behind, so that one hung dependency cannot hang the probe;
// and there is never more than one of them, however often the probe asks.
type dependency struct {
	Check

	mu      sync.Mutex
	running *run // nil when none is
}

// run is one run of a check.
type run struct {
	done chan struct{} // closed when err is set
	err  error
}

// result asks the dependency, or joins those who wait for its answer.
func (d *dependency) result(ctx context.Context) Result {
	start := time.Now()
	timeout := time.NewTimer(checkTimeout)
	defer timeout.Stop()
	r := d.start()
	var err error
	select {
	case <-r.done:
		err = r.err
	case <-timeout.C:
		err = errNoAnswer
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errNoAnswer // the same words, whoever noticed first
	}
	result := Result{Status: Healthy, LatencyMS: time.Since(start).Milliseconds()}
	if err != nil {
		result.Error = err.Error()
		result.Status = Degraded
		if d.Required {
			result.Status = Unhealthy
		}
	}
	return result
}

// start returns the run that is under way, or a new one. The run may outlive
// whoever asked first, so it does not use that one's context.
func (d *dependency) start() *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		r := &run{done: make(chan struct{})}
		d.running = r
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
			defer cancel()
			r.err = d.Run(ctx)
			d.mu.Lock()
			d.running = nil
			d.mu.Unlock()
			close(r.done)
		}()
	}
	return d.running
}
