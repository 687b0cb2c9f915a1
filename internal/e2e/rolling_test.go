package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

const (
	rollingDrain  = time.Second
	rollingHealth = 200 * time.Millisecond // at most half the drain
)

// Each gateway and each backend is restarted in turn under load, as a deploy
// does it, and no client notices. The clients obey the rules of HTTP: a POST is
// never sent twice.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	drain := fmt.Sprintf("DRAIN_DELAY=%v", rollingDrain)
	s := ownStack(t, stack.Options{
		Gateways: 2, Backends: 2,
		GatewayEnv: []string{drain, fmt.Sprintf("BACKEND_HEALTH_INTERVAL=%v", rollingHealth)},
		BackendEnv: []string{drain},
	})
	_, tokens := newClient(t, s, 0).newUser()
	b := &balancer{ready: make([]atomic.Bool, len(s.Gateways))}
	loading, endLoad := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.watch(loading, s) })
	l := &rollingLoad{t: t, balancer: b, access: tokens.Access}
	// The hurried are always in the midst of something; the leisurely have a
	// connection that lies idle when its gateway turns away.
	for i := range 12 {
		pause := 2 * time.Millisecond
		if i%2 == 0 {
			pause = time.Duration(20*i) * time.Millisecond
		}
		running.Go(func() { l.run(loading, s, pause) })
	}

	var parts []*stack.Process
	for _, g := range s.Gateways {
		parts = append(parts, g.Process)
	}
	for _, b := range s.Backends {
		parts = append(parts, b.Process)
	}
	for i, p := range parts {
		eventually(t, "all take part in the load", func() bool { return allServe(t, s) })
		began := time.Now()
		if err := p.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < rollingDrain {
			t.Errorf("%s was back after %v, before the end of its drain", p.Name(), took)
		}
		t.Logf("%s was restarted, %d of %d; %d requests so far", p.Name(), i+1, len(parts), l.reads.Load()+l.writes.Load())
	}
	eventually(t, "all take part in the load", func() bool { return allServe(t, s) })
	endLoad()
	running.Wait()
	if l.reads.Load() < 100 || l.writes.Load() < 100 {
		t.Errorf("only %d reads and %d writes", l.reads.Load(), l.writes.Load())
	}
}

// allServe reports whether every process has answered contacts' requests since
// its start.
func allServe(t *testing.T, s *stack.Stack) bool {
	t.Helper()
	var bases []string
	for _, g := range s.Gateways {
		bases = append(bases, g.Ops)
	}
	for _, b := range s.Backends {
		bases = append(bases, b.Ops)
	}
	for _, base := range bases {
		if !strings.Contains(get(t, base+"/metrics"), `route="/api/v1/address-book"`) {
			return false
		}
	}
	return true
}

// balancer is a load balancer as small as can be: it asks the gateways whether
// they are ready and spreads requests over those that are.
type balancer struct {
	ready []atomic.Bool
	next  atomic.Uint32
}

func (b *balancer) watch(ctx context.Context, s *stack.Stack) {
	probe := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(rollingHealth / 2)
	defer tick.Stop()
	for {
		for i, g := range s.Gateways {
			answer, err := probe.Get(g.Ops + "/health/ready")
			b.ready[i].Store(err == nil && answer.StatusCode == http.StatusOK)
			if err == nil {
				_ = answer.Body.Close()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pick returns the number of a gateway that is ready, or -1.
func (b *balancer) pick() int {
	for range b.ready {
		if i := int(b.next.Add(1)) % len(b.ready); b.ready[i].Load() {
			return i
		}
	}
	return -1
}

type rollingLoad struct {
	t             *testing.T
	balancer      *balancer
	access        string
	reads, writes atomic.Int64
}

// run reads and writes in turn, over connections of its own that it keeps.
func (l *rollingLoad) run(ctx context.Context, s *stack.Stack, pause time.Duration) {
	var gateways []*client
	for i := range s.Gateways {
		c := newClient(l.t, s, i)
		c.unchecked = true
		gateways = append(gateways, c)
	}
	for n := 0; ctx.Err() == nil; n++ {
		if i := l.balancer.pick(); i >= 0 {
			var err error
			if n%2 == 0 {
				err = l.one(gateways[i], "GET", nil, http.StatusOK, &l.reads)
			} else {
				err = l.one(gateways[i], "POST", contactBody(), http.StatusCreated, &l.writes)
			}
			if err != nil {
				l.t.Error(err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (l *rollingLoad) one(c *client, method string, body any, want int, counter *atomic.Int64) error {
	a, err := c.try(method, "/api/v1/address-book", l.access, body)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.base, method, err)
	}
	if a.StatusCode != want {
		return errors.New(c.base + ": " + method + ": " + a.Status + ": " + string(bytes.TrimSpace(a.body)))
	}
	counter.Add(1)
	return nil
}
