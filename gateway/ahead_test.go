package gateway

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a header alone decides is answered without any of the body. When that
// comes after all, it is thrown away, and is the next request to nobody.
func TestDecidedBeforeTheBody(t *testing.T) {
	t.Parallel()
	const smuggled = "GET /openapi.json HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
	own := func(string) string { return "" }
	for name, c := range map[string]struct {
		line   string
		length int
		change func(signed string) string // of the token
		header string
		status int
		code   string
		ends   bool // the connection, with the answer
	}{
		"no token":              {"POST /upload", len(smuggled), own, "", 401, "unauthenticated", false},
		"no token, two bytes":   {"POST /upload", 2, own, "", 401, "unauthenticated", false},
		"no token, one byte":    {"POST /upload", 1, own, "", 401, "unauthenticated", true},
		"no token, much":        {"POST /upload", 200_000, own, "", 401, "unauthenticated", false},
		"no token, too much":    {"POST /upload", 300_000, own, "", 401, "unauthenticated", true},
		"another tenant":        {"POST /upload", len(smuggled), nil, "X-Tenant-Id: other", 403, "tenant_mismatch", false},
		"an unknown path":       {"POST /nowhere", len(smuggled), nil, "", 404, "not_found", false},
		"too long":              {"POST /bounded", 200_001, nil, "", 413, "body_too_large", true},
		"another coding":        {"POST /upload", len(smuggled), nil, "Content-Encoding: gzip", 415, "unsupported_media_type", false},
		"a target that is none": {"POST //upload", len(smuggled), nil, "", 400, "bad_framing", true},
		"another expectation":   {"POST /upload", len(smuggled), nil, "Expect: 200-ok", 400, "bad_framing", true},
		"a header twice":        {"POST /upload", len(smuggled), nil, "X-Request-Id: a\r\nX-Request-Id: b", 400, "bad_framing", true},
		"a limit":               {"POST /upload", len(smuggled), nil, "", 429, "rate_limited", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var change func(*Config)
			if c.status == 429 {
				change = limits(t, "standard.write=1/1h,1")
			}
			r := newStreamRig(t, change, func(f *far) {
				for q := f.next(); q != nil; q = f.next() {
					_, _ = io.Copy(io.Discard, q.Body)
					f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				}
			})
			if c.status == 429 {
				if a := r.do(t, "POST", "/upload", r.own(), "x"); a.status != 200 {
					t.Fatalf("the first one = %d", a.status)
				}
			}
			headers := []string{fmt.Sprint("Content-Length: ", c.length)}
			if c.header != "" {
				headers = append(headers, c.header)
			}
			head := r.head(c.line, headers...)
			if c.change != nil {
				head = strings.Replace(head, r.signed, c.change(r.signed), 1)
			}
			conn := r.dial(t)
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil { // below REQUEST_RECEIVE_TIMEOUT
				t.Fatal(err)
			}
			conn.say(t, head)
			a := conn.answer(t, "POST")
			a.problem(t, c.status, c.code)
			if ends := a.header.Get("Connection") == "close"; ends != c.ends {
				t.Fatalf("the connection ends: %v, want %v", ends, c.ends)
			}
			if c.ends {
				return
			}
			conn.say(t, strings.Repeat(smuggled, 1+c.length/len(smuggled))[:c.length], r.head("GET /nowhere/else"))
			conn.answer(t, "GET").problem(t, 404, "not_found")
		})
	}
}

// A body that comes apart from its header, in whatever parts, arrives as it was
// sent, and the next request begins behind it. Each record of TLS is a part.
func TestBodiesApartFromTheirHeaders(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := certificate(t)
	var mu sync.Mutex
	var got []string
	r := newStreamRig(t, func(c *Config) {
		c.TLSAddr, c.TLS.CertFiles, c.TLS.KeyFiles = "127.0.0.1:0", []string{certFile}, []string{keyFile}
	}, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			body, _ := io.ReadAll(q.Body)
			mu.Lock()
			got = append(got, string(body))
			mu.Unlock()
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	raw, err := dialTLS(t, r.Addr("tls"), tlsClient(pool))
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn := &near{raw, bufio.NewReader(raw)} // one for all: it stays alive
	for _, size := range []int{1, 2, 3, 1000, 16 << 10, 64 << 10, 64<<10 + 1, 200_000} {
		body := noise(size)
		for name, parts := range map[string][]string{
			"whole":                       {"", body},
			"with the next request":       {"", body + "GET /nowhere HTTP/1.1\r\nHost: gateway.test\r\n\r\n"},
			"first byte apart":            {"", body[:1], body[1:]},
			"first byte with its header":  {body[:1], body[1:]},
			"first two apart, then a few": {"", body[:min(size, 2)], body[min(size, 2):min(size, 900)], body[min(size, 900):]},
		} {
			parts[0] = r.head("POST /upload", fmt.Sprint("Content-Length: ", size)) + parts[0]
			for _, part := range parts {
				conn.say(t, part)
			}
			if a := conn.answer(t, "POST"); a.status != 200 {
				t.Fatalf("%d bytes, %s: %d %s", size, name, a.status, a.body)
			}
			if strings.Contains(name, "next") {
				conn.answer(t, "GET").problem(t, 404, "not_found")
			}
			mu.Lock()
			if last := got[len(got)-1]; last != body {
				t.Errorf("%d bytes, %s: the backend got %.60q of %d, want %.60q", size, name, last, len(last), body)
			}
			mu.Unlock()
		}
	}
}

// Who sends no body after all is told so when its time is over, and the log
// tells which request that was and how long it took.
func TestBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	const wait = 300 * time.Millisecond
	for name, c := range map[string]struct {
		send   func(r *streamRig) string
		method string
		route  string
	}{
		"no byte of it":            {func(r *streamRig) string { return r.head("POST /upload", "Content-Length: 10") }, "POST", "/upload"},
		"no byte of a large one":   {func(r *streamRig) string { return r.head("POST /upload", "Content-Length: 100000") }, "POST", "/upload"},
		"no byte behind a 100":     {func(r *streamRig) string { return r.head("POST /upload", "Content-Length: 10", "Expect: 100-continue") }, "POST", "/upload"},
		"no chunk":                 {func(r *streamRig) string { return r.head("POST /upload", "Transfer-Encoding: chunked") }, "POST", "/upload"},
		"not the end of its head":  {func(r *streamRig) string { return "POST /upload HTTP/1.1\r\nHost: x\r\n" }, "", "unmatched"},
		"not that of the next one": {func(r *streamRig) string { return r.head("GET /download") + "GET /download HTT" }, "", "unmatched"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newStreamRig(t, func(c *Config) { c.Edge.ReceiveTimeout = wait }, func(f *far) {
				for q := f.next(); q != nil; q = f.next() {
					_, _ = io.Copy(io.Discard, q.Body)
					f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				}
			})
			conn := r.dial(t)
			conn.say(t, c.send(r))
			if got := lastStatus(t, conn); got != 408 {
				t.Fatalf("status %d, want 408", got)
			}
			line := r.idle(t, c.route)[0]
			if line["status"] != 408.0 || line["method"] != c.method {
				t.Errorf("access line %v", line)
			}
			if line["upstream_ms"] != nil {
				t.Errorf("a backend was asked: %v", line)
			}
			// The time of a request begins with its first byte, that of the first one
			// with the connection; deadlines are late rather than early.
			if took, _ := line["duration_ms"].(float64); took < 0.9*float64(wait.Milliseconds()) {
				t.Errorf("duration_ms = %v, want about %d", took, wait.Milliseconds())
			}
		})
	}
}
