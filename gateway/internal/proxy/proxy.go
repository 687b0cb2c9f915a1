// Package proxy passes requests on to the backends and answers back.
//
// Every request to a backend is written anew from what the edge knows, header
// by header, and every answer likewise: nothing crosses because it was not
// taken out. head.go and answer.go say what crosses.
//
// The package speaks HTTP/1.1 over connections of its own (conn.go) instead of
// fasthttp's client: it must know whether a dial failed, whether a byte came
// back, and whether anything lay unread on a connection before it is used
// again, because a stray answer would go to the next client.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// maxBackends is the width of the set of backends that a request has tried.
const maxBackends = 64

// Config is where the backends are.
type Config struct {
	Backends    []string      `env:"BACKENDS" doc:"Addresses of the backends" example:"127.0.0.1:8081" kind:"a comma-separated list of host:port"`
	DialTimeout time.Duration `env:"BACKEND_DIAL_TIMEOUT" envDefault:"1s" doc:"Longest that connecting to a backend may take before another one is tried"`
	MaxConns    int           `env:"BACKEND_MAX_CONNS" envDefault:"512" doc:"Most connections to each backend; requests above it are refused"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if len(c.Backends) == 0 {
		m.Add("BACKENDS", "is missing; at least one host:port is wanted")
	}
	if len(c.Backends) > maxBackends {
		m.Add("BACKENDS", "holds %d addresses; at most %d are allowed", len(c.Backends), maxBackends)
	}
	seen := map[string]bool{}
	for _, addr := range c.Backends {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" || port == "" {
			m.Add("BACKENDS", "holds %q; host:port is wanted", addr)
		}
		if seen[addr] {
			m.Add("BACKENDS", "holds %q twice", addr)
		}
		seen[addr] = true
	}
	if c.DialTimeout < 10*time.Millisecond || c.DialTimeout > time.Minute {
		m.Add("BACKEND_DIAL_TIMEOUT", "is %v; 10ms to 1m is allowed", c.DialTimeout)
	}
	m.Range("BACKEND_MAX_CONNS", c.MaxConns, 1, 65535)
}

// Dialer connects to a backend; ctx bounds it.
type Dialer func(ctx context.Context, addr string) (net.Conn, error)

// Proxy passes requests on.
type Proxy struct {
	backends []*backend
	stop     chan struct{}
	wg       sync.WaitGroup
}

var retries = metrics.NewCounter(`gateway_proxy_retries_total`)

// New returns a proxy. A nil dial connects over TCP. Close ends its
// housekeeping and closes its connections.
func New(c Config, dial Dialer) *Proxy {
	if dial == nil {
		var d net.Dialer
		dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	p := &Proxy{stop: make(chan struct{})}
	for _, addr := range c.Backends {
		p.backends = append(p.backends, newBackend(addr, c, dial))
	}
	p.wg.Go(p.reap)
	return p
}

// reap closes connections that nobody uses before the backend does.
func (p *Proxy) reap() {
	ticker := time.NewTicker(maxIdle / 2)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-ticker.C:
			for _, b := range p.backends {
				b.closeIdle(now.Add(-maxIdle))
			}
		}
	}
}

// Close closes the connections that no request is using.
func (p *Proxy) Close() {
	close(p.stop)
	p.wg.Wait()
	for _, b := range p.backends {
		b.close()
	}
}

// Check is a health check: it reports whether any backend takes connections.
func (p *Proxy) Check(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failures := make(chan error, len(p.backends))
	for _, b := range p.backends {
		go func() {
			conn, err := b.dial(ctx, b.addr)
			if err == nil {
				err = conn.Close()
			}
			failures <- err
		}()
	}
	var list []error
	for range p.backends {
		err := <-failures
		if err == nil {
			return nil
		}
		list = append(list, err)
	}
	return fmt.Errorf("no backend takes connections: %w", errors.Join(list...))
}

// Handle is the last handler of the pipeline. The operation's time-out bounds
// all of it.
//
// Another backend is tried when connecting failed, since then nothing was sent.
// A GET or HEAD is also tried a second time when the connection ended before a
// single byte came back. Nothing else is ever sent twice: a backend may have
// done the work and failed to say so.
func (p *Proxy) Handle(ex *edge.Exchange) {
	start := time.Now()
	deadline := start.Add(ex.Route.Timeout)
	ex.Asked = true
	defer func() { ex.Upstream = time.Since(start) }()

	var tried uint64 // bit i: backend i
	again := repeatable(ex)
	for {
		i := p.pick(tried)
		if i < 0 {
			ex.Refuse(problem.Wrap(problem.Unavailable, errors.New("no backend takes connections")))
			return
		}
		b := p.backends[i]
		outcome := b.exchange(ex, deadline)
		switch outcome {
		case answered:
			return
		case notSent, busy:
			tried |= 1 << i
			if outcome == busy && p.pick(tried) < 0 {
				refuse(ex, problem.Overloaded, b, outcome)
				return
			}
		case noAnswer:
			if !again {
				refuse(ex, problem.BadGateway, b, outcome)
				return
			}
			again = false
			retries.Inc()
			if others := tried | 1<<i; p.pick(others) >= 0 {
				tried = others
			}
		case timedOut:
			refuse(ex, problem.Timeout, b, outcome)
			return
		default:
			refuse(ex, problem.BadGateway, b, outcome)
			return
		}
		if !time.Now().Before(deadline) {
			refuse(ex, problem.Timeout, b, outcome)
			return
		}
	}
}

// refuse answers for a backend that did not; the log says which and how.
func refuse(ex *edge.Exchange, code problem.Code, b *backend, o outcome) {
	ex.Refuse(problem.Wrap(code, fmt.Errorf("backend %s: %v", b.addr, o)))
}

// repeatable reports whether sending the request twice does no harm and needs
// nobody's promise (RFC 9110 section 9.2.1).
func repeatable(ex *edge.Exchange) bool {
	return ex.Route.Method == "GET" || ex.Route.Method == "HEAD"
}

// pick chooses, of two random backends not yet tried, the one with fewer
// requests under way, or returns -1. Two choices spread load nearly as well as
// knowing all, and do not send every gateway to the same idle backend.
func (p *Proxy) pick(tried uint64) int {
	var free [maxBackends]int
	n := 0
	for i := range p.backends {
		if tried&(1<<i) == 0 {
			free[n] = i
			n++
		}
	}
	switch n {
	case 0:
		return -1
	case 1:
		return free[0]
	}
	first := rand.IntN(n)      //nolint:gosec // spreads load, and there is nothing to guess
	second := rand.IntN(n - 1) //nolint:gosec // as above
	if second >= first {
		second++
	}
	a, b := free[first], free[second]
	if p.backends[b].inFlight.Load() < p.backends[a].inFlight.Load() {
		return b
	}
	return a
}
