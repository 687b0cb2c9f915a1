package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/redisconn"
)

//go:embed bucket.lua
var bucketScript string

var redisCommands = metrics.NewCounter(`gateway_ratelimit_redis_commands_total`)

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
// client's bound.
func (r *Redis) Take(ctx context.Context, tag []byte, charges []Charge) error {
	ctx, cancel := r.client.Bound(ctx)
	defer cancel()

	keys := make([]string, len(charges))
	args := make([]any, 0, 2*len(charges))
	for i := range charges {
		keys[i] = bucketKey(tag, &charges[i])
		args = append(args, charges[i].Policy.args[0], charges[i].Policy.args[1])
	}
	redisCommands.Inc()
	// The script goes by its digest; a Redis that does not know it, because it
	// was restarted, gets its text once.
	cmd := r.script.EvalSha(ctx, r.client, keys, args...)
	if err := cmd.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		redisCommands.Inc()
		cmd = r.script.Eval(ctx, r.client, keys, args...)
	}
	return decideAll(charges, cmd)
}

// bucketKey is gh:rl:{tag}:policy:key.
func bucketKey(tag []byte, c *Charge) string {
	b := make([]byte, 0, len(keyPrefix)+len(tag)+len(c.Policy.Name)+len(c.Key)+3)
	b = append(b, keyPrefix...)
	b = append(b, tag...)
	b = append(b, "}:"...)
	b = append(b, c.Policy.Name...)
	b = append(b, ':')
	b = append(b, c.Key...)
	return string(b)
}

// decideAll reads the script's answer.
func decideAll(charges []Charge, cmd *redis.Cmd) error {
	answer, err := cmd.Int64Slice()
	if err != nil {
		return fmt.Errorf("charge buckets: %w", err)
	}
	if len(answer) != 2+len(charges) {
		return errors.New("charge buckets: the script's answer has the wrong length")
	}
	all, now := answer[0] == 1, answer[1]
	for i := range charges {
		charges[i].decide(charges[i].Policy.fleet, answer[2+i], now, all)
	}
	return nil
}
