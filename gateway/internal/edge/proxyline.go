package edge

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"os"

	"github.com/VictoriaMetrics/metrics"
	"github.com/pires/go-proxyproto"
)

var (
	proxyLinesMissing   = metrics.NewCounter(`gateway_proxy_protocol_refused_total{reason="missing"}`)
	proxyLinesMalformed = metrics.NewCounter(`gateway_proxy_protocol_refused_total{reason="malformed"}`)
	proxyLinesTimedOut  = metrics.NewCounter(`gateway_proxy_protocol_refused_total{reason="timeout"}`)
)

// proxyLineBuffer holds a header of version 1, which has 107 bytes at most and
// must arrive at once. One of version 2 may have 4 KiB of extras, which are
// thrown away.
const proxyLineBuffer = 256

// proxied is a connection from one of our own proxies that begins with a header
// of the PROXY protocol: whom the proxy has it from. The header is read with the
// connection's first bytes, by whoever serves it and within the time of the
// handshake or of the first request, so that a silent proxy holds up nobody.
type proxied struct {
	net.Conn
	owner *Conn
	// ahead holds what came with the header; nil when that was read.
	ahead *bufio.Reader
	known bool
}

func (c *Connections) expectProxyLine(conn *Conn) {
	conn.Conn = &proxied{Conn: conn.Conn, owner: conn, ahead: bufio.NewReaderSize(conn.Conn, proxyLineBuffer)}
}

// Read implements net.Conn.
func (p *proxied) Read(b []byte) (int, error) {
	if p.ahead == nil {
		return p.Conn.Read(b)
	}
	if !p.known {
		if err := p.identify(); err != nil {
			return 0, err
		}
		p.known = true
	}
	if p.ahead.Buffered() > 0 {
		return p.ahead.Read(b)
	}
	p.ahead = nil
	return p.Conn.Read(b)
}

// CloseWrite tells the client that nothing more will come.
func (p *proxied) CloseWrite() error {
	if half, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// identify reads the header and takes its address for the peer's. What is wrong
// ends the connection without an answer, which the proxy could not understand.
func (p *proxied) identify() error {
	_, err := p.ahead.Peek(1)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err // closed before a word was said, as probes of load balancers do
	}
	var header *proxyproto.Header
	if err == nil {
		header, err = proxyproto.Read(p.ahead)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		proxyLinesTimedOut.Inc()
		return p.refuse()
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
		proxyLinesMissing.Inc()
		return p.refuse()
	case err != nil:
		proxyLinesMalformed.Inc()
		return p.refuse()
	}
	// A connection of the proxy itself (LOCAL), or from a client that has no
	// address, keeps the peer that it has.
	source, _, ok := header.TCPAddrs()
	if !ok || header.Command.IsLocal() {
		return nil
	}
	addr, ok := netip.AddrFromSlice(source.IP)
	if !ok {
		proxyLinesMalformed.Inc()
		return p.refuse()
	}
	if !p.owner.limits.rename(p.owner, addr.Unmap()) {
		return p.refuse()
	}
	return nil
}

// refuse closes the connection. The error says so, and nobody answers it.
func (p *proxied) refuse() error {
	_ = p.owner.Close() // closed by somebody else already
	return net.ErrClosed
}

// rename gives a connection the peer that its proxy tells, and reports whether
// the limit of that address allows it.
func (c *Connections) rename(conn *Conn, peer netip.Addr) bool {
	bucket := bucketOf(peer)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, open := c.open[conn]; !open {
		return false
	}
	if c.byAddress[bucket] >= c.perAddress && !c.trust.Contains(peer) {
		refusedAddress.Inc()
		return false
	}
	c.leave(conn.bucket)
	c.byAddress[bucket]++
	conn.peer, conn.text, conn.bucket = peer, peer.String(), bucket
	return true
}
