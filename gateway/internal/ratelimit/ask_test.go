package ratelimit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// These are about what happens while a command is under way.

var (
	// brief leases for 100 ms, long for a second; userPolicy does not lease.
	brief      = NewPolicy("brief", wideLimit, PolicyOptions{})
	long       = NewPolicy("long", lim(6000, time.Minute, 1000), PolicyOptions{})
	userPolicy = NewPolicy("user", lim(60, time.Minute, 10), PolicyOptions{})
)

// TestTokensNearTheirEndAreNotSetAside: they might not live until the answer is
// here, so the store is asked for one.
func TestTokensNearTheirEndAreNotSetAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{Fallback: FallbackClosed})
		prime(l, brief, "", 7)
		request(l, "t", Charge{Policy: brief})
		time.Sleep(95 * time.Millisecond)
		store.latency = 6 * time.Millisecond
		if got := request(l, "t", Charge{Policy: brief}, Charge{Policy: userPolicy}); Refused(got) != nil {
			t.Errorf("%+v, want it admitted", got)
		}
	})
}

// TestTokensNearTheirEndAreBetterThanNone: when the shared bucket is empty.
func TestTokensNearTheirEndAreBetterThanNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorst(wideLimit, 2, 0)
		p, l := w.policy, w.gateways[0].limiter
		prime(l, p, "", 7)
		request(l, "t", Charge{Policy: p})
		time.Sleep(95 * time.Millisecond)
		other := w.gateways[1]
		for w.take(other) {
		}
		// What the first gateway knows now.
		s := l.buckets.shard([]byte("t"))
		for _, b := range s.buckets {
			b.fullAt = l.clock().mono + p.rule.tolerance
		}
		if got := request(l, "t", Charge{Policy: p}, Charge{Policy: userPolicy}); Refused(got) != nil {
			t.Errorf("%+v, want it admitted by the lease", got)
		}
	})
}

// TestRefusalIsNoFallback: the store has answered, so it does not matter that a
// token of another bucket died meanwhile.
func TestRefusalIsNoFallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		once := NewPolicy("once", lim(1, time.Hour, 1), PolicyOptions{})
		prime(l, brief, "", 7)
		request(l, "t", Charge{Policy: brief})
		request(New(Options{Store: store, Keys: 1000, Log: quiet}), "t", Charge{Policy: once})
		store.latency = 150 * time.Millisecond
		got := request(l, "t", Charge{Policy: brief}, Charge{Policy: once})
		if !got[0].Admitted || got[1].Admitted || got[1].Wait != time.Hour-store.latency/2 {
			t.Errorf("%+v, want a refusal by the second until an hour after its token was spent", got)
		}
		if l.fallback.Load() {
			t.Error("in fallback although the store refused")
		}
	})
}

// TestGrantedTokenIsKept: what was granted to a request that does not go on for
// another reason serves the next one.
func TestGrantedTokenIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{Fallback: FallbackClosed})
		prime(l, brief, "", 7)
		request(l, "t", Charge{Policy: brief})
		store.latency = 150 * time.Millisecond // longer than the brief one's tokens live
		got := request(l, "t", Charge{Policy: brief}, Charge{Policy: long}, Charge{Policy: userPolicy})
		if !got[0].Unavailable || !got[1].Admitted || !got[2].Admitted {
			t.Fatalf("%+v, want only the first to be unknown", got)
		}
		if n := held(l, long, ""); n != 1 {
			t.Errorf("%d tokens of the long one are on lease, want the one that was granted", n)
		}
		if n := held(l, userPolicy, ""); n != 0 {
			t.Errorf("%d tokens of the one that does not lease are on lease, want none", n)
		}
	})
}

// TestGivenBackTokenOfAFormerLimitIsLost: the limit changed while it was set
// aside.
func TestGivenBackTokenOfAFormerLimitIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		once := NewPolicy("once", lim(1, time.Hour, 1), PolicyOptions{})
		narrow := NewPolicy("long", lim(60, time.Minute, 100), PolicyOptions{})
		prime(l, long, "", 7)
		request(l, "t", Charge{Policy: long})
		request(New(Options{Store: store, Keys: 1000, Log: quiet}), "t", Charge{Policy: once})
		store.latency = 10 * time.Millisecond
		var asking sync.WaitGroup
		asking.Go(func() { request(l, "t", Charge{Policy: long}, Charge{Policy: once}) })
		time.Sleep(5 * time.Millisecond)
		held(l, narrow, "")
		asking.Wait()
		if n := held(l, narrow, ""); n != 0 {
			t.Errorf("%d tokens of the former limit are on lease, want none", n)
		}
	})
}

// TestRidersTopUpSeldom: requests that ask for another bucket anyway refresh the
// lease of a busy one now and then, not each time.
func TestRidersTopUpSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &askCounter{Store: NewMemory(time.Now)}
		l := New(Options{Store: store, Keys: 10_000, Log: quiet})
		for i := range 500 { // five seconds, each request by another user
			got := request(l, "t", Charge{Policy: long}, Charge{Policy: userPolicy, Key: fmt.Append(nil, i)})
			if Refused(got) != nil {
				t.Fatalf("request %d: %+v", i, got)
			}
			time.Sleep(9 * time.Millisecond)
		}
		if store.extras > 30 {
			t.Errorf("%d commands asked for leases in five seconds, want a few a second", store.extras)
		}
		time.Sleep(time.Second)
	})
}

// heldBack answers one command late and fails the others.
type heldBack struct {
	Store
	first atomic.Bool
	open  chan struct{}
}

func (h *heldBack) Take(ctx context.Context, tag []byte, asks []Ask) error {
	if !h.first.CompareAndSwap(false, true) {
		return errDown
	}
	err := h.Store.Take(ctx, tag, asks)
	<-h.open
	return err
}

// TestDebtOfMeanwhileIsKept: requests that go on alone while a command with the
// debt so far is under way are owed after its answer.
func TestDebtOfMeanwhileIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newFallbackRig(FallbackLocal, 1)
		p := slowPolicy(40, PolicyOptions{})
		r.store.down.Store(true)
		for range 3 {
			request(r.Limiter, "t", Charge{Policy: p})
		}
		late := &heldBack{Store: r.store.Store, open: make(chan struct{})}
		r.Limiter.store = late
		var asking sync.WaitGroup
		asking.Go(func() { request(r.Limiter, "t", Charge{Policy: p}) }) // carries 3
		synctest.Wait()
		for range 4 {
			request(r.Limiter, "t", Charge{Policy: p})
		}
		close(late.open)
		asking.Wait()
		r.Limiter.store = late.Store
		if got := request(r.Limiter, "t", Charge{Policy: p})[0]; got.Remaining != 40-9 {
			t.Errorf("%d remain after 9 requests, want 31", got.Remaining)
		}
	})
}
