package feed

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"
)

var (
	itemsPublished  = newByKind(`feed_published_total`)
	publishFailures = metrics.NewCounter(`feed_publish_failures_total`)
	pendingItems    = metrics.NewGauge(`feed_pending`, nil)
)

const (
	// maxPending bounds what is kept while Redis is away. Beyond it, everything is
	// told anew from the database when Redis is back.
	maxPending = 10_000
	// maxBatch is how many items go in one call: about a millisecond of Redis.
	maxBatch = 200
	// checkEvery is how often a publisher looks whether Redis has lost the feed,
	// with up to a fifth more or less.
	checkEvery = time.Second
	// retryEvery is how often it tries while there is something to be done, with
	// up to half of it more or less.
	retryEvery = 150 * time.Millisecond
	// seedEvery is how often it tries to seed, with up to half of it more or less.
	seedEvery = 500 * time.Millisecond
	// lastTry bounds the attempt to pass on what waits when Run ends.
	lastTry = time.Second
)

// Publisher adds items to the feed, and seeds it when Redis has lost it.
type Publisher struct {
	o      Options
	client redis.UniversalClient // for what happens in the background

	slot chan struct{} // held by who sends, so that items keep their order
	wake chan struct{} // tells Run that there is something to be done

	mu    sync.Mutex
	queue []Item // not known to be published
	// cuts counts how often the queue was cleared, so that who sends notices.
	cuts int
	// behind: what is queued is left to Run.
	behind bool
	// overflown: the queue is not kept until the next seed begins, which covers it.
	overflown bool
	// last is the latest entry that this process added to the log.
	last string

	// The rest belongs to Run.
	said     bool      // the states were told since the start
	seedNext time.Time // no seed before
	refused  bool      // the last seed failed
}

// NewPublisher returns a publisher. What cannot be published at once waits for
// Run. There is one in a process.
func NewPublisher(o Options) *Publisher {
	return &Publisher{
		o: o, client: o.Client.Follow(),
		slot: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
}

// Publish adds items in order, after those of earlier calls. It takes no longer
// than a request may wait for Redis and does not fail: what did not get through
// is kept, and Run passes it on. What items tell of must be committed.
func (p *Publisher) Publish(ctx context.Context, items ...Item) {
	if len(items) == 0 || !p.enqueue(items) {
		return
	}
	// What happened must be told even when whoever did it has gone.
	ctx, cancel := p.o.Client.Bound(context.WithoutCancel(ctx))
	defer cancel()
	select {
	case p.slot <- struct{}{}:
		defer p.release()
		p.flush(ctx, p.o.Client)
	case <-ctx.Done():
		p.fallBehind(ctx.Err())
	}
}

func (p *Publisher) release() { <-p.slot }

// enqueue reports whether the caller is to send what is queued.
func (p *Publisher) enqueue(items []Item) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.overflown {
		return false
	}
	p.queue = append(p.queue, items...)
	if p.behind {
		p.bound()
	}
	pendingItems.Set(float64(len(p.queue)))
	return !p.behind
}

// bound gives up what is queued when it is too much. The caller holds mu.
func (p *Publisher) bound() {
	if len(p.queue) > maxPending {
		p.queue, p.overflown = nil, true
		p.cuts++
		pendingItems.Set(0)
	}
}

// fallBehind leaves the queue to Run.
func (p *Publisher) fallBehind(cause error) {
	publishFailures.Inc()
	p.mu.Lock()
	first := !p.behind
	p.behind = true
	p.bound()
	p.mu.Unlock()
	if first {
		p.o.Log.Warn("the feed does not take what is published; it is kept", "cause", cause)
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// flush sends what is queued, and reports whether nothing is left. The caller
// holds the slot.
func (p *Publisher) flush(ctx context.Context, c redis.Scripter) bool {
	for {
		b, cuts, rest := p.next()
		if rest {
			return true
		}
		err := ctx.Err()
		if err == nil {
			err = p.send(ctx, c, b)
		}
		if err != nil {
			p.fallBehind(err)
			return false
		}
		p.mu.Lock()
		if p.cuts == cuts {
			p.queue = p.queue[len(b.items):]
			pendingItems.Set(float64(len(p.queue)))
		}
		p.mu.Unlock()
	}
}

// next returns the head of the queue. When there is none, the publisher is no
// longer behind.
func (p *Publisher) next() (b batch, cuts int, rest bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		if p.behind && !p.overflown {
			p.behind = false
			p.o.Log.Info("the feed has taken what was kept")
		}
		p.queue = nil
		return batch{}, p.cuts, true
	}
	return batch{after: p.last, live: true, items: p.queue[:min(len(p.queue), maxBatch)]}, p.cuts, false
}

// send adds a batch to the log.
func (p *Publisher) send(ctx context.Context, c redis.Scripter, b batch) error {
	a, err := b.write(ctx, c)
	if err != nil {
		return err
	}
	itemsPublished.count(b.items)
	// Before a loss is mended, a new entry must not hide it.
	if a.last != "" && (!a.lost || covers(a.epoch, b.after)) {
		p.advance(b.after, a.last)
	}
	return nil
}

// advance sets the latest entry, unless it is another one by now than was.
func (p *Publisher) advance(was, last string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == was {
		p.last = last
	}
}

// Run passes on what waits, looks whether Redis has lost the feed, and seeds it
// then. When ctx is done, it tries for the last time and returns.
func (p *Publisher) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.end(ctx)
			return
		case <-p.wake:
		case <-timer.C:
		}
		if p.turn(ctx) {
			timer.Reset(jitter(checkEvery, checkEvery/5))
		} else {
			timer.Reset(jitter(retryEvery, retryEvery/2))
		}
	}
}

// turn does what is to be done, and reports whether nothing is left.
func (p *Publisher) turn(ctx context.Context) bool {
	p.mu.Lock()
	last, overflown := p.last, p.overflown
	p.mu.Unlock()
	seen, err := look(ctx, p.client, last, horizon, 0)
	if err != nil {
		return false
	}
	full := seen.epoch == "" || overflown || seen.lost && !covers(seen.epoch, last)
	sent := false
	if seen.epoch != "" && !overflown {
		sent = p.retry(ctx)
	}
	if !full && p.said {
		return sent
	}
	if p.o.Now().Before(p.seedNext) {
		return false
	}
	p.seedNext = p.o.Now().Add(jitter(seedEvery, seedEvery/2))
	return p.seed(ctx, full) && p.retry(ctx)
}

// retry sends what waits.
func (p *Publisher) retry(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	p.mu.Lock()
	behind := p.behind
	p.mu.Unlock()
	if !behind {
		return true // callers send for themselves
	}
	select {
	case p.slot <- struct{}{}:
		defer p.release()
		return p.flush(ctx, p.client)
	case <-ctx.Done():
		return false
	}
}

// end tries for the last time to pass on what waits.
func (p *Publisher) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTry)
	defer cancel()
	if p.retry(ctx) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Log.LogAttrs(ctx, slog.LevelError, "stopping before the feed has taken everything",
		slog.Int("items", len(p.queue)), slog.Bool("overflown", p.overflown))
}

// covers reports whether an epoch's seed began after an entry was added, so that
// the database had what the entry tells of when it was read. Ids of one log only
// grow, and a failover that loses an entry loses all later ones with it: a seed
// that began before the entry and has a later id cannot be.
func covers(epoch, entry string) bool {
	mark, ok1 := markOf(epoch)
	id, ok2 := parseID(entry)
	return ok1 && ok2 && mark.after(id)
}
