package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/token"
)

// jwksPath is where a backend serves its public keys.
const jwksPath = "/.well-known/jwks.json"

const (
	// fetchTimeout bounds one fetch from one backend, so that the next one is
	// asked while whoever waits still does.
	fetchTimeout = 500 * time.Millisecond
	// firstEvery is how often the backends are asked until one has answered.
	firstEvery = 250 * time.Millisecond
)

// The outcomes of a fetch from one backend.
var (
	fetchesOK      = metrics.NewCounter(`gateway_jwks_fetches_total{outcome="ok"}`)
	fetchesFailed  = metrics.NewCounter(`gateway_jwks_fetches_total{outcome="failed"}`)
	fetchesRefused = metrics.NewCounter(`gateway_jwks_fetches_total{outcome="refused"}`)
)

// measured is the poller whose age is shown: the last one of the process.
var measured atomic.Pointer[poller]

var _ = metrics.NewGauge(`gateway_jwks_age_seconds`, func() float64 {
	if p := measured.Load(); p != nil {
		return p.age()
	}
	return 0 // the backends are not asked
})

// poller asks the backends for their public keys, one after the other.
type poller struct {
	ring     *token.Keyring
	backends []string
	fetch    Fetch
	every    time.Duration
	log      *slog.Logger

	start  time.Time
	loaded atomic.Bool
	last   atomic.Int64 // the last good fetch, as time since start

	// turn is held for a whole round, which whoever waits for it may give up; it
	// guards what follows.
	turn    chan struct{}
	next    int // the backend to begin with
	failing bool
}

func newPoller(o Options, ring *token.Keyring) *poller {
	p := &poller{
		ring: ring, backends: o.Backends, fetch: o.Fetch, every: o.Token.KeysPoll, log: o.Log, start: time.Now(),
		turn: make(chan struct{}, 1),
		next: rand.IntN(max(1, len(o.Backends))), //nolint:gosec // spreads load, and there is nothing to guess
	}
	measured.Store(p)
	return p
}

// age is how many seconds ago a backend last served keys, or since the start
// when none ever did.
func (p *poller) age() float64 {
	return (time.Since(p.start) - time.Duration(p.last.Load())).Seconds()
}

// run polls until ctx ends.
func (p *poller) run(ctx context.Context) {
	for {
		p.poll(ctx)
		every := p.every
		if !p.loaded.Load() {
			every = min(every, firstEvery)
		}
		pause := time.NewTimer(time.Duration(float64(every) * (0.8 + 0.4*rand.Float64()))) //nolint:gosec // as above
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// poll takes the keys of the first backend that serves some, beginning with
// another one each time, so that none is asked by everybody and one whose file
// does not change is noticed. When no backend answers, the keys stay as they are.
func (p *poller) poll(ctx context.Context) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return
	}
	var failures []error
	first := p.next
	p.next = (first + 1) % len(p.backends)
	for i := range p.backends {
		if ctx.Err() != nil {
			return // stopping tells nothing about backends
		}
		keys, err := p.from(ctx, p.backends[(first+i)%len(p.backends)])
		if err != nil {
			failures = append(failures, err)
			continue
		}
		p.ring.SetFetched(keys)
		p.last.Store(int64(time.Since(p.start)))
		if p.failing || !p.loaded.Load() {
			p.log.Info("the backends serve their public keys", "keys", len(keys))
		}
		p.failing = false
		p.loaded.Store(true)
		return
	}
	if ctx.Err() == nil && !p.failing {
		p.failing = true
		p.log.Warn("no backend serves its public keys; those that are known stay", "cause", errors.Join(failures...))
	}
}

// from fetches the keys of one backend.
func (p *poller) from(ctx context.Context, addr string) ([]*token.Key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	content, err := p.fetch(ctx, addr, jwksPath, token.MaxJWKS)
	if err != nil {
		fetchesFailed.Inc()
		return nil, err
	}
	keys, err := token.ParseJWKS(content)
	if err != nil {
		fetchesRefused.Inc()
		return nil, fmt.Errorf("the keys of %s: %w", addr, err)
	}
	fetchesOK.Inc()
	return keys, nil
}
