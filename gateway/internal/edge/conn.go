package edge

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/ratelimit"
)

var (
	connections        = metrics.NewGauge(`gateway_connections`, nil)
	connectionsTotal   = metrics.NewCounter(`gateway_connections_total`)
	refusedTotal       = metrics.NewCounter(`gateway_connections_refused_total{reason="total"}`)
	refusedAddress     = metrics.NewCounter(`gateway_connections_refused_total{reason="address"}`)
	acceptErrors       = metrics.NewCounter(`gateway_accept_errors_total`)
	connectionsLingers = metrics.NewCounter(`gateway_connections_lingered_total`)
	connectionsEvicted = metrics.NewCounter(`gateway_connections_evicted_total`)
)

const (
	// A client that is still sending when its request is refused would see its
	// connection reset, and lose the answer, if it were closed at once. For this
	// long, and this much, what it sends is read and thrown away. That is enough for
	// most bodies that are somewhat above a limit; operations may take more (up to
	// 5 GiB), and who has much more to send may lose the answer.
	lingerTime  = 2 * time.Second
	lingerBytes = 24 << 20

	// acceptPause is how long to wait after a failed accept, such as one for
	// want of file descriptors.
	acceptPause = 20 * time.Millisecond
)

// Connections limits how many connections are open, in all and from one
// address (IPv6: one /64). A connection above a limit is closed without an
// answer: over TLS none can be given before the handshake, which is the
// expensive part. Trusted proxies are limited by the total alone.
//
// When all places are taken, the connection that has been silent for longest makes
// room for a new one: else whoever opens many and stays silent would lock
// everybody out.
type Connections struct {
	max, perAddress int
	trust           Trust
	log             *slog.Logger
	// proxyLines says that connections of trusted proxies begin with a header of
	// the PROXY protocol.
	proxyLines bool
	// handshakeTimeout bounds a TLS handshake.
	handshakeTimeout time.Duration
	// receiveTimeout and idleTimeout are how long the server waits for the first
	// and for the next request. A connection is parked after parkAfter of it; with
	// 0 for all none is.
	receiveTimeout, idleTimeout, parkAfter time.Duration
	// sendTimeout bounds what is written to a woken connection at first: the
	// deadline of its last answer may be over, and fasthttp sets none for a 100.
	sendTimeout time.Duration

	mu        sync.Mutex
	listeners []net.Listener
	open      map[*Conn]struct{}
	parked    list.List // of *Conn, the longest idle first
	byAddress map[netip.Addr]int
}

// NewConnections returns the limits.
func NewConnections(maxTotal, maxPerAddress int, trust Trust, log *slog.Logger) *Connections {
	return &Connections{
		max:        maxTotal,
		perAddress: maxPerAddress,
		trust:      trust,
		log:        log,
		open:       map[*Conn]struct{}{},
		byAddress:  map[netip.Addr]int{},
	}
}

// Listen returns a listener that accepts only what the limits allow.
func (c *Connections) Listen(ln net.Listener) net.Listener {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, ln)
	return &listener{ln, c}
}

// Len returns how many connections are open.
func (c *Connections) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// CloseAll closes every connection and returns how many had a request under
// way.
func (c *Connections) CloseAll() (busy int) {
	for _, conn := range c.all() {
		if conn.busy() {
			busy++
		}
		conn.linger.Store(false)
		_ = conn.Close() // only its owner could do something about it
	}
	return busy
}

func (c *Connections) all() []*Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.open))
}

type listener struct {
	net.Listener
	limits *Connections
}

// Accept implements net.Listener. It goes on after errors: fasthttp would take
// any of them for the end.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
				return nil, err
			}
			acceptErrors.Inc()
			l.limits.log.Error("accept", "cause", err)
			time.Sleep(acceptPause)
			continue
		}
		if conn := l.limits.admit(raw); conn != nil {
			return conn, nil
		}
		_ = raw.Close()
	}
}

func (c *Connections) admit(raw net.Conn) *Conn {
	peer := peerOf(raw)
	bucket := bucketOf(peer)
	conn := &Conn{Conn: raw, limits: c, peer: peer, text: peer.String(), bucket: bucket, socket: socketOf(raw)}
	if c.proxyLines && c.trust.Contains(peer) {
		c.expectProxyLine(conn)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.byAddress[bucket] >= c.perAddress && !c.trust.Contains(peer):
		refusedAddress.Inc()
		return nil
	case len(c.open) >= c.max && !c.evict():
		refusedTotal.Inc()
		return nil
	}
	c.open[conn] = struct{}{}
	c.byAddress[bucket]++
	connections.Inc()
	connectionsTotal.Inc()
	return conn
}

// peerOf returns the address at the other end; listeners in memory have none,
// which counts as the unspecified address.
func peerOf(raw net.Conn) netip.Addr {
	if tcp, ok := raw.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.IPv4Unspecified()
}

// bucketOf returns what counts as one address: an IPv6 network belongs to one
// client as a rule.
func bucketOf(peer netip.Addr) netip.Addr {
	if network, err := peer.Prefix(64); err == nil && peer.Is6() {
		return network.Addr()
	}
	return peer
}

func (c *Connections) release(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(conn)
}

// forget needs the lock.
func (c *Connections) forget(conn *Conn) {
	delete(c.open, conn)
	c.leave(conn.bucket)
	connections.Dec()
}

// leave counts one connection less from an address.
func (c *Connections) leave(bucket netip.Addr) {
	if n := c.byAddress[bucket] - 1; n > 0 {
		c.byAddress[bucket] = n
	} else {
		delete(c.byAddress, bucket)
	}
}

// state is what goes on on a connection.
type state int32

const (
	fresh    state = iota // nothing was asked yet
	active                // a request has begun and is not answered yet
	idle                  // between requests
	parked                // silent for a while, and not held by the server
	hijacked              // no longer HTTP
)

// Conn is a client's connection, below TLS.
type Conn struct {
	net.Conn

	limits *Connections
	peer   netip.Addr
	text   string // peer, written once and not for each request
	bucket netip.Addr
	socket syscall.RawConn          // nil for what is no socket
	secure atomic.Pointer[tls.Conn] // over this one; nil for none

	state atomic.Int32
	reads atomic.Uint32 // reads that brought something
	spent atomic.Uint32 // reads when it fell idle

	linger  atomic.Bool
	closed  atomic.Bool
	chunked bool // the body of the last request was
	behind  bool // the current request had begun to arrive when the one before it ended

	lead  lead    // of the body of the current request
	first [1]byte // of that body, if it came apart from the header

	ended   bool                   // the client sends no more; known to who reads
	dropped atomic.Pointer[func()] // see Exchange.Hijack

	deadlines deadlines
	held      ratelimit.Held

	waiting     bool        // for a request, for a short while; known to who reads
	parking     atomic.Bool // the server is to let go of it, and not to close it
	silentUntil time.Time
	place       *list.Element // in Connections.parked; under its lock
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.applyReadDeadline(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.reads.Add(1)
	} else if err != nil {
		c.considerParking(err)
	}
	return n, err
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	defer c.limits.release(c)
	if c.linger.Load() {
		c.drain()
	}
	return c.Conn.Close()
}

func (c *Conn) is(s state) bool { return state(c.state.Load()) == s }

// busy reports whether somebody waits for an answer.
func (c *Conn) busy() bool { return c.is(active) || c.is(hijacked) }

// drain tells the client that nothing more will come, and reads on for a while
// so that it gets to read what was sent.
func (c *Conn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	connectionsLingers.Inc()
	// Its end, a time-out and the bound are all the same here.
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}

// addr returns the peer's address and its text.
func (c *Conn) addr() (netip.Addr, string) {
	if c == nil { // served without Connections, as benchmarks do
		return netip.IPv4Unspecified(), "0.0.0.0"
	}
	return c.peer, c.text
}

// bucketHeld is where the peer's bucket is held between its requests.
func (c *Conn) bucketHeld() *ratelimit.Held {
	if c == nil {
		return nil
	}
	return &c.held
}

// connOf finds our connection under TLS; nil when it is none of ours.
func connOf(conn net.Conn) *Conn {
	if under, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = under.NetConn()
	}
	own, _ := conn.(*Conn)
	return own
}

// LingerOnClose makes the closing of a connection wait for what the client is
// still sending.
func LingerOnClose(conn net.Conn) {
	if own := connOf(conn); own != nil {
		own.linger.Store(true)
	}
}

// track notes what goes on on a connection. That one is closed is known already,
// and a parked one is in other hands by the time the server says so.
func track(conn net.Conn, now fasthttp.ConnState) {
	own := connOf(conn)
	if own == nil {
		return
	}
	switch now {
	case fasthttp.StateActive:
		own.arrived()
		own.behind = !own.is(fresh) && own.spent.Load() == own.reads.Load()
		own.state.Store(int32(active))
	case fasthttp.StateIdle:
		own.goOn()
		own.spent.Store(own.reads.Load())
		own.state.Store(int32(idle))
	case fasthttp.StateHijacked:
		own.state.Store(int32(hijacked))
	}
}
