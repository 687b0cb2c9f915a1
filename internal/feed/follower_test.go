package feed

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestWhatIsPublishedIsHeard(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		f := r.following()
		f.catchesUp()
		var took []time.Duration
		for range 30 {
			event := revoked(1)
			start := time.Now()
			p.Publish(r.t.Context(), event...)
			f.hears(event...)
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		r.t.Logf("published and heard of: median %v, slowest %v", took[15], took[29])
		p.Publish(r.t.Context(), state("acme", 1), state("acme", 2), state("zeta", 1))
		f.hears(state("acme", 2), state("zeta", 1))
	})
}

func TestALateFollowerHearsEverything(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		events := revoked(2*pageSize + 1)
		p.Publish(r.t.Context(), events...)
		eventually(r.t, "all is published", func() bool { return len(r.log()) == len(events) })
		p.Publish(r.t.Context(), state("acme", 3))
		// States outlive the log.
		r.must(r.XTrimMaxLen(r.t.Context(), logKey, int64(len(events))).Err())

		f := r.following()
		f.catchesUp()
		f.mu.Lock()
		got := keysOf(f.items)
		f.mu.Unlock()
		slices.Sort(got)
		want := append(keysOf(events[1:]), "acme", "acme")
		for _, key := range want[:len(events)] {
			if _, ok := slices.BinarySearch(got, key); !ok {
				r.t.Fatalf("%s was not heard of", key)
			}
		}
		f.hears(state("acme", 3))
	})
}

// A feed that nobody has seeded says nothing about what was revoked.
func TestAFollowerWithoutAnEpochIsStale(t *testing.T) {
	onBoth(t, func(r *rig) {
		f := r.following()
		eventually(r.t, "the log says so", func() bool { return f.lines.count("the feed is stale") == 1 })
		if f.Fresh(24 * time.Hour) {
			r.t.Errorf("it had everything %v ago", f.Staleness())
		}
		r.publishing()
		f.catchesUp()
		eventually(r.t, "the log says so", func() bool { return f.lines.count("the feed is fresh") == 1 })
	})
}

func TestRedisRestartedEmpty(t *testing.T) {
	onBoth(t, func(r *rig) {
		p, _ := r.publisher()
		stop := r.run(p.Run)
		r.seeded()
		told := r.db.commit(append(revoked(3), state("acme", 7))...)
		p.Publish(r.t.Context(), told...)
		f := r.following()
		f.hears(told...)
		eventually(r.t, "the log says so", func() bool { return f.lines.count("the feed is fresh") == 1 })
		stop()

		r.must(r.server.Kill())
		r.must(r.server.Start(r.t.Context()))
		eventually(r.t, "Redis answers", func() bool { return r.Ping(r.t.Context()).Err() == nil })
		eventually(r.t, "the log says that the feed is stale", func() bool { return f.lines.count("the feed is stale") == 1 })
		if f.Fresh(time.Second) {
			r.t.Error("a follower of a feed that is lost takes it as whole")
		}

		// What is revoked meanwhile is kept until the feed was seeded.
		p, _ = r.publisher()
		more := r.db.commit(revoked(2)...)
		p.Publish(r.t.Context(), more...)
		if r.epoch() != "" || len(r.log()) != 0 {
			r.t.Error("something was published without an epoch")
		}
		r.run(p.Run)
		f.catchesUp()
		f.hears(more...)
		eventually(r.t, "the log says so", func() bool { return f.lines.count("the feed is fresh") == 2 })
		late := r.following()
		late.hears(slices.Concat(told, more)...)
	})
}

// The last entries were lost in a failover, and then others were written, whose
// ids may be lower or higher.
func TestAFollowerThatIsAheadReadsEverythingAgain(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		f := r.following()
		first := revoked(1)
		p.Publish(r.t.Context(), first...)
		f.hears(first...)

		r.replaceLog("1-1", "hidden")
		f.hears(Item{Key: "hidden", Expires: time.UnixMilli(1)})
	})
}

// replaceLog leaves a single entry in the log, under the same epoch.
func (r *rig) replaceLog(id, key string) {
	r.t.Helper()
	_, err := r.TxPipelined(r.t.Context(), func(tx redis.Pipeliner) error {
		tx.Del(r.t.Context(), logKey)
		tx.XAdd(r.t.Context(), &redis.XAddArgs{Stream: logKey, ID: id, Values: []string{"kind", Session, "key", key, "expires", "1"}})
		return nil
	})
	r.must(err)
}

func TestANewEpochIsReadFromTheStart(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.publishing()
		f := r.following()
		f.catchesUp()
		// Behind the follower's back, where only a full read finds it.
		r.must(r.HSet(r.t.Context(), stateKey, "tenant:acme", `4 {"id":"acme","version":4}`).Err())
		r.must(r.Set(r.t.Context(), epochKey, "1-1:other", 0).Err())
		f.hears(state("acme", 4))
		f.catchesUp()
	})
}

// An epoch that was missing has come back: nobody knows what was lost meanwhile.
func TestAnEpochThatReturnsIsReadFromTheStart(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.must(r.Set(r.t.Context(), epochKey, "1-1:same", 0).Err())
		f := r.following()
		f.catchesUp()
		r.must(r.Del(r.t.Context(), epochKey).Err())
		eventually(r.t, "the log says that the feed is stale", func() bool { return f.lines.count("the feed is stale") == 1 })
		r.must(r.HSet(r.t.Context(), stateKey, "tenant:acme", `4 {"id":"acme","version":4}`).Err())
		r.must(r.Set(r.t.Context(), epochKey, "1-1:same", 0).Err())
		f.hears(state("acme", 4))
	})
}

func TestMalformedEntriesAreSkipped(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		f := r.following()
		f.catchesUp()
		before := malformed.Get()
		for _, values := range [][]string{
			{"what", "ever"},
			{"kind", Session, "key", "a"},
			{"kind", Session, "key", "b", "expires", "tomorrow"},
			{"kind", Tenant, "key", "c", "version", "-1", "value", "{}"},
			{"kind", Tenant, "key", "d", "version", "9007199254740992", "value", "{}"},
		} {
			r.must(r.XAdd(r.t.Context(), &redis.XAddArgs{Stream: logKey, Values: values}).Err())
		}
		r.must(r.XAdd(r.t.Context(), &redis.XAddArgs{Stream: logKey, Values: []string{
			"kind", "novelty", "key", "e", "version", "1", "value", "{}", "field", "of a newer version"}}).Err())
		f.hears(Item{Key: "e", Version: 1, Value: []byte("{}")})
		event := revoked(1)
		p.Publish(r.t.Context(), event...)
		f.hears(event...)
		r.must(r.HSet(r.t.Context(), stateKey, "tenant:f", "x {}", "g", "1 {}", "tenant:h", "1 ", "tenant:i", "5 {}").Err())
		late := r.following()
		late.hears(Item{Key: "i", Version: 5, Value: []byte("{}")})
		late.catchesUp()
		// Tests beside this one add to the counter.
		if n := malformed.Get() - before; n < 5+5+3 {
			r.t.Errorf("%d malformed entries were counted, want 13", n)
		}
		for _, key := range []string{"a", "b", "c", "d", "f", "g", "h"} {
			if item, ok := late.latest(key); ok {
				r.t.Errorf("%s was heard of: %v", key, item)
			}
		}
	})
}

// A server that hangs holds up neither the follower's verdict nor its end.
func TestRedisHangs(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		f, other := r.following(), r.following()
		f.catchesUp()
		other.catchesUp()
		r.must(r.server.Pause())
		eventually(r.t, "the log says that the feed is stale", func() bool { return f.lines.count("the feed is stale") == 1 })
		other.stop()
		event := r.db.commit(revoked(1)...)
		p.Publish(r.t.Context(), event...) // returns though nothing answers
		r.must(r.server.Resume())
		resumed := time.Now()
		f.hears(event...)
		f.catchesUp()
		r.t.Logf("recovered %v after Redis", time.Since(resumed))
		eventually(r.t, "the log says that the feed is fresh", func() bool { return f.lines.count("the feed is fresh") == 2 })
	})
}

func TestAFollowerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, redisAway)
	f := NewFollower(Options{Client: r.open(quiet), Apply: func([]Item) { t.Error("something was heard") }, Log: quiet, Now: time.Now})
	r.must(r.server.Stop())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.Run(ctx)
}

// quietFollower is one that does not run.
func (r *rig) quietFollower() *follower {
	f := &follower{t: r.t}
	f.Follower = NewFollower(Options{Client: r.open(quiet), Apply: f.apply, Log: quiet, Now: time.Now})
	return f
}

// Entries that told of states may have left the log meanwhile.
func TestAFollowerThatWasAwayForLongReadsTheStatesAgain(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.publishing()
		f := r.quietFollower()
		r.must(f.catchUp(r.t.Context()))
		f.last = strconv.FormatInt(time.Now().Add(-horizon-time.Hour).UnixMilli(), 10) + "-0"
		r.must(r.HSet(r.t.Context(), stateKey, "tenant:acme", `4 {"id":"acme","version":4}`).Err())
		r.must(f.catchUp(r.t.Context()))
		f.hears(state("acme", 4))
	})
}

// forgetful is a server that took over while the states were read.
type forgetful struct {
	redis.UniversalClient
	lost int64
}

func (c *forgetful) HLen(ctx context.Context, key string) *redis.IntCmd {
	cmd := c.UniversalClient.HLen(ctx, key)
	cmd.SetVal(cmd.Val() + c.lost)
	return cmd
}

func TestAFollowerThatReadTooFewStates(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.publishing()
		p.Publish(r.t.Context(), state("acme", 1), state("zeta", 1))
		f := r.quietFollower()
		server := &forgetful{f.client, 1}
		f.client = server
		if err := f.catchUp(r.t.Context()); err == nil || f.Fresh(time.Hour) {
			r.t.Errorf("error %v, and it had everything %v ago", err, f.Staleness())
		}
		server.lost = 0
		r.must(f.catchUp(r.t.Context()))
		if !f.Fresh(time.Hour) {
			r.t.Errorf("it had everything %v ago", f.Staleness())
		}
	})
}
