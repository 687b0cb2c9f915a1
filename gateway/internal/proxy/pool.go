package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// maxIdle is how long a connection is kept for reuse, well below the 60 s after
// which a backend closes it.
const maxIdle = 10 * time.Second

var errBusy = errors.New("all connections are in use")

// pool is the connections to one backend.
type pool struct {
	mu     sync.Mutex
	idle   []*conn // the most recently used last
	conns  int     // open, idle ones included
	closed bool    // nothing is kept for reuse any more
}

// get returns an idle connection or a new one, with its deadline set.
func (b *backend) get(q *call) (*conn, error) {
	for {
		c, err := b.take()
		if err != nil {
			return nil, err
		}
		if c == nil {
			c, err = b.connect(q.deadline, q.ex.Route.Connect)
			q.now = time.Now() // which may be much later, and a backend is told what is left
			return c, err
		}
		if c.expire(q.deadline, q.now) == nil {
			return c, nil
		}
		b.put(c, false, q.now)
	}
}

// take returns the most recently used idle connection, or nil after making
// room for a new one.
func (b *backend) take() (*conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.idle); n > 0 {
		c := b.idle[n-1]
		b.idle = b.idle[:n-1]
		return c, nil
	}
	if b.conns >= b.maxConns {
		return nil, errBusy
	}
	b.conns++
	return nil, nil
}

// connect opens a connection, within a time that 0 leaves to the settings.
func (b *backend) connect(deadline time.Time, within time.Duration) (*conn, error) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	raw, err := b.open(ctx, within)
	if err == nil {
		if err = raw.SetDeadline(deadline); err == nil {
			return newConn(raw), nil
		}
		_ = raw.Close()
	}
	b.mu.Lock()
	b.conns--
	b.mu.Unlock()
	return nil, err
}

// open connects, within a time that 0 leaves to the settings.
func (b *backend) open(ctx context.Context, within time.Duration) (net.Conn, error) {
	if within == 0 {
		within = b.dialTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, nameKey{}, b.name), within)
	defer cancel()
	raw, err := b.dial(ctx, b.addr)
	b.unreachable.Store(err != nil)
	return raw, err
}

// put takes a connection back; one that cannot be used again is closed.
func (b *backend) put(c *conn, reusable bool, now time.Time) {
	b.mu.Lock()
	if reusable && !b.closed {
		c.used, c.idleSince = true, now
		b.idle = append(b.idle, c)
		b.mu.Unlock()
		return
	}
	b.conns--
	b.mu.Unlock()
	_ = c.Close() // nothing is lost with it
}

// closeIdle closes the connections that have not been used since then.
func (b *backend) closeIdle(since time.Time) {
	b.mu.Lock()
	n := 0
	for n < len(b.idle) && b.idle[n].idleSince.Before(since) {
		n++
	}
	if n == 0 {
		b.mu.Unlock()
		return
	}
	old := append([]*conn(nil), b.idle[:n]...)
	kept := copy(b.idle, b.idle[n:])
	clear(b.idle[kept:])
	b.idle = b.idle[:kept]
	b.conns -= n
	b.mu.Unlock()
	for _, c := range old {
		_ = c.Close()
	}
}

// retire closes the connections that are idle now, and the others as soon as
// their requests are done.
func (p *pool) retire() {
	p.mu.Lock()
	old := p.idle
	p.idle, p.closed = nil, true
	p.conns -= len(old)
	p.mu.Unlock()
	for _, c := range old {
		_ = c.Close()
	}
}

// isTimeout reports whether a read or write failed because the request's time
// was up.
func isTimeout(err error) bool {
	if err == nil { // before there is a variable to be allocated
		return false
	}
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
