package feed

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

var seeds = metrics.NewCounter(`feed_seeds_total`)

// An epoch is the id of the entry that marks the beginning of its seed, and a
// random value, so that no two are equal.
func newEpoch(mark, token string) string { return mark + ":" + token }

func markOf(epoch string) (entryID, bool) {
	mark, _, ok := strings.Cut(epoch, ":")
	id, valid := parseID(mark)
	return id, ok && valid
}

// seeding is one seed. Each of its batches is written only after a look at the
// one before, so that what Redis loses meanwhile is not taken as told.
type seeding struct {
	p    *Publisher
	live bool   // only while there is an epoch
	last string // the latest entry of this seed
	all  int    // items
}

func (s *seeding) add(ctx context.Context, items ...Item) error {
	for len(items) > 0 {
		n := min(len(items), maxBatch)
		if err := s.write(ctx, batch{live: s.live, items: items[:n]}); err != nil {
			return err
		}
		s.all += n
		items = items[n:]
	}
	return nil
}

func (s *seeding) write(ctx context.Context, b batch) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	b.after = s.last
	a, err := b.write(ctx, s.p.client)
	switch {
	case err != nil:
		return err
	case a.lost:
		return errLost
	case a.last != "":
		s.last = a.last
	}
	itemsPublished.count(b.items)
	return nil
}

// seed tells what the database knows: everything, under a new epoch, or only the
// states. It reports false when it did not come to an end, or another process is
// at it.
func (p *Publisher) seed(ctx context.Context, full bool) bool {
	p.mu.Lock()
	before, overflown := p.last, p.overflown
	p.overflown = false // what is published from here on is kept again
	p.mu.Unlock()

	s := &seeding{p: p, live: !full}
	done, err := s.run(ctx, full)
	switch {
	case done:
		seeds.Inc()
		if s.last != "" {
			p.advance(before, s.last)
		}
		p.said, p.refused = true, false
		p.o.Log.Info("the feed was seeded", "full", full, "items", s.all)
		return true
	case err != nil && !p.refused && ctx.Err() == nil:
		p.refused = true
		p.o.Log.Warn("the feed was not seeded; it is tried again", "cause", err)
	}
	if overflown {
		p.mu.Lock()
		p.overflown = true
		p.mu.Unlock()
	}
	return false
}

func (s *seeding) run(ctx context.Context, full bool) (bool, error) {
	token := rand.Text()
	if full {
		// Before the database is read: what is committed later and published before
		// the mark does not exist.
		mark := Item{Kind: kindSeed, Key: token, Expires: s.p.o.Now().Add(time.Minute)}
		if err := s.write(ctx, batch{items: []Item{mark}}); err != nil {
			return false, err
		}
	}
	mark := s.last
	done, err := s.p.o.Seed(ctx, full, func(items ...Item) error { return s.add(ctx, items...) })
	if err != nil || !done || !full {
		return done && err == nil, err
	}
	err = s.write(ctx, batch{epoch: newEpoch(mark, token)})
	return err == nil, err
}
