package feed

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/stack"
)

var redisAway = stack.RedisOptions{Embedded: true}

// An older state arrives late: by another backend, or by a retry.
func TestTheLatestStateCounts(t *testing.T) {
	onBoth(t, func(r *rig) {
		p, q := r.publishing(), r.publishing()
		f := r.following()
		p.Publish(r.t.Context(), state("acme", 10))
		q.Publish(r.t.Context(), state("acme", 9), state("acme", 10), state("zeta", 1))
		f.hears(state("acme", 10), state("zeta", 1))
		if got := r.HGet(r.t.Context(), stateKey, "tenant:acme").Val(); got != `10 {"id":"acme","version":10}` {
			r.t.Errorf("the state is %s", got)
		}
		if diff := cmp.Diff([]string{"acme", "zeta"}, r.log()); diff != "" {
			r.t.Errorf("the log (-want +got):\n%s", diff)
		}
		r.following().hears(state("acme", 10), state("zeta", 1))
	})
}

func TestRedisAwayKeepsTheOrder(t *testing.T) {
	onBoth(t, func(r *rig) {
		p, log := r.publisher()
		r.run(p.Run)
		r.seeded()
		r.must(r.server.Stop())
		items := revoked(3 * maxBatch / 2)
		for part := range slices.Chunk(items, 50) {
			p.Publish(r.t.Context(), part...)
		}
		p.Publish(r.t.Context(), state("acme", 1))
		r.must(r.server.Start(r.t.Context()))
		want := append(keysOf(items), "acme")
		eventually(r.t, "all is published", func() bool { return len(r.log()) >= len(want) })
		// Something may have been written twice, when its answer was lost.
		if diff := cmp.Diff(want, firsts(r.log())); diff != "" {
			r.t.Errorf("the log (-want +got):\n%s", diff)
		}
		eventually(r.t, "the log says so", func() bool { return log.count("has taken what was kept") == 1 })
		if n := log.count("does not take"); n != 1 {
			r.t.Errorf("the log says %d times that the feed is not there", n)
		}
		after := revoked(1)
		p.Publish(r.t.Context(), after...)
		if got := r.log(); got[len(got)-1] != after[0].Key {
			r.t.Error("what is published afterwards is not in the log at once")
		}
	})
}

// firsts drops repetitions.
func firsts(keys []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(keys, func(key string) bool {
		if seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
}

func TestTooMuchForTheQueueIsSeeded(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		f := r.following()
		f.catchesUp()
		full, _ := r.db.seeds()
		epoch := r.epoch()
		r.must(r.server.Pause())
		items := r.db.commit(revoked(maxPending + 10)...)
		p.Publish(r.t.Context(), items[0])
		p.Publish(r.t.Context(), items[1:]...)
		last := r.db.commit(state("acme", 1))
		p.Publish(r.t.Context(), last...)
		p.mu.Lock()
		if len(p.queue) != 0 || !p.overflown {
			r.t.Errorf("%d items are kept", len(p.queue))
		}
		p.mu.Unlock()
		r.must(r.server.Resume())
		f.hears(items[0], items[len(items)-1], last[0])
		eventually(r.t, "the feed has a new epoch", func() bool { return r.epoch() != epoch })
		if now, _ := r.db.seeds(); now <= full {
			r.t.Errorf("%d full seeds, as before", now)
		}
		event := revoked(1)
		eventually(r.t, "the publisher has nothing left to do", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return !p.behind
		})
		p.Publish(r.t.Context(), event...)
		f.hears(event...)
	})
}

// What was committed is told though who did it has gone.
func TestPublishOutlivesItsRequest(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		ctx, cancel := context.WithCancel(r.t.Context())
		cancel()
		event := revoked(1)
		p.Publish(ctx, event...)
		if diff := cmp.Diff(keysOf(event), r.log()); diff != "" {
			r.t.Errorf("the log (-want +got):\n%s", diff)
		}
		p.Publish(ctx)
	})
}

func TestPublishersAtOnce(t *testing.T) {
	onBoth(t, func(r *rig) {
		p, q := r.publishing(), r.publishing()
		f := r.following()
		var all sync.WaitGroup
		items := revoked(200)
		for i := range items {
			all.Go(func() {
				if i%2 == 0 {
					p.Publish(r.t.Context(), items[i])
				} else {
					q.Publish(r.t.Context(), items[i])
				}
			})
		}
		all.Wait()
		f.hears(items...)
	})
}

func TestScriptsFlushed(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		f := r.following()
		for range 3 {
			r.must(r.ScriptFlush(r.t.Context()).Err())
			event := revoked(1)
			p.Publish(r.t.Context(), event...)
			if got := r.log(); got[len(got)-1] != event[0].Key {
				r.t.Error("the event is not in the log at once")
			}
			f.hears(event...)
		}
	})
}

func TestOldEntriesLeaveTheLog(t *testing.T) {
	onBoth(t, func(r *rig) {
		now := time.Now()
		_, err := r.Pipelined(r.t.Context(), func(pipe redis.Pipeliner) error {
			add := func(at time.Time, n int) {
				for i := range n {
					pipe.XAdd(r.t.Context(), &redis.XAddArgs{Stream: logKey, ID: fmt.Sprintf("%d-%d", at.UnixMilli(), i+1),
						Values: []string{"kind", Session, "key", "old", "expires", "1"}})
				}
			}
			add(now.Add(-horizon-time.Minute), 1000)
			add(now.Add(-horizon+time.Minute), 10)
			return nil
		})
		r.must(err)
		p := r.publishing()
		p.Publish(r.t.Context(), revoked(1)...)
		// Redis drops whole nodes of a hundred entries.
		if n := len(r.log()); n < 11 || n > 111 {
			r.t.Errorf("%d entries are left", n)
		}
	})
}

// What waits when a backend stops is passed on if Redis is there.
func TestTheEndPassesOnWhatWaits(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.publishing()
		p, log := r.publisher()
		p.behind = true
		event := revoked(1)
		p.Publish(r.t.Context(), event...)
		ctx, cancel := context.WithCancel(r.t.Context())
		cancel()
		p.Run(ctx)
		if !slices.Contains(r.log(), event[0].Key) {
			r.t.Error("it is not in the log")
		}
		p.behind = true
		p.Publish(r.t.Context(), revoked(1)...)
		r.must(r.server.Stop())
		p.Run(ctx)
		if log.count("level=ERROR") != 1 || log.count("items=1") != 1 {
			r.t.Errorf("the log:\n%s", log.text.String())
		}
	})
}

// A foreign value under one of the names is not overwritten, and seen to.
func TestAForeignValueUnderAName(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.must(r.Set(r.t.Context(), logKey, "mine", 0).Err())
		p, _ := r.publisher()
		r.run(p.Run)
		f := r.following()
		event := r.db.commit(revoked(1)...)
		p.Publish(r.t.Context(), event...)
		eventually(r.t, "the follower says so", func() bool { return f.lines.count("the feed is stale") == 1 })
		r.must(r.Del(r.t.Context(), logKey).Err())
		f.hears(event...)
	})
}
