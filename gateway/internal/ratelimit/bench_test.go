package ratelimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// plainScript is what a limiter without leases runs for each request.
const plainScript = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local tats, admitted = {}, 1
for i = 1, #KEYS do
  local tat = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
  if tat + ARGV[2 * i - 1] - now > tonumber(ARGV[2 * i]) then admitted = 0 end
  tats[i] = tat + ARGV[2 * i - 1]
end
if admitted == 1 then
  for i = 1, #KEYS do
    redis.call('SET', KEYS[i], string.format('%.0f', tats[i]), 'PX', string.format('%.0f', math.ceil((tats[i] - now) / 1000)))
  end
end
return {admitted, now, unpack(tats)}`

// BenchmarkTake is one decision over tenant, user and class in several ways, in
// one run: from leases; refused from memory; by one command each, as for keys too
// slow for leases; and by a plain limiter that runs a script for each request.
// Redis is the installed one where there is one.
func BenchmarkTake(b *testing.B) {
	client := redisServers[0].open(b)
	var policies []*Policy
	for _, name := range []string{"tenant", "user", "read"} {
		p := NewPolicy("bench-"+name, lim(10_000, time.Second, 100_000), PolicyOptions{})
		p.rule = rule{interval: 1, tolerance: 1 << 40} // never empty, and no leases
		p.args[0], p.args[1] = p.rule.interval, p.rule.tolerance
		policies = append(policies, p)
	}
	charges := func() []Charge {
		user := []byte("0190a1b2000070008000000000000001")
		return []Charge{{Policy: policies[0]}, {Policy: policies[1], Key: user}, {Policy: policies[2], Key: user}}
	}
	run := func(b *testing.B, tag []byte, take func(tag []byte, charges []Charge)) {
		b.ReportAllocs()
		before := redisCommands.Get()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			tag, charges := append([]byte(nil), tag...), charges()
			for pb.Next() {
				take(tag, charges)
			}
		})
		b.ReportMetric(float64(redisCommands.Get()-before)/float64(b.N), "commands/op")
	}
	limited := func(prepare func(*bucket, *Limiter)) func(*testing.B) {
		return func(b *testing.B) {
			l := New(Options{Store: NewRedis(client), Keys: 10_000, Log: quiet})
			tag := tagOf(b, "bench")
			l.Take(b.Context(), tag, charges())
			for _, k := range l.buckets.shard(tag).buckets {
				prepare(k, l)
			}
			run(b, tag, func(tag []byte, charges []Charge) { l.Take(context.Background(), tag, charges) })
		}
	}
	b.Run("leased", limited(func(k *bucket, l *Limiter) {
		k.leases.put(lease{until: l.clock().add(time.Hour.Microseconds()), left: 1 << 40})
	}))
	b.Run("refused", limited(func(k *bucket, l *Limiter) {
		k.fullAt = l.clock().mono + 2*k.policy.rule.tolerance
	}))
	b.Run("asked", limited(func(*bucket, *Limiter) {}))
	b.Run("plain", func(b *testing.B) {
		script := redis.NewScript(plainScript)
		run(b, tagOf(b, "plain"), func(tag []byte, charges []Charge) {
			ctx, cancel := client.Bound(context.Background())
			defer cancel()
			keys, args := make([]string, len(charges)), make([]any, 0, 2*len(charges))
			for i := range charges {
				p := charges[i].Policy
				keys[i] = bucketKey(tag, &Ask{Policy: p, Key: charges[i].Key})
				args = append(args, p.args[0], p.args[1])
			}
			redisCommands.Inc()
			if err := script.Run(ctx, client, keys, args...).Err(); err != nil {
				b.Error(err)
			}
		})
	})
}

// BenchmarkFleet tells what leases cost and save: three gateways with 50 requests
// a second each, at random, by a clock of their own that jumps from one to the
// next. Its metrics are commands per request, and by how much fewer requests are
// admitted than by one bucket without leases.
func BenchmarkFleet(b *testing.B) {
	for _, c := range []struct {
		name string
		part float64 // of the limit
	}{{"half of the limit", 0.5}, {"90 % of the limit", 0.9}, {"at the limit", 1}, {"twice the limit", 2}} {
		b.Run(c.name, func(b *testing.B) {
			const gateways, rate = 3, 50.0
			p := perSecond("p", int(gateways*rate/c.part))
			var now atomic.Int64 // ns
			clock := func() time.Time { return time.Unix(1_700_000_000, now.Load()) }
			store := &slowStore{Store: NewMemory(clock)}
			var fleet []*Limiter
			for range gateways {
				fleet = append(fleet, New(Options{Store: store, Keys: 1000, Log: quiet, Now: clock}))
			}
			plain := rule{interval: p.Limit.Interval(), tolerance: p.Limit.Interval() * int64(p.Limit.Burst)}
			random := rand.New(rand.NewPCG(8, 9)) //nolint:gosec // the same arrivals in every run
			var tat, admitted, ideal int64
			for b.Loop() {
				now.Add(int64(random.ExpFloat64() / (gateways * rate) * float64(time.Second)))
				l := fleet[random.IntN(gateways)]
				if request(l, "t", Charge{Policy: p})[0].Admitted {
					admitted++
				}
				for asking(l) { // a renewal, which takes no time by this clock
					runtime.Gosched()
				}
				var ok bool
				if tat, ok = plain.take(tat, now.Load()/1000); ok {
					ideal++
				}
			}
			b.ReportMetric(float64(store.commands.Load())/float64(b.N), "commands/request")
			b.ReportMetric(100*(1-float64(admitted)/float64(ideal)), "%short")
		})
	}
}

// asking reports whether a command of the limiter's one bucket is under way.
func asking(l *Limiter) bool {
	s := l.buckets.shard([]byte("t"))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.buckets {
		if b.asking {
			return true
		}
	}
	return false
}

// BenchmarkKeys is one decision for each of many keys, most of which are new: a
// flood of distinct addresses.
func BenchmarkKeys(b *testing.B) {
	p := perSecond("p", 1)
	l := New(Options{Store: NewMemory(time.Now), Keys: 10_000, Log: quiet})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		request(l, fmt.Sprint("a:", n), Charge{Policy: p})
	}
}
