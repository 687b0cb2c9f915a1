package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/gateway/internal/edge"
)

// maxIdle is how long a connection is kept for reuse, well below the 60 s after
// which a backend closes it.
const maxIdle = 10 * time.Second

// outcome is how one attempt at one backend ended.
type outcome int

const (
	answered outcome = iota
	notSent          // no connection: nothing left this machine
	busy             // all connections to this backend are in use
	noAnswer         // the connection ended before a byte came back
	broken           // what came back is no usable answer
	timedOut
	outcomes
)

// String is the label of the outcome in metrics.
func (o outcome) String() string {
	return [outcomes]string{"answered", "not_sent", "busy", "no_answer", "broken", "timeout"}[o]
}

// backend is one process that requests are passed on to.
type backend struct {
	addr        string
	dial        Dialer
	dialTimeout time.Duration
	maxConns    int

	inFlight atomic.Int64
	counts   [outcomes]*metrics.Counter

	mu     sync.Mutex
	idle   []*conn // the most recently used last
	conns  int     // open, idle ones included
	closed bool
}

func newBackend(addr string, c Config, dial Dialer) *backend {
	b := &backend{addr: addr, dial: dial, dialTimeout: c.DialTimeout, maxConns: c.MaxConns}
	for o := range outcomes {
		b.counts[o] = metrics.GetOrCreateCounter(
			fmt.Sprintf(`gateway_proxy_requests_total{backend=%q,outcome=%q}`, addr, o))
	}
	name := fmt.Sprintf(`gateway_proxy_in_flight{backend=%q}`, addr)
	metrics.UnregisterMetric(name) // of a proxy before this one in the same process
	metrics.NewGauge(name, func() float64 { return float64(b.inFlight.Load()) })
	return b
}

// exchange makes one attempt.
func (b *backend) exchange(ex *edge.Exchange, deadline time.Time) outcome {
	b.inFlight.Add(1)
	defer b.inFlight.Add(-1)
	o := b.attempt(ex, deadline)
	b.counts[o].Inc()
	return o
}

func (b *backend) attempt(ex *edge.Exchange, deadline time.Time) outcome {
	c, err := b.get(deadline)
	switch {
	case errors.Is(err, errBusy):
		return busy
	case err != nil && !time.Now().Before(deadline):
		return timedOut
	case err != nil:
		return notSent
	}
	o, reusable := c.roundTrip(ex, b.addr, deadline)
	b.put(c, reusable)
	return o
}

var errBusy = errors.New("all connections are in use")

// get returns a connection that is safe to use: an idle one on which nothing
// has arrived since its last answer, or a new one.
func (b *backend) get(deadline time.Time) (*conn, error) {
	for {
		c, err := b.take()
		if err != nil {
			return nil, err
		}
		if c == nil {
			return b.connect(deadline)
		}
		if c.SetDeadline(deadline) == nil && c.quiet() {
			return c, nil
		}
		b.put(c, false)
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

func (b *backend) connect(deadline time.Time) (*conn, error) {
	ctx, cancel := context.WithDeadline(context.Background(), earlier(deadline, time.Now().Add(b.dialTimeout)))
	defer cancel()
	raw, err := b.dial(ctx, b.addr)
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

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// put takes a connection back; one that cannot be used again is closed.
func (b *backend) put(c *conn, reusable bool) {
	b.mu.Lock()
	if reusable && !b.closed {
		c.idleSince = time.Now()
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
	old := append([]*conn(nil), b.idle[:n]...)
	b.idle = append(b.idle[:0], b.idle[n:]...)
	b.conns -= n
	b.mu.Unlock()
	for _, c := range old {
		_ = c.Close()
	}
}

func (b *backend) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.closeIdle(time.Now().Add(time.Hour))
}

// isTimeout reports whether a read or write failed because the request's time
// was up.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
