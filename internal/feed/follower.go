package feed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"
)

var (
	itemsApplied = newByKind(`feed_items_total`)
	resyncs      = metrics.NewCounter(`feed_resyncs_total`)
)

const (
	// waitTime is how long Redis holds an answer back until there is an entry. It
	// bounds how late the loss of the epoch is seen.
	waitTime = 500 * time.Millisecond
	// pageSize is how many entries or states are read at once.
	pageSize = 1000
	// breath bounds what a stream of entries costs Redis: 100 looks a second.
	breath = 10 * time.Millisecond
	// The time between attempts while Redis is away, with up to half of it more or
	// less.
	minPause = 50 * time.Millisecond
	maxPause = 400 * time.Millisecond
	// staleAfter is when the log says that the feed is stale.
	staleAfter = 2 * time.Second
	// anyAge is older than every entry.
	anyAge = time.Duration(math.MaxInt64)
	// never is the staleness of a follower that never had everything.
	never = time.Duration(math.MaxInt64)
)

// Follower reads the feed and hands on what it reads.
type Follower struct {
	o      Options
	client redis.UniversalClient
	start  time.Time

	fresh atomic.Int64 // since start, when it had everything for the last time; 0: never
	tried chan struct{}

	// The rest belongs to Run.
	epoch string // under which the states were read; "": not yet
	last  string // the latest entry that was read, or ""
	woken time.Time
}

// NewFollower returns a follower, which does nothing before Run. There is one in
// a process.
func NewFollower(o Options) *Follower {
	f := &Follower{o: o, client: o.Client.Follow(), start: o.Now(), tried: make(chan struct{})}
	metrics.GetOrCreateGauge(`feed_staleness_seconds`, func() float64 {
		// Until it had everything, as long as it has been waiting for it.
		return f.since(time.Duration(f.fresh.Load())).Seconds()
	})
	return f
}

func (f *Follower) since(fresh time.Duration) time.Duration { return f.o.Now().Sub(f.start) - fresh }

// Staleness returns how long ago the follower last had everything that was
// published. It is very long until that has been the case once.
func (f *Follower) Staleness() time.Duration {
	fresh := time.Duration(f.fresh.Load())
	if fresh == 0 {
		return never
	}
	return f.since(fresh)
}

// Fresh reports whether the follower had everything no longer than within ago.
func (f *Follower) Fresh(within time.Duration) bool { return f.Staleness() <= within }

// Tried is closed once the follower has read the feed for the first time, or could
// not.
func (f *Follower) Tried() <-chan struct{} { return f.tried }

// Run follows the feed until ctx is done.
func (f *Follower) Run(ctx context.Context) {
	pause := minPause
	told, stale := false, false // whether the log says anything, and what
	tried := sync.OnceFunc(func() { close(f.tried) })
	for {
		err := f.catchUp(ctx)
		tried()
		if err == nil {
			if stale || !told {
				f.o.Log.Info("the feed is fresh")
			}
			told, stale = true, false
			pause = minPause
			err = f.wait(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			continue
		}
		if !stale && f.since(time.Duration(f.fresh.Load())) > staleAfter {
			f.o.Log.Warn("the feed is stale; going on with what is known", "cause", err)
			told, stale = true, true
		}
		if !sleep(ctx, jitter(pause, pause/2)) {
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// catchUp reads until there is nothing more. When the log is not the one that it
// knows, it reads everything again: the states, and then the log from the start,
// which tells of what changes meanwhile.
func (f *Follower) catchUp(ctx context.Context) error {
	// However old: entries that left the log since the last look may have been
	// missed. From page to page, they may go.
	for age := anyAge; ; age = horizon {
		if f.epoch == "" {
			if err := f.restart(ctx); err != nil {
				return err
			}
		}
		asked := f.o.Now()
		p, err := look(ctx, f.client, f.last, age, pageSize)
		if err != nil {
			return err
		}
		if p.epoch != f.epoch || p.lost {
			f.epoch = ""
			continue
		}
		f.apply(p.items)
		f.last = p.last
		if p.size < pageSize {
			f.fresh.Store(max(1, int64(asked.Sub(f.start))))
			return nil
		}
	}
}

// wait returns when there is an entry after the last one, or after waitTime.
func (f *Follower) wait(ctx context.Context) error {
	if early := breath - f.o.Now().Sub(f.woken); early > 0 && !sleep(ctx, early) {
		return ctx.Err()
	}
	defer func() { f.woken = f.o.Now() }()
	// A server that hangs is noticed soon after.
	ctx, cancel := context.WithTimeout(ctx, waitTime+stepTime/2)
	defer cancel()
	last := f.last
	if last == "" {
		last = "0"
	}
	err := f.client.XRead(ctx, &redis.XReadArgs{Streams: []string{logKey, last}, Count: 1, Block: waitTime}).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("wait for the feed: %w", err)
	}
	return nil
}

// restart reads the states, and goes back to the start of the log.
func (f *Follower) restart(ctx context.Context) error {
	p, err := look(ctx, f.client, "", anyAge, 0)
	if err == nil && p.epoch == "" {
		err = errNoEpoch
	}
	if err == nil {
		err = f.readStates(ctx)
	}
	if err == nil {
		f.epoch, f.last = p.epoch, ""
		resyncs.Inc()
	}
	return err
}

// readStates reads the hash in pages, so that a big one does not keep Redis from
// answering requests. A page that another server answers, after a failover,
// belongs to another order: then there are too few in the end.
func (f *Follower) readStates(ctx context.Context) error {
	want, err := step(ctx, func(ctx context.Context) (int64, error) { return f.client.HLen(ctx, stateKey).Result() })
	if err != nil {
		return fmt.Errorf("read the states: %w", err)
	}
	seen := make(map[string]struct{}, want)
	for cursor := uint64(0); ; {
		pairs, err := step(ctx, func(ctx context.Context) (pairs []string, err error) {
			pairs, cursor, err = f.client.HScan(ctx, stateKey, cursor, "", pageSize).Result()
			return pairs, err
		})
		if err != nil {
			return fmt.Errorf("read the states: %w", err)
		}
		items := make([]Item, 0, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			seen[pairs[i]] = struct{}{}
			if item, ok := parseState(pairs[i], pairs[i+1]); ok {
				items = append(items, item)
			} else {
				malformed.Inc()
			}
		}
		f.apply(items)
		if cursor == 0 {
			break
		}
	}
	if int64(len(seen)) < want {
		return errLost
	}
	return nil
}

func (f *Follower) apply(items []Item) {
	if len(items) > 0 {
		itemsApplied.count(items)
		f.o.Apply(items)
	}
}

// step makes a call with a deadline of its own.
func step[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	return call(ctx)
}

// jitter returns d, up to by more or less.
func jitter(d, by time.Duration) time.Duration {
	return d - by + rand.N(2*by) //nolint:gosec // spreads load, and there is nothing to guess
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
