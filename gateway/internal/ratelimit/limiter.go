package ratelimit

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

var (
	fallbackGauge = metrics.NewGauge(`gateway_ratelimit_fallback`, nil)
	fallbackTotal = metrics.NewCounter(`gateway_ratelimit_fallback_total`)
)

// Limiter charges the shared store, and the local one while the shared store
// does not answer. It is safe for concurrent use.
type Limiter struct {
	shared   Store // nil: local only
	local    Store
	log      *slog.Logger
	fallback atomic.Bool
}

// NewLimiter returns a limiter. Without a shared store it uses the local one
// alone, which is no fallback.
func NewLimiter(shared, local Store, log *slog.Logger) *Limiter {
	fallbackGauge.Set(0)
	return &Limiter{shared: shared, local: local, log: log}
}

// Take charges all buckets or none, sets their decisions and counts them. It
// never fails: while Redis is out of reach this gateway's own buckets decide,
// each with its share of the limit.
func (l *Limiter) Take(ctx context.Context, tag []byte, charges []Charge) {
	if l.shared == nil {
		_ = l.local.Take(ctx, tag, charges) // never fails
	} else if err := l.shared.Take(ctx, tag, charges); err != nil {
		fallbackTotal.Inc()
		l.turn(true, err)
		_ = l.local.Take(ctx, tag, charges) // never fails
	} else {
		l.turn(false, nil)
	}
	count(charges)
}

// turn notes a change between the shared store and the local one.
func (l *Limiter) turn(fallback bool, cause error) {
	if l.fallback.Load() == fallback || !l.fallback.CompareAndSwap(!fallback, fallback) {
		return
	}
	if fallback {
		fallbackGauge.Set(1)
		l.log.Warn("rate limits are counted by this gateway alone", "cause", cause)
	} else {
		fallbackGauge.Set(0)
		l.log.Info("rate limits are counted by all gateways together again")
	}
}

func count(charges []Charge) {
	refused := Refused(charges) != nil
	for i := range charges {
		switch {
		case !charges[i].Admitted:
			charges[i].Policy.refused.Inc()
		case !refused:
			charges[i].Policy.admitted.Inc()
		}
	}
}
