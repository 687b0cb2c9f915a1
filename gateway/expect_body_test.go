package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

const hundred = "HTTP/1.1 100 Continue\r\n\r\n"

// all reads what comes up to the connection's end.
func (n *near) all(t testing.TB) string {
	t.Helper()
	text, err := io.ReadAll(n.reader)
	if isTimeout(err) {
		t.Fatalf("the connection stays open behind %.300q", text)
	}
	return string(text)
}

// continued fails the test unless the next thing to come is a 100.
func (n *near) continued(t testing.TB) {
	t.Helper()
	got := make([]byte, len(hundred))
	if _, err := io.ReadFull(n.reader, got); err != nil || string(got) != hundred {
		t.Fatalf("got %q, %v; want a 100", got, err)
	}
}

// What a step refuses is refused without a 100. Its body may be on the way all
// the same: it is the next request to nobody.
func TestExpectThatIsRefused(t *testing.T) {
	t.Parallel()
	const (
		smuggled = "GET /download HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
		chunked  = "Transfer-Encoding: chunked"
	)
	known := fmt.Sprint("Content-Length: ", len(smuggled))
	for name, c := range map[string]struct {
		line, framing string
		change        func(head, signed string) string
		status        int
		code          string
	}{
		"an unknown path":            {"POST /nowhere", known, nil, 404, "not_found"},
		"an unknown path, chunked":   {"POST /nowhere", chunked, nil, 404, "not_found"},
		"a method that is not":       {"PUT /upload", known, nil, 405, "method_not_allowed"},
		"a body where there is none": {"GET /download", known, nil, 400, "bad_framing"},
		"too long":                   {"POST /bounded", "Content-Length: 200001", nil, 413, "body_too_large"},
		"no token":                   {"POST /upload", known, func(head, signed string) string { return strings.Replace(head, signed, "x", 1) }, 401, "unauthenticated"},
		"no token, chunked":          {"POST /upload", chunked, func(head, signed string) string { return strings.Replace(head, signed, "x", 1) }, 401, "unauthenticated"},
		"another media type": {"POST /upload", known, func(head, _ string) string {
			return strings.Replace(head, "application/octet-stream", "text/plain", 1)
		}, 415, "unsupported_media_type"},
		"above a limit":          {"POST /upload", known, nil, 429, "rate_limited"},
		"above a limit, chunked": {"POST /upload", chunked, nil, 429, "rate_limited"},
		"another expectation": {"POST /upload", chunked, func(head, _ string) string {
			return strings.Replace(head, "100-continue", "200-ok", 1)
		}, 400, "bad_framing"},
	} {
		for _, eager := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, eager %v", name, eager), func(t *testing.T) {
				t.Parallel()
				var change func(*Config)
				if c.status == 429 {
					change = limits(t, "standard.write=1/1h,1")
				}
				asked := make(chan string, 4)
				r := newStreamRig(t, change, func(f *far) {
					for q := f.next(); q != nil; q = f.next() {
						_, _ = io.Copy(io.Discard, q.Body)
						asked <- q.Method + q.URL.Path
						f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					}
				})
				if c.status == 429 {
					if a := r.do(t, "POST", "/upload", r.own(), "x"); a.status != 200 {
						t.Fatalf("the first one = %d", a.status)
					}
					<-asked
				}
				head := r.head(c.line, c.framing, "Expect: 100-continue")
				if c.change != nil {
					head = c.change(head, r.signed)
				}
				body := smuggled
				if c.framing == chunked {
					body = inChunks(smuggled, 10) + "0\r\n\r\n"
				}
				conn := r.dial(t)
				if eager {
					head, body = head+body, ""
				}
				conn.say(t, head)
				a := conn.answer(t, "POST")
				a.problem(t, c.status, c.code)
				if a.header.Get("Connection") != "close" {
					t.Error("the answer does not say that the connection ends")
				}
				// It may be closed by now.
				_, _ = io.WriteString(conn, body)
				conn.ended(t)
				eventually(t, "one line in the log", func() bool { return len(r.logs.lines(t, "request")) >= 1 })
				lines := r.logs.lines(t, "request")
				if line := lines[len(lines)-1]; line["status"] != float64(c.status) || line["bytes_in"] != 0.0 {
					t.Errorf("access line %v", line)
				}
				if c.status == 429 {
					lines = lines[1:]
				}
				if len(lines) != 1 {
					t.Errorf("%d lines, want one", len(lines))
				}
				select {
				case got := <-asked:
					t.Errorf("the backend was asked for %s", got)
				default:
				}
			})
		}
	}
}

// Who is let through gets one 100, reads it or not, and one answer; the limits
// count one request.
func TestExpectThatIsMet(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 64 << 10, 64<<10 + 1, 200_000} {
		for _, framing := range []string{"Content-Length", "Transfer-Encoding"} {
			for _, eager := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d %s, eager %v", size, framing, eager), func(t *testing.T) {
					t.Parallel()
					const times = 3
					got := make(chan string, times)
					r := newStreamRig(t, limits(t, fmt.Sprintf("standard.write=1/1h,%d", times)), func(f *far) {
						for q := f.next(); q != nil; q = f.next() {
							body, err := io.ReadAll(q.Body)
							got <- q.Header.Get("Expect") + fmt.Sprint(err) + string(body)
							f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
						}
					})
					body, sent := noise(size), noise(size)
					head := r.head("POST /bounded", fmt.Sprint("Content-Length: ", size), "Expect: 100-continue")
					if framing != "Content-Length" {
						head = r.head("POST /bounded", "Transfer-Encoding: chunked", "Expect: 100-continue")
						sent = inChunks(body, 9000) + "0\r\n\r\n"
					}
					conn := r.dial(t) // one for all
					for range times {
						if eager {
							conn.say(t, head+sent)
							conn.continued(t)
						} else {
							conn.say(t, head)
							conn.continued(t)
							conn.say(t, sent)
						}
						if a := conn.answer(t, "POST"); a.status != 200 || a.body != "{}" {
							t.Fatalf("answer = %d %s", a.status, a.body)
						}
						if arrived := <-got; arrived != "<nil>"+body {
							t.Errorf("the backend got %.60q of %d bytes", arrived, len(arrived))
						}
					}
					// As many as the limit allows have passed, so each counted once; one more
					// is refused, without a 100.
					conn.say(t, head)
					conn.answer(t, "POST").problem(t, 429, "rate_limited")
					conn.ended(t)
					for i, line := range r.idle(t, "/bounded") {
						if want := 200.0; i < times && (line["status"] != want || line["bytes_in"] != float64(size)) {
							t.Errorf("access line %v", line)
						}
					}
				})
			}
		}
	}
}

// A body in chunks shows only on its way that it is too long, which is behind the
// 100.
func TestExpectOfABodyThatIsTooLong(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) { f.gone() })
	conn := r.dial(t)
	conn.say(t, r.head("POST /bounded", "Transfer-Encoding: chunked", "Expect: 100-continue"))
	conn.continued(t)
	conn.say(t, inChunks(noise(200_001), 10_000), "0\r\n\r\n")
	conn.answer(t, "POST").problem(t, 413, "body_too_large")
	conn.ended(t)
	r.idle(t, "/bounded")
}

// A version that knows no 100 gets none, and its body is read all the same.
func TestExpectOfHTTP10(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) {
		if q := f.next(); q != nil {
			body, _ := io.ReadAll(q.Body)
			f.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	})
	conn := r.dial(t)
	conn.say(t, strings.Replace(r.head("POST /upload", "Content-Length: 3", "Expect: 100-continue"), "HTTP/1.1", "HTTP/1.0", 1), "abc")
	if text := conn.all(t); !strings.HasPrefix(text, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(text, "\r\n\r\nabc") {
		t.Errorf("got %q", text)
	}
}

// However a client goes about it, nothing waits for it afterwards. It does not run
// beside other tests, since it looks at all goroutines.
func TestExpectLeavesNoGoroutine(t *testing.T) {
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			if _, err := io.Copy(io.Discard, q.Body); err != nil {
				return
			}
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	head := r.head("POST /upload", "Content-Length: 100000", "Expect: 100-continue")
	short := r.head("POST /upload", "Content-Length: 3", "Expect: 100-continue")
	for name, talk := range map[string]func(*near){
		"is refused": func(n *near) {
			n.say(t, strings.Replace(head, r.signed, "x", 1))
			n.answer(t, "POST").problem(t, 401, "unauthenticated")
		},
		"is met": func(n *near) {
			n.say(t, head)
			n.continued(t)
			n.say(t, noise(100_000))
			n.answer(t, "POST")
		},
		"goes at once":        func(n *near) { n.say(t, head) },
		"goes with the 100":   func(n *near) { n.say(t, head); n.continued(t) },
		"goes in a small one": func(n *near) { n.say(t, short); n.continued(t); n.say(t, "ab") },
		"goes in the middle":  func(n *near) { n.say(t, head); n.continued(t); n.say(t, noise(80_000)) },
		"sends half a chunk": func(n *near) {
			n.say(t, r.head("POST /upload", "Transfer-Encoding: chunked", "Expect: 100-continue"))
			n.continued(t)
			n.say(t, "ff\r\nabc")
		},
		"sends no chunk": func(n *near) {
			n.say(t, r.head("POST /upload", "Transfer-Encoding: chunked", "Expect: 100-continue"))
			n.continued(t)
			n.say(t, "zz\r\n")
			n.answer(t, "POST").problem(t, 400, "bad_framing")
		},
	} {
		n := r.dial(t)
		talk(n)
		_ = n.Close()
		eventually(t, "no goroutine waits for who "+name, func() bool { return waiting() == 0 })
	}
	eventually(t, "one line for each client", func() bool { return len(r.idle(t, "/upload")) == 8 })
}

// waiting is how many goroutines hold a request whose client expects a 100, or
// listen for an early answer to one.
func waiting() int {
	b := make([]byte, 4<<20)
	b = b[:runtime.Stack(b, true)]
	return bytes.Count(b, []byte("edge.(*Server).expect.func1")) + bytes.Count(b, []byte("proxy.(*conn).listen.func1"))
}

// A draining gateway still meets what it has begun with.
func TestExpectWhileDraining(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, func(c *Config) { c.StopTimeout = 10 * time.Second }, func(f *far) {
		if q := f.next(); q != nil {
			_, _ = io.Copy(io.Discard, q.Body)
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	conn := r.dial(t)
	conn.say(t, r.head("POST /upload", "Content-Length: 100000", "Expect: 100-continue"))
	conn.continued(t)
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	eventually(t, "it drains", func() bool {
		another, err := net.Dial("tcp", r.Addr("http"))
		if err == nil {
			_ = another.Close()
		}
		return err != nil
	})
	conn.say(t, noise(100_000))
	if a := conn.answer(t, "POST"); a.status != 200 || a.header.Get("Connection") != "close" {
		t.Errorf("answer = %d %v", a.status, a.header)
	}
	conn.ended(t)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
