package redisconn

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// topologyTimeout bounds the question to one server which server has which
// slots, so that one that hangs does not keep the others from being asked.
const topologyTimeout = 250 * time.Millisecond

// node is the hook of the client of one server of a cluster.
type node struct {
	reload func() // asks for the slots again, in the background
}

// final is an error that the library must not take for a reason to try again:
// it would send a script again though the first one may have run, and one
// request could open a breaker by itself. It therefore hides what it holds.
type final struct{ err error }

func (f *final) Error() string { return "final: " + f.err.Error() }

// reveal returns the error that a final one hides.
func reveal(err error) error {
	var f *final
	if errors.As(err, &f) {
		return f.err
	}
	return err
}

// DialHook implements [redis.Hook].
func (node) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (n node) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		switch cmd.Name() {
		case "hello", "auth", "client":
			// The greeting of a connection, sent by the library, which reads the
			// answer for itself and for the breaker.
			return next(ctx, cmd)
		}
		if err := ctx.Err(); err != nil {
			// Another server has used up the time: this one is not to blame.
			return &final{err}
		}
		if cmd.Name() == "cluster" {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, topologyTimeout)
			defer cancel()
		}
		err := next(ctx, cmd)
		n.watch(err)
		if err == nil || again(err) {
			return err
		}
		return &final{err}
	}
}

// again says whether the library is to send a command again: to the server that
// has its slot, or since it was not sent when a client closed that is no longer
// of use.
func again(err error) bool {
	if _, moved := redis.IsMovedError(err); moved {
		return true
	}
	_, ask := redis.IsAskError(err)
	return ask || errors.Is(err, redis.ErrClosed)
}

// ProcessPipelineHook implements [redis.Hook].
func (n node) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := next(ctx, cmds)
		n.watch(err)
		return err
	}
}

// watch looks for the successor of a server that does not answer.
func (n node) watch(err error) {
	if silent(err) {
		n.reload()
	}
}

// unwrap is the hook of a cluster's client: it shows what final hid.
type unwrap struct{}

// DialHook implements [redis.Hook].
func (unwrap) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (unwrap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return reveal(next(ctx, cmd)) }
}

// ProcessPipelineHook implements [redis.Hook].
func (unwrap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			// The search for a server may have failed.
			if was := cmd.Err(); was != nil {
				cmd.SetErr(reveal(was))
			}
		}
		return reveal(err)
	}
}
