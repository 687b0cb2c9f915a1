package ratelimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/limit"
)

// oneGateway is a limiter over a store in memory that counts commands.
func oneGateway(o Options) (*Limiter, *slowStore) {
	store := &slowStore{Store: NewMemory(time.Now)}
	o.Store, o.Log = store, quiet
	if o.Keys == 0 {
		o.Keys = 10_000
	}
	return New(o), store
}

func request(l *Limiter, tag string, charges ...Charge) []Charge {
	l.Take(context.Background(), []byte(tag), charges)
	return charges
}

func TestDecisionsCountDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		p := NewPolicy("p", lim(60, time.Minute, 3), PolicyOptions{})
		for i := range int64(3) {
			want := Decision{Admitted: true, Remaining: 2 - i, Wait: time.Second}
			if got := request(l, "t", Charge{Policy: p})[0].Decision; got != want {
				t.Errorf("request %d: %+v, want %+v", i+1, got, want)
			}
		}
		time.Sleep(300 * time.Millisecond)
		want := Decision{Wait: 700 * time.Millisecond}
		if got := request(l, "t", Charge{Policy: p})[0].Decision; got != want {
			t.Errorf("fourth request: %+v, want %+v", got, want)
		}
		time.Sleep(want.Wait - time.Microsecond)
		if request(l, "t", Charge{Policy: p})[0].Admitted {
			t.Error("admitted before the wait is over")
		}
		time.Sleep(time.Microsecond)
		if !request(l, "t", Charge{Policy: p})[0].Admitted {
			t.Error("refused after the wait")
		}
		if got := store.commands.Load(); got != 4 {
			t.Errorf("%d commands, want one for each that was admitted", got)
		}
	})
}

// TestRefusedFloodsCostNothing: until a token can be there nobody is asked.
func TestRefusedFloodsCostNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		p := NewPolicy("p", lim(600, time.Minute, 100), PolicyOptions{}) // 100 ms
		for range 3 {                                                    // renewals may bring some more
			for request(l, "t", Charge{Policy: p})[0].Admitted {
			}
			synctest.Wait()
		}
		before, admitted := store.commands.Load(), 0
		for range 10_000 { // a second
			if request(l, "t", Charge{Policy: p})[0].Admitted {
				admitted++
			}
			time.Sleep(100 * time.Microsecond)
		}
		if admitted != 9 && admitted != 10 {
			t.Errorf("%d admitted in a second, want the rate, 10", admitted)
		}
		if got := store.commands.Load() - before; got > 10 {
			t.Errorf("%d commands for 10000 requests, want one for each token", got)
		}
	})
}

func TestRefusedRequestConsumesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := oneGateway(Options{})
		tenant := NewPolicy("tenant", lim(60, time.Minute, 100), PolicyOptions{})
		user := NewPolicy("user", lim(1, time.Hour, 1), PolicyOptions{})
		prime(l, tenant, "", 5)
		charges := func(u string) []Charge {
			return []Charge{{Policy: tenant}, {Policy: user, Key: []byte(u)}}
		}
		request(l, "t", charges("a")...)
		before := request(l, "t", charges("b")...)[0].Remaining
		if held(l, tenant, "") == 0 {
			t.Fatal("the tenant has nothing on lease")
		}
		// The first refusal of a user here comes from the store, where another
		// gateway has spent the token; those that follow, from here.
		other := New(Options{Store: l.store, Keys: 1000, Log: quiet})
		request(other, "t", Charge{Policy: user, Key: []byte("c")})
		for range 5 {
			got := request(l, "t", charges("c")...)
			if !got[0].Admitted || got[1].Admitted || got[1].Remaining != 0 || got[1].Wait != time.Hour {
				t.Fatalf("decisions = %+v, want the user's bucket alone to refuse for an hour", got)
			}
			if r := Refused(got); r == nil || r.Policy != user {
				t.Fatalf("Refused = %+v, want the user's policy", r)
			}
			if got[0].Remaining != before {
				t.Fatalf("the refused request took a token: %d left, want %d", got[0].Remaining, before)
			}
		}
		// Until the lease is used up, each admitted request takes one token.
		for i := range held(l, tenant, "") {
			if got := request(l, "t", charges(fmt.Sprint(i))...)[0].Remaining; got != before-1-i {
				t.Fatalf("%d left, want %d", got, before-1-i)
			}
		}
	})
}

func TestTheLongestWaitCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := oneGateway(Options{})
		minute := NewPolicy("minute", lim(1, time.Minute, 1), PolicyOptions{})
		hour := NewPolicy("hour", lim(1, time.Hour, 1), PolicyOptions{})
		request(l, "t", Charge{Policy: minute}, Charge{Policy: hour})
		got := request(l, "t", Charge{Policy: minute}, Charge{Policy: hour})
		if got[0].Admitted || got[1].Admitted || Refused(got) != &got[1] {
			t.Errorf("decisions = %+v, want both to refuse and the hour to count", got)
		}
	})
}

func TestShadowMarksAndLetsThrough(t *testing.T) {
	// Not parallel: it reads the process's counters.
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		firm := NewPolicy("shadow-firm", lim(60, time.Minute, 5), PolicyOptions{})
		shadow := NewPolicy("shadow-soft", lim(1, time.Hour, 2), PolicyOptions{Shadow: true})
		before := shadow.shadowed.Get()
		for i := range 5 {
			got := request(l, "t", Charge{Policy: firm}, Charge{Policy: shadow})
			if Refused(got) != nil || got[0].Shadowed || got[1].Shadowed != (i >= 2) {
				t.Fatalf("request %d: %+v", i+1, got)
			}
			if i >= 2 && (got[1].Remaining != 0 || got[1].Wait != time.Hour) {
				t.Errorf("request %d: %+v, want what a refusal would say", i+1, got[1])
			}
		}
		// A request that another policy refuses is none that shadow let through.
		if got := request(l, "t", Charge{Policy: firm}, Charge{Policy: shadow}); got[0].Admitted || !got[1].Admitted || got[1].Shadowed {
			t.Errorf("refused by the other: %+v", got)
		}
		if n := shadow.shadowed.Get() - before; n != 3 {
			t.Errorf("%d counted, want 3", n)
		}
		// On its own, and known to be empty, it costs nothing.
		commands := store.commands.Load()
		if got := request(l, "t", Charge{Policy: shadow})[0]; !got.Admitted || !got.Shadowed {
			t.Errorf("alone: %+v", got)
		}
		if store.commands.Load() != commands {
			t.Error("asked about a bucket that is known to be empty")
		}
	})
}

func TestPeekConsumesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := oneGateway(Options{})
		p := NewPolicy("p", lim(60, time.Minute, 3), PolicyOptions{})
		soft := NewPolicy("soft", lim(60, time.Minute, 1), PolicyOptions{Shadow: true})
		request(l, "t", Charge{Policy: p}, Charge{Policy: soft})
		request(l, "t", Charge{Policy: p})
		peek := func() []Charge {
			charges := []Charge{{Policy: p}, {Policy: soft}, {Policy: p, Key: []byte("new")}}
			if err := l.Peek(t.Context(), []byte("t"), charges); err != nil {
				t.Fatal(err)
			}
			return charges
		}
		for range 3 {
			var got []Decision
			for _, c := range peek() {
				got = append(got, c.Decision)
			}
			want := []Decision{
				{Admitted: true, Remaining: 1, Wait: time.Second},
				{Admitted: true, Shadowed: true, Wait: time.Second},
				{Admitted: true, Remaining: 3},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("decisions (-want +got):\n%s", diff)
			}
		}
		request(l, "t", Charge{Policy: p})
		if got := peek()[0].Decision; got != (Decision{Wait: time.Second}) {
			t.Errorf("an empty bucket: %+v", got)
		}
	})
}

// TestOverrideGivesUpLeases: tokens that were granted by another limit are not
// spent by the new one, nor when their answer is still under way.
func TestOverrideGivesUpLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		wide := NewPolicy("p", lim(6000, time.Minute, 1000), PolicyOptions{})
		same := NewPolicy("p", lim(6000, time.Minute, 1000), PolicyOptions{Strict: true})
		narrow := NewPolicy("p", lim(60, time.Minute, 100), PolicyOptions{})
		prime(l, wide, "", 20)
		request(l, "t", Charge{Policy: wide})
		if held(l, same, "") != 20 || held(l, wide, "") != 20 {
			t.Error("the same limit in another policy gives up the lease")
		}
		if got := held(l, narrow, ""); got != 0 {
			t.Errorf("%d tokens of the former limit are on lease, want none", got)
		}
		if got := request(l, "t", Charge{Policy: narrow})[0]; !got.Admitted || got.Remaining >= 100 {
			t.Errorf("by the new limit: %+v", got)
		}
		// The other way round, what was an empty bucket is not emptier than empty.
		slow := NewPolicy("q", lim(1, time.Hour, 1), PolicyOptions{})
		quick := NewPolicy("q", lim(1, time.Second, 1), PolicyOptions{})
		request(l, "t", Charge{Policy: slow})
		if got := request(l, "t", Charge{Policy: quick})[0]; got.Admitted || got.Wait != time.Second {
			t.Errorf("by a larger limit: %+v, want a wait of its interval", got)
		}
		time.Sleep(time.Second)
		if got := request(l, "t", Charge{Policy: quick})[0]; !got.Admitted {
			t.Errorf("by a larger limit, after the wait: %+v", got)
		}
		// The limit changes while a command is under way.
		wide = NewPolicy("r", lim(6000, time.Minute, 1000), PolicyOptions{})
		narrow = NewPolicy("r", lim(60, time.Minute, 100), PolicyOptions{})
		store.latency = 10 * time.Millisecond
		prime(l, wide, "", 20)
		var asking sync.WaitGroup
		asking.Go(func() { request(l, "t", Charge{Policy: wide}) })
		time.Sleep(5 * time.Millisecond)
		held(l, narrow, "")
		asking.Wait()
		if got := held(l, narrow, ""); got != 0 {
			t.Errorf("%d tokens of the former limit came late and are on lease, want none", got)
		}
	})
}

// TestLimitsChangeAtRandom: with any sequence of limits, a gateway admits as many
// as one counter of used tokens would, while no time passes, also when another
// gateway was the first to hear of the limit.
func TestLimitsChangeAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 8)) //nolint:gosec // the same limits in every run
			l, store := oneGateway(Options{})
			other := New(Options{Store: store, Keys: 1000, Log: quiet})
			used := int64(0)
			for range 100 {
				burst := 1 + random.Int64N(30)
				p := NewPolicy("p", lim(1+random.IntN(5000), time.Hour, int(burst)), PolicyOptions{})
				used = min(used, burst)
				for range random.IntN(6) {
					gateway := l
					if random.IntN(2) == 0 {
						gateway = other
					}
					admitted := used < burst
					if admitted {
						used++
					}
					got := request(gateway, "t", Charge{Policy: p})[0]
					if got.Admitted != admitted || got.Remaining != burst-used {
						t.Fatalf("seed %d, %v: %+v, want %v and %d remaining", seed, p.Limit, got.Decision, admitted, burst-used)
					}
				}
				// Both hear of it before the next change.
				for _, gateway := range []*Limiter{l, other} {
					if used < burst {
						used++
					}
					request(gateway, "t", Charge{Policy: p})
				}
			}
		})
	}
}

// TestRaisedLimitElsewhere: a bucket that is empty as far as this gateway knows
// may have refilled by a limit that another one heard of before.
func TestRaisedLimitElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		other := New(Options{Store: store, Keys: 1000, Log: quiet})
		slow := NewPolicy("p", lim(60, time.Hour, 10), PolicyOptions{})
		quick := NewPolicy("p", lim(600, time.Hour, 10), PolicyOptions{})
		for range 10 {
			request(l, "t", Charge{Policy: slow})
		}
		request(other, "t", Charge{Policy: quick})
		time.Sleep(30 * time.Second)
		if got := request(l, "t", Charge{Policy: quick})[0]; !got.Admitted || got.Remaining != 4 {
			t.Errorf("%+v, want one of the five tokens that came back", got.Decision)
		}
	})
}

// askCounter notes what is asked for.
type askCounter struct {
	Store
	mu            sync.Mutex
	extras, debts int
}

func (s *askCounter) Take(ctx context.Context, tag []byte, asks []Ask) error {
	s.mu.Lock()
	for _, a := range asks {
		if a.Extra > 0 {
			s.extras++
		}
		if a.Debt > 0 {
			s.debts++
		}
	}
	s.mu.Unlock()
	time.Sleep(time.Millisecond)
	return s.Store.Take(ctx, tag, asks)
}

// TestOneLeaseAtATime: requests that come together do not each ask for what all
// of them will need.
func TestOneLeaseAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &askCounter{Store: NewMemory(time.Now)}
		l := New(Options{Store: store, Keys: 1000, Log: quiet})
		p := NewPolicy("p", lim(6000, time.Minute, 1000), PolicyOptions{})
		prime(l, p, "", 50)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() { request(l, "t", Charge{Policy: p}) })
		}
		wg.Wait()
		if store.extras != 1 || held(l, p, "") != 50 {
			t.Errorf("%d commands asked for leases and %d tokens are here, want 1 and 50", store.extras, held(l, p, ""))
		}
	})
}

// TestRenewalIsOffTheRequestsPath: a busy key waits for no answer once it has a
// lease.
func TestRenewalIsOffTheRequestsPath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, store := oneGateway(Options{})
		store.latency = 5 * time.Millisecond
		p := NewPolicy("p", lim(6000, time.Minute, 1000), PolicyOptions{})
		waited := 0
		for i := range 50 * 10 { // ten seconds
			before := time.Now()
			request(l, "t", Charge{Policy: p})
			if i >= 50 && time.Since(before) > 0 {
				waited++
			}
			time.Sleep(20*time.Millisecond - time.Since(before))
		}
		if waited > 0 {
			t.Errorf("%d requests waited for the store, want none after the first second", waited)
		}
		time.Sleep(time.Second)
	})
}

// size counts the buckets.
func (t *table) size() (n int) {
	for i := range t.shards {
		n += len(t.shards[i].buckets)
	}
	return n
}

// TestOneTagMayHaveAllKeys: the users of one tenant are not held to the part of
// a shard, and what they no longer use comes free for others.
func TestOneTagMayHaveAllKeys(t *testing.T) {
	// Not parallel: it reads the process's counters.
	synctest.Test(t, func(t *testing.T) {
		const keys = 1000
		l, _ := oneGateway(Options{Keys: keys})
		p := NewPolicy("p", lim(1, time.Minute, 5), PolicyOptions{})
		before := evictions.Get()
		for i := range keys {
			request(l, "tenant", Charge{Policy: p, Key: fmt.Append(nil, i)})
		}
		if n := len(l.buckets.shard([]byte("tenant")).buckets); n != keys || evictions.Get() != before {
			t.Errorf("%d buckets of one tag and %d evictions, want %d and none", n, evictions.Get()-before, keys)
		}
		time.Sleep(10 * time.Minute)
		for i := range 80 * keys {
			request(l, fmt.Sprint("tag", i%(keys/2)), Charge{Policy: p})
			time.Sleep(10 * time.Millisecond)
		}
		if n := len(l.buckets.shard([]byte("tenant")).buckets); n > keys/2+shards {
			t.Errorf("%d buckets are kept for a tag that went silent, want room for the others", n)
		}
		before = evictions.Get()
		for i := range keys / 2 {
			request(l, fmt.Sprint("tag", i), Charge{Policy: p})
		}
		if got := evictions.Get() - before; got != 0 {
			t.Errorf("%d evictions although the others have room", got)
		}
	})
}

// TestDecisionsKeepTheirBuckets: when the table is full, a decision does not make
// room for one of its buckets with another.
func TestDecisionsKeepTheirBuckets(t *testing.T) {
	t.Parallel()
	const keys = 3
	l, _ := oneGateway(Options{Keys: keys})
	p := NewPolicy("p", lim(6000, time.Minute, 1000), PolicyOptions{})
	tag, s := []byte("t"), l.buckets.shard([]byte("t"))
	found := make([]*bucket, MaxCharges)
	for round := range 100 {
		charges := make([]Charge, MaxCharges)
		for i := range charges {
			charges[i] = Charge{Policy: p, Key: fmt.Append(nil, i, round*i)} // the first is known
		}
		s.find(found, tag, charges, at(0))
		for i, b := range found {
			if s.buckets[string(appendKey(nil, tag, p.bucket, charges[i].Key))] != b {
				t.Fatalf("round %d: bucket %d of the decision was forgotten", round, i)
			}
			b.fullAt = 1000 + int64(i) // the first is the nearest to idle
		}
		if len(s.buckets) != MaxCharges {
			t.Fatalf("%d buckets, want only those of the decision", len(s.buckets))
		}
	}
}

func TestTableIsBounded(t *testing.T) {
	// Not parallel: it reads the process's counters.
	synctest.Test(t, func(t *testing.T) {
		p := NewPolicy("p", lim(1, time.Minute, 5), PolicyOptions{})
		const keys = 20 * shards
		l, _ := oneGateway(Options{Keys: keys})
		size := l.buckets.size
		before, gauge := evictions.Get(), keysHeld.Load()
		for i := range 3 * keys {
			request(l, fmt.Sprint("tag", i), Charge{Policy: p})
		}
		if n := size(); n > keys+shards || n < keys || int64(n) != keysHeld.Load()-gauge || int64(n) != l.buckets.held.Load() {
			t.Errorf("%d buckets, %d counted and a gauge of %d, want %d and at most one more in each shard", n, l.buckets.held.Load(), keysHeld.Load()-gauge, keys)
		}
		if evictions.Get() == before {
			t.Error("evictions of buckets in use were not counted")
		}

		// Once all have refilled, room is made without losing anything.
		time.Sleep(10 * time.Minute)
		before = evictions.Get()
		for i := range shards {
			request(l, fmt.Sprint("new", i), Charge{Policy: p})
		}
		if got := evictions.Get() - before; got != 0 {
			t.Errorf("%d evictions were counted although full buckets could go", got)
		}
	})
}

// fullShard is a shard of a table that holds only these.
func fullShard(buckets map[string]*bucket) *shard {
	s := &newTable(len(buckets)).shards[0]
	s.buckets = buckets
	return s
}

// TestEvictionPrefersTheIdle: a lease, a refusal and a debt are kept as long as
// there is a bucket that needs nothing kept.
func TestEvictionPrefersTheIdle(t *testing.T) {
	t.Parallel()
	r := rule{interval: 1000, tolerance: 5000, lease: 1000}
	p := &Policy{rule: r}
	now := at(1_000_000)
	leasing := &bucket{policy: p}
	leasing.leases.put(lease{now.add(10), 1})
	for name, kept := range map[string]*bucket{
		"lease":   leasing,
		"refusal": {policy: p, fullAt: now.mono + 5000},
		"debt":    {policy: p, aloneAt: now.mono + 1},
		"asking":  {policy: p, asking: true},
	} {
		s := fullShard(map[string]*bucket{"kept": kept, "idle": {policy: p, fullAt: now.mono}})
		s.makeRoom(nil, now)
		if len(s.buckets) != 1 || s.buckets["kept"] == nil {
			t.Errorf("%s: forgotten before the idle one: %v", name, s.buckets)
		}
	}
	// When all are in use, the one nearest to idle goes.
	s := fullShard(map[string]*bucket{"far": {policy: p, fullAt: now.mono + 5000}, "near": {policy: p, fullAt: now.mono + 100}})
	s.makeRoom(nil, now)
	if len(s.buckets) != 1 || s.buckets["far"] == nil {
		t.Errorf("buckets = %v, want the emptier one kept", s.buckets)
	}
	keysHeld.Add(5) // these were never counted in
}

func TestDecisionsAreCounted(t *testing.T) {
	// Not parallel: it reads the process's counters.
	synctest.Test(t, func(t *testing.T) {
		l, _ := oneGateway(Options{})
		wide := NewPolicy("count-wide", lim(60, time.Minute, 10), PolicyOptions{})
		narrow := NewPolicy("count-narrow", lim(60, time.Minute, 2), PolicyOptions{})
		admitted, refused := wide.admitted.Get(), narrow.refused.Get()
		for range 5 {
			request(l, "t", Charge{Policy: wide}, Charge{Policy: narrow})
		}
		if a, r := wide.admitted.Get()-admitted, narrow.refused.Get()-refused; a != 2 || r != 3 {
			t.Errorf("%d admitted and %d refused, want 2 and 3", a, r)
		}
		if wide.refused.Get() != 0 {
			t.Error("a policy that refused nothing is counted as refusing")
		}
	})
}

func TestHotPathAllocatesNothing(t *testing.T) {
	p := NewPolicy("alloc", lim(10_000, time.Second, 100_000), PolicyOptions{})
	l := New(Options{Store: NewMemory(time.Now), Keys: 1000, Log: quiet})
	tag, charges := []byte("t:0190a1b2-0000-7000-8000-000000000000"), []Charge{{Policy: p}, {Policy: p, Key: []byte("0190a1b2000070008000000000000001")}, {Policy: p, Key: []byte("write")}}
	s := l.buckets.shard(tag)
	ctx := context.Background()
	l.Take(ctx, tag, charges)
	// A lease that outlives the test, so that only the hot path runs.
	for _, b := range s.buckets {
		b.leases.put(lease{until: l.clock().add(time.Hour.Microseconds()), left: 1 << 30})
		b.low = 1
	}
	if got := testing.AllocsPerRun(1000, func() { l.Take(ctx, tag, charges) }); got > 0 {
		t.Errorf("%v allocations per decision, want none", got)
	}
	refused := NewPolicy("alloc-refused", lim(1, time.Hour, 1), PolicyOptions{})
	charges = []Charge{{Policy: p}, {Policy: refused}}
	l.Take(ctx, tag, charges)
	if got := testing.AllocsPerRun(1000, func() { l.Take(ctx, tag, charges) }); got > 0 || charges[1].Admitted {
		t.Errorf("%v allocations per refusal, want none", got)
	}
}

func ExampleLimiter() {
	policy := NewPolicy("public", limit.Limit{Requests: 60, Period: time.Minute, Burst: 2}, PolicyOptions{})
	limiter := New(Options{Store: NewMemory(time.Now), Keys: 1000, Fallback: FallbackLocal, Log: quiet})
	for range 3 {
		charges := []Charge{{Policy: policy}}
		limiter.Take(context.Background(), []byte("a:192.0.2.1"), charges)
		fmt.Println(Refused(charges) == nil)
	}
	// Output:
	// true
	// true
	// false
}
