package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/redisconn"
)

//go:embed shadow.lua
var shadowScript string

var shadowDropped = metrics.NewCounter(`gateway_ratelimit_shadow_dropped_total`)

const (
	shadowKey   = "gh:shadow:" // and the hour, as 2006010215 in UTC
	shadowEvery = 5 * time.Second
	shadowHours = 24
	// maxShadow bounds the counts that are kept here between two flushes, and in
	// Redis for each hour.
	maxShadow = 10_000
	// maxReport bounds the rows of a report.
	maxReport = 1_000
	shadowRun = time.Second // longest time for one command, off the requests' way
)

// Shadow counts by policy and tenant what limits in shadow would have refused,
// for all gateways together, by the hour.
type Shadow struct {
	client *redisconn.Client
	script *redis.Script
	log    *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	counts map[shadowCount]int64
}

// shadowCount names a count; the tenant is empty for policies by address.
type shadowCount struct{ policy, tenant string }

// NewShadow returns a counter that has counted nothing.
func NewShadow(client *redisconn.Client, log *slog.Logger, now func() time.Time) *Shadow {
	return &Shadow{client: client, script: redis.NewScript(shadowScript), log: log, now: now, counts: map[shadowCount]int64{}}
}

// Note counts one request.
func (s *Shadow) Note(policy, tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := shadowCount{policy, tenant}
	if _, known := s.counts[key]; !known && len(s.counts) >= maxShadow {
		shadowDropped.Inc()
		return
	}
	s.counts[key]++
}

// Run hands the counts to Redis every five seconds until ctx ends, and once
// more then.
func (s *Shadow) Run(ctx context.Context) {
	ticker := time.NewTicker(shadowEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.Flush(ctx)
		case <-ctx.Done():
			s.Flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// Flush hands the counts to Redis. What does not arrive is dropped and counted:
// it is a report, not an account.
func (s *Shadow) Flush(ctx context.Context) {
	s.mu.Lock()
	counts := s.counts
	s.counts = map[shadowCount]int64{}
	s.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	args := []any{maxShadow, int64((shadowHours + 1) * time.Hour / time.Second)}
	var requests int64
	for key, n := range counts {
		args = append(args, key.policy+"|"+key.tenant, n)
		requests += n
	}
	ctx, cancel := context.WithTimeout(ctx, shadowRun)
	defer cancel()
	if err := s.script.Run(ctx, s.client, []string{hourKey(s.now())}, args...).Err(); err != nil {
		shadowDropped.Add(int(requests))
		s.log.Debug("hand over shadow counts", "cause", err)
	}
}

func hourKey(t time.Time) string { return shadowKey + t.UTC().Format("2006010215") }

// ShadowRow is how many requests a policy would have refused to a tenant, or to
// addresses when the tenant is empty.
type ShadowRow struct {
	Policy, Tenant string
	Requests       int64
}

// Report returns the counts of the last 24 hours, from since on, the greatest
// first. Complete is false when there were more than are kept or returned.
func (s *Shadow) Report(ctx context.Context) (rows []ShadowRow, since time.Time, complete bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, shadowRun)
	defer cancel()
	now := s.now().UTC()
	since = now.Truncate(time.Hour).Add(-(shadowHours - 1) * time.Hour)
	sums := map[string]int64{}
	for hour := since; !hour.After(now); hour = hour.Add(time.Hour) {
		counts, err := s.client.HGetAll(ctx, hourKey(hour)).Result()
		if err != nil {
			return nil, since, false, fmt.Errorf("read shadow counts: %w", err)
		}
		for field, text := range counts {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 1 {
				return nil, since, false, errors.New("read shadow counts: not a count")
			}
			sums[field] += n
		}
	}
	complete = sums[""] == 0
	delete(sums, "")
	for field, n := range sums {
		policy, tenant, _ := strings.Cut(field, "|")
		rows = append(rows, ShadowRow{policy, tenant, n})
	}
	slices.SortFunc(rows, func(a, b ShadowRow) int {
		if a.Requests != b.Requests {
			return int(max(-1, min(1, b.Requests-a.Requests)))
		}
		return strings.Compare(a.Policy+"|"+a.Tenant, b.Policy+"|"+b.Tenant)
	})
	if len(rows) > maxReport {
		rows, complete = rows[:maxReport], false
	}
	return rows, since, complete, nil
}
