package proxy

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// exported reports whether the process's metrics tell of a backend.
func exported(addr string) bool {
	var b bytes.Buffer
	metrics.WritePrometheus(&b, false)
	return strings.Contains(b.String(), fmt.Sprintf("{backend=%q", addr))
}

// TestNameIsFollowed: what joins a name gets requests, with a growing share, and
// what leaves it gets none.
func TestNameIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.point("backend.test", "10.1.0.1", "10.1.0.2", "10.1.0.1")
		p := n.watched(t, "backend.test:80")
		wantAddrs(t, "at once", p, "10.1.0.1:80", "10.1.0.2:80")
		between(t, "one of two from the start", picks(p, 1000)["10.1.0.1:80"], 430, 570)
		first := member(t, p, "10.1.0.1:80")
		if first.host != "backend.test:80" || first.name != "backend.test" {
			t.Errorf("Host %q, name %q", first.host, first.name)
		}

		n.point("backend.test", "10.1.0.2", "2001:db8::3", "::ffff:10.1.0.4")
		first.begin()
		for len(addrs(p)) != 3 {
			time.Sleep(100 * time.Millisecond)
		}
		wantAddrs(t, "afterwards", p, "10.1.0.2:80", "10.1.0.4:80", "[2001:db8::3]:80")
		between(t, "a new one at once, of 10000", picks(p, 10000)["[2001:db8::3]:80"], 600, 1000)
		if exported("10.1.0.1:80") || !exported("[2001:db8::3]:80") {
			t.Error("the metrics do not follow")
		}
		asked := n.dials("10.1.0.1:80")
		time.Sleep(10 * time.Second)
		if n.dials("10.1.0.1:80") != asked {
			t.Error("one that is gone is still asked for its health")
		}
		first.end(answered, time.Second) // what was under way ends as usual
	})
}

// TestLastGoodAnswerStays: a resolver that fails or knows nothing any more takes
// nobody down.
func TestLastGoodAnswerStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.fails = true
		p := n.watched(t, "backend.test:80", a1)
		wantAddrs(t, "with no resolver", p, a1)
		n.point("backend.test", "10.2.0.1")
		n.mu.Lock()
		n.fails = false
		n.mu.Unlock()
		time.Sleep(1200 * time.Millisecond) // not the whole interval
		wantAddrs(t, "with one", p, a1, "10.2.0.1:80")

		before := lookupFailures.Get()
		for _, answer := range [][]string{nil, {"hang"}} {
			n.point("backend.test", answer...)
			time.Sleep(20 * time.Second)
			wantAddrs(t, "without an answer", p, a1, "10.2.0.1:80")
		}
		n.mu.Lock()
		n.fails = true
		n.mu.Unlock()
		time.Sleep(20 * time.Second)
		wantAddrs(t, "with an error", p, a1, "10.2.0.1:80")
		if got := lookupFailures.Get() - before; got < 8 {
			t.Errorf("%d failures were counted", got)
		}
	})
}

// TestHungResolverDoesNotHoldUpTheStart for more than a second.
func TestHungResolverDoesNotHoldUpTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.point("a.test", "hang")
		n.point("b.test", "hang")
		start := time.Now()
		p := n.watched(t, "a.test:80", "b.test:80")
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		if err := p.Check(t.Context()); err == nil {
			t.Error("no backend has an address, and no error")
		}
		status, body := ask(p, "GET", "")
		want(t, "without an address", status, body, 503, "unavailable")
	})
}

// TestManyAddresses: a name with more addresses than there is room for is cut,
// and two names may share some.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		var ips []string
		for i := range 100 {
			ips = append(ips, fmt.Sprintf("10.3.0.%d", i))
		}
		n.point("many.test", ips...)
		n.point("few.test", ips[:2]...)
		p := n.watched(t, "many.test:80", "few.test:80", a1)
		if got := len(addrs(p)); got != maxBackends {
			t.Errorf("%d backends, want %d", got, maxBackends)
		}
		if !strings.Contains(strings.Join(addrs(p), " "), a1) {
			t.Error("a name has left no room for a fixed address")
		}
		// Its last addresses give way to the other name's.
		n.point("many.test", "10.3.1.1")
		time.Sleep(12 * time.Second)
		wantAddrs(t, "afterwards", p, a1, "10.3.0.0:80", "10.3.0.1:80", "10.3.1.1:80")
	})
}

// socketDir is a directory whose name is short enough for sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestSocketBackend: a backend on a Unix socket, for requests, health checks and
// fetches.
func TestSocketBackend(t *testing.T) {
	t.Parallel()
	path := filepath.Join(socketDir(t), "b.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	upstreamOn(t, ln, func(n int, request *http.Request, body string, conn net.Conn) bool {
		return ok(request.Host+request.URL.Path)(n, request, body, conn)
	})
	p := newProxy(t, func(c *Config) { c.HealthPath, c.HealthInterval = "/up", time.Hour }, "unix:"+path)
	for range 3 {
		status, body := ask(p, "POST", "x")
		want(t, "a request", status, body, 200, "localhost/x")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	content, err := p.Fetch(ctx, "unix:"+path, "/keys", 100)
	if err != nil || string(content) != "localhost/keys" {
		t.Errorf("fetched %q, %v", content, err)
	}
	b := member(t, p, "unix:"+path)
	for b.checks[ready].Get() == 0 {
		if b.checks[noVerdict].Get() > 0 || t.Context().Err() != nil {
			t.Fatal("its health check fails")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestFetchByName: any address of the name will do.
func TestFetchByName(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, func(n int, request *http.Request, body string, conn net.Conn) bool {
		return ok(request.Host)(n, request, body, conn)
	})
	n := newNetwork()
	n.point("backend.test", "10.4.0.1", "10.4.0.2")
	p := open(t, Options{
		Config: Config{Backends: []string{"backend.test:80"}, ResolveInterval: time.Hour}, Lookup: n.resolve,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			if NameOf(ctx) != "backend.test" {
				t.Errorf("dialed %s as %q", addr, NameOf(ctx))
			}
			if addr == "10.4.0.1:80" {
				return nil, fmt.Errorf("refused")
			}
			return Dial(ctx, u.addr)
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	content, err := p.Fetch(ctx, "backend.test:80", "/keys", 100)
	if err != nil || string(content) != "backend.test:80" {
		t.Errorf("fetched %q, %v", content, err)
	}
}

// TestRestartedBackend: a backend that ends and comes back on the same port is
// used again, over new connections, and no request fails on the way.
func TestRestartedBackend(t *testing.T) {
	t.Parallel()
	one, two := newUpstream(t, ok("one")), newUpstream(t, ok("two"))
	p := newProxy(t, func(c *Config) { c.HealthPath, c.HealthInterval = "/up", 20*time.Millisecond }, one.addr, two.addr)
	seen := map[string]int{}
	until := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !done(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within 10 s", what)
			}
			status, body := ask(p, "POST", "x")
			if status != 200 {
				t.Fatalf("%s: %d %s", what, status, body)
			}
			seen[body]++
		}
	}
	until("at first", func() bool { return seen["one"] > 5 && seen["two"] > 5 })
	_ = one.ln.Close()
	one.cut()
	b := member(t, p, one.addr)
	until("with one gone", func() bool { return b.standing() != usable })
	ln, err := net.Listen("tcp", one.addr)
	if err != nil {
		t.Fatal(err)
	}
	upstreamOn(t, ln, ok("again"))
	until("with one back", func() bool { return seen["again"] > 0 })
}
