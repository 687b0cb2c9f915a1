package redisconn

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A guard holds the breakers of one client, one for each server.
type guard struct {
	log      *slog.Logger
	patience time.Duration // the longest that a call waits

	mu       sync.Mutex
	closed   bool
	breakers map[string]*breaker // by the server's address
}

func newGuard(log *slog.Logger, patience time.Duration) *guard {
	return &guard{log: log, patience: patience, breakers: map[string]*breaker{}}
}

// add puts a breaker in front of client, which has not been used yet. The
// server's address is "" when there is but one. A probe calls before, if there
// is one, each time. On a nil guard add does nothing.
func (g *guard) add(addr string, client *redis.Client, before func()) {
	if g == nil {
		return
	}
	log := g.log
	if addr != "" {
		log = log.With("node", addr)
	}
	b := newBreaker(log, g.patience)
	// The probe uses the requests' own pool, around the breaker. The pool, too,
	// refuses to dial after a number of failures, and looks again once a second:
	// a probe on another connection would close the breaker before requests can
	// get through.
	probe := client.WithTimeout(probeTimeout)
	b.probe = func(ctx context.Context) error {
		if before != nil {
			before()
		}
		return probe.Ping(ctx).Err()
	}
	// These are the client's own copy of its options; for Sentinels the library
	// has no other way to set a limiter.
	client.Options().Limiter = b

	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.breakers[addr]; old != nil {
		old.close() // that of a client which the cluster's has closed
	}
	g.breakers[addr] = b
	if g.closed {
		b.close()
	}
}

// close ends all probes.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, b := range g.breakers {
		b.close()
	}
}
