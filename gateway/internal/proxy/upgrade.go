package proxy

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what RFC 6455 asks for; it protects nothing
	"encoding/base64"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

const (
	// tunnelIdle is how long a WebSocket may be silent in both directions.
	tunnelIdle = 5 * time.Minute
	// tunnelWrite is how long either side may take to accept what is written.
	tunnelWrite = 30 * time.Second
	// tunnelCheck is how often it is asked whether its caller may still be there.
	tunnelCheck = time.Second
)

var websockets = metrics.NewGauge(`gateway_websockets`, nil)

// handshake is the headers of a request for a WebSocket (RFC 6455 section 4.2.1).
type handshake struct {
	upgrade, connection bool
	key, version        []byte
}

func readHandshake(f *edge.Fields) (hs handshake) {
	lines := f.Lines()
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		switch {
		case bytes.EqualFold(name, []byte("upgrade")):
			hs.upgrade = bytes.EqualFold(value, []byte("websocket"))
		case bytes.EqualFold(name, []byte("connection")):
			hs.connection = hs.connection || contains(appendOptions(nil, value), []byte("upgrade"))
		case bytes.EqualFold(name, []byte("sec-websocket-key")):
			hs.key = value
		case bytes.EqualFold(name, []byte("sec-websocket-version")):
			hs.version = value
		}
	}
	return hs
}

// upgradeFault says why a request for a WebSocket is none, or returns nil.
func upgradeFault(ex *edge.Exchange) *problem.Error {
	if !ex.Route.WebSocket {
		return nil
	}
	hs := readHandshake(&ex.Fields)
	var key [16 + 2]byte
	n, err := base64.StdEncoding.Strict().Decode(key[:], hs.key[:min(len(hs.key), 24)])
	switch {
	case !hs.upgrade || !hs.connection || !ex.Ctx.Request.Header.IsHTTP11():
		return problem.Newf(problem.BadFraming, "This operation wants a WebSocket: HTTP/1.1, Connection: Upgrade and Upgrade: websocket.")
	case string(hs.version) != "13":
		return problem.Newf(problem.BadFraming, "Sec-WebSocket-Version is not 13.")
	case err != nil || n != 16 || len(hs.key) != 24:
		return problem.Newf(problem.BadFraming, "Sec-WebSocket-Key is not 16 bytes in base64.")
	}
	return nil
}

// upgrade turns both connections into a WebSocket's, for which the backend has
// answered 101.
func (c *conn) upgrade(q *call, b *backend) (outcome, fate) {
	ex := q.ex
	if !ex.Route.WebSocket || !c.accepts(readHandshake(&ex.Fields).key) {
		q.cause = errors.New("a 101 that nobody asked for, or without the right Sec-WebSocket-Accept")
		return broken, ended
	}
	t := &tunnel{ex: ex, backend: b, far: c, client: ex.Ctx.Conn(), claims: ex.Claims}
	if !b.set.tunnels.add(t) { // the gateway's doing, and not the backend's
		ex.Refuse(problem.Wrap(problem.Unavailable, errors.New("no WebSocket is opened while the gateway stops")))
		return answered, ended
	}
	passHead(&c.answer, ex)
	header := &ex.Ctx.Response.Header
	header.Set(fasthttp.HeaderConnection, "Upgrade")
	header.Set(fasthttp.HeaderUpgrade, "websocket")
	ex.Tunnel(t.run, t.close)
	return answered, held
}

// accepts reports whether the answer proves that the backend has understood the
// handshake.
func (c *conn) accepts(key []byte) bool {
	sum := sha1.Sum(append(append([]byte(nil), key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...)) //nolint:gosec // as above
	want := base64.StdEncoding.EncodeToString(sum[:])
	var got []byte
	var upgraded bool
	lines := edge.LinesOf(c.answer.section)
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		switch {
		case bytes.EqualFold(name, []byte("sec-websocket-accept")):
			got = value
		case bytes.EqualFold(name, []byte("upgrade")):
			upgraded = bytes.EqualFold(value, []byte("websocket"))
		}
	}
	return upgraded && string(got) == want
}

// tunnel is an open WebSocket: bytes cross as they are.
type tunnel struct {
	ex      *edge.Exchange
	backend *backend
	far     *conn
	client  net.Conn
	claims  *token.Claims // whose it is; nil for an operation that is public

	last  atomic.Int64 // when something crossed, as time since the balance's start
	once  sync.Once
	ended chan struct{}
}

// run passes bytes on until either side ends, nothing crosses for too long, the
// caller's token has expired or was revoked, or the gateway stops.
func (t *tunnel) run(near net.Conn) {
	websockets.Inc()
	defer websockets.Dec()
	defer t.close()
	if !t.backend.set.tunnels.open(t) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { t.copy(t.far, near) })
	wg.Go(func() { t.copy(near, t.far) })
	wg.Go(t.watch)
	wg.Wait()
}

// copy passes on what comes from one side. Either direction's end is that of both.
func (t *tunnel) copy(to, from net.Conn) {
	defer t.end()
	buffer := streamBuffers.Get().(*[streamBuffer]byte) //nolint:forcetypeassert // nothing else is in there
	defer streamBuffers.Put(buffer)
	read := from.Read
	if from == net.Conn(t.far) {
		read = t.far.reader.Read
	}
	for {
		if from.SetReadDeadline(time.Now().Add(tunnelIdle)) != nil {
			return
		}
		n, err := read(buffer[:])
		if n > 0 {
			t.last.Store(int64(time.Since(t.backend.set.start)))
			if to.SetWriteDeadline(time.Now().Add(tunnelWrite)) != nil {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil && !(isTimeout(err) && t.active()) {
			return
		}
	}
}

// active reports whether something has crossed lately, in whatever direction.
func (t *tunnel) active() bool {
	return time.Since(t.backend.set.start)-time.Duration(t.last.Load()) < tunnelIdle
}

// watch ends the tunnel when its caller may not be there any more.
func (t *tunnel) watch() {
	ticker := time.NewTicker(tunnelCheck)
	defer ticker.Stop()
	for {
		select {
		case <-t.ended:
			return
		case <-ticker.C:
			if t.claims != nil && t.refused() {
				t.end()
				return
			}
		}
	}
}

// refused reports that a request with the caller's token would be refused now.
func (t *tunnel) refused() bool {
	set := t.backend.set
	return !set.now().Before(t.claims.ExpiresAt.Add(token.Leeway)) || set.refused(t.claims)
}

// end closes both sides.
func (t *tunnel) end() {
	t.once.Do(func() {
		close(t.ended)
		_ = t.client.Close() // nothing more can be said; what fasthttp hands to run cannot be closed
		t.backend.put(t.far, false, time.Now())
	})
}

// close is called once, after which nothing of the tunnel is left.
func (t *tunnel) close() {
	t.end()
	t.backend.set.tunnels.remove(t)
	t.ex.Finish()
}

// tunnels is the open WebSockets of a gateway.
type tunnels struct {
	mu     sync.Mutex
	all    map[*tunnel]bool // whether it runs
	closed bool
}

// add takes one up whose client has not been answered yet. It reports false when
// the gateway stops.
func (s *tunnels) add(t *tunnel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.all == nil {
		s.all = map[*tunnel]bool{}
	}
	t.ended = make(chan struct{})
	s.all[t] = false
	return true
}

// open notes that it runs, unless the gateway has begun to stop since.
func (s *tunnels) open(t *tunnel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[t] = true
	return !s.closed
}

func (s *tunnels) remove(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, t)
}

// EndTunnels closes all WebSockets and opens no more.
func (p *Proxy) EndTunnels() {
	s := &p.tunnels
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for t, runs := range s.all {
		if runs {
			// Telling a TLS client whose window is shut takes its time.
			go t.end()
		}
	}
}
