package ratelimit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func at(µs int64) instant { return instant{mono: µs, wall: µs + 1_000_000} }

func TestInstantsCountByBothClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b instant
		want bool
	}{
		{instant{1, 1}, instant{2, 2}, true},
		{instant{2, 1}, instant{2, 2}, false},
		{instant{1, 2}, instant{2, 2}, false},
		{instant{3, 3}, instant{2, 2}, false},
	} {
		if got := c.a.before(c.b); got != c.want {
			t.Errorf("%v before %v = %v", c.a, c.b, got)
		}
	}
	if got, want := (instant{1, 9}).earlier(instant{2, 3}), (instant{1, 3}); got != want {
		t.Errorf("earlier = %v, want %v", got, want)
	}
}

func TestOldestLeaseIsSpentFirst(t *testing.T) {
	t.Parallel()
	var l leases
	l.put(lease{at(300), 1})
	l.put(lease{at(100), 2})
	l.put(lease{at(200), 1})
	var order []int64
	for l.drop(at(0)) {
		token, ok := l.take(at(0))
		if !ok || token.left != 1 {
			t.Fatalf("take = %v, %v", token, ok)
		}
		order = append(order, token.until.mono)
	}
	if diff := cmp.Diff([]int64{100, 100, 200, 300}, order); diff != "" {
		t.Errorf("tokens by their deadline (-want +got):\n%s", diff)
	}
}

func TestTakeSkipsWhatDiesTooSoon(t *testing.T) {
	t.Parallel()
	var l leases
	l.put(lease{at(100), 1})
	l.put(lease{at(200), 1})
	if token, ok := l.take(at(150)); !ok || token.until != at(200) {
		t.Errorf("take = %v, %v; want the token that lives until 200", token, ok)
	}
	if token, ok := l.take(at(150)); ok {
		t.Errorf("take = %v, want nothing", token)
	}
	if got := l.tokens(); got != 1 {
		t.Errorf("%d tokens are left, want 1", got)
	}
}

func TestGivenBackTokenJoinsItsLease(t *testing.T) {
	t.Parallel()
	var l leases
	l.put(lease{at(100), 3})
	token, _ := l.take(at(0))
	l.put(token)
	if l.n != 1 || l.list[0] != (lease{at(100), 3}) {
		t.Errorf("leases = %v, want the one as it was", l.list[:l.n])
	}
	// Also when the lease was forgotten meanwhile because nothing was left.
	l = leases{}
	l.put(lease{at(100), 1})
	token, _ = l.take(at(0))
	if l.drop(at(0)) {
		t.Fatal("an empty lease was kept")
	}
	if l.put(token); !l.drop(at(0)) {
		t.Error("the token that was given back is lost")
	}
}

func TestTooManyLeasesBecomeOne(t *testing.T) {
	t.Parallel()
	var l leases
	for i := range int64(maxLeases) {
		l.put(lease{instant{100 * (i + 1), 1000}, 1})
	}
	l.put(lease{instant{50, 2000}, 5})
	if l.n != maxLeases || l.tokens() != maxLeases+5 {
		t.Fatalf("leases = %v, want all tokens in %d leases", l.list[:l.n], maxLeases)
	}
	// The newest and the one that was added die at the earlier deadline by each
	// clock, and the order holds.
	if got, want := l.list[0], (lease{instant{50, 1000}, 6}); got != want {
		t.Errorf("first lease = %v, want %v", got, want)
	}
	if got := l.list[l.n-1].until.mono; got != 100*(maxLeases-1) {
		t.Errorf("last deadline = %d, want %d", got, 100*(maxLeases-1))
	}
}

func TestTokensAreAccountedFor(t *testing.T) {
	// Not parallel: it reads the process's counters.
	spent, lost := tokensSpent.Get(), tokensLost.Get()
	var l leases
	l.put(lease{at(100), 10})
	for range 4 {
		l.take(at(0))
		l.spent++
	}
	l.drop(at(50))
	if tokensSpent.Get() != spent {
		t.Error("tokens are counted while the lease lives")
	}
	l.drop(at(100))
	if s, n := tokensSpent.Get()-spent, tokensLost.Get()-lost; s != 4 || n != 6 {
		t.Errorf("%d spent and %d lost, want 4 and 6", s, n)
	}
	l.put(lease{at(200), 3})
	l.take(at(100))
	l.spent++
	l.clear()
	if s, n := tokensSpent.Get()-spent, tokensLost.Get()-lost; s != 5 || n != 8 {
		t.Errorf("%d spent and %d lost after clear, want 5 and 8", s, n)
	}
}

func TestDemandIsWhatCameWithinTheStretch(t *testing.T) {
	t.Parallel()
	const stretch = 1000
	var d demand
	for i := range int64(3 * 20) { // every 50
		d.count(i*50, stretch)
	}
	if got := d.estimate(3*stretch, stretch); got != 20 {
		t.Errorf("steady demand = %d, want 20", got)
	}
	if got := d.estimate(3*stretch+stretch/2, stretch); got != 10 {
		t.Errorf("half a stretch later = %d, want 10", got)
	}
	if got := d.estimate(5*stretch, stretch); got != 0 {
		t.Errorf("two stretches later = %d, want 0", got)
	}
	d.count(10*stretch, stretch)
	if got := d.estimate(2*stretch, stretch); got != 0 {
		t.Errorf("after a clock that went back = %d, want a new start", got)
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	p := &Policy{rule: rule{interval: 1000, tolerance: 900_000, lease: 100_000}}
	now := at(1_000_000)
	for _, c := range []struct {
		name   string
		demand int64
		held   int64
		lives  int64 // µs
		needs  bool
		want   int64
	}{
		{"nothing here", 40, 0, 0, true, 40},
		{"a slow key", 3, 0, 0, true, 3},
		{"unknown key", 0, 0, 0, true, 0},
		{"what is here is not wanted twice", 40, 10, 100_000, true, 30},
		{"nor is what will not be spent counted", 40, 30, 25_000, true, 30},
		{"more here than is wanted", 10, 30, 100_000, true, 0},
		{"a rider with plenty", 40, 21, 100_000, false, 0},
		{"a rider with half", 40, 20, 100_000, false, 20},
		{"a rider of a slow key", 7, 0, 0, false, 0},
	} {
		b := &bucket{policy: p, demand: demand{since: now.mono, now: c.demand}}
		if c.held > 0 {
			b.leases.put(lease{now.add(c.lives), c.held})
		}
		if got := b.wants(now, c.needs); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	b := &bucket{policy: &Policy{rule: rule{interval: 1000, tolerance: 900_000}}, demand: demand{since: now.mono, now: 9}}
	if got := b.wants(now, true); got != 0 {
		t.Errorf("a bucket that does not lease wants %d", got)
	}
}
