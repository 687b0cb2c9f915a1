package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/limit"
)

// ledger keeps when requests were admitted, by policy.
type ledger struct {
	mu    sync.Mutex
	times map[*Policy][]int64 // µs
}

func (g *ledger) note(p *Policy, at int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.times == nil {
		g.times = map[*Policy][]int64{}
	}
	g.times[p] = append(g.times[p], at)
}

// excess checks the promise for every pair of admissions: from one to the other,
// T apart, at most burst + T/interval. It returns the worst pair, or "".
func excess(l limit.Limit, times []int64) string {
	interval, burst := l.Interval(), int64(l.Burst)
	times = slices.Sorted(slices.Values(times))
	// n <= burst + T/interval with n = j-i+1 is x(j) - x(i) <= burst-1 with
	// x(k) = k - time(k)/interval, so the least x so far makes the worst pair.
	worst, least := int64(0), 0
	x := func(k int) int64 { return int64(k)*interval - times[k] }
	text := ""
	for j := range times {
		if x(j) < x(least) {
			least = j
		}
		if over := x(j) - x(least) - (burst-1)*interval; over > worst {
			worst = over
			text = fmt.Sprintf("%d admitted in %d µs, %d µs too many, with interval %d µs and burst %d",
				j-least+1, times[j]-times[least], over, interval, burst)
		}
	}
	return text
}

// TestExcess checks the check.
func TestExcess(t *testing.T) {
	t.Parallel()
	l := limit.Limit{Requests: 1000, Period: time.Second, Burst: 3} // 1 ms
	for _, c := range []struct {
		times []int64
		over  bool
	}{
		{[]int64{0, 0, 0}, false},
		{[]int64{0, 0, 0, 1000}, false},
		{[]int64{0, 0, 0, 999}, true},
		{[]int64{999, 0, 0, 0}, true},
		{[]int64{0, 5000, 5000, 5000, 5999}, true},
		{[]int64{0, 5000, 5000, 5000, 6000, 7000, 9000, 9000}, false},
		{[]int64{0, 5000, 5000, 5000, 6000, 7000, 9000, 9000, 9999}, true},
		{[]int64{0, 500, 1000, 1500, 2000, 2500}, true},
		{nil, false},
	} {
		if got := excess(l, c.times); (got != "") != c.over {
			t.Errorf("%v: %q, want an excess: %v", c.times, got, c.over)
		}
	}
}

// gatewayClock is a machine's clocks in a bubble: both run a little slow, the
// monotonic one stands still while the machine sleeps, and the wall clock is wrong
// and is set now and then.
type gatewayClock struct {
	mu    sync.Mutex
	start time.Time
	slow  int64 // parts per million
	skew  time.Duration
	slept time.Duration // in former sleeps
	sleep time.Time     // since when it sleeps, or zero
}

func (c *gatewayClock) read() instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed, slept := time.Since(c.start), c.slept
	if !c.sleep.IsZero() {
		slept += time.Since(c.sleep)
	}
	mono := (passed - slept).Microseconds()
	late := passed.Microseconds() * c.slow / 1_000_000 // both run by the same crystal
	return instant{mono: mono - late, wall: c.start.Add(passed+c.skew).UnixMicro() - late}
}

func (c *gatewayClock) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// hostileStore delays, reorders and loses commands and answers.
type hostileStore struct {
	Store
	grants *ledger // by policies without leases: the store's word counts

	mu     sync.Mutex
	random *rand.Rand
	awful  time.Duration // the longest delay
}

var errLost = errors.New("lost")

func (s *hostileStore) delay() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.random.IntN(10) {
	case 0:
		return time.Duration(s.random.Int64N(int64(s.awful)))
	case 1, 2, 3:
		return time.Duration(s.random.Int64N(int64(20 * time.Millisecond)))
	}
	return time.Duration(s.random.Int64N(int64(time.Millisecond)))
}

func (s *hostileStore) chance(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n) == 0
}

func (s *hostileStore) Take(ctx context.Context, tag []byte, asks []Ask) error {
	time.Sleep(s.delay())
	if s.chance(30) {
		return errLost // on the way there
	}
	err := s.Store.Take(ctx, tag, asks)
	for i := range asks {
		for range asks[i].Granted {
			if asks[i].Policy.rule.lease == 0 {
				s.grants.note(asks[i].Policy, time.Now().UnixMicro())
			}
		}
	}
	time.Sleep(s.delay())
	if s.chance(30) {
		return errLost // on the way back
	}
	return err
}

// member is a gateway that crashes and comes back with nothing.
type member struct {
	mu      sync.Mutex
	limiter *Limiter
	clock   *gatewayClock
}

func (m *member) current() *Limiter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limiter
}

func (m *member) restart(store Store) {
	l := New(Options{Store: store, Keys: 2000, Fallback: FallbackClosed, Log: quiet})
	l.clock = m.clock.read
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limiter = l
}

// TestFleetNeverAdmitsMoreThanPromised lets gateways that crash, pause, sleep
// and mistake the time share buckets over a store that delays and loses, and
// checks every stretch of time between two admissions. While the store does not
// answer nothing is admitted (FallbackClosed): the promise is for the rest.
func TestFleetNeverAdmitsMoreThanPromised(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same fleet in every run
				policies := randomPolicies(random)
				admitted := &ledger{}
				haveFleet(random, policies, admitted)
				total := 0
				for _, p := range policies {
					total += len(admitted.times[p])
					if text := excess(p.Limit, admitted.times[p]); text != "" {
						t.Errorf("%s %v (lease %d µs): %s", p.Name, p.Limit, p.rule.lease, text)
					}
				}
				if total < 100 {
					t.Errorf("only %d requests were admitted, which proves little", total)
				}
			})
		})
	}
}

// randomPolicies returns up to three policies, the first of which leases.
func randomPolicies(random *rand.Rand) []*Policy {
	var policies []*Policy
	for i := range 1 + random.IntN(3) {
		l := limit.Limit{Requests: 50 + random.IntN(600), Period: time.Second}
		l.Burst = max(50, l.Requests/4) + random.IntN(3*l.Requests)
		if i > 0 && random.IntN(3) == 0 {
			l.Burst = 20 + random.IntN(30) // no leases
		}
		policies = append(policies, NewPolicy(fmt.Sprint("p", i), l, PolicyOptions{}))
	}
	return policies
}

// fleet is gateways whose clients all do the same: first they send steadily, so
// that leases are taken; then most fall silent, while buckets refill and leases
// age; then all rush; then they rest.
type fleet struct {
	policies []*Policy
	store    *hostileStore
	admitted *ledger
	members  []*member

	pause atomic.Int64 // between two requests of a client, in ns
	over  atomic.Bool
}

const (
	clients = 8 // of each gateway
	rush    = 300 * time.Microsecond
)

// haveFleet runs a fleet for a number of rounds.
func haveFleet(random *rand.Rand, policies []*Policy, admitted *ledger) {
	draw := func() *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), random.Uint64())) } //nolint:gosec // as above
	f := &fleet{policies: policies, admitted: admitted}
	f.store = &hostileStore{Store: NewMemory(time.Now), grants: admitted, random: draw(), awful: time.Duration(1 + random.Int64N(int64(400*time.Millisecond)))}
	for range 2 + random.IntN(3) {
		m := &member{clock: &gatewayClock{start: time.Now(), slow: random.Int64N(900), skew: time.Duration(random.Int64N(int64(time.Hour)))}}
		m.restart(f.store)
		f.members = append(f.members, m)
	}
	slowest := slices.MinFunc(policies, func(a, b *Policy) int { return cmp.Compare(b.rule.interval, a.rule.interval) }).rule
	steady := time.Duration(slowest.interval) * time.Microsecond * time.Duration(len(f.members)*clients)
	f.pause.Store(int64(steady))
	var all sync.WaitGroup
	for _, m := range f.members {
		for range clients {
			r := draw()
			all.Go(func() { f.client(m, r) })
		}
	}
	part := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d) + 1)) }
	lease := time.Duration(policies[0].rule.lease) * time.Microsecond
	for range 12 {
		f.pause.Store(int64(steady + part(2*steady)))
		time.Sleep(lease + part(2*lease))
		f.pause.Store(int64(time.Hour))
		f.suffer(random, lease)
		f.pause.Store(int64(rush))
		time.Sleep(20*time.Millisecond + part(400*time.Millisecond))
		f.pause.Store(int64(time.Hour))
		time.Sleep(part(time.Duration(slowest.tolerance) * time.Microsecond))
	}
	f.over.Store(true)
	all.Wait()
	time.Sleep(2 * f.store.awful) // renewals that are under way
}

// client sends requests, one after the other.
func (f *fleet) client(m *member, r *rand.Rand) {
	for !f.over.Load() {
		f.request(m)
		// Looks again now and then, since a pause of the fleet may end early.
		for passed := time.Duration(0); !f.over.Load(); {
			pause := time.Duration(f.pause.Load())
			step := min(pause, 5*time.Millisecond)
			time.Sleep(step/2 + time.Duration(r.Int64N(int64(step))))
			if passed += step; passed >= pause {
				break
			}
		}
	}
}

func (f *fleet) request(m *member) {
	charges := make([]Charge, len(f.policies))
	for i, p := range f.policies {
		charges[i].Policy = p
	}
	m.current().Take(context.Background(), []byte("t"), charges)
	if Refused(charges) != nil {
		return
	}
	for _, p := range f.policies {
		if p.rule.lease > 0 {
			f.admitted.note(p, time.Now().UnixMicro())
		}
	}
}

// suffer lets silence pass, in which gateways crash, their machines sleep, and
// wall clocks are set. Only one clock of a gateway fails within τ: if the wall
// clock is set back while a machine sleeps, nothing tells that it slept.
func (f *fleet) suffer(random *rand.Rand, lease time.Duration) {
	silence := time.Duration(random.Int64N(int64(lease + lease/4)))
	for _, m := range f.members {
		switch random.IntN(5) {
		case 0:
			m.restart(f.store)
		case 1:
			silence = lease + time.Duration(random.Int64N(int64(lease)))
			m.clock.change(func() { m.clock.sleep = time.Now() })
		case 2:
			step := time.Duration(random.Int64N(int64(20*time.Second))) - 10*time.Second
			m.clock.change(func() { m.clock.skew += step })
		}
	}
	time.Sleep(silence)
	for _, m := range f.members {
		m.clock.change(func() {
			if !m.clock.sleep.IsZero() {
				m.clock.slept += time.Since(m.clock.sleep)
				m.clock.sleep = time.Time{}
			}
		})
	}
}
