package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// The service behind BenchmarkOverload works on some requests at once, and the
// others wait in their order. Its work is waiting, so that what is measured is
// not the machine.
const (
	overloadTenants = 8
	overloadWarm    = 8 * time.Second
	overloadTime    = 12 * time.Second
	// overloadPatience is how late an answer is still good, in means of the work.
	overloadPatience = 10
)

// queued is that service.
type queued struct {
	workers int
	mean    time.Duration
	free    chan struct{}

	done, worked atomic.Int64 // requests, and the time they took once begun, in ns
}

// capacity is how many requests a second it should be able to do.
func (q *queued) capacity() float64 { return float64(q.workers) / q.mean.Seconds() }

// measured is how many it was able to do, since sleeping takes longer than it
// should on a busy machine.
func (q *queued) measured() float64 {
	done, worked := q.done.Swap(0), q.worked.Swap(0)
	return float64(q.workers) * float64(done) / time.Duration(worked).Seconds()
}

func (q *queued) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != me {
		http.NotFound(w, r) // gateways ask for its health and its keys
		return
	}
	q.free <- struct{}{}
	begin := time.Now()
	// A fifth of the time is the same for all, the rest is random.
	time.Sleep(time.Duration(float64(q.mean) * (0.2 + 0.8*rand.ExpFloat64()))) //nolint:gosec // no secret
	q.worked.Add(int64(time.Since(begin)))
	q.done.Add(1)
	<-q.free
	_, _ = io.WriteString(w, "{}") // the client may have left
}

// stream is one tenant's requests, which come at random and do not wait for one
// another.
type stream struct {
	bearer string
	rate   float64 // a second

	mu      sync.Mutex
	good    []time.Duration
	refused []time.Duration
	other   int
}

func (s *stream) note(status int, took, patience time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case status == http.StatusOK && took <= patience:
		s.good = append(s.good, took)
	case status == http.StatusServiceUnavailable:
		s.refused = append(s.refused, took)
	default:
		s.other++
	}
}

// BenchmarkOverload measures how much of what a service can do becomes good
// answers when it is asked for more, how fast the rest is refused, and what a
// tenant that asks for twenty times its share does to the others. The time per
// operation means nothing.
func BenchmarkOverload(b *testing.B) {
	for _, service := range []*queued{
		{workers: 16, mean: 40 * time.Millisecond},
		{workers: 64, mean: 200 * time.Millisecond},
	} {
		service.free = make(chan struct{}, service.workers)
		for gateways := 1; gateways <= 2; gateways++ {
			name := fmt.Sprintf("%dx%v/gateways=%d", service.workers, service.mean, gateways)
			b.Run(name, func(b *testing.B) { benchOverload(b, service, gateways) })
		}
	}
}

func benchOverload(b *testing.B, service *queued, gateways int) {
	origin := httptest.NewServer(service)
	defer origin.Close()
	s := ownStack(b, stack.Options{Gateways: gateways, Backends: -1, GatewayEnv: []string{
		"BACKENDS=" + origin.Listener.Addr().String(), "MAX_CONNECTIONS_PER_ADDRESS=10000",
		"ADMISSION_MIN=4", // so few workers are to show what the limit does
	}})
	// Tenants ask for the same but for the last.
	even := func(others, last float64) []float64 {
		rates := slices.Repeat([]float64{others * service.capacity() / overloadTenants}, overloadTenants)
		rates[overloadTenants-1] = last * service.capacity() / overloadTenants
		return rates
	}
	for _, c := range []struct {
		name  string
		rates []float64
	}{
		{"load=1", even(1, 1)},
		{"load=2", even(2, 2)},
		{"victims", even(0.7, 0)},
		{"victims,aggressor=20", even(0.7, 20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				streams := overload(b, s, service, c.rates)
				reportOverload(b, service, streams)
				limit := 0.0
				for _, g := range s.Gateways {
					limit += metric(b, g.Ops, "gateway_admission_limit")
				}
				b.ReportMetric(limit, "limit")
			}
		})
	}
}

// reportOverload reports on all tenants, and on the latency of all but the last.
func reportOverload(b *testing.B, service *queued, streams []*stream) {
	b.Helper()
	var all, victims stream
	for i, s := range streams {
		for _, sum := range []*stream{&all, &victims} {
			if sum == &victims && i == len(streams)-1 {
				continue
			}
			sum.good, sum.refused = append(sum.good, s.good...), append(sum.refused, s.refused...)
			sum.other += s.other
		}
	}
	slices.Sort(all.refused)
	slices.Sort(victims.good)
	quick, _ := slices.BinarySearch(all.refused, 5*time.Millisecond)
	capacity := service.measured()
	b.ReportMetric(capacity, "capacity/s")
	b.ReportMetric(100*float64(len(all.good))/capacity/overloadTime.Seconds(), "%-goodput")
	b.ReportMetric(float64(all.other), "late-or-failed")
	if n := len(all.refused); n > 0 {
		b.ReportMetric(100*float64(quick)/float64(n), "%-refused<5ms")
		b.ReportMetric(milliseconds(all.refused[n*99/100]), "ms-refused-p99")
	}
	if n := len(victims.good); n > 0 {
		b.ReportMetric(milliseconds(victims.good[n/2]), "ms-others-p50")
		b.ReportMetric(milliseconds(victims.good[n*99/100]), "ms-others-p99")
		b.ReportMetric(100*float64(n)/float64(n+len(victims.refused)+victims.other), "%-others-answered")
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// overload sends streams of such rates and returns what became of them once they
// had run for a while.
func overload(b *testing.B, s *stack.Stack, service *queued, rates []float64) []*stream {
	b.Helper()
	keys := token.NewKeyring(token.Config{Secret: config.Secret(s.Secrets.JWT), Issuer: "gatehouse", Audience: "gatehouse"}, time.Now)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4096}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var streams []*stream
	var generators, requests sync.WaitGroup
	start := time.Now()
	for i, rate := range rates {
		signed, err := keys.Sign(token.Claims{
			UserID: uuid.New(), Tenant: fmt.Sprintf("tenant-%d", i), Username: "ana", Session: uuid.New(), Role: token.Member,
		}, 5*time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		t := &stream{bearer: "Bearer " + signed, rate: rate}
		streams = append(streams, t)
		if rate == 0 {
			continue
		}
		generators.Go(func() {
			for due := start; ; {
				due = due.Add(time.Duration(rand.ExpFloat64() / t.rate * float64(time.Second))) //nolint:gosec // no secret
				if due.Sub(start) > overloadWarm+overloadTime {
					return
				}
				time.Sleep(time.Until(due))
				base := s.Gateways[rand.IntN(len(s.Gateways))].HTTP //nolint:gosec // no secret
				requests.Go(func() {
					status := ask(client, base+me, t.bearer)
					if due.Sub(start) > overloadWarm {
						t.note(status, time.Since(due), overloadPatience*service.mean)
					}
				})
			}
		})
	}
	generators.Wait()
	requests.Wait()
	return streams
}

// ask returns the status of an answer that came to its end, or 0.
func ask(client *http.Client, url, bearer string) int {
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", bearer)
	answer, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0
	}
	return answer.StatusCode
}
