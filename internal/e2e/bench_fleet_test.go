package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

const (
	benchGateways = 3
	benchRate     = 50 // requests a second through each gateway
	benchWarm     = 3 * time.Second
	benchTime     = 20 * time.Second
	commandsTotal = "gateway_ratelimit_redis_commands_total"
)

// BenchmarkFleetLimit sends one user's requests through three gateways at 50 a
// second each and reports, for limits of twice that rate, of just that and of
// two thirds of it, what the limits cost Redis and how many requests less than
// allowed were admitted. Before a limit is met its burst is used up, and the load
// has been steady for three seconds.
func BenchmarkFleetLimit(b *testing.B) {
	for _, bench := range []struct {
		name  string
		limit int // requests a second
	}{{"half", 300}, {"at", 150}, {"above", 100}} {
		b.Run(bench.name, func(b *testing.B) {
			s := ownStack(b, stack.Options{Gateways: benchGateways, Limits: limitsFile(nil, map[string]map[string]string{
				"standard": {"user": fmt.Sprintf("%d/1m", 60*bench.limit)},
			})})
			gateways := clients(b, s)
			_, tokens := gateways[0].newUser()
			for _, g := range gateways {
				g.unchecked = true
				g.do("GET", me, tokens.Access, nil).want(http.StatusOK)
			}
			if bench.limit <= benchGateways*benchRate {
				exhaust(b, gateways, tokens.Access)
			}
			load(b, gateways, tokens.Access, benchWarm)
			for b.Loop() {
				commands := fleetCommands(b, s)
				sent, admitted := load(b, gateways, tokens.Access, benchTime)
				allowed := min(float64(sent), float64(bench.limit)*benchTime.Seconds())
				b.ReportMetric((fleetCommands(b, s)-commands)/float64(sent), "commands/request")
				b.ReportMetric(100*(1-float64(admitted)/allowed), "%-too-few")
			}
		})
	}
}

func fleetCommands(b *testing.B, s *stack.Stack) (n float64) {
	b.Helper()
	for _, g := range s.Gateways {
		n += metric(b, g.Ops, commandsTotal)
	}
	return n
}

// exhaust uses a burst up.
func exhaust(b *testing.B, gateways []*client, access string) {
	b.Helper()
	var left atomic.Bool
	left.Store(true)
	var workers sync.WaitGroup
	for _, g := range gateways {
		for range 4 {
			workers.Go(func() {
				for left.Load() {
					if g.do("GET", me, access, nil).StatusCode == http.StatusTooManyRequests {
						left.Store(false)
					}
				}
			})
		}
	}
	workers.Wait()
}

// load sends the benchmark's requests on time, however long the answers take.
func load(b *testing.B, gateways []*client, access string, long time.Duration) (sent, admitted int64) {
	b.Helper()
	var ok, refused atomic.Int64
	var requests sync.WaitGroup
	start := time.Now()
	every := time.Second / benchRate / time.Duration(len(gateways))
	for n := 0; ; n++ {
		due := time.Duration(n) * every
		if due >= long {
			break
		}
		time.Sleep(time.Until(start.Add(due)))
		g := gateways[n%len(gateways)]
		requests.Go(func() {
			switch a := g.do("GET", me, access, nil); a.StatusCode {
			case http.StatusOK:
				ok.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				b.Errorf("got %d: %s", a.StatusCode, a.body)
			}
		})
	}
	requests.Wait()
	return ok.Load() + refused.Load(), ok.Load()
}

// BenchmarkLogout reports how long after a logout is sent each of three gateways
// refuses the token by itself for the first time.
func BenchmarkLogout(b *testing.B) {
	s := ownStack(b, stack.Options{Gateways: benchGateways, Backends: 2})
	gateways := clients(b, s)
	for _, g := range gateways {
		g.unchecked = true
	}
	username, _ := gateways[0].newUser()
	var mu sync.Mutex
	var late []time.Duration
	for b.Loop() {
		access := gateways[0].login(username, password, stack.DemoTenant).Access
		var polls sync.WaitGroup
		start := time.Now()
		for _, g := range gateways {
			polls.Go(func() {
				for {
					// What a backend refuses was counted by tenant before.
					a := g.do("GET", me, access, nil)
					if a.StatusCode == http.StatusUnauthorized && a.quota("tenant") == "" {
						break
					}
				}
				mu.Lock()
				defer mu.Unlock()
				late = append(late, time.Since(start))
			})
		}
		gateways[0].do("POST", "/api/v1/auth/logout", access, nil).want(http.StatusOK)
		polls.Wait()
	}
	slices.Sort(late)
	at := func(share float64) float64 {
		return float64(late[min(len(late)-1, int(share*float64(len(late))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "ms-p50")
	b.ReportMetric(at(0.99), "ms-p99")
	b.ReportMetric(at(1), "ms-max")
}
