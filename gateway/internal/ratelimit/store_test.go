package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func limit(requests int, period time.Duration, burst int) Limit {
	return Limit{Requests: requests, Period: period, Burst: burst}
}

// stores calls f with each kind of store.
func stores(t *testing.T, f func(t *testing.T, s Store)) {
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		f(t, NewLocal(10_000, time.Now))
	})
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			f(t, NewRedis(server.open(t)))
		})
	}
}

var (
	tags    sync.Map // testing.TB -> number
	tagsSet atomic.Int64
)

// tagOf makes a tag the test's own, also when it runs a second time against the
// same server.
func tagOf(t testing.TB, tag string) []byte {
	n, ok := tags.Load(t)
	if !ok {
		n, _ = tags.LoadOrStore(t, tagsSet.Add(1))
	}
	return fmt.Appendf(nil, "test%d:%s", n, tag)
}

// take charges buckets under a tag of the test's own. On a busy machine a
// Redis may miss its time limit, and then the breaker pauses; so it is asked
// again.
func take(t testing.TB, s Store, tag string, charges ...Charge) []Charge {
	t.Helper()
	var err error
	for range 50 {
		if err = s.Take(t.Context(), tagOf(t, tag), charges); err == nil {
			return charges
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

// The rates below are so slow that no token comes back while a test runs.

func TestStoreBurstThenRefusal(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", limit(1, time.Hour, 3), 1)
	stores(t, func(t *testing.T, s Store) {
		for i := range 3 {
			got := take(t, s, "a", Charge{Policy: p})[0]
			if !got.Admitted || got.Remaining != int64(2-i) {
				t.Fatalf("request %d: %+v, want admitted with %d left", i+1, got.Decision, 2-i)
			}
		}
		got := take(t, s, "a", Charge{Policy: p})[0]
		if got.Admitted || got.Remaining != 0 || got.Wait < 59*time.Minute || got.Wait > time.Hour {
			t.Errorf("fourth request: %+v, want a refusal for about an hour", got.Decision)
		}
		if other := take(t, s, "b", Charge{Policy: p})[0]; !other.Admitted {
			t.Error("another tag shares the bucket")
		}
		if other := take(t, s, "a", Charge{Policy: p, Key: []byte("k")})[0]; !other.Admitted {
			t.Error("another key shares the bucket")
		}
		if other := take(t, s, "a", Charge{Policy: NewPolicy("test2", p.Limit, 1)})[0]; !other.Admitted {
			t.Error("another policy shares the bucket")
		}
	})
}

func TestStoreChargesAllOrNone(t *testing.T) {
	t.Parallel()
	wide := NewPolicy("wide", limit(1, time.Hour, 5), 1)
	narrow := NewPolicy("narrow", limit(1, time.Hour, 1), 1)
	stores(t, func(t *testing.T, s Store) {
		take(t, s, "t", Charge{Policy: wide}, Charge{Policy: narrow, Key: []byte("u")})
		for range 3 {
			charges := take(t, s, "t", Charge{Policy: wide}, Charge{Policy: narrow, Key: []byte("u")})
			if !charges[0].Admitted || charges[1].Admitted {
				t.Fatalf("decisions = %+v, want the second bucket alone to refuse", charges)
			}
			if charges[0].Remaining != 4 {
				t.Fatalf("the refused request took a token: %d left, want 4", charges[0].Remaining)
			}
			if r := Refused(charges); r == nil || r.Policy != narrow {
				t.Fatalf("Refused = %+v, want the narrow policy", r)
			}
		}
		charges := take(t, s, "t", Charge{Policy: wide}, Charge{Policy: narrow, Key: []byte("v")})
		if Refused(charges) != nil || charges[0].Remaining != 3 {
			t.Errorf("another user: %+v, want admitted with 3 left for all", charges)
		}
	})
}

func TestStoreRefills(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", limit(20, time.Second, 1), 1) // 50 ms
	stores(t, func(t *testing.T, s Store) {
		refused := take(t, s, "a", Charge{Policy: p})[0]
		for refused.Admitted { // on a busy machine 50 ms pass between two calls
			refused = take(t, s, "a", Charge{Policy: p})[0]
		}
		time.Sleep(refused.Wait + time.Millisecond) // a real server's clock cannot be set
		if again := take(t, s, "a", Charge{Policy: p})[0]; !again.Admitted {
			t.Errorf("refused after the wait that was promised: %+v", again.Decision)
		}
	})
}

func TestStoreAdmitsExactlyTheBurstUnderContention(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", limit(1, time.Hour, 50), 1)
	stores(t, func(t *testing.T, s Store) {
		var admitted, unanswered atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					charges := []Charge{{Policy: p}}
					if err := s.Take(context.Background(), tagOf(t, "a"), charges); err != nil {
						unanswered.Add(1)
					} else if charges[0].Admitted {
						admitted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		// A command that was not answered in time may have taken a token.
		if got, lost := admitted.Load(), unanswered.Load(); got > 50 || got+lost < 50 {
			t.Errorf("%d admitted and %d unanswered, want 50", got, lost)
		}
	})
}

// TestRedisClockSetBack leaves behind what a server whose clock ran a day fast
// would have: the bucket counts as empty and refills from there.
func TestRedisClockSetBack(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", limit(20, time.Second, 5), 1)
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			s := NewRedis(client)
			key := bucketKey(tagOf(t, "a"), &Charge{Policy: p})
			ahead := time.Now().Add(24 * time.Hour).UnixMicro()
			if err := client.Set(t.Context(), key, fmt.Sprint(ahead), time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			got := take(t, s, "a", Charge{Policy: p})[0]
			if got.Admitted || got.Wait > 50*time.Millisecond {
				t.Errorf("decision = %+v, want a wait of one interval at most", got.Decision)
			}
			time.Sleep(got.Wait + time.Millisecond) // a real server's clock cannot be set
			if got = take(t, s, "a", Charge{Policy: p})[0]; !got.Admitted {
				t.Errorf("one interval later = %+v, want a token", got.Decision)
			}
		})
	}
}

func TestRedisLearnsTheScriptAgain(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", limit(1, time.Hour, 5), 1)
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			s := NewRedis(client)
			take(t, s, "a", Charge{Policy: p})
			if err := client.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if got := take(t, s, "a", Charge{Policy: p})[0]; got.Remaining != 3 {
				t.Errorf("%d left after a script flush, want 3", got.Remaining)
			}
		})
	}
}

func TestRedisKeysExpireAndShareASlot(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", limit(60, time.Minute, 5), 1)
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			take(t, NewRedis(client), "one", Charge{Policy: p}, Charge{Policy: p, Key: []byte("user")})
			prefix := "gh:rl:{" + string(tagOf(t, "one")) + "}:"
			keys, err := client.Keys(t.Context(), prefix+"*").Result()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{prefix + "test:": true, prefix + "test:user": true}
			got := map[string]bool{}
			for _, key := range keys {
				got[key] = true
				ttl := client.PTTL(t.Context(), key).Val()
				if ttl <= 0 || ttl > 1100*time.Millisecond {
					t.Errorf("%s lives for %v, want until it is full, at most 1 s", key, ttl)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLocalIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPolicy("test", limit(1, time.Minute, 5), 1)
		l := NewLocal(20*localShards, time.Now)
		before := localEvictions.Get()
		for i := range 60 * localShards {
			take(t, l, fmt.Sprintf("tag%d", i), Charge{Policy: p})
		}
		if n := l.len(); n > 20*localShards {
			t.Errorf("%d buckets, want at most %d", n, 20*localShards)
		}
		if localEvictions.Get() == before {
			t.Error("evictions of buckets in use were not counted")
		}

		// Once all have refilled, room is made without losing any count.
		time.Sleep(10 * time.Minute)
		before = localEvictions.Get()
		for i := range localShards {
			take(t, l, fmt.Sprintf("new%d", i), Charge{Policy: p})
		}
		if got := localEvictions.Get() - before; got != 0 {
			t.Errorf("%d evictions were counted although full buckets could go", got)
		}
	})
}

func TestLocalRefillsByTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPolicy("test", limit(60, time.Minute, 20), 4) // one gateway of four: 15 a minute, burst 5
		l := NewLocal(100, time.Now)
		admitted := 0
		for range 60 * 10 { // a minute
			if take(t, l, "a", Charge{Policy: p})[0].Admitted {
				admitted++
			}
			time.Sleep(100 * time.Millisecond)
		}
		if admitted != 5+14 && admitted != 5+15 {
			t.Errorf("%d admitted in a minute, want the burst of 5 and about 15", admitted)
		}
	})
}

// broken is a store that does not answer.
type broken struct{ down atomic.Bool }

func (b *broken) Take(_ context.Context, _ []byte, charges []Charge) error {
	if b.down.Load() {
		return errors.New("no answer")
	}
	for i := range charges {
		charges[i].Decision = Decision{Admitted: true, Remaining: 7}
	}
	return nil
}

func TestLimiterFallsBackAndReturns(t *testing.T) {
	// Not parallel: it reads the process's counters.
	p := NewPolicy("fallback", limit(1, time.Hour, 2), 2) // alone: one
	shared := &broken{}
	l := NewLimiter(shared, NewLocal(100, time.Now), quiet)
	ask := func() Decision {
		charges := []Charge{{Policy: p}}
		l.Take(t.Context(), []byte("a"), charges)
		return charges[0].Decision
	}
	if got := ask(); got.Remaining != 7 {
		t.Fatalf("the shared store was not asked: %+v", got)
	}
	before, admitted, refused := fallbackTotal.Get(), p.admitted.Get(), p.refused.Get()
	shared.down.Store(true)
	if got := ask(); !got.Admitted || got.Remaining != 0 {
		t.Errorf("first request alone = %+v, want this gateway's share", got)
	}
	if got := ask(); got.Admitted {
		t.Error("the local bucket did not limit")
	}
	if fallbackGauge.Get() != 1 || fallbackTotal.Get() != before+2 {
		t.Errorf("fallback gauge = %v, total + %d; want 1, 2", fallbackGauge.Get(), fallbackTotal.Get()-before)
	}
	if p.admitted.Get() != admitted+1 || p.refused.Get() != refused+1 {
		t.Error("decisions of the fallback were not counted")
	}
	shared.down.Store(false)
	if got := ask(); got.Remaining != 7 || fallbackGauge.Get() != 0 {
		t.Errorf("the shared store was not taken up again: %+v", got)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	charges := []Charge{
		{Policy: NewPolicy("tenant", limit(6000, time.Minute, 1000), 1), Decision: Decision{Remaining: 998, Wait: 3 * time.Millisecond}},
		{Policy: NewPolicy("user", limit(600, time.Minute, 100), 1), Decision: Decision{Remaining: 0, Wait: 2001 * time.Millisecond}},
	}
	if got, want := string(AppendPolicies(nil, charges)), `"tenant";q=6000;w=60, "user";q=600;w=60`; got != want {
		t.Errorf("RateLimit-Policy = %s, want %s", got, want)
	}
	if got, want := string(AppendLevels(nil, charges)), `"tenant";r=998;t=1, "user";r=0;t=3`; got != want {
		t.Errorf("RateLimit = %s, want %s", got, want)
	}
}

func TestLocalAllocations(t *testing.T) {
	p := NewPolicy("alloc", limit(10000, time.Second, 100000), 1)
	l := NewLimiter(nil, NewLocal(100, time.Now), quiet)
	tag, charges := []byte("t:tenant"), []Charge{{Policy: p}, {Policy: p, Key: []byte("user")}}
	if got := testing.AllocsPerRun(1000, func() { l.Take(context.Background(), tag, charges) }); got > 0 {
		t.Errorf("%v allocations per decision, want none", got)
	}
}

func BenchmarkLocal(b *testing.B) {
	p := NewPolicy("bench", limit(10000, time.Second, 100000), 1)
	l := NewLimiter(nil, NewLocal(100_000, time.Now), quiet)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		tag, charges := []byte("t:tenant"), []Charge{{Policy: p}, {Policy: p, Key: []byte("user")}}
		for pb.Next() {
			l.Take(context.Background(), tag, charges)
		}
	})
}

func BenchmarkRedis(b *testing.B) {
	server := redisServers[0] // the real one where there is one
	p := NewPolicy("bench", limit(10000, time.Second, 100000), 1)
	l := NewLimiter(NewRedis(server.open(b)), NewLocal(100, time.Now), quiet)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		tag, charges := []byte("t:tenant"), []Charge{{Policy: p}, {Policy: p, Key: []byte("user")}}
		for pb.Next() {
			l.Take(context.Background(), tag, charges)
		}
	})
}

func ExampleLimiter() {
	policy := NewPolicy("public", Limit{Requests: 60, Period: time.Minute, Burst: 2}, 1)
	limiter := NewLimiter(nil, NewLocal(1000, time.Now), quiet)
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
