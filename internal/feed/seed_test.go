package feed

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// A publisher that has not published for longer than entries live misses nothing.
func TestAnEntryThatGrewOldIsNotMissed(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.settled()
		full, _ := r.db.seeds()
		p.mu.Lock()
		p.last = fmt.Sprintf("%d-0", time.Now().Add(-horizon-time.Second).UnixMilli())
		p.mu.Unlock()
		turned := p.turn(r.t.Context())
		if now, _ := r.db.seeds(); now != full || !turned {
			r.t.Errorf("%d full seeds instead of %d", now, full)
		}
	})
}

func TestAFailoverLosesTheLastEntries(t *testing.T) {
	for name, after := range map[string]func(*rig, *Publisher){
		"and nothing is published since": func(*rig, *Publisher) {},
		"and another backend has published since": func(r *rig, _ *Publisher) {
			other, _ := r.publisher()
			other.Publish(r.t.Context(), revoked(1)...)
		},
		"and this one has published since": func(r *rig, p *Publisher) {
			p.Publish(r.t.Context(), revoked(1)...)
		},
		"and another one has seeded since, from what it read before": func(r *rig, _ *Publisher) {
			r.must(r.Set(r.t.Context(), epochKey, "1-1:other", 0).Err())
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(r *rig) {
				p := r.settled() // it must not look before all is in place
				kept := r.db.commit(revoked(1)...)
				p.Publish(r.t.Context(), kept...)
				gone := r.db.commit(append(revoked(2), state("acme", 5))...)
				p.Publish(r.t.Context(), gone...)
				entries, err := r.XRevRangeN(r.t.Context(), logKey, "+", "-", 3).Result()
				r.must(err)
				for _, e := range entries {
					r.must(r.XDel(r.t.Context(), logKey, e.ID).Err())
				}
				r.must(r.HDel(r.t.Context(), stateKey, "tenant:acme").Err())
				epoch := r.epoch()
				after(r, p)

				full, _ := r.db.seeds()
				stop := r.run(p.Run)
				late := r.following()
				late.hears(slices.Concat(kept, gone)...)
				eventually(t, "the feed has a new epoch", func() bool { return r.epoch() != epoch })
				if now, _ := r.db.seeds(); now <= full {
					t.Error("nothing was read from the database")
				}
				stop()
				// It is mended, and not again and again.
				eventually(t, "there is nothing left to do", func() bool { return p.turn(t.Context()) })
			})
		})
	}
}

// A failover to a server whose clock is behind: ids of the new log are lower.
func TestAFailoverToAClockThatIsBehind(t *testing.T) {
	onBoth(t, func(r *rig) {
		p := r.settled()
		gone := r.db.commit(revoked(1)...)
		p.Publish(r.t.Context(), gone...)
		p.mu.Lock()
		ahead := time.Now().Add(time.Hour).UnixMilli()
		p.last = fmt.Sprintf("%d-0", ahead) // as if that entry had been there
		p.mu.Unlock()
		r.must(r.Del(r.t.Context(), logKey).Err())

		eventually(r.t, "the feed is mended", func() bool { return p.turn(r.t.Context()) })
		r.following().hears(gone...)
		full, _ := r.db.seeds()
		for range 3 {
			p.seedNext = time.Time{}
			p.turn(r.t.Context())
		}
		if now, _ := r.db.seeds(); now != full {
			r.t.Errorf("it is seeded again and again: %d times more", now-full)
		}
	})
}

func TestASeedOfAnotherBackendCovers(t *testing.T) {
	onBoth(t, func(r *rig) {
		p, q := r.publishing(), r.publishing()
		told := r.db.commit(revoked(1)...)
		p.Publish(r.t.Context(), told...)
		r.must(r.FlushAll(r.t.Context()).Err())
		r.seeded() // by either of them
		f := r.following()
		f.hears(told...)
		full, _ := r.db.seeds()
		for _, one := range []*Publisher{p, q} {
			event := revoked(1)
			one.Publish(r.t.Context(), event...)
			f.hears(event...)
		}
		r.t.Logf("%d full seeds by two publishers", full)
	})
}

// What was published before another backend's seed began need not be told again.
func TestCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		epoch, entry string
		want         bool
	}{
		{"20-0:x", "10-0", true}, {"20-1:x", "20-0", true}, {"20-0:x", "20-0", false}, {"20-0:x", "20-1", false},
		{"10-0:x", "20-0", false}, {"100-0:x", "20-0", true}, {"", "20-0", false}, {"x", "20-0", false},
		{"20-0", "10-0", false}, {":", "10-0", false}, {"20-0:x", "", false}, {"20:x", "10-0", false},
	} {
		if got := covers(tt.epoch, tt.entry); got != tt.want {
			t.Errorf("covers(%q, %q) = %v", tt.epoch, tt.entry, got)
		}
	}
}

// Without the database's lock, or when it was lost, two seed at once.
func TestTwoSeedAtOnce(t *testing.T) {
	onBoth(t, func(r *rig) {
		told := r.db.commit(append(revoked(500), state("acme", 2))...)
		var both sync.WaitGroup
		both.Add(2)
		seed := func(_ context.Context, _ bool, add func(...Item) error) (bool, error) {
			both.Done()
			both.Wait()
			return true, add(told...)
		}
		var ps []*Publisher
		for range 2 {
			ps = append(ps, NewPublisher(Options{Client: r.open(quiet), Seed: seed, Log: quiet, Now: time.Now}))
		}
		var done sync.WaitGroup
		for _, p := range ps {
			done.Go(func() {
				if !p.seed(r.t.Context(), true) {
					r.t.Error("not seeded")
				}
			})
		}
		done.Wait()
		f := r.following()
		f.catchesUp()
		f.hears(told[0], told[499], told[500])
		for _, p := range ps {
			event := revoked(1)
			p.Publish(r.t.Context(), event...)
			f.hears(event...)
		}
	})
}

// The epoch is not set by a seed of which something was lost.
func TestRedisRestartsDuringASeed(t *testing.T) {
	onBoth(t, func(r *rig) {
		told := r.db.commit(revoked(2)...)
		var once sync.Once
		r.db.during = func(add func(...Item) error) (err error) {
			once.Do(func() {
				if err = add(told[0]); err == nil {
					err = r.FlushAll(r.t.Context()).Err()
				}
				if err == nil && add(told[1]) == nil {
					r.t.Error("what was added to a feed that has lost the beginning is taken as told")
				}
				if err == nil {
					err = errTest
				}
			})
			return err
		}
		p, _ := r.publisher()
		r.run(p.Run)
		r.following().hears(told...)
		if full, _ := r.db.seeds(); full != 2 {
			r.t.Errorf("%d full seeds, want 2", full)
		}
	})
}

func TestASeedThatLosesItsEndSetsNoEpoch(t *testing.T) {
	onBoth(t, func(r *rig) {
		p, _ := r.publisher()
		p.o.Seed = func(_ context.Context, _ bool, add func(...Item) error) (bool, error) {
			if err := add(revoked(1)...); err != nil {
				return false, err
			}
			return true, r.FlushAll(r.t.Context()).Err()
		}
		if p.seed(r.t.Context(), true) || r.epoch() != "" {
			r.t.Errorf("epoch %q over an empty log", r.epoch())
		}
	})
}

func TestASeedIsTriedUntilItSucceeds(t *testing.T) {
	onBoth(t, func(r *rig) {
		told := r.db.commit(revoked(1)...)
		r.db.fault = errTest
		p, log := r.publisher()
		r.run(p.Run)
		eventually(r.t, "the log says so", func() bool { return log.count("was not seeded") == 1 })
		p.Publish(r.t.Context(), told...)
		f := r.following()
		r.db.change(func(d *database) { d.fault, d.busy = nil, true })
		if r.epoch() != "" {
			r.t.Error("there is an epoch without a seed")
		}
		r.db.change(func(d *database) { d.busy = false })
		f.hears(told...)
		if n := log.count("was not seeded"); n != 1 {
			r.t.Errorf("the log says %d times that the seed failed", n)
		}
	})
}

// A loss is noticed by the latest entry, whether it was a seed's or not.
func TestPublishDuringASeed(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.publishing()
		p, _ := r.publisher()
		event := revoked(1)
		r.db.change(func(d *database) {
			d.during = func(add func(...Item) error) error {
				err := add(state("acme", 1))
				p.Publish(r.t.Context(), event...)
				return err
			}
		})
		if !p.seed(r.t.Context(), false) {
			r.t.Fatal("not seeded")
		}
		entries, err := r.XRevRangeN(r.t.Context(), logKey, "+", "-", 1).Result()
		r.must(err)
		if entries[0].Values["key"] != event[0].Key || entries[0].ID != p.last {
			r.t.Errorf("the latest entry is %v, and the publisher takes %s for it", entries[0], p.last)
		}
	})
}

// A backend that starts tells what may have been changed while none ran.
func TestAStartTellsTheStates(t *testing.T) {
	onBoth(t, func(r *rig) {
		r.publishing()
		f := r.following()
		f.catchesUp()
		full, _ := r.db.seeds()
		epoch := r.epoch()
		r.db.commit(append(revoked(1), state("acme", 8))...)
		other, _ := r.publisher()
		r.run(other.Run)
		f.hears(state("acme", 8))
		if now, states := r.db.seeds(); now != full || states != 1 || r.epoch() != epoch {
			r.t.Errorf("%d full seeds more, %d of states", now-full, states)
		}
	})
}
