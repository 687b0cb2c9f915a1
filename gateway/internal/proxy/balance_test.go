package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/config"
)

// member returns the backend of an address.
func member(t testing.TB, p *Proxy, addr string) *backend {
	t.Helper()
	for _, b := range *p.members.Load() {
		if b.addr == addr {
			return b
		}
	}
	t.Fatalf("%s is no backend", addr)
	return nil
}

// open starts a proxy without connections, whose choice is the same each time.
func open(t testing.TB, o Options) *Proxy {
	t.Helper()
	if o.Config.DialTimeout == 0 {
		o.Config.DialTimeout = time.Second
	}
	o.Config.MaxConns = 100
	if o.Random == nil {
		o.Random = rand.New(rand.NewPCG(1, 2)).Uint64 //nolint:gosec // the same choice each time
	}
	if o.Dial == nil {
		o.Dial = func(context.Context, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	}
	p := New(o)
	t.Cleanup(p.Close)
	return p
}

func backends(addrs ...string) Options { return Options{Config: Config{Backends: addrs}} }

// picks counts where n requests go that are over at once.
func picks(p *Proxy, n int) map[string]int {
	got := map[string]int{}
	for range n {
		if b := p.pick(new(tried)); b != nil {
			got[b.addr]++
		} else {
			got["nobody"]++
		}
	}
	return got
}

// fail lets n attempts at a backend fail.
func fail(b *backend, o outcome, n int) {
	for range n {
		b.begin()
		b.end(o, 0)
	}
}

func between(t testing.TB, what string, got, low, high int) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %d, want %d to %d", what, got, low, high)
	}
}

func TestLoadSpreadsEvenly(t *testing.T) {
	t.Parallel()
	p := open(t, backends("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"))
	for addr, n := range picks(p, 4000) {
		between(t, addr, n, 900, 1100)
	}
}

func TestLeastBusyOfTwo(t *testing.T) {
	t.Parallel()
	p := open(t, backends("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"))
	busiest := member(t, p, "10.0.0.1:1")
	busiest.inFlight.Store(10)
	got := picks(p, 3000)
	if got[busiest.addr] != 0 {
		t.Errorf("the busiest of three was picked %d times: one of any two others is less busy", got[busiest.addr])
	}
	between(t, "the second", got["10.0.0.2:1"], 1350, 1650)

	var seen tried
	seen.add(member(t, p, "10.0.0.2:1"))
	seen.add(member(t, p, "10.0.0.3:1"))
	if got := p.pick(&seen); got != busiest {
		t.Errorf("pick of the only one left = %v", got)
	}
	seen.add(busiest)
	if got := p.pick(&seen); got != nil {
		t.Errorf("pick of none = %s", got.addr)
	}
}

// TestSlowBackendGetsLess: requests that take ten times as long at one of three
// backends; each step is a tenth of the time that a request takes there.
func TestSlowBackendGetsLess(t *testing.T) {
	t.Parallel()
	p := open(t, backends("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"))
	ends := map[int][]*backend{}
	got := map[string]int{}
	for step := range 2000 {
		for _, b := range ends[step] {
			b.end(answered, 0)
		}
		for range 4 {
			b := p.pick(new(tried))
			b.begin()
			got[b.addr]++
			takes := 1
			if b.addr == "10.0.0.1:1" {
				takes = 10
			}
			ends[step+takes] = append(ends[step+takes], b)
		}
	}
	between(t, "the slow one of 8000", got["10.0.0.1:1"], 300, 1500)
	if n := member(t, p, "10.0.0.1:1").counts[answered].Get(); n == 0 {
		t.Error("nothing was counted")
	}
}

// TestManyTried: more backends than fit without memory of its own.
func TestManyTried(t *testing.T) {
	t.Parallel()
	p := open(t, Options{Config: Config{Backends: manyAddrs(20)}})
	var seen tried
	for range 20 {
		b := p.pick(&seen)
		if b == nil || seen.has(b) {
			t.Fatalf("picked %v", b)
		}
		seen.add(b)
	}
	if b := p.pick(&seen); b != nil {
		t.Errorf("picked %s, want nobody", b.addr)
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	p := open(t, backends("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"))
	if n := testing.AllocsPerRun(100, func() {
		var seen tried
		b := p.pick(&seen)
		seen.add(b)
		b.begin()
		p.budget.earn()
		b.end(answered, time.Millisecond)
		p.pick(&seen)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestEjection: a backend whose requests fail is left out for a time that grows,
// and comes back slowly.
func TestEjection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, backends("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"))
		b := member(t, p, "10.0.0.1:1")
		fail(b, noAnswer, ejectAfter-1)
		fail(b, answered, 1)
		fail(b, noAnswer, ejectAfter-1)
		if b.standing() != usable {
			t.Fatal("ejected although it answered in between")
		}
		fail(b, noAnswer, 1)
		for i, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
			if b.standing() != lastResort || picks(p, 100)[b.addr] != 0 {
				t.Fatalf("ejection %d: it is still used", i)
			}
			time.Sleep(time.Duration(seconds)*time.Second - time.Millisecond)
			if b.standing() == usable {
				t.Fatalf("ejection %d ended before %d s", i, seconds)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if b.standing() != usable {
				t.Fatalf("ejection %d has not ended after %d s", i, seconds)
			}
			if i < 6 {
				fail(b, timedOut, 1) // one is enough now
			}
		}
		if n := b.ejected[timedOut].Get(); n != 6 || b.ejected[noAnswer].Get() != 1 {
			t.Errorf("%d ejections for time-outs were counted, want 6", n)
		}

		// An even share would be a quarter.
		between(t, "at once", picks(p, 10000)[b.addr], 250, 450)
		time.Sleep(slowReturn / 2)
		between(t, "half way", picks(p, 10000)[b.addr], 1300, 1600)
		time.Sleep(slowReturn / 2)
		between(t, "in the end", picks(p, 10000)[b.addr], 2300, 2700)

		// Having nothing to do does not make a cold backend everybody's choice.
		fail(b, timedOut, ejectAfter)
		time.Sleep(2 * maxEjection)
		synctest.Wait()
		fail(b, timedOut, 1)
		time.Sleep(minEjection)
		synctest.Wait()
		for _, other := range *p.members.Load() {
			if other != b {
				other.inFlight.Store(100)
			}
		}
		between(t, "at once, when the others are busy", picks(p, 10000)[b.addr], 300, 1200)
		time.Sleep(slowReturn)
		for _, other := range *p.members.Load() {
			other.inFlight.Store(0)
		}

		// After a long time of use its past is forgotten.
		fail(b, answered, 1)
		time.Sleep(maxEjection)
		fail(b, notSent, ejectAfter)
		time.Sleep(minEjection)
		synctest.Wait()
		if b.standing() != usable {
			t.Error("an old failure makes a new ejection longer")
		}
	})
}

// TestHalfStayIn: requests alone leave out at most half of the backends, and
// when all backends fail none is refused a request.
func TestHalfStayIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, backends("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"))
		out := 0
		for _, b := range *p.members.Load() {
			fail(b, broken, 3*ejectAfter)
			if b.standing() != usable {
				out++
			}
		}
		if out != 1 {
			t.Errorf("%d of three are left out, want 1", out)
		}
		var seen tried
		for range 3 {
			b := p.pick(&seen)
			if b == nil {
				t.Fatal("nobody to try although nobody is known to be gone")
			}
			seen.add(b)
		}
		if last := seen.few[2]; last.standing() != lastResort {
			t.Error("the one that is left out was not the last resort")
		}
		alone := open(t, backends("10.0.0.1:1"))
		b := member(t, alone, "10.0.0.1:1")
		fail(b, timedOut, 100)
		if b.standing() != usable {
			t.Error("the only backend is left out")
		}
		// What a backend answers, or that it is full, is nothing against it.
		fail(b, busy, 100)
		if b.ejected[busy] != nil || b.failures.Load() != 100 {
			t.Error("being busy counts as a failure")
		}
	})
}

// TestEjectionIsToldOfOnce: a backend that fails again after each ejection is left
// out once for those who read the log, and used again once it has answered.
func TestEjectionIsToldOfOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := backends("10.0.0.1:1", "10.0.0.2:1")
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		p := open(t, o)
		b := member(t, p, "10.0.0.1:1")
		check := func(when string, out, back int) {
			t.Helper()
			p.mu.Lock() // under which it is written
			defer p.mu.Unlock()
			if strings.Count(log.String(), "backend is left out") != out || strings.Count(log.String(), "backend is used again") != back {
				t.Errorf("%s: want %d and %d lines\n%s", when, out, back, log.String())
			}
		}
		fail(b, noAnswer, ejectAfter)
		for range 4 {
			time.Sleep(maxEjection)
			synctest.Wait()
			if b.standing() != usable {
				t.Fatal("it is not tried again")
			}
			check("while it is tried", 1, 0)
			fail(b, noAnswer, 1)
		}
		time.Sleep(maxEjection)
		fail(b, answered, 2)
		check("when it has answered", 1, 1)
		fail(b, noAnswer, ejectAfter)
		check("when it fails anew", 2, 1)
	})
}

// TestPanic: with nobody usable, those that are left out on the word of requests
// are tried, and those that do not answer their health check are not.
func TestPanic(t *testing.T) {
	t.Parallel()
	p := open(t, backends("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"))
	list := *p.members.Load()
	fail(list[0], notSent, ejectAfter)
	fail(list[1], notSent, ejectAfter)
	for range silentAfter {
		p.learn(list[2], noVerdict, "refused")
		p.learn(list[3], noVerdict, "refused")
	}
	got := picks(p, 1000)
	between(t, "an ejected one", got["10.0.0.1:1"], 400, 600)
	between(t, "another", got["10.0.0.2:1"], 400, 600)

	for range silentAfter {
		p.learn(list[0], noVerdict, "refused")
		p.learn(list[1], noVerdict, "refused")
	}
	if got := picks(p, 10); got["nobody"] != 10 {
		t.Errorf("picked %v, want nobody: none answers", got)
	}
	if err := p.Check(t.Context()); err == nil {
		t.Error("nobody is there, and no error")
	}
}

func TestRetryBudget(t *testing.T) {
	t.Parallel()
	spend := func(b *budget) (n int) {
		for b.spend() {
			n++
		}
		return n
	}
	var b budget
	if n := spend(&b); n != 30 {
		t.Errorf("%d retries with no request, want 30", n)
	}
	for range 1000 {
		b.earn()
	}
	if n := spend(&b); n != 200 {
		t.Errorf("%d retries for 1000 requests, want a fifth", n)
	}
	before := retriesDenied.Get()
	if b.spend() || retriesDenied.Get() == before {
		t.Error("a denied retry is not counted")
	}
	for range 100 {
		b.forget()
	}
	if n := spend(&b); n < 29 || n > 30 {
		t.Errorf("%d retries long after, want the free ones again", n)
	}
	// 100 requests a second for long: a fifth of them may be retried, and three
	// more.
	var steady budget
	retried := 0
	for range 100 {
		for range 100 {
			steady.earn()
			if steady.spend() {
				retried++
			}
		}
		steady.forget()
	}
	between(t, "of 10000 requests", retried, 2000, 2500)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, ok("fine"))
	p := newProxy(t, nil, u.addr)
	ask(p, "GET", "")
	b := member(t, p, u.addr)
	b.closeIdle(time.Now().Add(-maxIdle))
	if len(b.idle) != 1 || b.conns != 1 {
		t.Fatalf("%d idle of %d connections, want a fresh one kept", len(b.idle), b.conns)
	}
	b.closeIdle(time.Now().Add(time.Second))
	if len(b.idle) != 0 || b.conns != 0 {
		t.Errorf("%d idle of %d connections, want none", len(b.idle), b.conns)
	}
	status, body := ask(p, "GET", "")
	want(t, "the next request", status, body, 200, "fine")
}

// TestLastRequestOfABackend: what was under way when a backend left ends as
// usual, and its connection with it.
func TestLastRequestOfABackend(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	u := newUpstream(t, func(n int, r *http.Request, _ string, conn net.Conn) bool {
		if n == 2 {
			close(entered)
			<-release
		}
		return ok("fine")(n, r, "", conn)
	})
	p := newProxy(t, nil, u.addr)
	ask(p, "GET", "")
	b := member(t, p, u.addr)
	last := make(chan string)
	go func() {
		_, body := ask(p, "POST", "x")
		last <- body
	}()
	<-entered
	p.adopt(u.addr, nil)
	close(release)
	if got := <-last; got != "fine" {
		t.Errorf("the request under way got %q", got)
	}
	if len(b.idle) != 0 || b.conns != 0 {
		t.Errorf("%d idle of %d connections are left", len(b.idle), b.conns)
	}
	if got := p.pick(new(tried)); got != nil {
		t.Errorf("picked %s", got.addr)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	var dials atomic.Int32
	refused := func(context.Context, string) (net.Conn, error) {
		dials.Add(1)
		return nil, errors.New("refused")
	}
	u := newUpstream(t, ok(""))
	closed := closedAddr(t)
	p := newProxy(t, nil, closed, u.addr)
	for range 10 {
		ask(p, "GET", "")
	}
	if err := p.Check(t.Context()); err != nil {
		t.Errorf("one of two is there: %v", err)
	}
	o := backends("10.0.0.1:1", "10.0.0.2:1")
	o.Dial = refused
	gone := open(t, o)
	if err := gone.Check(t.Context()); err != nil {
		t.Errorf("before anything is known: %v", err)
	}
	ask(gone, "GET", "")
	n := dials.Load()
	if err := gone.Check(t.Context()); err == nil || n != 2 {
		t.Errorf("nobody took a connection, and the check says %v; %d dials, want 2", err, n)
	}
	if dials.Load() != n {
		t.Error("the check dials")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	right := Config{
		Backends: manyAddrs(64), DialTimeout: time.Second, MaxConns: 1,
		ResolveInterval: time.Second, HealthInterval: time.Second, HealthPath: off,
	}
	for name, change := range map[string]func(*Config){
		"all is right":      func(*Config) {},
		"a path":            func(c *Config) { c.HealthPath = "/up?deep=1" },
		"a socket":          func(c *Config) { c.Backends = []string{"unix:/run/gatehouse/backend.sock", "[::1]:80"} },
		"none: 1":           func(c *Config) { c.Backends = nil },
		"no port: 1":        func(c *Config) { c.Backends = []string{"localhost"} },
		"no host: 1":        func(c *Config) { c.Backends = []string{":80"} },
		"relative: 1":       func(c *Config) { c.Backends = []string{"unix:run/x"} },
		"twice: 1":          func(c *Config) { c.Backends = []string{"a:1", "a:1"} },
		"too many: 1":       func(c *Config) { c.Backends = manyAddrs(65) },
		"no timeout: 1":     func(c *Config) { c.DialTimeout = 0 },
		"no room: 1":        func(c *Config) { c.MaxConns = 0 },
		"always asking: 1":  func(c *Config) { c.HealthInterval = time.Millisecond },
		"always looking: 1": func(c *Config) { c.ResolveInterval = 0 },
		"no path: 1":        func(c *Config) { c.HealthPath = "ready" },
		"two lines: 1":      func(c *Config) { c.HealthPath = "/ready HTTP/1.1\r\nX: y" },
	} {
		c := right
		change(&c)
		m := &config.Mistakes{}
		c.Validate(m)
		want := 0
		if name[len(name)-1] == '1' {
			want = 1
		}
		if len(m.Names()) != want {
			t.Errorf("%s: mistakes %v", name, m.Names())
		}
	}
}

func manyAddrs(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("10.0.0.%d:80", i+1))
	}
	return list
}

// BenchmarkPick is what choosing one of eight backends costs a request, with its
// accounts.
func BenchmarkPick(b *testing.B) {
	o := Options{Config: Config{Backends: manyAddrs(8)}, Random: rand.Uint64}
	p := open(b, o)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var seen tried
			p.budget.earn()
			chosen := p.pick(&seen)
			chosen.begin()
			chosen.end(answered, time.Millisecond)
		}
	})
}

// BenchmarkQuiet is what it costs to look whether a connection is quiet before
// it is used again: one system call.
func BenchmarkQuiet(b *testing.B) {
	u := newUpstream(b, ok(""))
	raw, err := net.Dial("tcp", u.addr)
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	c := newConn(raw)
	for b.Loop() {
		if !c.quiet() {
			b.Fatal("something has arrived")
		}
	}
}
