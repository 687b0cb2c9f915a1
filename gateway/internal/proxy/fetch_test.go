package proxy

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	var got *http.Request
	u := newUpstream(t, func(n int, request *http.Request, body string, conn net.Conn) bool {
		got = request
		return ok(`{"keys":[]}`)(n, request, body, conn)
	})
	closed := closedAddr(t)
	p := newProxy(t, nil, closed, u.addr)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	content, err := p.Fetch(ctx, u.addr, "/keys", 11)
	if err != nil || string(content) != `{"keys":[]}` {
		t.Fatalf("%q, %v", content, err)
	}
	if got.Method != "GET" || got.URL.Path != "/keys" || got.Host != u.addr || !got.Close ||
		got.Header.Get("X-Request-Id") == "" || got.Header.Get("X-Request-Timeout") == "" || got.Header.Get("Authorization") != "" {
		t.Errorf("asked with %+v", got)
	}
	if member(t, p, u.addr).conns != 0 {
		t.Error("its connection counts as one for requests")
	}
	if _, err := p.Fetch(ctx, "192.0.2.1:80", "/keys", 11); err == nil {
		t.Error("fetched from what is not a backend")
	}
	if _, err := p.Fetch(ctx, closed, "/keys", 11); err == nil {
		t.Error("fetched from a closed port")
	}
}

func TestFetchWantsA200InTimeAndBounds(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]script{
		"one byte too many":  ok(strings.Repeat("x", 101)),
		"404":                raw("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
		"a redirect":         raw("HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"),
		"204":                raw("HTTP/1.1 204 No Content\r\n\r\n"),
		"no HTTP":            raw("hello\r\n\r\n"),
		"too large a header": raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"),
		"chunks without end": func(_ int, _ *http.Request, _ string, conn net.Conn) bool {
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
			for {
				if _, err := conn.Write([]byte("40\r\n" + strings.Repeat("x", 64) + "\r\n")); err != nil {
					return false
				}
			}
		},
		"closed at once": func(int, *http.Request, string, net.Conn) bool { return false },
		"part of a body": func(_ int, _ *http.Request, _ string, conn net.Conn) bool {
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			content, err := newProxy(t, nil, u.addr).Fetch(ctx, u.addr, "/keys", 100)
			if err == nil || content != nil || !strings.Contains(err.Error(), u.addr) {
				t.Errorf("%q, %v, want an error that names the backend", content, err)
			}
			if ctx.Err() != nil {
				t.Error("it took all the time there was")
			}
		})
	}
}

// TestFetchEndsWithItsContext: a backend that is silent holds it up no longer.
func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 2)
	u := newUpstream(t, func(int, *http.Request, string, net.Conn) bool {
		asked <- struct{}{}
		return true
	})
	p := newProxy(t, nil, u.addr)
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Fetch(soon, u.addr, "/keys", 100); err == nil {
		t.Error("an answer from a silent backend")
	}
	<-asked
	ctx, leave := context.WithTimeout(t.Context(), time.Hour)
	go func() { <-asked; leave() }()
	if _, err := p.Fetch(ctx, u.addr, "/keys", 100); err == nil {
		t.Error("an answer from a silent backend")
	}
}
