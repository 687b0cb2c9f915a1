package ratelimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/limit"
)

// stores calls f with each kind of store.
func stores(t *testing.T, f func(t *testing.T, s Store)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		f(t, NewMemory(time.Now))
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

// take asks under a tag of the test's own. On a busy machine a Redis may miss
// its time limit, and then the breaker pauses; so it is asked again.
func take(t testing.TB, s Store, tag string, asks ...Ask) []Ask {
	t.Helper()
	var err error
	for range 50 {
		if err = s.Take(t.Context(), tagOf(t, tag), asks); err == nil {
			return asks
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

// The rates below are so slow that no token comes back while a test runs.

// hours rounds a fill up to whole hours.
func hours(fill int64) int64 {
	hour := time.Hour.Microseconds()
	return (fill + hour - 1) / hour
}

func TestStoreBurstThenRefusal(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", lim(1, time.Hour, 3), PolicyOptions{})
	stores(t, func(t *testing.T, s Store) {
		for i := range int64(3) {
			if got := take(t, s, "a", Ask{Policy: p, Need: 1})[0]; got.Granted != 1 || hours(got.Fill) != i+1 {
				t.Fatalf("request %d: granted %d, %d hours to go; want 1, %d", i+1, got.Granted, hours(got.Fill), i+1)
			}
		}
		if got := take(t, s, "a", Ask{Policy: p, Need: 1})[0]; !got.short() || hours(got.Fill) != 3 {
			t.Errorf("fourth request: %+v, want a refusal", got)
		}
		if got := take(t, s, "b", Ask{Policy: p, Need: 1})[0]; got.Granted != 1 {
			t.Error("another tag shares the bucket")
		}
		if got := take(t, s, "a", Ask{Policy: p, Key: []byte("k"), Need: 1})[0]; got.Granted != 1 {
			t.Error("another key shares the bucket")
		}
		if got := take(t, s, "a", Ask{Policy: NewPolicy("test2", p.Limit, PolicyOptions{}), Need: 1})[0]; got.Granted != 1 {
			t.Error("another policy shares the bucket")
		}
		// An override of the same name means the same bucket.
		if got := take(t, s, "a", Ask{Policy: NewPolicy("test", lim(1, time.Hour, 6), PolicyOptions{}), Need: 1})[0]; got.Granted != 1 || hours(got.Fill) != 4 {
			t.Errorf("a larger limit on the bucket: %+v, want its tokens on top", got)
		}
		if got := take(t, s, "a", Ask{Policy: NewPolicy("test", lim(1, time.Hour, 2), PolicyOptions{}), Need: 1})[0]; !got.short() || hours(got.Fill) != 2 {
			t.Errorf("a smaller limit on the bucket: %+v, want it empty", got)
		}
	})
}

// TestStoresKeepWhatWasUsed: when the limit changes, the tokens that were used
// stay the same number, as far as the bucket holds so many.
func TestStoresKeepWhatWasUsed(t *testing.T) {
	t.Parallel()
	type step struct {
		limit     string
		spend     int64
		remaining int64
	}
	for name, steps := range map[string][]step{
		"raised":             {{"1/1h,10", 3, 7}, {"10/1h,10", 1, 6}, {"10000/1s,2000", 0, 1800 - 4}},
		"raised when empty":  {{"1/1h,10", 10, 0}, {"2/1h,15", 5, 0}},
		"lowered":            {{"10/1h,10", 3, 7}, {"1/1h,10", 1, 6}, {"1/24h,5", 1, 0}},
		"lowered below":      {{"10/1h,10", 6, 4}, {"1/1h,5", 0, 0}, {"10/1h,10", 5, 0}},
		"as far as it goes":  {{"10000/1h,30", 7, 23}, {"1/24h,7", 0, 0}},
		"the other way":      {{"1/24h,7", 7, 0}, {"10000/1h,30", 0, 23}},
		"there and back":     {{"7/1h,30", 3, 27}, {"1/1h,30", 0, 27}, {"13/1h,30", 0, 27}, {"7/1h,30", 0, 27}},
		"only another burst": {{"1/1h,10", 3, 7}, {"1/1h,20", 1, 16}, {"1/1h,4", 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores(t, func(t *testing.T, s Store) {
				for _, step := range steps {
					var l limit.Limit
					if err := l.UnmarshalText([]byte(step.limit)); err != nil {
						t.Fatal(err)
					}
					p := NewPolicy("test", l, PolicyOptions{})
					got := take(t, s, name, Ask{Policy: p})[0]
					for i := range step.spend {
						if got = take(t, s, name, Ask{Policy: p, Need: 1})[0]; got.Granted != 1 {
							t.Fatalf("%s: request %d was refused: %+v", step.limit, i+1, got)
						}
					}
					if n, _ := p.rule.level(got.Fill); n != step.remaining {
						t.Errorf("%s: %d remain, want %d", step.limit, n, step.remaining)
					}
				}
			})
		})
	}
}

// TestRedisBucketWithoutInterval reads what was written before there was one.
func TestRedisBucketWithoutInterval(t *testing.T) {
	t.Parallel()
	old, quicker := NewPolicy("test", lim(1, time.Hour, 10), PolicyOptions{}), NewPolicy("test", lim(10, time.Hour, 10), PolicyOptions{})
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			s := NewRedis(client)
			tat := time.Now().Add(3 * time.Hour).UnixMicro()
			if err := client.Set(t.Context(), bucketKey(tagOf(t, "a"), &Ask{Policy: old}), fmt.Sprint(tat), time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			if got := take(t, s, "a", Ask{Policy: old, Need: 1})[0]; got.Granted != 1 || hours(got.Fill) != 4 {
				t.Errorf("answer = %+v, want the fourth token", got)
			}
			got := take(t, s, "a", Ask{Policy: quicker})[0]
			if n, _ := quicker.rule.level(got.Fill); n != 6 {
				t.Errorf("%d remain by a larger limit, want 6", n)
			}
		})
	}
}

// TestStoresAgree asks all stores the same at random and compares their answers
// with the arithmetic's.
func TestStoresAgree(t *testing.T) {
	t.Parallel()
	limits := [][]*Policy{ // what they change between, of each bucket
		{NewPolicy("a", lim(1, time.Hour, 60), PolicyOptions{}), NewPolicy("a", lim(1, 4*time.Hour, 30), PolicyOptions{})},
		{NewPolicy("b", lim(1, 2*time.Hour, 20), PolicyOptions{}), NewPolicy("b", lim(1, time.Hour, 40), PolicyOptions{})},
		{NewPolicy("c", lim(1, time.Hour, 30), PolicyOptions{Shadow: true}), NewPolicy("c", lim(1, time.Hour, 15), PolicyOptions{Shadow: true})},
	}
	stores(t, func(t *testing.T, s Store) {
		random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same asks in every run
		complete := 0
		for round := range 10 {
			buckets := make([]stored, len(limits))
			ok := true
			for step := 0; step < 25 && ok; step++ {
				asks := make([]Ask, len(limits))
				for i := range asks {
					asks[i] = Ask{Policy: limits[i][random.IntN(8)/7], Need: random.Int64N(2), Extra: random.Int64N(2) * random.Int64N(10)}
					if random.IntN(10) == 0 {
						asks[i].Debt = time.Hour.Microseconds() * random.Int64N(8)
					}
				}
				want := append([]Ask(nil), asks...)
				charge(want, buckets, 0)
				// A command that timed out may have been executed, so nothing can be
				// said of its buckets any more.
				if ok = s.Take(t.Context(), tagOf(t, fmt.Sprint("agree", round)), asks) == nil; !ok {
					break
				}
				for i := range asks {
					if asks[i].Granted != want[i].Granted || hours(asks[i].Fill) != hours(want[i].Fill) || asks[i].short() != want[i].short() {
						t.Fatalf("%+v: granted %d, fill %d h; want %d, %d h", asks[i], asks[i].Granted, hours(asks[i].Fill), want[i].Granted, hours(want[i].Fill))
					}
				}
			}
			if ok {
				complete++
			}
		}
		if complete == 0 {
			t.Error("the store did not answer in time in any round")
		}
	})
}

func TestStoreRefills(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", lim(20, time.Second, 1), PolicyOptions{}) // 50 ms
	stores(t, func(t *testing.T, s Store) {
		refused := take(t, s, "a", Ask{Policy: p, Need: 1})[0]
		for !refused.short() { // on a busy machine 50 ms pass between two calls
			refused = take(t, s, "a", Ask{Policy: p, Need: 1})[0]
		}
		time.Sleep(time.Duration(refused.Fill)*time.Microsecond + time.Millisecond) // a real server's clock cannot be set
		if again := take(t, s, "a", Ask{Policy: p, Need: 1})[0]; again.Granted != 1 {
			t.Errorf("refused after the wait that was promised: %+v", again)
		}
	})
}

func TestStoreGrantsExactlyTheBurstUnderContention(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", lim(1, time.Hour, 40), PolicyOptions{})
	stores(t, func(t *testing.T, s Store) {
		var granted, unanswered atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					asks := []Ask{{Policy: p, Need: 1}}
					if err := s.Take(context.Background(), tagOf(t, "a"), asks); err != nil {
						unanswered.Add(1)
					}
					granted.Add(asks[0].Granted)
				}
			})
		}
		wg.Wait()
		// A command that was not answered in time may have taken a token.
		if got, lost := granted.Load(), unanswered.Load(); got > 40 || got+lost < 40 {
			t.Errorf("%d granted and %d unanswered, want 40", got, lost)
		}
	})
}

// TestRedisClockSetBack leaves behind what a server whose clock ran a day fast
// would have: the bucket counts as empty and refills from there.
func TestRedisClockSetBack(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", lim(20, time.Second, 5), PolicyOptions{})
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			s := NewRedis(client)
			ahead := time.Now().Add(24 * time.Hour).UnixMicro()
			if err := client.Set(t.Context(), bucketKey(tagOf(t, "a"), &Ask{Policy: p}), fmt.Sprint(ahead), time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			got := take(t, s, "a", Ask{Policy: p, Need: 1})[0]
			if !got.short() || got.Fill != 250_000 {
				t.Errorf("answer = %+v, want an empty bucket", got)
			}
			time.Sleep(51 * time.Millisecond) // a real server's clock cannot be set
			if got = take(t, s, "a", Ask{Policy: p, Need: 1})[0]; got.Granted != 1 {
				t.Errorf("one interval later = %+v, want a token", got)
			}
		})
	}
}

func TestRedisLearnsTheScriptAgain(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", lim(1, time.Hour, 5), PolicyOptions{})
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			s := NewRedis(client)
			take(t, s, "a", Ask{Policy: p, Need: 1})
			if err := client.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if got := take(t, s, "a", Ask{Policy: p, Need: 1})[0]; hours(got.Fill) != 2 {
				t.Errorf("%d hours to go after a script flush, want 2", hours(got.Fill))
			}
		})
	}
}

func TestRedisKeysExpireAndShareASlot(t *testing.T) {
	t.Parallel()
	p := NewPolicy("test", lim(60, time.Minute, 5), PolicyOptions{})
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			take(t, NewRedis(client), "one", Ask{Policy: p, Need: 1}, Ask{Policy: p, Key: []byte("user"), Need: 1}, Ask{Policy: p, Key: []byte("full")})
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

func TestMemoryForgetsFullBuckets(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	m := NewMemory(func() time.Time { return now })
	p := NewPolicy("test", lim(1, time.Minute, 5), PolicyOptions{})
	ask := func(tag int) {
		asks := []Ask{{Policy: p, Need: 1}}
		if err := m.Take(t.Context(), fmt.Append(nil, tag), asks); err != nil || asks[0].Granted != 1 {
			t.Fatalf("%+v, %v", asks, err)
		}
	}
	for i := range 3 * minSweep {
		ask(i)
		now = now.Add(time.Second)
	}
	if n := len(m.buckets); n < 60 || n > minSweep+60 {
		t.Errorf("%d buckets, want the 60 in use and at most %d more", n, minSweep)
	}
}
