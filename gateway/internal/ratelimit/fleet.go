package ratelimit

import (
	"context"
	_ "embed"
	"slices"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/redisconn"
)

//go:embed fleet.lua
var fleetScript string

var fleetGauge = metrics.NewGauge(`gateway_ratelimit_fleet_size`, nil)

const (
	fleetKey = "gh:{fleet}"
	// beat is how often a gateway reports, and fleetGone how long it may be silent.
	beat      = 2 * time.Second
	fleetGone = 10 * time.Second
)

// Fleet counts the gateways that share the limits, by their heartbeats in Redis.
type Fleet struct {
	client *redisconn.Client
	script *redis.Script
	id     string
	size   atomic.Int64
	// recent are the counts of the last beats. The greatest one counts: a Redis
	// that restarted empty has yet to hear of the others, and a share that is too
	// large would break the limit.
	recent [fleetGone / beat]int64
}

// NewFleet returns a fleet of the initial size, the least that counts until Redis
// has answered for a while. ID tells this gateway from the others.
func NewFleet(client *redisconn.Client, id string, initial int) *Fleet {
	f := &Fleet{client: client, script: redis.NewScript(fleetScript), id: id}
	for i := range f.recent {
		f.recent[i] = int64(initial)
	}
	f.set(int64(initial))
	return f
}

// Size returns how many gateways there are, this one among them.
func (f *Fleet) Size() int { return int(f.size.Load()) }

func (f *Fleet) set(n int64) {
	f.size.Store(max(1, n))
	fleetGauge.Set(float64(max(1, n)))
}

// Run reports this gateway every two seconds until ctx ends, and then takes it
// out of the count.
func (f *Fleet) Run(ctx context.Context) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for n := 0; ; n++ {
		f.report(ctx, n)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			f.leave(context.WithoutCancel(ctx))
			return
		}
	}
}

// report is beat n. While Redis does not answer the last size stands.
func (f *Fleet) report(ctx context.Context, n int) {
	ctx, cancel := f.client.Bound(ctx)
	defer cancel()
	size, err := f.script.Run(ctx, f.client, []string{fleetKey}, f.id, fleetGone.Milliseconds()).Int64()
	if err != nil {
		return
	}
	f.recent[n%len(f.recent)] = size
	f.set(slices.Max(f.recent[:]))
}

// leave takes this gateway out of the count; otherwise its silence would, later.
func (f *Fleet) leave(ctx context.Context) {
	ctx, cancel := f.client.Bound(ctx)
	defer cancel()
	f.client.ZRem(ctx, fleetKey, f.id)
}
