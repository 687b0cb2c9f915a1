package ratelimit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/limit"
)

// These tests build the worst cases of the proof in doc.go, to the token: what
// is on lease is as much and as old as can be when all gateways spend at once.

// worst is gateways that hoard leases.
type worst struct {
	policy   *Policy
	store    Store
	gateways []*member
	admitted ledger
}

var wideLimit = limit.Limit{Requests: 1000, Period: time.Second, Burst: 1000} // τ = 100 ms

func newWorst(l limit.Limit, gateways int, slow int64) *worst {
	w := &worst{policy: NewPolicy("p", l, PolicyOptions{}), store: NewMemory(time.Now)}
	for range gateways {
		m := &member{clock: &gatewayClock{start: time.Now(), slow: slow}}
		m.restart(w.store)
		w.gateways = append(w.gateways, m)
	}
	return w
}

// prime lets a gateway believe in a demand within τ.
func prime(l *Limiter, p *Policy, key string, demanded int64) {
	s := l.buckets.shard([]byte("t"))
	s.mu.Lock()
	defer s.mu.Unlock()
	var found [1]*bucket
	now := l.clock()
	s.find(found[:], []byte("t"), []Charge{{Policy: p, Key: []byte(key)}}, now)
	found[0].demand = demand{since: now.mono, now: demanded}
}

// held returns how many tokens a gateway has on lease.
func held(l *Limiter, p *Policy, key string) int64 {
	s := l.buckets.shard([]byte("t"))
	s.mu.Lock()
	defer s.mu.Unlock()
	var found [1]*bucket
	now := l.clock()
	s.find(found[:], []byte("t"), []Charge{{Policy: p, Key: []byte(key)}}, now)
	found[0].leases.drop(now)
	return found[0].leases.tokens()
}

func (w *worst) take(m *member) bool {
	charges := []Charge{{Policy: w.policy}}
	m.limiter.Take(context.Background(), []byte("t"), charges)
	if charges[0].Admitted {
		w.admitted.note(w.policy, time.Now().UnixMicro())
	}
	return charges[0].Admitted
}

// flood spends, at one moment, all that the fleet can, with what renewals bring
// meanwhile.
func (w *worst) flood() (n int) {
	for before := -1; before < n; {
		before = n
		for _, m := range w.gateways {
			for w.take(m) {
				n++
			}
		}
		synctest.Wait()
	}
	return n
}

func TestLeasesDieInTime(t *testing.T) {
	t.Parallel()
	fast := limit.Limit{Requests: 10_000, Period: time.Second, Burst: 100_000} // τ = 1 s
	sleep := func(c *gatewayClock, _ time.Duration) { c.sleep = time.Now() }
	setBack := func(c *gatewayClock, _ time.Duration) { c.skew -= time.Minute }
	for _, c := range []struct {
		name   string
		limit  limit.Limit
		fleet  int
		hoard  int64
		slow   int64
		suffer func(*gatewayClock, time.Duration)
		ages   []float64 // of the leases when all is spent, in τ
	}{
		{name: "true clocks", limit: wideLimit, fleet: 5, hoard: 50, ages: []float64{0, 0.5, 0.9, 0.998, 1, 1.01, 1.05, 1.2, 1.5, 2, 5}},
		{name: "slow clocks", limit: fast, fleet: 2, hoard: 9000, slow: 900, ages: []float64{0.999, 1, 1.0005, 1.0008, 1.01}},
		{name: "sleeping machines", limit: wideLimit, fleet: 5, hoard: 50, suffer: sleep, ages: []float64{0.9, 1.1, 1.5, 2, 5}},
		{name: "wall clocks set back", limit: wideLimit, fleet: 5, hoard: 50, suffer: setBack, ages: []float64{0.9, 1.1, 1.5, 2, 5}},
	} {
		for _, age := range c.ages {
			t.Run(fmt.Sprint(c.name, " ", age), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorst(c.limit, c.fleet, c.slow)
					lease := time.Duration(w.policy.rule.lease) * time.Microsecond
					for _, m := range w.gateways {
						prime(m.limiter, w.policy, "", c.hoard)
						if !w.take(m) || held(m.limiter, w.policy, "") != c.hoard {
							t.Fatalf("%d tokens on lease, want %d", held(m.limiter, w.policy, ""), c.hoard)
						}
						if c.suffer != nil {
							m.clock.change(func() { c.suffer(m.clock, lease) })
						}
					}
					time.Sleep(time.Duration(age * float64(lease)))
					n := w.flood()
					if n > c.limit.Burst {
						t.Errorf("%d at one moment, with a burst of %d", n, c.limit.Burst)
					}
					if text := excess(c.limit, w.admitted.times[w.policy]); text != "" {
						t.Error(text)
					}
					if least := c.limit.Burst * 89 / 100; n < least && age >= 5 {
						t.Errorf("%d at one moment although the bucket is full again, want at least %d", n, least)
					}
				})
			})
		}
	}
}

// TestLeaseIsUsedUntilItsEnd: τ is counted from before the command was sent.
func TestLeaseIsUsedUntilItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Store: NewMemory(time.Now), latency: 30 * time.Millisecond}
		l := New(Options{Store: store, Keys: 1000, Log: quiet})
		p := NewPolicy("p", wideLimit, PolicyOptions{})
		prime(l, p, "", 7) // too few to be renewed ahead of need
		ask := func() { l.Take(t.Context(), []byte("t"), []Charge{{Policy: p}}) }
		ask()
		time.Sleep(69 * time.Millisecond) // 99 ms after the command was sent
		if ask(); store.commands.Load() != 1 {
			t.Errorf("%d commands while the lease lives, want 1", store.commands.Load())
		}
		time.Sleep(time.Millisecond)
		if ask(); store.commands.Load() != 2 {
			t.Errorf("%d commands after the lease is dead, want 2", store.commands.Load())
		}
		time.Sleep(time.Second)
	})
}

// gate holds answers back until it is opened.
type gate struct {
	Store
	open chan struct{}
}

func (g *gate) Take(ctx context.Context, tag []byte, asks []Ask) error {
	err := g.Store.Take(ctx, tag, asks)
	<-g.open
	return err
}

// TestLateAnswersGiveNothing: many answers are held back for longer than τ, while
// the bucket refills, and come just when everything is spent.
func TestLateAnswersGiveNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorst(wideLimit, 1, 0)
		g := &gate{Store: w.store, open: make(chan struct{})}
		slow := New(Options{Store: g, Keys: 1000, Fallback: FallbackClosed, Log: quiet})
		late := &member{limiter: slow}
		var waiting sync.WaitGroup
		var admitted int
		for range 300 {
			waiting.Go(func() {
				if w.take(late) {
					admitted++
				}
			})
		}
		synctest.Wait()
		time.Sleep(400 * time.Millisecond)
		w.flood()
		close(g.open)
		waiting.Wait()
		if admitted != 0 {
			t.Errorf("%d were admitted by answers that came after τ", admitted)
		}
		if text := excess(wideLimit, w.admitted.times[w.policy]); text != "" {
			t.Error(text)
		}
	})
}

// TestTokensDieWhileACommandIsUnderWay: tokens of one bucket are set aside while
// another is asked for, which takes longer than they live.
func TestTokensDieWhileACommandIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorst(wideLimit, 4, 0)
		users := NewPolicy("user", limit.Limit{Requests: 1, Period: time.Second, Burst: 10}, PolicyOptions{})
		g := &gate{Store: w.store, open: make(chan struct{})}
		var waiting sync.WaitGroup
		for _, m := range w.gateways {
			prime(m.limiter, w.policy, "", 100)
			w.take(m)
			n := held(m.limiter, w.policy, "")
			m.limiter.store = g
			for user := range n {
				waiting.Go(func() {
					charges := []Charge{{Policy: w.policy}, {Policy: users, Key: fmt.Append(nil, user)}}
					m.limiter.Take(context.Background(), []byte("t"), charges)
					if Refused(charges) == nil {
						w.admitted.note(w.policy, time.Now().UnixMicro())
					}
				})
			}
			synctest.Wait()
			if left := held(m.limiter, w.policy, ""); left != 0 || n < 50 {
				t.Errorf("%d of %d tokens are not set aside", left, n)
			}
			m.limiter.store = w.store
		}
		time.Sleep(450 * time.Millisecond)
		w.flood()
		close(g.open)
		waiting.Wait()
		if text := excess(wideLimit, w.admitted.times[w.policy]); text != "" {
			t.Error(text)
		}
	})
}
