package main

import (
	"context"
	"fmt"
	"gatehouse/loadtest/load"
	"gatehouse/loadtest/machine"
	"slices"
	"time"
)

// variant is one way to load the proxies.
type variant struct {
	name string
	run  func(ctx context.Context, b *bench) (*table, error)
}

var variants = []variant{
	{"http", func(ctx context.Context, b *bench) (*table, error) {
		return b.cost(ctx, "HTTP, keep-alive", all, func(p *proxy) (*load.Load, error) {
			return &load.Load{Check: checkAnswer, Addr: p.plain, Requests: b.requests, Request: b.user}, nil
		})
	}},
	{"fresh", func(ctx context.Context, b *bench) (*table, error) {
		return b.cost(ctx, "HTTP, every token seen for the first time", own, func(p *proxy) (*load.Load, error) {
			requests := b.known
			if p.ops != "" { // nginx looks at none
				var err error
				if requests, err = b.sign(b.requests / 2); err != nil {
					return nil, err
				}
			}
			return &load.Load{Check: checkAnswer, Addr: p.plain, Requests: b.requests / 2, Request: cycle(requests)}, nil
		})
	}},
	{"tls", func(ctx context.Context, b *bench) (*table, error) {
		return b.cost(ctx, "TLS 1.3, keep-alive", own, func(p *proxy) (*load.Load, error) {
			return &load.Load{Check: checkAnswer, Addr: p.tls, TLS: clientTLS(), Requests: b.requests, Request: b.user}, nil
		})
	}},
	{"connect", func(ctx context.Context, b *bench) (*table, error) {
		return b.cost(ctx, "TLS 1.3, a new connection for each request", own, func(p *proxy) (*load.Load, error) {
			return &load.Load{Check: checkAnswer, Addr: p.tls, TLS: clientTLS(), Requests: b.requests / 16, Request: b.user, Reconnect: true}, nil
		})
	}},
	{"paced", func(ctx context.Context, b *bench) (*table, error) { return b.paced(ctx) }},
	{"idle", func(ctx context.Context, b *bench) (*table, error) { return b.idleConnections(ctx) }},
}

func findVariant(name string) (*variant, bool) {
	for i := range variants {
		if variants[i].name == name {
			return &variants[i], true
		}
	}
	return nil, false
}

// user returns a request of one of the users in turn.
func (b *bench) user(i int) []byte { return b.known[i%len(b.known)] }

func cycle(list [][]byte) func(int) []byte {
	return func(i int) []byte { return list[i%len(list)] }
}

// Which proxies take part.
func all(*proxy) bool   { return true }
func own(p *proxy) bool { return p.tls != "" } // nginx and ours

// cost measures CPU time per request. In each round every proxy has its turn,
// each time in another order.
func (b *bench) cost(ctx context.Context, title string, takesPart func(*proxy) bool, of func(*proxy) (*load.Load, error)) (*table, error) {
	t := &table{title: title, columns: []string{"CPU µs/request", "÷ nginx", "Redis µs/request", "Redis commands/request", "% without Redis", "requests/s"}}
	proxies := slices.DeleteFunc(slices.Clone(b.proxies), func(p *proxy) bool { return !takesPart(p) })
	for round := range b.rounds + 1 {
		for i := range proxies {
			p := proxies[(i+round)%len(proxies)]
			figures, err := b.round(ctx, p, of)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 { // the first one warms up
				t.add(round, p.name, figures)
			}
		}
	}
	t.divide(0, 1)
	return t, nil
}

func (b *bench) round(ctx context.Context, p *proxy, of func(*proxy) (*load.Load, error)) ([]float64, error) {
	l, err := of(p)
	if err != nil {
		return nil, err
	}
	l.Conns = b.conns
	// While the others had their turns what this one knew has aged: its leases
	// are over, and what they should be it has to find out again.
	warm := *l
	warm.Request = b.user
	if _, err := warm.Run(ctx); err != nil {
		return nil, err
	}
	before, err := machine.CPUTime(p.pid())
	if err != nil {
		return nil, err
	}
	redisBefore := b.redisTime()
	limitsBefore, err := p.limits(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if _, err := l.Run(ctx); err != nil {
		return nil, err
	}
	took := time.Since(start)
	after, err := machine.CPUTime(p.pid())
	if err != nil {
		return nil, err
	}
	limits, err := p.limits(ctx)
	if err != nil {
		return nil, err
	}
	n := float64(l.Requests)
	return []float64{
		micros(after-before) / n, 0, micros(b.redisTime()-redisBefore) / n, (limits.commands - limitsBefore.commands) / n,
		100 * (limits.fallback - limitsBefore.fallback) / n, n / took.Seconds(),
	}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// redisTime is what Redis has used, or nothing where it is embedded.
func (b *bench) redisTime() time.Duration {
	if b.redis.PID() == 0 {
		return 0
	}
	used, err := machine.CPUTime(b.redis.PID())
	if err != nil {
		return 0
	}
	return used
}

const pace = 4000 // requests a second

// paced measures latency while there is little to do.
func (b *bench) paced(ctx context.Context) (*table, error) {
	t := &table{
		title:   fmt.Sprintf("HTTP, keep-alive, %d requests a second", pace),
		columns: []string{"p50 µs", "÷ nginx", "p99 µs", "÷ nginx", "CPU µs/request", "÷ nginx"},
	}
	for round := range b.rounds + 1 {
		for i := range b.proxies {
			p := b.proxies[(i+round)%len(b.proxies)]
			l := &load.Load{Check: checkAnswer, Addr: p.plain, Conns: b.conns, Requests: 2 * pace, PerSecond: pace, Request: b.user}
			if _, err := l.Run(ctx); err != nil { // warms up, as in round
				return nil, err
			}
			before, err := machine.CPUTime(p.pid())
			if err != nil {
				return nil, err
			}
			took, err := l.Run(ctx)
			if err != nil {
				return nil, err
			}
			after, err := machine.CPUTime(p.pid())
			if err != nil {
				return nil, err
			}
			if round > 0 {
				t.add(round, p.name, []float64{
					micros(took[len(took)/2]), 0, micros(took[len(took)*99/100]), 0, micros(after-before) / float64(l.Requests), 0,
				})
			}
		}
	}
	t.divide(0, 1)
	t.divide(2, 3)
	t.divide(4, 5)
	return t, nil
}

// idleConnections measures the memory of connections that have had one request.
func (b *bench) idleConnections(ctx context.Context) (*table, error) {
	t := &table{title: fmt.Sprintf("%d idle TLS connections", b.idle), columns: []string{"MiB resident", "MiB before"}}
	for _, p := range b.proxies {
		if !own(p) {
			continue
		}
		before, err := machine.Resident(p.pid())
		if err != nil {
			return nil, err
		}
		during, err := b.hold(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		t.add(1, p.name, []float64{during, before})
	}
	return t, nil
}

// hold opens the connections, sends a request on each, and returns the memory
// that the proxy holds while they are silent.
func (b *bench) hold(ctx context.Context, p *proxy) (float64, error) {
	secure := clientTLS()
	var open []*load.Client
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for i := range b.idle {
		c, err := load.Dial(ctx, p.tls, secure)
		if err != nil {
			return 0, err
		}
		open = append(open, c)
		if err := c.Do(b.user(i), checkAnswer); err != nil {
			return 0, err
		}
		c.Forget()
	}
	time.Sleep(2 * time.Second)
	return machine.Resident(p.pid())
}
