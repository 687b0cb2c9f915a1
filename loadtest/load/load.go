// Package load sends requests over a number of connections, as fast as they are
// answered or at a pace.
package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// patience bounds a round and each request in it.
const patience = 2 * time.Minute

// Load is one round of requests.
type Load struct {
	Addr     string
	TLS      *tls.Config // nil for plain
	Conns    int
	Requests int
	// Request returns the bytes of request i.
	Request func(i int) []byte
	// Check refuses an answer, which is whole.
	Check func(answer []byte) error
	// Reconnect opens a connection for each request.
	Reconnect bool
	// PerSecond paces the requests; 0 sends the next when the last was answered.
	PerSecond int
}

// Run sends all requests, and returns how long those that are paced took,
// sorted.
func (l *Load) Run(ctx context.Context) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	start := time.Now()
	for c := range l.Conns {
		wg.Go(func() {
			own, err := l.one(ctx, c, start, &next)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
			if err != nil && failed == nil {
				failed = err
				cancel()
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	return took, failed
}

// one is one client.
func (l *Load) one(ctx context.Context, number int, start time.Time, next *atomic.Int64) (took []time.Duration, err error) {
	var c *Client
	defer func() {
		if c != nil {
			c.Close() // its end is all that is wanted
		}
	}()
	var last time.Time // end of the request before
	for i := number; ; i += l.Conns {
		if l.PerSecond == 0 {
			i = int(next.Add(1)) - 1
		}
		if i >= l.Requests || ctx.Err() != nil {
			return took, nil
		}
		if c == nil {
			if c, err = Dial(ctx, l.Addr, l.TLS); err != nil {
				return nil, err
			}
		}
		var begin time.Time
		if l.PerSecond > 0 {
			due := start.Add(time.Duration(i) * time.Second / time.Duration(l.PerSecond))
			time.Sleep(time.Until(due))
			// That this process woke late is not the proxy's fault; that the
			// connection was still busy is.
			if begin = time.Now(); last.After(due) {
				begin = due
			}
		}
		if err = c.Do(l.Request(i), l.Check); err != nil {
			return nil, err
		}
		if l.PerSecond > 0 {
			last = time.Now()
			took = append(took, last.Sub(begin))
		}
		if l.Reconnect {
			c.Close()
			c = nil
		}
	}
}

// Client is one connection.
type Client struct {
	conn   net.Conn
	buffer []byte
}

// Dial opens a connection, with TLS if secure is not nil.
func Dial(ctx context.Context, addr string, secure *tls.Config) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		conn = tls.Client(conn, secure)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	return &Client{conn: conn, buffer: make([]byte, 64<<10)}, nil
}

// Close ends the connection.
func (c *Client) Close() { _ = c.conn.Close() } // it is over either way

// Forget gives the connection's buffer back, for one that stays open and is not
// used again.
func (c *Client) Forget() { c.buffer = nil }

var errAnswer = errors.New("not a whole answer")

// Do sends a request, reads its answer and has it checked.
func (c *Client) Do(request []byte, check func([]byte) error) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	n, length := 0, -1 // length of the whole answer, once its head is there
	for length < 0 || n < length {
		read, err := c.conn.Read(c.buffer[n:])
		n += read
		if length < 0 {
			length = answerLength(c.buffer[:n])
		}
		if err != nil && (length < 0 || n < length) {
			return fmt.Errorf("%w: %.200q: %w", errAnswer, c.buffer[:n], err)
		}
		if n == len(c.buffer) {
			return fmt.Errorf("%w: %.200q", errAnswer, c.buffer[:n])
		}
	}
	return check(c.buffer[:n])
}

// answerLength returns how long an answer is whose head may be there, or -1.
func answerLength(b []byte) int {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return -1
	}
	const name = "\r\nContent-Length: "
	at := bytes.Index(b[:end+2], []byte(name))
	if at < 0 {
		if at = bytes.Index(b[:end+2], []byte("\r\ncontent-length: ")); at < 0 {
			return end + 4
		}
	}
	value, _, _ := bytes.Cut(b[at+len(name):], []byte("\r\n"))
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return end + 4
	}
	return end + 4 + n
}
