package cache

import (
	"context"
	"math/rand/v2"
	"time"
)

// A flight is a value that is being loaded.
type flight struct {
	done  chan struct{}
	value *value // once done; nil when nothing came of it
}

// load loads a value and keeps it. Whoever asks for the same entry under the
// same generation meanwhile waits and shares it: the generation was current when
// that caller looked, so no write acknowledged before is missing from the value.
// A failure is not shared, since it may be about the caller.
func (c *Cache) load(ctx context.Context, e Entry, generation string, began time.Time, r Reader) ([]byte, error) {
	name := e.name() + " " + generation
	c.mu.Lock()
	if f := c.flights[name]; f != nil {
		c.mu.Unlock()
		return f.join(ctx, r)
	}
	f := &flight{done: make(chan struct{})}
	c.flights[name] = f
	c.mu.Unlock()
	defer func() { // also when Load panics
		c.mu.Lock()
		delete(c.flights, name)
		c.mu.Unlock()
		close(f.done)
	}()

	body, err := r.Load(ctx)
	if f.value = worth(body, err); f.value != nil {
		c.store(ctx, e, generation, began, f.value)
	}
	return body, err
}

// join waits for a value that somebody else loads.
func (f *flight) join(ctx context.Context, r Reader) ([]byte, error) {
	select {
	case <-f.done:
		if f.value != nil {
			return f.value.admitted(ctx, r)
		}
	case <-ctx.Done():
	}
	return r.Load(ctx)
}

// jitterNow is by how much the next entry lives shorter.
func jitterNow() time.Duration { return rand.N(jitter) } //nolint:gosec // spreads load and hides nothing
