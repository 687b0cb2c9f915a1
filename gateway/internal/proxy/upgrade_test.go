package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/token"
)

// piped is an open WebSocket between two ends that a test holds. Its time is
// that of a synctest bubble.
type piped struct {
	client, backend net.Conn
	closed          chan struct{} // when nothing of it is left
}

func newPiped(t *testing.T, p *Proxy, claims *token.Claims) *piped {
	t.Helper()
	near, client := net.Pipe()
	far, backend := net.Pipe()
	b := member(t, p, "192.0.2.1:1")
	b.conns++
	ex := exchange("GET", "/socket", "", "")
	w := &piped{client: client, backend: backend, closed: make(chan struct{})}
	tn := &tunnel{ex: ex, backend: b, far: newConn(far), client: near, claims: claims}
	ex.Tunnel(tn.run, tn.close)
	ex.After(func(*edge.Exchange) { close(w.closed) })
	if !p.tunnels.add(tn) {
		t.Fatal("no more WebSockets are opened")
	}
	go tn.run(near)
	synctest.Wait()
	t.Cleanup(func() { _, _ = client.Close(), backend.Close() })
	return w
}

// lives fails the test unless bytes cross.
func (w *piped) lives(t *testing.T, from, to net.Conn) {
	t.Helper()
	go func() { _, _ = io.WriteString(from, "abc") }()
	var got [3]byte
	if _, err := io.ReadFull(to, got[:]); err != nil || string(got[:]) != "abc" {
		t.Errorf("bytes do not cross: %q, %v", got, err)
	}
	synctest.Wait()
}

// ends fails the test unless the WebSocket is closed to both sides, and not
// earlier than after some time nor later than after more.
func (w *piped) ends(t *testing.T, after, before time.Duration) {
	t.Helper()
	began := time.Now()
	select {
	case <-w.closed:
	case <-time.After(time.Hour):
		t.Fatal("it is open after an hour")
	}
	if took := time.Since(began); took < after || took > before {
		t.Errorf("it ended after %v, want %v to %v", took, after, before)
	}
	for _, side := range []net.Conn{w.client, w.backend} {
		if _, err := io.Copy(io.Discard, side); err != nil {
			t.Errorf("a side was left without its end: %v", err)
		}
	}
}

func TestSilentWebSocketsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newPiped(t, open(t, backends("192.0.2.1:1")), nil)
		// One side is enough to keep it.
		for range 10 {
			time.Sleep(tunnelIdle - time.Second)
			w.lives(t, w.backend, w.client)
		}
		for range 10 {
			time.Sleep(tunnelIdle - time.Second)
			w.lives(t, w.client, w.backend)
		}
		w.ends(t, tunnelIdle, 2*tunnelIdle)
	})
}

func TestWebSocketsEndWhenNobodyReads(t *testing.T) {
	t.Parallel()
	for name, writer := range map[string]func(*piped) net.Conn{
		"the client":  func(w *piped) net.Conn { return w.backend },
		"the backend": func(w *piped) net.Conn { return w.client },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newPiped(t, open(t, backends("192.0.2.1:1")), nil)
				if _, err := io.WriteString(writer(w), "abc"); err != nil {
					t.Fatal(err)
				}
				w.ends(t, tunnelWrite, tunnelWrite)
			})
		})
	}
}

// A WebSocket lasts as long as a request with its token would be answered.
func TestWebSocketsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const life = 90 * time.Second
		var revoked atomic.Pointer[token.Claims]
		o := backends("192.0.2.1:1")
		o.Refused = func(c *token.Claims) bool { return revoked.Load() == c }
		p := open(t, o)
		expires := &token.Claims{ExpiresAt: time.Now().Add(life)}
		ends := &token.Claims{ExpiresAt: time.Now().Add(time.Hour)}
		expiring, ending, public := newPiped(t, p, expires), newPiped(t, p, ends), newPiped(t, p, nil)
		expiring.ends(t, life+token.Leeway, life+token.Leeway+tunnelCheck)
		for _, w := range []*piped{ending, public} {
			w.lives(t, w.client, w.backend)
		}
		revoked.Store(ends)
		ending.ends(t, 0, tunnelCheck)
		public.lives(t, public.client, public.backend)
		p.EndTunnels()
		public.ends(t, 0, 0)
		if n := member(t, p, "192.0.2.1:1").conns; n != 0 {
			t.Errorf("%d connections to the backend are left", n)
		}
	})
}

// stuckConn is a client that takes its time to be told of the end, as one of TLS
// does when its window is shut.
type stuckConn struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

func (c *stuckConn) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}

func TestEndingOneWebSocketDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := open(t, backends("192.0.2.1:1"))
		var stuck []*stuckConn
		var all []*piped
		for range 3 {
			w := newPiped(t, p, nil)
			all = append(all, w)
			p.tunnels.mu.Lock()
			for tn := range p.tunnels.all {
				if _, done := tn.client.(*stuckConn); !done {
					c := &stuckConn{Conn: tn.client, free: make(chan struct{})}
					tn.client, stuck = c, append(stuck, c)
				}
			}
			p.tunnels.mu.Unlock()
		}
		p.EndTunnels()
		close(stuck[2].free)
		all[2].ends(t, 0, 0)
		for i := range 2 {
			close(stuck[i].free)
			all[i].ends(t, 0, 0)
		}
	})
}
