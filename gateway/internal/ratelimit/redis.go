package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/redisconn"
	"gatehouse/internal/telemetry"
)

//go:embed bucket.lua
var bucketScript string

var (
	redisCommands = metrics.NewCounter(`gateway_ratelimit_redis_commands_total`)
	redisTime     = metrics.NewPrometheusHistogramExt(`gateway_ratelimit_redis_duration_seconds`, telemetry.RedisBuckets)
)

// keyPrefix begins the name of every bucket. The tag follows in braces, so
// that a Redis Cluster keeps the buckets of one decision in one slot.
const keyPrefix = "gh:rl:{"

// Redis keeps buckets in Redis, shared by all gateways. One decision is one
// atomic script, and time is Redis's own, so gateways need no common clock.
type Redis struct {
	client *redisconn.Client
	script *redis.Script
}

// NewRedis returns a store in Redis.
func NewRedis(client *redisconn.Client) *Redis {
	return &Redis{client: client, script: redis.NewScript(bucketScript)}
}

// Take implements [Store]. It fails when Redis does not answer within the
// client's bound, or by the deadline that ctx has.
func (r *Redis) Take(ctx context.Context, tag []byte, asks []Ask) error {
	if _, ok := ctx.Deadline(); !ok {
		bound, cancel := r.client.Bound(ctx)
		defer cancel()
		ctx = bound
	}
	keys := make([]string, len(asks))
	args := make([]any, 0, 6*len(asks))
	for i := range asks {
		a := &asks[i]
		keys[i] = bucketKey(tag, a)
		args = append(args, a.Policy.args[0], a.Policy.args[1], a.Policy.args[2], a.Need, a.Extra, a.Debt)
	}
	redisCommands.Inc()
	begun := time.Now()
	span := telemetry.SpanOf(ctx).Call("charge limits")
	span.Text(telemetry.DBSystem, "redis")
	span.Text(telemetry.Operation, "EVALSHA")
	// The script goes by its digest; a Redis that does not know it, because it
	// was restarted, gets its text once.
	cmd := r.script.EvalSha(ctx, r.client, keys, args...)
	if err := cmd.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		redisCommands.Inc()
		cmd = r.script.Eval(ctx, r.client, keys, args...)
	}
	redisTime.UpdateDuration(begun)
	err := read(asks, cmd)
	if err != nil {
		span.Fail("redis")
	}
	span.End()
	if err == nil {
		// The request has gone on without an answer that comes after the bound.
		err = ctx.Err()
	}
	if deadline, _ := ctx.Deadline(); err != nil && time.Since(deadline) > oversleep {
		return errOverslept
	}
	if err != nil {
		return fmt.Errorf("charge buckets: %w", err)
	}
	return nil
}

// oversleep is well above the delay with which a busy machine notices that the
// time for a command is over.
const oversleep = 100 * time.Millisecond

// errOverslept says that this process stood still while it waited for an answer.
var errOverslept = errors.New("this process was stopped while it waited for Redis")

// bucketKey is gh:rl:{tag}:policy:key.
func bucketKey(tag []byte, a *Ask) string {
	b := make([]byte, 0, len(keyPrefix)+len(tag)+len(a.Policy.bucket)+len(a.Key)+3)
	b = append(b, keyPrefix...)
	b = append(b, tag...)
	b = append(b, "}:"...)
	b = append(b, a.Policy.bucket...)
	b = append(b, ':')
	b = append(b, a.Key...)
	return string(b)
}

// read reads the script's answer.
func read(asks []Ask, cmd *redis.Cmd) error {
	answer, err := cmd.Int64Slice()
	if err != nil {
		return err
	}
	if len(answer) != 2*len(asks) {
		return errors.New("the script's answer has the wrong length")
	}
	for i := range asks {
		asks[i].Fill, asks[i].Granted = answer[2*i], answer[2*i+1]
	}
	return nil
}
