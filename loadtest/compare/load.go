package main

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

// load is one round of requests.
type load struct {
	addr     string
	tls      *tls.Config // nil for plain
	conns    int
	requests int
	// request returns the bytes of request i.
	request func(i int) []byte
	// reconnect opens a connection for each request.
	reconnect bool
	// perSecond paces the requests; 0 sends the next when the last was answered.
	perSecond int
}

// run sends all requests, and returns how long those that are paced took,
// sorted.
func (l *load) run(ctx context.Context) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	start := time.Now()
	for c := range l.conns {
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
func (l *load) one(ctx context.Context, number int, start time.Time, next *atomic.Int64) (took []time.Duration, err error) {
	var c *client
	defer func() {
		if c != nil {
			_ = c.conn.Close() // its end is all that is wanted
		}
	}()
	var last time.Time // end of the request before
	for i := number; ; i += l.conns {
		if l.perSecond == 0 {
			i = int(next.Add(1)) - 1
		}
		if i >= l.requests || ctx.Err() != nil {
			return took, nil
		}
		if c == nil {
			if c, err = dial(ctx, l.addr, l.tls); err != nil {
				return nil, err
			}
		}
		var begin time.Time
		if l.perSecond > 0 {
			due := start.Add(time.Duration(i) * time.Second / time.Duration(l.perSecond))
			time.Sleep(time.Until(due))
			// That this process woke late is not the proxy's fault; that the
			// connection was still busy is.
			if begin = time.Now(); last.After(due) {
				begin = due
			}
		}
		if err = c.do(l.request(i)); err != nil {
			return nil, err
		}
		if l.perSecond > 0 {
			last = time.Now()
			took = append(took, last.Sub(begin))
		}
		if l.reconnect {
			_ = c.conn.Close()
			c = nil
		}
	}
}

// client is one connection.
type client struct {
	conn   net.Conn
	buffer []byte
}

func dial(ctx context.Context, addr string, secure *tls.Config) (*client, error) {
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
	return &client{conn: conn, buffer: make([]byte, 8<<10)}, nil
}

var errAnswer = errors.New("not the origin's answer")

// do sends a request and reads its answer, which must be the origin's.
func (c *client) do(request []byte) error {
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
	if !bytes.HasPrefix(c.buffer, []byte("HTTP/1.1 200 ")) || !bytes.HasSuffix(c.buffer[:n], answer) {
		return fmt.Errorf("%w: %.300q", errAnswer, c.buffer[:n])
	}
	return nil
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
