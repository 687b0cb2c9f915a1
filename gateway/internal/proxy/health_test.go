package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// network is backends in memory, for bubbles of testing/synctest: an address
// answers health checks with a status, with 0 refuses connections, and with -1
// takes them and is silent. What is not set answers 200.
type network struct {
	mu     sync.Mutex
	status map[string]int
	asked  map[string]int
	last   string // request line and Host of the last check
	names  map[string][]string
	fails  bool // the resolver
}

func newNetwork() *network {
	return &network{status: map[string]int{}, asked: map[string]int{}, names: map[string][]string{}}
}

func (n *network) set(status int, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, addr := range addrs {
		n.status[addr] = status
	}
}

func (n *network) point(name string, ips ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = ips
}

func (n *network) dial(_ context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	status, known := n.status[addr]
	if !known {
		status = 200
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	n.asked[addr]++
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		request, err := http.ReadRequest(bufio.NewReader(server))
		if err != nil {
			return
		}
		n.mu.Lock()
		n.last = request.Method + " " + request.RequestURI + " " + request.Host
		n.mu.Unlock()
		if status < 0 {
			_, _ = server.Read(make([]byte, 1))
			return
		}
		_, _ = fmt.Fprintf(server, "HTTP/1.1 %d X\r\nContent-Length: 1000000\r\n\r\nand so on", status)
	}()
	return client, nil
}

// dials returns how often an address took a connection.
func (n *network) dials(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[addr]
}

func (n *network) resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fails {
		return nil, errors.New("no such host")
	}
	var list []netip.Addr
	for _, ip := range n.names[host] {
		if ip == "hang" {
			n.mu.Unlock()
			<-ctx.Done()
			n.mu.Lock()
			return nil, ctx.Err()
		}
		list = append(list, netip.MustParseAddr(ip))
	}
	if network != "ip" {
		return nil, fmt.Errorf("asked for %s", network)
	}
	return list, nil
}

// watched starts a proxy that asks its backends every two seconds, and looks
// their names up every five.
func (n *network) watched(t testing.TB, entries ...string) *Proxy {
	t.Helper()
	return open(t, Options{
		Config: Config{Backends: entries, HealthPath: "/health/ready", HealthInterval: 2 * time.Second, ResolveInterval: 5 * time.Second},
		Dial:   n.dial, Lookup: n.resolve,
	})
}

// addrs returns where a request may go, the usable backends only.
func addrs(p *Proxy) (list []string) {
	for _, b := range *p.members.Load() {
		if b.standing() == usable {
			list = append(list, b.addr)
		}
	}
	slices.Sort(list)
	return list
}

func wantAddrs(t testing.TB, when string, p *Proxy, want ...string) {
	t.Helper()
	if got := addrs(p); !slices.Equal(got, want) {
		t.Errorf("%s: %q are used, want %q", when, got, want)
	}
}

const (
	a1 = "10.0.0.1:80"
	a2 = "10.0.0.2:80"
	a3 = "10.0.0.3:80"
)

// round is longer than the time between two checks, and shorter than two.
const round = 2300 * time.Millisecond

// TestNotReadyLeavesAtOnce: a backend that drains is left alone within two
// intervals, and used again with the first answer that it is ready.
func TestNotReadyLeavesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		p := n.watched(t, a1, a2)
		synctest.Wait()
		n.mu.Lock()
		last := n.last
		n.mu.Unlock()
		if last != "GET /health/ready "+a1 && last != "GET /health/ready "+a2 {
			t.Errorf("asked for %q", last)
		}
		for range 2 {
			n.set(503, a1)
			time.Sleep(round)
			wantAddrs(t, "draining", p, a2)
			n.set(200, a1)
			checked(member(t, p, a1), ready)
			wantAddrs(t, "ready again", p, a1, a2)
		}
		n.set(503, a1)
		time.Sleep(round)
		// It answers, so it is better than nothing.
		n.set(0, a2)
		time.Sleep(2 * round)
		wantAddrs(t, "with the other gone", p)
		if b := p.pick(new(tried)); b == nil || b.addr != a1 {
			t.Errorf("picked %v, want the one that answers", b)
		}
		if err := p.Check(t.Context()); err == nil || !strings.Contains(err.Error(), a1+" is left out: it says that it is not ready") {
			t.Errorf("the health check says %v", err)
		}
		n.set(200, a1)
		time.Sleep(round)
		wantAddrs(t, "ready again", p, a1)
		if err := p.Check(t.Context()); err != nil {
			t.Errorf("the health check says %v", err)
		}
	})
}

// checked waits for the next health check with this outcome.
func checked(b *backend, v verdict) {
	for before := b.checks[v].Get(); b.checks[v].Get() == before; {
		time.Sleep(10 * time.Millisecond)
	}
	synctest.Wait()
}

// TestSilentBackends: one failed check is bad luck, two are the end; and two
// answers the beginning.
func TestSilentBackends(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"refuses": 0, "is silent": -1, "is broken": 500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork()
				p := n.watched(t, a1, a2)
				b := member(t, p, a1)
				synctest.Wait()
				for _, v := range []verdict{noVerdict, ready, noVerdict} {
					n.set(map[verdict]int{ready: 200, noVerdict: status}[v], a1)
					checked(b, v)
					wantAddrs(t, "after one check", p, a1, a2)
				}
				checked(b, noVerdict)
				wantAddrs(t, "after two in a row", p, a2)
				if got := picks(p, 100); got[a2] != 100 {
					t.Errorf("picked %v", got)
				}
				n.set(200, a1)
				checked(b, ready)
				wantAddrs(t, "after one answer", p, a2)
				checked(b, ready)
				wantAddrs(t, "after two", p, a1, a2)
				between(t, "at once, of 10000", picks(p, 10000)[a1], 800, 1100)
				time.Sleep(slowReturn)
				between(t, "in the end", picks(p, 10000)[a1], 4700, 5300)
			})
		})
	}
}

// TestAnyAnswerIsLife: a service that has no such path, or shows it to nobody,
// is there.
func TestAnyAnswerIsLife(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 204, 301, 401, 404, 405, 429} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork()
			n.set(status, a1)
			p := n.watched(t, a1)
			time.Sleep(5 * round)
			wantAddrs(t, fmt.Sprint(status), p, a1)
		})
	}
}

// TestWhoAnswersIsThere: a backend with so much to do that health checks wait
// too long keeps its requests.
func TestWhoAnswersIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		p := n.watched(t, a1)
		synctest.Wait()
		n.set(-1, a1)
		for range 10 {
			time.Sleep(time.Second)
			fail(member(t, p, a1), answered, 1)
		}
		wantAddrs(t, "busy", p, a1)
		time.Sleep(4 * round)
		wantAddrs(t, "hung", p)
	})
}

// TestAllGone: with nobody there requests are refused at once, and the first
// sign of life ends that.
func TestAllGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.set(0, a1, a2)
		p := n.watched(t, a1, a2)
		time.Sleep(2 * round)
		start := time.Now()
		status, body := ask(p, "GET", "")
		want(t, "with nobody there", status, body, 503, "unavailable")
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v to say", took)
		}
		n.set(200, a2)
		start = time.Now()
		checked(member(t, p, a2), ready)
		wantAddrs(t, "with its first answer", p, a2)
		if took := time.Since(start); took > 2*anxious {
			t.Errorf("it took %v to notice", took)
		}
	})
}

// TestCheckAgrees: more than half may be left out on the word of requests when
// health checks fail too.
func TestCheckAgrees(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		p := n.watched(t, a1)
		synctest.Wait()
		b := member(t, p, a1)
		fail(b, noAnswer, ejectAfter)
		wantAddrs(t, "the only one", p, a1)
		n.set(0, a1)
		time.Sleep(round)
		fail(b, notSent, 1)
		wantAddrs(t, "when its check fails too", p)
	})
}

func TestNoChecksWhenOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		open(t, Options{Config: Config{Backends: []string{a1}, HealthPath: off, HealthInterval: time.Second}, Dial: n.dial})
		time.Sleep(time.Minute)
		if got := n.dials(a1); got != 0 {
			t.Errorf("asked %d times", got)
		}
	})
}
