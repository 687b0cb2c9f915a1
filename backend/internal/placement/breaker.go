package placement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/pg"
	"gatehouse/internal/problem"
)

const (
	// tripAfter failures in a row to connect open a breaker: one or two may be a
	// connection that was lost on the way.
	tripAfter = 3
	// tripPause is how long an open breaker refuses, before it lets one request
	// try.
	tripPause = time.Second
)

var (
	trips   = metrics.NewCounter(`backend_tenant_breaker_opened_total`)
	tripped = metrics.NewCounter(`backend_tenant_breaker_refused_total`)
)

// errTripped says that a database was out of reach a moment ago.
var errTripped = fmt.Errorf("%w a moment ago", pg.Unreachable)

// breaker keeps requests from waiting, one after the other, for a dedicated
// database to which no connection comes about. The directory's lock guards it.
type breaker struct {
	failures int // in a row
	until    time.Time
}

// allow reports whether a request may try. Of those that come once the pause is
// over one may, and begins the next pause.
func (b *breaker) allow(now time.Time) bool {
	if b.failures < tripAfter {
		return true
	}
	if now.Before(b.until) {
		tripped.Inc()
		return false
	}
	b.until = now.Add(tripPause)
	return true
}

// note takes in how a try ended. That its time was over says nothing of the
// database.
func (b *breaker) note(err error, now time.Time) {
	switch {
	case pg.NotConnected(err):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), problem.Is(err, problem.Overloaded):
		return
	default:
		b.failures = 0
		return
	}
	if b.failures++; b.failures >= tripAfter {
		if b.failures == tripAfter {
			trips.Inc()
		}
		b.until = now.Add(tripPause)
	}
}
