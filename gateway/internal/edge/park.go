package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// parkAfter is how long a connection is silent before it is parked: well above
// the pauses of a client that is at work, since a parked one costs a little more
// to wake.
const parkAfter = time.Second

// Most connections at an edge are silent most of the time. fasthttp keeps a
// request with its buffers and a grown stack for each of them, 40 KiB and more.
// So a connection that has been silent for parkAfter is parked: the server is told
// that it has ended and lets go of it, and instead of closing it a small
// goroutine waits until something arrives and then has it served again.

// SetReadDeadline implements net.Conn; the next read sets it. The server waits
// for a request for a short while only; what it asked for is left to whom waits
// on.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if t.After(beyond) {
		c.lead = announced
		return nil
	}
	wait := c.patience()
	c.waiting = wait > c.limits.parkAfter
	if c.waiting {
		c.silentUntil = t
		t = t.Add(c.limits.parkAfter - wait)
	}
	c.deadlines.wanted = t
	return nil
}

// patience returns how long the server waits for a request that it is about to
// wait for; 0 when it waits for something else or the connection cannot be
// parked.
func (c *Conn) patience() time.Duration {
	switch {
	case c.socket == nil:
		return 0
	case c.is(idle):
		return c.limits.idleTimeout
	case c.is(fresh) && c.introduced():
		c.spent.Store(c.reads.Load())
		return c.limits.receiveTimeout
	}
	return 0
}

// introduced reports whether all that comes before the first request has come: a
// proxy's header, and a TLS handshake.
func (c *Conn) introduced() bool {
	if p, ok := c.Conn.(*proxied); ok && !p.known {
		return false
	}
	secure := c.secure.Load()
	return secure == nil || secure.ConnectionState().HandshakeComplete
}

// arrived notes that a request has begun. fasthttp gives the first one what is
// left of the time that it waited.
func (c *Conn) arrived() {
	if c.waiting && c.is(fresh) {
		c.deadlines.wanted = c.silentUntil
	}
	c.waiting = false
}

// considerParking has the connection parked when a read failed because the
// short while is over.
func (c *Conn) considerParking(err error) {
	if c.waiting && errors.Is(err, os.ErrDeadlineExceeded) {
		c.parking.Store(true)
	}
}

// seen turns the error of a read into what the server is to see of it.
func (c *Conn) seen(err error) error {
	if err != nil && c.parking.Load() {
		return io.EOF
	}
	return err
}

// await returns nil when something has arrived on a parked connection.
func (c *Conn) await() error {
	if err := c.setReadDeadline(c.silentUntil); err != nil {
		return err
	}
	var ended bool
	err := c.socket.Read(func(fd uintptr) bool {
		var waiting bool
		waiting, ended = pending(fd)
		return waiting || ended
	})
	if err == nil && ended {
		return io.EOF
	}
	return err
}

// park notes that the connection is silent.
func (c *Connections) park(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.state.Store(int32(parked))
	conn.place = c.parked.PushBack(conn)
}

// unpark notes that the connection is about to be served or closed.
func (c *Connections) unpark(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.state.Store(int32(active))
	if conn.place != nil {
		c.parked.Remove(conn.place)
		conn.place = nil
	}
}

// evict closes the connection that has been parked for longest, and reports
// whether there was one. It needs the lock. TLS is not told of the end, which
// may take its time and would hold up those who arrive.
func (c *Connections) evict() bool {
	for place := c.parked.Front(); place != nil; place = c.parked.Front() {
		conn := c.parked.Remove(place).(*Conn) //nolint:forcetypeassert // nothing else is in there
		conn.place = nil
		if conn.quiet() && !conn.closed.Swap(true) {
			c.forget(conn)
			connectionsEvicted.Inc()
			_ = conn.Conn.Close() // nothing is lost with it
			return true
		}
	}
	return false
}

// parkingLot is a listener whose connections are parked when they are silent.
type parkingLot struct {
	net.Listener
	secure *tls.Config // nil for plain connections
	serve  func(net.Conn) error
}

// Accept implements net.Listener.
func (l *parkingLot) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	own := connOf(conn)
	if l.secure == nil {
		return &plainConn{own, l.serve}, nil
	}
	secure := tls.Server(own, l.secure)
	own.secure.Store(secure)
	return &secureConn{Conn: secure, own: own, serve: l.serve}, nil
}

// plainConn is what the server holds of an unencrypted connection.
type plainConn struct {
	*Conn
	serve func(net.Conn) error
}

// NetConn returns the connection below.
func (p *plainConn) NetConn() net.Conn { return p.Conn }

// Read implements net.Conn.
func (p *plainConn) Read(b []byte) (int, error) {
	if p.lead == announced {
		return p.standIn(b)
	}
	n, err := p.Conn.Read(b)
	if err == nil {
		err = p.overhead.take(n)
	}
	p.ended = p.ended || errors.Is(err, io.EOF)
	return p.without(b, n), p.seen(err)
}

// Close implements net.Conn.
func (p *plainConn) Close() error {
	if p.leave(p, p.serve) {
		return nil
	}
	p.drop()
	return p.Conn.Close()
}

// secureConn is what the server holds of an encrypted connection.
type secureConn struct {
	*tls.Conn
	own        *Conn
	serve      func(net.Conn) error
	handshaken bool
	// stuck says that something could not be written. A tunnel reads, writes and
	// closes in goroutines of their own.
	stuck atomic.Bool
}

// Write implements net.Conn.
func (s *secureConn) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if err != nil {
		s.stuck.Store(true)
	}
	return n, err
}

// Read implements net.Conn.
func (s *secureConn) Read(b []byte) (int, error) {
	if s.own.lead == announced {
		return s.own.standIn(b)
	}
	n, err := s.Conn.Read(b)
	if err == nil {
		err = s.own.overhead.take(n)
	}
	s.own.ended = s.own.ended || errors.Is(err, io.EOF)
	return s.own.without(b, n), s.own.seen(err)
}

// Close implements net.Conn.
func (s *secureConn) Close() error {
	if s.own.leave(s, s.serve) {
		return nil
	}
	s.own.drop()
	if s.stuck.Load() { // and so would be the word of the end, for five seconds
		return s.own.Close()
	}
	return s.Conn.Close()
}

// leave parks the connection if that is why the server lets go of it.
func (c *Conn) leave(front net.Conn, serve func(net.Conn) error) bool {
	if !c.parking.CompareAndSwap(true, false) {
		return false
	}
	c.limits.park(c)
	go func() {
		err := c.await()
		c.limits.unpark(c)
		if err == nil {
			err = c.SetWriteDeadline(time.Now().Add(c.limits.sendTimeout))
		}
		if err != nil { // its time is over, or it was closed
			_ = front.Close()
			return
		}
		_ = serve(front) // closes it, or parks it again
	}()
	return true
}

// hangUp closes the connection at once, and tells a TLS client so.
func (c *Conn) hangUp() {
	if secure := c.secure.Load(); secure != nil {
		_ = secure.Close() // closes this one, too
		return
	}
	_ = c.Close() // only its owner could do something about it
}
