package ratelimit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/redisconn"
)

// The fleet's key is the same for all, so these tests are not parallel.

func beatAll(t *testing.T, n int, fleets ...*Fleet) {
	t.Helper()
	for _, f := range fleets {
		f.report(t.Context(), n)
	}
}

func TestFleetIsCounted(t *testing.T) {
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			client.Del(t.Context(), fleetKey)
			var fleets []*Fleet
			for i := range 3 {
				fleets = append(fleets, NewFleet(client, fmt.Sprint("gateway", i), 1))
			}
			if got := fleets[0].Size(); got != 1 {
				t.Errorf("%d gateways before Redis was asked, want the initial 1", got)
			}
			beatAll(t, 0, fleets...)
			beatAll(t, 1, fleets...)
			for i, f := range fleets {
				if got := f.Size(); got != 3 {
					t.Errorf("gateway %d counts %d, want 3", i, got)
				}
			}
			// One stops. The others believe it after a while, since a Redis that
			// restarted empty looks the same.
			fleets[2].leave(t.Context())
			beatAll(t, 2, fleets[:2]...)
			if got := fleets[0].Size(); got != 3 {
				t.Errorf("%d gateways right after one left, want 3", got)
			}
			for n := range len(fleets[0].recent) {
				beatAll(t, 3+n, fleets[:2]...)
			}
			if got := fleets[0].Size(); got != 2 {
				t.Errorf("%d gateways at last, want 2", got)
			}
			if ttl := client.PTTL(t.Context(), fleetKey).Val(); ttl <= 0 || ttl > fleetGone {
				t.Errorf("the key lives for %v, want at most %v", ttl, fleetGone)
			}
		})
	}
}

func TestSilentGatewaysAreForgotten(t *testing.T) {
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			client.Del(t.Context(), fleetKey)
			f := NewFleet(client, "me", 1)
			f.report(t.Context(), 0)
			for name, age := range map[string]time.Duration{"crashed": fleetGone + time.Second, "alive": fleetGone / 2} {
				// Both clocks are this machine's.
				at := time.Now().Add(-age).UnixMilli()
				if err := client.Do(t.Context(), "ZADD", fleetKey, at, name).Err(); err != nil {
					t.Fatal(err)
				}
			}
			f.report(t.Context(), 1)
			if got := f.Size(); got != 2 {
				t.Errorf("%d gateways, want 2: me and the other that is alive", got)
			}
		})
	}
}

// TestFleetKeepsItsSizeWithoutRedis: nobody knows better.
func TestFleetKeepsItsSizeWithoutRedis(t *testing.T) {
	client, err := redisconn.Open(redisconn.Config{URL: config.Secret("redis://127.0.0.1:1/0"), Timeout: 10 * time.Millisecond}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	f := NewFleet(client, "me", 4)
	for n := range 10 {
		f.report(t.Context(), n)
	}
	if got := f.Size(); got != 4 {
		t.Errorf("%d gateways, want the initial 4", got)
	}
}

func TestFleetLeavesWhenItStops(t *testing.T) {
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			client.Del(t.Context(), fleetKey)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var running sync.WaitGroup
			running.Go(func() { NewFleet(client, "me", 1).Run(ctx) })
			for client.ZCard(t.Context(), fleetKey).Val() != 1 {
				if err := t.Context().Err(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond) // a real server
			}
			stop()
			running.Wait()
			if n := client.ZCard(t.Context(), fleetKey).Val(); n != 0 {
				t.Errorf("%d gateways are counted after the end, want none", n)
			}
		})
	}
}
