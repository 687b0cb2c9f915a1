package backend

import (
	"context"
	"errors"
	"time"

	"github.com/valyala/fasthttp"
)

// lastWord makes each answer the last on its connection once the backend
// drains. A gateway then comes on a new connection, if at all: one that is
// refused because nobody listens any more was provably not used, so that even a
// POST goes to another backend, while one sent on a kept connection at the
// moment of its end is lost.
func (b *Backend) lastWord(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		next(ctx)
		if b.draining.Load() {
			ctx.SetConnectionClose()
		}
	}
}

// drain reports that the backend is not ready, while it goes on serving for
// DRAIN_DELAY. It ends early, with the reason, when a listener fails.
func (b *Backend) drain(failed <-chan error) error {
	b.log.Info("draining", "delay", b.config.DrainDelay.String())
	b.draining.Store(true)
	b.checker.Drain()
	go b.streams.Stop() // readers come back to another backend
	select {
	case err := <-failed:
		return err
	case <-time.After(b.config.DrainDelay):
		return nil
	}
}

// finish stops accepting and waits for the requests under way, at most
// SHUTDOWN_TIMEOUT.
func (b *Backend) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), b.config.ShutdownTimeout)
	defer cancel()
	err := b.server.ShutdownWithContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		b.log.Warn("requests were cut off", "connections", b.server.GetOpenConnectionsCount())
		return nil
	}
	return err
}

// opsGrace is how long whoever asks the ops listener at the very end may take.
const opsGrace = time.Second

func (b *Backend) stopOps() error {
	ctx, cancel := context.WithTimeout(context.Background(), opsGrace)
	defer cancel()
	if err := b.ops.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
