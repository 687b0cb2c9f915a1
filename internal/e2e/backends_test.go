package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

// TestBackendsComeAndGo kills, pauses and restarts one backend of three after
// the other, under requests: no GET fails, each backend is left out while it is
// gone, and used again afterwards.
func TestBackendsComeAndGo(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{
		Backends:   3,
		GatewayEnv: []string{"BACKEND_HEALTH_INTERVAL=250ms"},
		BackendEnv: []string{"DRAIN_DELAY=1s"},
	})
	c := newClient(t, s, 0)
	_, tokens := c.newUser()
	c.unchecked = true // for speed
	var stop atomic.Bool
	var asked, failed atomic.Int64
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			for !stop.Load() {
				start := time.Now()
				a, err := c.try("GET", "/api/v1/address-book", tokens.Access, nil)
				asked.Add(1)
				if err == nil && a.StatusCode == 503 && time.Since(start) > time.Second {
					continue // the paused backend held it, and its time for the database was over then
				}
				if err != nil || a.StatusCode != 200 {
					failed.Add(1)
					t.Errorf("GET: %v, %s", err, a.body)
				}
				time.Sleep(time.Millisecond) // leaves the machine to others
			}
		})
	}
	defer clients.Wait()
	defer stop.Store(true)

	// used reports whether a backend gets requests, as the gateway says.
	used := func(b *stack.Backend, want bool) {
		t.Helper()
		addr := strings.TrimPrefix(b.API, "http://")
		line := fmt.Sprintf("gateway_proxy_backend_up{backend=%q} %d", addr, map[bool]int{true: 1}[want])
		eventually(t, line, func() bool { return strings.Contains(get(t, s.Gateways[0].Ops+"/metrics"), line) })
		answered := func() (n string) {
			for line := range strings.Lines(get(t, s.Gateways[0].Ops+"/metrics")) {
				if rest, ok := strings.CutPrefix(line, fmt.Sprintf("gateway_proxy_requests_total{backend=%q,outcome=%q}", addr, "answered")); ok {
					n = strings.TrimSpace(rest)
				}
			}
			return n
		}
		if before := answered(); want {
			eventually(t, b.Name()+" answers again", func() bool { return answered() != before })
		}
	}
	for _, b := range s.Backends {
		used(b, true)
	}
	one, two, three := s.Backends[0], s.Backends[1], s.Backends[2]

	if err := one.Kill(); err != nil {
		t.Fatal(err)
	}
	used(one, false)
	if err := one.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	used(one, true)

	if err := two.Pause(); err != nil {
		t.Fatal(err)
	}
	used(two, false) // well before the requests that it holds run out of time
	if err := two.Resume(); err != nil {
		t.Fatal(err)
	}
	used(two, true)

	if err := three.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	used(three, true)

	stop.Store(true)
	clients.Wait()
	t.Logf("%d requests, %d failed", asked.Load(), failed.Load())
}

// TestBackendOnSocket: a backend beside its gateway, over a Unix socket: every
// kind of request, what only gateways may say, and a new start over the socket
// that a killed process left behind.
func TestBackendOnSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "gh") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "backend.sock")
	s := ownStack(t, stack.Options{
		BackendEnv: []string{"BACKEND_ADDR=unix:" + path, "TRUSTED_GATEWAYS=192.0.2.1/32"},
		GatewayEnv: []string{"BACKENDS=unix:" + path},
	})
	c := newClient(t, s, 0)
	_, tokens := c.newUser()
	c.do("POST", "/api/v1/address-book", tokens.Access, contactBody()).want(201)
	id := c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(200).Header.Get("X-Request-Id")
	eventually(t, "the backend takes the gateway's request ID", func() bool {
		return id != "" && strings.Contains(s.Backends[0].Output(), id)
	})
	c.do("GET", "/health/ready", "", nil).problem(404, "not_found")
	if err := s.Backends[0].Kill(); err != nil {
		t.Fatal(err)
	}
	c.do("GET", "/api/v1/address-book", tokens.Access, nil).problem(503, "unavailable")
	if err := s.Backends[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the path works again", func() bool {
		return c.do("GET", "/api/v1/address-book", tokens.Access, nil).StatusCode == 200
	})
	if err := s.Backends[0].Stop(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
