//go:build unix

package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// pair returns both ends of a connection.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
	})
	return near, far
}

// arrived waits until a socket has something to be read.
func arrived(p *peeker) {
	for p.quiet() {
		time.Sleep(100 * time.Microsecond)
	}
}

func TestNothingIsSentOverWhatHasArrived(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(net.Conn) error{
		"bytes":   func(far net.Conn) error { _, err := io.WriteString(far, "x"); return err },
		"the end": net.Conn.Close,
	} {
		near, far := pair(t)
		p := newPeeker(near)
		if err := act(far); err != nil {
			t.Fatal(err)
		}
		arrived(p)
		n, quiet, err := p.send([]byte("request"), true)
		if n != 0 || quiet || err != nil {
			t.Errorf("%s: %d bytes sent, quiet %v, %v", name, n, quiet, err)
		}
	}
}

func TestSendWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	p := newPeeker(near)
	go func() {
		b := make([]byte, 7)
		if _, err := io.ReadFull(far, b); err == nil {
			_, _ = io.WriteString(far, "answer")
		}
	}()
	n, quiet, err := p.send([]byte("request"), true)
	if n != 7 || !quiet || err != nil || p.quiet() {
		t.Errorf("%d bytes sent, quiet %v, %v, and no answer is there: %v", n, quiet, err, p.quiet())
	}
}

func TestSendWaitsOnlyWhenAllIsSent(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	p := newPeeker(near)
	request := bytes.Repeat([]byte("x"), 32<<20) // more than the sockets take
	n, quiet, err := p.send(request, true)
	if n == 0 || n >= len(request) || !quiet || err != nil {
		t.Errorf("%d bytes sent, quiet %v, %v", n, quiet, err)
	}
	if n, quiet, err := p.send([]byte("x"), false); n > 1 || !quiet || err != nil {
		t.Errorf("without waiting: %d bytes sent, quiet %v, %v", n, quiet, err)
	}
	_ = far
}

func TestSendEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	near, _ := pair(t)
	p := newPeeker(near)
	if err := near.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, quiet, err := p.send([]byte("x"), true); n != 1 || !quiet || !isTimeout(err) {
		t.Errorf("%d bytes sent, quiet %v, %v", n, quiet, err)
	}
}

// A large request, of which the socket takes a part at once, arrives whole.
func TestRequestsLargerThanTheSocketTakes(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	c := newConn(near)
	request := bytes.Repeat([]byte("0123456789"), 3<<20)
	got := make(chan []byte)
	go func() {
		b := make([]byte, len(request))
		n, _ := io.ReadFull(far, b)
		got <- b[:n]
	}()
	if quiet, err := c.send(request, true); !quiet || err != nil {
		t.Errorf("quiet %v, %v", quiet, err)
	}
	if !bytes.Equal(<-got, request) {
		t.Error("another request arrived")
	}
}

// moved counts how often a deadline is set.
type moved struct {
	net.Conn
	both, read int
}

func (m *moved) SetDeadline(time.Time) error     { m.both++; return nil }
func (m *moved) SetReadDeadline(time.Time) error { m.read++; return nil }

func TestDeadlinesOfRequestsThatFollowEachOther(t *testing.T) {
	t.Parallel()
	m := &moved{}
	c := newConn(m)
	start := time.Now()
	expire := func(after, within time.Duration, want int) {
		t.Helper()
		now := start.Add(after)
		if err := c.expire(now.Add(within), now); err != nil {
			t.Error(err)
		}
		if c.until.Before(now.Add(within)) || c.until.After(now.Add(within+within/16)) {
			t.Errorf("the deadline is %v, and %v was wanted", c.until.Sub(start), after+within)
		}
		if m.both != want {
			t.Errorf("at %v: set %d times, want %d", after, m.both, want)
		}
	}
	expire(0, 8*time.Second, 1)
	expire(400*time.Millisecond, 8*time.Second, 1)
	expire(600*time.Millisecond, 8*time.Second, 2)
	expire(600*time.Millisecond, time.Second, 3) // a shorter one
	expire(600*time.Millisecond, 8*time.Second, 4)
	if err := c.SetReadDeadline(start); err != nil || m.read != 1 {
		t.Error(err)
	}
	expire(600*time.Millisecond, 8*time.Second, 5)
}

// What a backend says before it was asked is no answer, and no reason to connect
// again and again.
func TestBackendThatSpeaksFirst(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var conns atomic.Int64
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	c := Config{Backends: []string{ln.Addr().String()}, DialTimeout: time.Second, MaxConns: 10}
	p := New(Options{Config: c, Dial: func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := Dial(ctx, addr)
		if err == nil {
			arrived(newPeeker(conn))
		}
		return conn, err
	}})
	defer p.Close()
	status, body := ask(p, "POST", "x")
	want(t, "POST", status, body, 502, "bad_gateway")
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
