package ratelimit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/limit"
)

// breakable is a store that stops answering; a command that fails may have been
// executed.
type breakable struct {
	Store
	down     atomic.Bool
	executes atomic.Bool // although it is down
	debts    atomic.Int64
}

var errDown = errors.New("no answer")

func (b *breakable) Take(ctx context.Context, tag []byte, asks []Ask) error {
	down := b.down.Load()
	if !down || b.executes.Load() {
		for i := range asks {
			b.debts.Add(asks[i].Debt)
		}
		if err := b.Store.Take(ctx, tag, asks); err != nil {
			return err
		}
	}
	if down {
		return errDown
	}
	return nil
}

type fallbackRig struct {
	*Limiter
	store *breakable
	log   bytes.Buffer
}

func newFallbackRig(mode Fallback, fleet int) *fallbackRig {
	r := &fallbackRig{store: &breakable{Store: NewMemory(time.Now)}}
	r.Limiter = New(Options{
		Store: r.store, Keys: 1000, Fallback: mode, Fleet: func() int { return fleet },
		Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	return r
}

// spend makes requests until one is refused, and returns how many were not.
func (r *fallbackRig) spend(p *Policy) (n int) {
	for request(r.Limiter, "t", Charge{Policy: p})[0].Admitted {
		n++
	}
	return n
}

func slowPolicy(burst int, o PolicyOptions) *Policy {
	return NewPolicy("p", lim(60, time.Minute, burst), o)
}

func TestFallbackEnforcesTheShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 4)
		p := slowPolicy(20, PolicyOptions{})
		r.store.down.Store(true)
		got := request(r.Limiter, "t", Charge{Policy: p})[0].Decision
		if want := (Decision{Admitted: true, Remaining: 4, Wait: 4 * time.Second}); got != want {
			t.Errorf("first request alone = %+v, want %+v", got, want)
		}
		if n := r.spend(p); n != 4 {
			t.Errorf("%d more at once, want a quarter of the burst in all", n)
		}
		if got := request(r.Limiter, "t", Charge{Policy: p})[0].Decision; got != (Decision{Wait: 4 * time.Second}) {
			t.Errorf("refused: %+v, want four times the interval", got)
		}
		n := 0
		for range 60 * 10 { // a minute
			time.Sleep(100 * time.Millisecond)
			if request(r.Limiter, "t", Charge{Policy: p})[0].Admitted {
				n++
			}
		}
		if n != 15 {
			t.Errorf("%d in a minute, want a quarter of the rate", n)
		}
	})
}

// TestFallbackStartsFromTheLastLevel: what was spent while the store answered is
// not given again, however often it goes and comes.
func TestFallbackStartsFromTheLastLevel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 2)
		p := slowPolicy(20, PolicyOptions{})
		for range 10 {
			request(r.Limiter, "t", Charge{Policy: p})
		}
		r.store.down.Store(true)
		if n := r.spend(p); n != 5 {
			t.Errorf("%d alone, want half of the 10 that were left", n)
		}
		for range 5 { // flaps
			r.store.down.Store(false)
			request(r.Limiter, "t", Charge{Policy: p})
			r.store.down.Store(true)
			r.spend(p)
		}
		// 20 in all, of which the share of the outages was admitted twice at most.
		r.store.down.Store(false)
		if n := r.spend(p); n > 5 {
			t.Errorf("%d after the flaps, want what was left", n)
		}
		if n := r.spend(p); n != 0 {
			t.Errorf("%d more, want none", n)
		}
	})
}

func TestDebtIsChargedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 3)
		p := slowPolicy(40, PolicyOptions{})
		request(r.Limiter, "t", Charge{Policy: p})
		r.store.down.Store(true)
		for range 10 {
			request(r.Limiter, "t", Charge{Policy: p})
		}
		r.store.down.Store(false)
		if got := request(r.Limiter, "t", Charge{Policy: p})[0].Remaining; got != 40-12 {
			t.Errorf("%d remain after 12 requests, want 28", got)
		}
		if got := r.store.debts.Load(); got != 10_000_000 {
			t.Errorf("a debt of %d µs, want that of 10 requests", got)
		}
		for range 3 {
			request(r.Limiter, "t", Charge{Policy: p})
		}
		if got := r.store.debts.Load(); got != 10_000_000 {
			t.Errorf("a debt of %d µs in all: it was charged twice", got)
		}
	})
}

// TestLimitChangesInTheFallback: what was used with the store and without it stays
// the same number of tokens, here and in the debt.
func TestLimitChangesInTheFallback(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		next         limit.Limit
		alone, after int64 // remaining after the next request alone, and with the store
	}{
		"raised":  {lim(600, time.Minute, 20), 14, 13},
		"lowered": {lim(6, time.Minute, 10), 4, 3},
		"below":   {lim(6, time.Minute, 3), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newFallbackRig(FallbackLocal, 1)
				p, next := slowPolicy(20, PolicyOptions{}), NewPolicy("p", c.next, PolicyOptions{})
				for i := range 5 {
					r.store.down.Store(i >= 3)
					request(r.Limiter, "t", Charge{Policy: p})
				}
				if got := request(r.Limiter, "t", Charge{Policy: next})[0]; got.Remaining != c.alone {
					t.Errorf("alone: %+v, want %d remaining", got.Decision, c.alone)
				}
				r.store.down.Store(false)
				if got := request(r.Limiter, "t", Charge{Policy: next})[0]; got.Remaining != c.after {
					t.Errorf("with the store: %+v, want %d remaining", got.Decision, c.after)
				}
			})
		})
	}
}

// TestRefillPaysDebt: only what the share's own refill has not covered is owed,
// also when the bucket was empty at first.
func TestRefillPaysDebt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spent int           // before the outage
		alone int           // during it
		every time.Duration // between two
		want  int64         // remaining right after
	}{
		{"a full bucket refills while alone", 0, 10, 2 * time.Second, 38}, // the last one and this one are not covered
		{"faster than the refill", 0, 10, 500 * time.Millisecond, 33},     // 4.5 of 10 are covered
		// It was not refilled meanwhile: all that came in was spent.
		{"an empty bucket at its rate", 40, 20, time.Second, 0},
		{"an empty bucket at half its rate", 40, 10, 2 * time.Second, 10 - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newFallbackRig(FallbackLocal, 1)
				p := slowPolicy(40, PolicyOptions{})
				for range c.spent {
					request(r.Limiter, "t", Charge{Policy: p})
				}
				r.store.down.Store(true)
				for range c.alone {
					time.Sleep(c.every)
					if !request(r.Limiter, "t", Charge{Policy: p})[0].Admitted {
						t.Fatal("refused alone, at the rate")
					}
				}
				r.store.down.Store(false)
				got := request(r.Limiter, "t", Charge{Policy: p})[0]
				if got.Remaining != c.want || got.Admitted != (c.want > 0) {
					t.Errorf("%+v, want %d remaining", got.Decision, c.want)
				}
			})
		})
	}
}

// TestDebtIsKeptUntilACommandSucceeds: a command that fails may or may not have
// been executed, so its debt is charged again.
func TestDebtIsKeptUntilACommandSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 1)
		p := slowPolicy(40, PolicyOptions{})
		r.store.down.Store(true)
		for range 5 {
			request(r.Limiter, "t", Charge{Policy: p})
		}
		r.store.executes.Store(true)
		request(r.Limiter, "t", Charge{Policy: p}) // carries 5, which are charged, and one
		r.store.executes.Store(false)
		r.store.down.Store(false)
		got := request(r.Limiter, "t", Charge{Policy: p})[0] // carries 6
		if got.Remaining != 40-6-6-1 {
			t.Errorf("%d remain, want 27: nothing may be forgotten", got.Remaining)
		}
		if got := request(r.Limiter, "t", Charge{Policy: p})[0]; got.Remaining != 26 {
			t.Errorf("%d remain, want 26", got.Remaining)
		}
	})
}

// TestFleetTogetherAlone: gateways that all go on alone admit what one bucket
// would, and afterwards the shared bucket is as empty as that one.
func TestFleetTogetherAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const gateways = 3
		store := &breakable{Store: NewMemory(time.Now)}
		p := NewPolicy("p", lim(600, time.Minute, 45), PolicyOptions{}) // 10 a second
		var fleet []*Limiter
		for range gateways {
			fleet = append(fleet, New(Options{Store: store, Keys: 1000, Fleet: func() int { return gateways }, Log: quiet}))
		}
		admitted := 0
		flood := func(during time.Duration) {
			for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				for _, l := range fleet {
					if request(l, "t", Charge{Policy: p})[0].Admitted {
						admitted++
					}
				}
			}
		}
		flood(5 * time.Second)
		store.down.Store(true)
		flood(20 * time.Second)
		store.down.Store(false)
		flood(5 * time.Second)
		// The levels that the three remember are a moment old.
		if most := 45 + 30*10 + gateways; admitted > most || admitted < most-5 {
			t.Errorf("%d admitted in 30 s, want burst and rate: %d", admitted, most)
		}
	})
}

// TestLeasesOutliveTheStore: what was granted is spent first when the store goes.
func TestLeasesOutliveTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackClosed, 1)
		p := NewPolicy("p", wideLimit, PolicyOptions{})
		prime(r.Limiter, p, "", 20)
		request(r.Limiter, "t", Charge{Policy: p})
		r.store.down.Store(true)
		if n := r.spend(p); n != 20 {
			t.Errorf("%d were admitted by the lease, want 20", n)
		}
		time.Sleep(time.Second)
	})
}

func TestFallbackOpenAndClosed(t *testing.T) {
	t.Parallel()
	loose, strict := slowPolicy(10, PolicyOptions{}), slowPolicy(10, PolicyOptions{Strict: true})
	shadow := slowPolicy(10, PolicyOptions{Shadow: true})
	for _, c := range []struct {
		name   string
		mode   Fallback
		policy *Policy
		want   int // of 30 at once
		last   Decision
	}{
		{"local", FallbackLocal, loose, 5, Decision{Wait: 2 * time.Second}},
		{"local, strict", FallbackLocal, strict, 5, Decision{Wait: 2 * time.Second}},
		{"local, shadow", FallbackLocal, shadow, 30, Decision{Admitted: true, Shadowed: true, Wait: 2 * time.Second}},
		{"open", FallbackOpen, loose, 30, Decision{Admitted: true}},
		{"open, strict", FallbackOpen, strict, 5, Decision{Wait: 2 * time.Second}},
		{"closed", FallbackClosed, loose, 0, Decision{Unavailable: true, Wait: time.Second}},
		{"closed, strict", FallbackClosed, strict, 0, Decision{Unavailable: true, Wait: time.Second}},
		{"closed, shadow", FallbackClosed, shadow, 30, Decision{Admitted: true, Wait: time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newFallbackRig(c.mode, 2)
				r.store.down.Store(true)
				n := 0
				var last Decision
				for range 30 {
					if last = request(r.Limiter, "t", Charge{Policy: c.policy})[0].Decision; last.Admitted {
						n++
					}
				}
				if n != c.want || last != c.last {
					t.Errorf("%d of 30 were admitted, the last with %+v; want %d, %+v", n, last, c.want, c.last)
				}
				r.store.down.Store(false)
				if got := request(r.Limiter, "t", Charge{Policy: c.policy})[0]; got.Unavailable {
					t.Errorf("unavailable although the store answers: %+v", got)
				}
			})
		})
	}
}

// TestOneRefusalChargesNoShare: also alone, either all buckets pay or none.
func TestOneRefusalChargesNoShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 1)
		wide := NewPolicy("wide", lim(1, time.Hour, 9), PolicyOptions{})
		narrow := NewPolicy("narrow", lim(1, time.Hour, 1), PolicyOptions{})
		r.store.down.Store(true)
		request(r.Limiter, "t", Charge{Policy: wide}, Charge{Policy: narrow})
		for range 3 {
			got := request(r.Limiter, "t", Charge{Policy: wide}, Charge{Policy: narrow})
			if !got[0].Admitted || got[1].Admitted || got[0].Remaining != 8 {
				t.Fatalf("%+v, want the narrow one to refuse and 8 left in the other", got)
			}
		}
	})
}

func TestSwitchesAreLoggedAndCountedOnce(t *testing.T) {
	// Not parallel: it reads the process's counters.
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 1)
		p := slowPolicy(20, PolicyOptions{})
		before := fallbackTotal.Get()
		request(r.Limiter, "t", Charge{Policy: p})
		if fallbackGauge.Get() != 0 || r.log.Len() > 0 {
			t.Errorf("gauge %v and log %q while the store answers", fallbackGauge.Get(), r.log.String())
		}
		r.store.down.Store(true)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { request(r.Limiter, "t", Charge{Policy: p}) })
		}
		wg.Wait()
		if fallbackGauge.Get() != 1 || fallbackTotal.Get() != before+10 {
			t.Errorf("gauge %v, total + %d; want 1, 10", fallbackGauge.Get(), fallbackTotal.Get()-before)
		}
		// An answer now and then does not end an outage, and a failure soon after
		// one begins no other.
		for _, down := range []bool{false, true, false} {
			time.Sleep(calm - time.Millisecond)
			r.store.down.Store(down)
			for range 3 {
				request(r.Limiter, "t", Charge{Policy: p})
			}
			if got := fallbackGauge.Get() == 1; got != down {
				t.Errorf("the gauge says %v while the store is down: %v", got, down)
			}
		}
		logged := func(begins, ends int) {
			t.Helper()
			text := r.log.String()
			if strings.Count(text, "\n") != begins+ends || strings.Count(text, "no answer") != begins || strings.Count(text, "together again") != ends {
				t.Errorf("want %d lines of a beginning and %d of an end:\n%s", begins, ends, text)
			}
		}
		logged(1, 0)
		time.Sleep(calm)
		for range 3 {
			request(r.Limiter, "t", Charge{Policy: p})
		}
		logged(1, 1)
		r.store.down.Store(true)
		for range 30 { // more than a lease has
			request(r.Limiter, "t", Charge{Policy: p})
		}
		logged(2, 1)
	})
}

// TestRenewalFailureIsNoFallback: while the lease lives nobody misses the store.
func TestRenewalFailureIsNoFallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 1)
		p := NewPolicy("p", limit.Limit{Requests: 6000, Period: time.Minute, Burst: 1000}, PolicyOptions{})
		prime(r.Limiter, p, "", 50)
		request(r.Limiter, "t", Charge{Policy: p})
		r.store.down.Store(true)
		for range 50 { // the last of them want a renewal
			request(r.Limiter, "t", Charge{Policy: p})
		}
		synctest.Wait()
		if r.fallback.Load() {
			t.Error("in fallback although every request had a token")
		}
		request(r.Limiter, "t", Charge{Policy: p})
		if !r.fallback.Load() {
			t.Error("not in fallback although a request had none")
		}
	})
}
