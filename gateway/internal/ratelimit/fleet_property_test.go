package ratelimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/limit"
)

// TestFleetOverRealRedis is the property test over a real Redis and the embedded
// one, in real time: three gateways that spend all they can for two seconds, one
// of which crashes now and then, and stops for a while.
func TestFleetOverRealRedis(t *testing.T) {
	t.Parallel()
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			store := NewRedis(server.open(t))
			policies := []*Policy{
				NewPolicy("tenant", limit.Limit{Requests: 400, Period: time.Second, Burst: 200}, PolicyOptions{}), // τ = 50 ms
				NewPolicy("user", limit.Limit{Requests: 300, Period: time.Second, Burst: 300}, PolicyOptions{}),
			}
			tag := tagOf(t, "fleet")
			var mu sync.Mutex
			var admitted []span
			var requests atomic.Int64
			start := time.Now()
			var all sync.WaitGroup
			for g := range 3 {
				m := &member{clock: &gatewayClock{start: start}}
				renew := func() {
					m.mu.Lock()
					defer m.mu.Unlock()
					m.limiter = New(Options{Store: store, Keys: 1000, Fallback: FallbackClosed, Log: quiet})
				}
				renew()
				for c := range 4 {
					random := rand.New(rand.NewPCG(uint64(g), uint64(c))) //nolint:gosec // the same pauses in every run
					all.Go(func() {
						for time.Since(start) < 2*time.Second {
							charges := []Charge{{Policy: policies[0]}, {Policy: policies[1]}}
							from := time.Since(start).Microseconds()
							m.current().Take(context.Background(), tag, charges)
							requests.Add(1)
							if Refused(charges) == nil {
								mu.Lock()
								admitted = append(admitted, span{from, time.Since(start).Microseconds()})
								mu.Unlock()
							}
							switch random.IntN(200) {
							case 0:
								time.Sleep(time.Duration(random.Int64N(int64(300 * time.Millisecond)))) // real servers
							case 1:
								renew()
							default:
								time.Sleep(time.Duration(random.Int64N(int64(4 * time.Millisecond))))
							}
						}
					})
				}
			}
			all.Wait()
			for _, p := range policies {
				if text := excessWithin(p.Limit, admitted); text != "" {
					t.Errorf("%s: %s", p.Name, text)
				}
			}
			t.Logf("%d of %d requests admitted", len(admitted), requests.Load())
			if len(admitted) < 150 {
				t.Errorf("only %d were admitted, which proves little", len(admitted))
			}
		})
	}
}

// span is when a request was decided, in µs: between the two, for the scheduler
// may hold a test up before it looks at the clock.
type span struct{ from, to int64 }

// excessWithin checks the promise for every stretch of time that begins before
// one request and ends after another, with those that lie within it.
func excessWithin(l limit.Limit, admitted []span) string {
	for _, first := range admitted {
		var ends []int64
		for _, s := range admitted {
			if s.from >= first.from {
				ends = append(ends, s.to)
			}
		}
		slices.Sort(ends)
		for n, end := range ends {
			// n+1 <= burst + T/interval
			if int64(n+1-l.Burst)*l.Interval() > end-first.from {
				return fmt.Sprintf("%d admitted in %d µs with %v", n+1, end-first.from, l)
			}
		}
	}
	return ""
}
