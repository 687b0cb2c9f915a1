package ratelimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/limit"
)

// These simulations run in a bubble of testing/synctest: an hour of the fleet
// takes a moment, and every run is the same up to the order of goroutines that
// wake at once.

// slowStore answers after a while and counts commands.
type slowStore struct {
	Store
	latency  time.Duration
	commands atomic.Int64
}

func (s *slowStore) Take(ctx context.Context, tag []byte, asks []Ask) error {
	s.commands.Add(1)
	time.Sleep(s.latency / 2)
	err := s.Store.Take(ctx, tag, asks)
	time.Sleep(s.latency - s.latency/2)
	return err
}

// load is a fleet of gateways under requests that come whether or not they are
// answered.
type load struct {
	gateways int
	policies []*Policy // charged by every request
	rate     float64   // requests per second of each gateway
	regular  bool      // evenly spaced; otherwise at random (a Poisson process)
	warm     time.Duration
	measured time.Duration
}

type outcome struct {
	offered, admitted, commands int64
	ideal                       int64 // what one bucket without leases would admit
}

// short is the part of what one bucket would admit that was refused.
func (o outcome) short() float64 { return 1 - float64(o.admitted)/float64(o.ideal) }

func (o outcome) perRequest() float64 { return float64(o.commands) / float64(o.offered) }

func (o outcome) String() string {
	return fmt.Sprintf("%d of %d requests admitted (%d ideal, short by %.2f %%), %.4f commands per request",
		o.admitted, o.offered, o.ideal, 100*o.short(), o.perRequest())
}

func (c load) run() outcome {
	store := &slowStore{Store: NewMemory(time.Now), latency: 400 * time.Microsecond}
	var admitted, offered atomic.Int64
	var mu sync.Mutex
	tat, ideal, start := int64(0), int64(0), time.Now()
	var plain rule // the tightest policy as one bucket that leases nothing
	for _, p := range c.policies {
		if r := (rule{interval: p.Limit.Interval(), tolerance: p.Limit.Interval() * int64(p.Limit.Burst)}); r.interval > plain.interval {
			plain = r
		}
	}
	var all sync.WaitGroup
	measuring := func() bool { return time.Since(start) >= c.warm }
	for g := range c.gateways {
		l := New(Options{Store: store, Keys: 1000, Log: quiet})
		random := rand.New(rand.NewPCG(uint64(g), 7)) //nolint:gosec // the same arrivals in every run
		all.Go(func() {
			time.Sleep(time.Duration(random.Int64N(int64(time.Second))))
			for time.Since(start) < c.warm+c.measured {
				gap := 1.0
				if !c.regular {
					gap = random.ExpFloat64()
				}
				time.Sleep(time.Duration(gap / c.rate * float64(time.Second)))
				all.Go(func() {
					mu.Lock()
					now := time.Since(start).Microseconds()
					could := plain.has(plain.fill(tat, now))
					if could {
						tat = now + plain.fill(tat, now) + plain.interval
					}
					if could && measuring() {
						ideal++
					}
					mu.Unlock()
					counts := measuring()
					charges := make([]Charge, len(c.policies))
					for i, p := range c.policies {
						charges[i].Policy = p
					}
					l.Take(context.Background(), []byte("t"), charges)
					if counts {
						offered.Add(1)
						if Refused(charges) == nil {
							admitted.Add(1)
						}
					}
				})
			}
		})
	}
	time.Sleep(c.warm)
	before := store.commands.Load()
	all.Wait()
	commands := store.commands.Load() - before
	time.Sleep(time.Second) // a renewal may be under way
	return outcome{offered: offered.Load(), admitted: admitted.Load(), commands: commands, ideal: ideal}
}

// perSecond is a policy with a burst of ten seconds, as the built-in ones.
func perSecond(name string, rate int) *Policy {
	return NewPolicy(name, limit.Limit{Requests: rate * 60, Period: time.Minute, Burst: rate * 10}, PolicyOptions{})
}

// TestSteadyLoadCostsFewCommands: keys at 50 requests a second on each gateway,
// below their limit.
func TestSteadyLoadCostsFewCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		most float64 // commands per request
		load load
	}{
		{"address layer at half the limit, regular", 0.025, load{policies: []*Policy{perSecond("address", 300)}, regular: true}},
		{"address layer at half the limit, random", 0.025, load{policies: []*Policy{perSecond("address", 300)}}},
		{"at 90 % of the limit", 0.025, load{policies: []*Policy{perSecond("tenant", 166)}}},
		{"tenant, user and class at half the limit", 0.025, load{policies: []*Policy{
			perSecond("tenant", 900), perSecond("user", 300), perSecond("write", 320),
		}}},
		// Like refusals, these ask once for each of the 10 tokens a second.
		{"one in shadow that is far above its limit", 0.21, load{policies: []*Policy{
			perSecond("tenant", 300), NewPolicy("user", lim(600, time.Minute, 100), PolicyOptions{Shadow: true}),
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.load.gateways, c.load.rate = 3, 50
				c.load.warm, c.load.measured = 30*time.Second, 120*time.Second
				got := c.load.run()
				t.Log(got)
				if got.perRequest() > c.most {
					t.Errorf("%.4f commands per request, want at most %v", got.perRequest(), c.most)
				}
				if got.admitted != got.offered {
					t.Errorf("%d of %d requests were refused", got.offered-got.admitted, got.offered)
				}
			})
		})
	}
}

// TestUnderAdmission compares the fleet with one bucket that leases nothing and
// sees the same requests.
func TestUnderAdmission(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{5, 10, 50, 150} { // the limit, a second
		for _, c := range []struct {
			part    float64 // of the limit
			regular bool
			most    float64
		}{
			{0.5, true, 0.03}, {0.5, false, 0.03}, {0.9, false, 0.03},
			{1, true, 0.05}, {1, false, 0.05}, {1.1, false, 0.05}, {3, false, 0.05},
		} {
			t.Run(fmt.Sprintf("%v of %d regular %v", c.part, rate, c.regular), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					got := load{
						gateways: 3, policies: []*Policy{perSecond("p", rate)}, rate: c.part * float64(rate) / 3, regular: c.regular,
						warm: 60 * time.Second, measured: 240 * time.Second,
					}.run()
					t.Log(got)
					if got.short() > c.most {
						t.Errorf("short by %.2f %%, want at most %.0f %%", 100*got.short(), 100*c.most)
					}
					if got.perRequest() > 1 {
						t.Errorf("%.4f commands per request, want at most one", got.perRequest())
					}
				})
			})
		}
	}
}

// TestCommandsOfAnyLoad: however requests come, each costs one command at most.
func TestCommandsOfAnyLoad(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // the same loads in every run
	for range 20 {
		rate := 1 + random.IntN(500)
		c := load{
			gateways: 1 + random.IntN(4), policies: []*Policy{perSecond("tenant", rate), perSecond("user", 1+rate/(1+random.IntN(10)))},
			rate: float64(rate) * 3 * random.Float64(), measured: 20 * time.Second,
		}
		c.rate = max(c.rate, 0.1)
		synctest.Test(t, func(t *testing.T) {
			if got := c.run(); got.commands > got.offered {
				t.Errorf("%+v: %v", c, got)
			}
		})
	}
}
