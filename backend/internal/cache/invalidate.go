package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"gatehouse/internal/problem"
	"gatehouse/internal/redisconn"
)

// retryEvery is how often generations that could not be replaced are tried
// again.
const retryEvery = 100 * time.Millisecond

// attempts are how often a write tells Redis before it is answered without. As
// many silences in a row open the breaker, so a Redis that is gone holds up a
// few writes only; one that is slow for a moment holds up this one, rather than
// let another backend show the past.
const attempts = 3

// Wrote makes everything that is kept of a kind out of date. It is called after
// a write has ended, with its error, and before the write is answered. A refusal
// changed nothing; after any other error the write may have happened all the
// same.
//
// When Redis does not answer within three times its timeout, this process does without the
// cache for the tenant and kind until [Cache.Run] has told Redis. Another
// process that reaches Redis meanwhile may show what it has for up to 30
// seconds.
func (c *Cache) Wrote(ctx context.Context, tenant string, kind Kind, err error) {
	if c.redis == nil || refused(err) {
		return
	}
	s := scope{tenant, kind}
	for range attempts {
		err := c.replace(context.WithoutCancel(ctx), s)
		if err == nil {
			return
		}
		if errors.Is(err, redisconn.ErrOpen) {
			break
		}
	}
	c.mu.Lock()
	c.marks++
	c.pending[s] = c.marks
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// refused reports an error that the client is to blame for.
func refused(err error) bool { return err != nil && problem.From(err).Code.Status() < 500 }

// replace gives a tenant and kind a new generation.
func (c *Cache) replace(ctx context.Context, s scope) error {
	ctx, cancel := c.redis.Bound(ctx)
	defer cancel()
	err := c.redis.Set(ctx, s.name(), rand.Text(), generationAge).Err()
	if err != nil {
		replaceErrors.Inc()
		return err
	}
	replaced.Inc()
	return nil
}

func (c *Cache) isPending(s scope) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.pending[s]
	return ok
}

// Run tells Redis of the writes that it has not heard of yet, until ctx ends.
func (c *Cache) Run(ctx context.Context) {
	if c.redis == nil {
		return
	}
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.catchUp(context.WithoutCancel(ctx)) // the last chance
			return
		case <-c.wake:
		}
		for !c.catchUp(ctx) && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}
}

// catchUp tries each pending generation once, up to the first failure, and
// reports whether none is left.
func (c *Cache) catchUp(ctx context.Context) bool {
	c.mu.Lock()
	list := maps.Clone(c.pending)
	c.mu.Unlock()
	for s, mark := range list {
		if c.replace(ctx, s) != nil {
			return false
		}
		c.settle(s, mark)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending) == 0
}

// settle forgets a pending generation that Redis has. A write that came while it
// was sent has made another mark, which stays.
func (c *Cache) settle(s scope, mark uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[s] == mark {
		delete(c.pending, s)
	}
}
