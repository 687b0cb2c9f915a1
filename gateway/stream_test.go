package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// streamRig is a gateway with a backend that speaks as a test wants it to: serve
// has one of its connections at a time, and may keep it.
type streamRig struct {
	*rig
	signed string
	far    string // the backend's address
}

func newStreamRig(t testing.TB, change func(*Config), serve func(*far)) *streamRig {
	t.Helper()
	return newStreamRigAt(t, time.Now, change, serve)
}

// newStreamRigAt is newStreamRig with a clock for what is held against one.
func newStreamRigAt(t testing.TB, now func() time.Time, change func(*Config), serve func(*far)) *streamRig {
	t.Helper()
	addr := listenFar(t, serve)
	r := newRigAt(t, now, func(c *Config) {
		c.DocumentFile = "testdata/stream.yaml"
		c.Proxy.Backends = []string{addr}
		if change != nil {
			change(c)
		}
	})
	return &streamRig{r, r.token(t, "tenant1"), addr}
}

// listenFar starts such a backend and returns its address.
func listenFar(t testing.TB, serve func(*far)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []net.Conn
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range all {
			_ = conn.Close()
		}
	})
	go func() {
		for n := 1; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, conn)
			mu.Unlock()
			go func() {
				defer conn.Close()
				serve(&far{Conn: conn, reader: bufio.NewReader(conn), n: n})
			}()
		}
	}()
	return ln.Addr().String()
}

// far is a connection that the gateway has opened, the n-th.
type far struct {
	net.Conn
	reader *bufio.Reader
	n      int
}

// next reads a request's header, or returns nil at the end.
func (f *far) next() *http.Request {
	request, err := http.ReadRequest(f.reader)
	if err != nil {
		return nil
	}
	return request
}

func (f *far) say(format string, args ...any) { fmt.Fprintf(f, format, args...) }

// gone waits until the gateway has closed the connection, whatever it still sends.
func (f *far) gone() { _, _ = io.Copy(io.Discard, f.reader) }

// near is a client's connection.
type near struct {
	net.Conn
	reader *bufio.Reader
}

func (r *streamRig) dial(t testing.TB) *near {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr("http"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &near{conn, bufio.NewReader(conn)}
}

// head begins a request of the rig's caller.
func (r *streamRig) head(line string, headers ...string) string {
	return line + " HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer " + r.signed + "\r\nContent-Type: application/octet-stream\r\n" +
		strings.Join(append(headers, "", ""), "\r\n")
}

func (n *near) say(t testing.TB, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if _, err := io.WriteString(n, part); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
}

func (n *near) answer(t testing.TB, method string) answer {
	t.Helper()
	return readAnswer(t, n.reader, method)
}

// open reads an answer's head and leaves its body.
func (n *near) open(t testing.TB) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(n.reader, &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// ended fails the test unless the connection ends with nothing more on it.
func (n *near) ended(t testing.TB) {
	t.Helper()
	if rest, err := io.ReadAll(n.reader); len(rest) > 0 || isTimeout(err) {
		t.Errorf("%d bytes (%v) instead of the connection's end", len(rest), err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// idle waits until nothing of any request is left, and returns the only access
// lines with the route.
func (r *streamRig) idle(t testing.TB, route string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	eventually(t, "the request's line, and no request in flight", func() bool {
		lines = lines[:0]
		for _, line := range r.logs.lines(t, "request") {
			if line["route"] == route {
				lines = append(lines, line)
			}
		}
		return len(lines) > 0 && r.admission.InFlight() == 0 && r.gauge(t, "in_flight") == "0"
	})
	return lines
}

// gauge returns what a metric says of the backend.
func (r *streamRig) gauge(t testing.TB, name string) string {
	t.Helper()
	_, text := r.ops(t, "/metrics")
	_, value, _ := strings.Cut(text, fmt.Sprintf("gateway_proxy_%s{backend=%q} ", name, r.far))
	value, _, _ = strings.Cut(value, "\n")
	return value
}

func noise(size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	return string(b)
}

// inChunks frames a body with chunks of a size.
func inChunks(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}

func TestStreamUploadsArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			body, err := io.ReadAll(q.Body)
			mu.Lock()
			got = append(got, fmt.Sprint(q.ContentLength, q.TransferEncoding, err, q.Header.Get("Trailer"))+string(body))
			mu.Unlock()
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	})
	conn := r.dial(t) // one for all: it stays alive
	for _, size := range []int{0, 1, 8 << 10, 8<<10 + 1, 64 << 10, 64<<10 + 1, 100_000, 3 << 20} {
		for _, chunk := range []int{0, 7, 1000, 40_000} {
			if chunk == 7 && size > 100_000 {
				continue
			}
			body := noise(size)
			want := fmt.Sprint(size, []string(nil), nil, "") + body
			if chunk == 0 {
				conn.say(t, r.head("POST /upload", fmt.Sprint("Content-Length: ", size)), body)
			} else {
				conn.say(t, r.head("POST /upload", "Transfer-Encoding: chunked"), inChunks(body, chunk), "0\r\n\r\n")
				if size > 64<<10 {
					want = fmt.Sprint(-1, []string{"chunked"}, nil, "") + body
				}
			}
			if a := conn.answer(t, "POST"); a.status != 200 {
				t.Fatalf("%d bytes in chunks of %d: %d %s", size, chunk, a.status, a.body)
			}
			mu.Lock()
			if last := got[len(got)-1]; last != want {
				t.Errorf("%d bytes in chunks of %d: the backend got %.60q of %d bytes, want %.60q of %d", size, chunk, last, len(last), want, len(want))
			}
			mu.Unlock()
		}
	}
	lines := r.idle(t, "/upload")
	if last := lines[len(lines)-1]; last["bytes_in"] != float64(3<<20) || last["bytes_out"] != 2.0 {
		t.Errorf("bytes_in, bytes_out = %v, %v", last["bytes_in"], last["bytes_out"])
	}
}

// What goes wrong in the middle of an upload leaves the backend with a request
// that is plainly unfinished.
func TestStreamUploadsThatBreakOff(t *testing.T) {
	t.Parallel()
	const start = 150_000
	for name, c := range map[string]struct {
		framing string
		rest    string
		close   bool
		status  int
		code    string
	}{
		"an overrun":      {"Transfer-Encoding: chunked", inChunks(noise(60_000), 10_000) + "0\r\n\r\n", false, 413, "body_too_large"},
		"a broken chunk":  {"Transfer-Encoding: chunked", "zz\r\n", false, 400, "bad_framing"},
		"a long chunk":    {"Transfer-Encoding: chunked", "3\r\nabcd\r\n", false, 400, "bad_framing"},
		"an early end":    {"Transfer-Encoding: chunked", "", true, 400, "bad_framing"},
		"an end in one":   {"Transfer-Encoding: chunked", "ff\r\nabc", true, 400, "bad_framing"},
		"too short":       {"Content-Length: 199999", "abc", true, 400, "bad_framing"},
		"silence":         {"Transfer-Encoding: chunked", "", false, 408, "request_timeout"},
		"silence in one":  {"Content-Length: 199999", "abc", false, 408, "request_timeout"},
		"a long header":   {"Content-Length: 200001", "", false, 413, "body_too_large"},
		"a bare LF":       {"Transfer-Encoding: chunked", "3\nabc\r\n0\r\n\r\n", false, 400, "bad_framing"},
		"a signed length": {"Transfer-Encoding: chunked", "+3\r\nabc\r\n0\r\n\r\n", false, 400, "bad_framing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unfinished := make(chan error, 2)
			r := newStreamRig(t, func(c *Config) { c.Edge.ReceiveTimeout = 300 * time.Millisecond }, func(f *far) {
				for q := f.next(); q != nil; q = f.next() {
					if _, err := io.Copy(io.Discard, q.Body); err != nil {
						unfinished <- err
						return
					}
					f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				}
			})
			conn := r.dial(t)
			body := noise(start)
			if c.framing == "Transfer-Encoding: chunked" {
				body = inChunks(body, 10_000)
			}
			conn.say(t, r.head("POST /bounded", c.framing))
			if _, err := io.WriteString(conn, body+c.rest); err != nil && c.framing != "Content-Length: 200001" {
				t.Fatal(err)
			}
			if c.close {
				closeWrite(conn.Conn)
			}
			a := conn.answer(t, "POST")
			a.problem(t, c.status, c.code)
			if a.header.Get("Connection") != "close" {
				t.Error("the answer does not say that the connection ends")
			}
			conn.ended(t)
			line := r.idle(t, "/bounded")[0]
			if line["status"] != float64(c.status) || line["code"] != c.code || line["bytes_out"] != float64(len(a.body)) {
				t.Errorf("access line %v", line)
			}
			if n, _ := line["bytes_in"].(float64); c.framing != "Content-Length: 200001" && (n < start || n > 200_001) {
				t.Errorf("bytes_in = %v", n)
			}
			if c.framing != "Content-Length: 200001" {
				if err := <-unfinished; err == nil {
					t.Error("the backend took the request for a whole one")
				}
			}
			if a := r.do(t, "POST", "/upload", r.own(), "abc"); a.status != 200 {
				t.Errorf("the next request = %d %s", a.status, a.body)
			}
		})
	}
}

// own is the headers of the rig's caller.
func (r *streamRig) own() map[string]string {
	return map[string]string{"Authorization": "Bearer " + r.signed, "Content-Type": "application/octet-stream"}
}

func TestStreamUploadsAreRefusedBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) { t.Error("the backend was asked"); f.gone() })
	for _, framing := range []string{"Content-Length: 100000000", "Transfer-Encoding: chunked"} {
		conn := r.dial(t)
		conn.say(t, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"+framing+"\r\n\r\n")
		if framing != "Transfer-Encoding: chunked" {
			conn.say(t, noise(8<<10)) // which fasthttp waits for
		}
		a := conn.answer(t, "POST")
		a.problem(t, 401, "unauthenticated")
		if a.header.Get("Connection") != "close" {
			t.Errorf("%s: the connection stays open", framing)
		}
	}
}

// A backend may refuse what it has not seen the end of.
func TestStreamEarlyAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sends int // of the announced bytes; the client falls silent after them
		size  int // of the answer
	}{
		"to a client that sends on":           {-1, 9},
		"to a silent client":                  {70_000, 9},
		"that are large, to one that is mute": {70_000, 500_000},
		"that are large":                      {-1, 500_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{}, 4)
			body := noise(c.size)
			r := newStreamRig(t, nil, func(f *far) {
				if q := f.next(); q != nil && q.URL.Path == "/download" {
					f.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					return
				}
				_, _ = io.CopyN(io.Discard, f.reader, 70_000)
				f.say("HTTP/1.1 413 No\r\nContent-Length: %d\r\n\r\n%s", c.size, body)
				f.gone()
				gone <- struct{}{}
			})
			conn := r.dial(t)
			conn.say(t, r.head("POST /upload", "Content-Length: 200000000"))
			stop := make(chan struct{})
			defer close(stop)
			go func() {
				part := noise(10_000)
				for sent := 0; c.sends < 0 || sent < c.sends; sent += len(part) {
					if _, err := io.WriteString(conn, part); err != nil {
						return
					}
				}
			}()
			a := conn.answer(t, "POST")
			if a.status != 413 || a.body != body || a.header.Get("Connection") != "close" {
				t.Errorf("answer = %d, %d bytes, %v", a.status, len(a.body), a.header)
			}
			<-gone // the connection to the backend has ended
			if line := r.idle(t, "/upload")[0]; line["status"] != 413.0 || line["bytes_out"] != float64(c.size) || line["cut"] != nil {
				t.Errorf("access line %v", line)
			}
			if got := r.do(t, "GET", "/download", r.own(), ""); got.status != 200 {
				t.Errorf("the next request = %d", got.status)
			}
		})
	}
}

func TestStreamTrailers(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			_, _ = io.Copy(io.Discard, q.Body)
			seen <- q.Trailer
			f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Other, Content-Length\r\n\r\n")
			f.say("3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Unsaid: 8\r\nVia: 9\r\n\r\n")
		}
	})
	conn := r.dial(t)
	conn.say(t, r.head("POST /upload", "Transfer-Encoding: chunked", "Trailer: X-Sum"), inChunks(noise(70_000), 9000),
		"0\r\nX-Sum: 5\r\n\r\n")
	response := conn.open(t)
	if response.StatusCode != 200 {
		t.Fatalf("status = %d", response.StatusCode)
	}
	if got := <-seen; len(got) != 1 || got.Get("X-Sum") != "5" {
		t.Errorf("the backend got the trailers %v", got)
	}
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "abc" {
		t.Fatalf("body %q, %v", body, err)
	}
	if len(response.Trailer) != 2 || response.Trailer.Get("X-Sum") != "7" || response.Trailer.Get("X-Unsaid") != "" {
		t.Errorf("the client got the trailers %v", response.Trailer)
	}
}

func TestStreamAnswersArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		method  string
		head    string
		chunked bool
		until   bool // the connection's end
		alive   bool // afterwards
	}{
		"of known length":                   {"1.1", "GET", "Content-Length: %d\r\n", false, false, true},
		"in chunks":                         {"1.1", "GET", "Transfer-Encoding: chunked\r\n", true, false, true},
		"until the end":                     {"1.1", "GET", "X-A: b\r\n", false, true, true},
		"of known length to HTTP/1.0":       {"1.0", "GET", "Content-Length: %d\r\n", false, false, false},
		"in chunks to HTTP/1.0":             {"1.0", "GET", "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", true, false, false},
		"until the end to HTTP/1.0":         {"1.0", "GET", "X-A: b\r\n", false, true, false},
		"of known length to HEAD":           {"1.1", "HEAD", "Content-Length: %d\r\n", false, false, true},
		"in chunks to HEAD":                 {"1.1", "HEAD", "Transfer-Encoding: chunked\r\n", false, false, true},
		"of known length to HEAD, HTTP/1.0": {"1.0", "HEAD", "Content-Length: %d\r\n", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 5000, 20_000, 64 << 10, 64<<10 + 1, 2 << 20} {
				body := noise(size)
				r := newStreamRig(t, nil, func(f *far) {
					for q := f.next(); q != nil; q = f.next() {
						head := c.head
						if strings.Contains(head, "%d") {
							head = fmt.Sprintf(head, size)
						}
						f.say("HTTP/1.1 200 OK\r\n%s\r\n", head)
						switch {
						case q.Method == "HEAD":
						case c.chunked:
							f.say("%s0\r\n\r\n", inChunks(body, 9000))
						default:
							f.say("%s", body)
						}
						if c.until {
							return
						}
					}
				})
				conn := r.dial(t)
				request := strings.Replace(r.head(c.method+" /download"), "HTTP/1.1", "HTTP/"+c.version, 1)
				conn.say(t, request)
				response, err := http.ReadResponse(conn.reader, &http.Request{Method: c.method})
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				if c.method == "HEAD" {
					if n := response.ContentLength; strings.Contains(c.head, "%d") && n != int64(size) || n == 0 {
						t.Errorf("%d bytes: Content-Length of the answer to HEAD = %d", size, n)
					}
					body = ""
				}
				if err != nil || string(got) != body {
					t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
				}
				if c.version == "1.0" && len(response.TransferEncoding) > 0 {
					t.Errorf("%d bytes: a client of HTTP/1.0 gets chunks", size)
				}
				if c.alive {
					conn.say(t, request)
					if again := conn.answer(t, c.method); again.body != body {
						t.Errorf("%d bytes: the second answer is %d bytes", size, len(again.body))
					}
				} else {
					conn.ended(t)
				}
				if line := r.idle(t, "/download")[0]; line["bytes_out"] != float64(len(body)) || line["cut"] != nil {
					t.Errorf("%d bytes: access line %v", size, line)
				}
			}
		})
	}
}

func TestStreamEventsArriveWhileMoreAreToCome(t *testing.T) {
	t.Parallel()
	for name, framing := range map[string]string{"in chunks": "Transfer-Encoding: chunked\r\n", "until the end": ""} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				more := make(chan struct{})
				r := newStreamRig(t, nil, func(f *far) {
					if f.next() == nil {
						return
					}
					send := func(event string) {
						if framing != "" {
							event = inChunks(event, 1000)
						}
						f.say("%s", event)
					}
					f.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%s\r\n", framing)
					send("data: 1\n\n")
					<-more
					send("data: 2\n\n")
					if framing != "" {
						f.say("0\r\n\r\n")
					}
				})
				conn := r.dial(t)
				conn.say(t, strings.Replace(r.head("GET /download"), "HTTP/1.1", "HTTP/"+version, 1))
				body := conn.open(t).Body
				event := make([]byte, len("data: 1\n\n"))
				if _, err := io.ReadFull(body, event); err != nil || string(event) != "data: 1\n\n" {
					t.Fatalf("first event %q, %v", event, err)
				}
				if len(r.logs.lines(t, "request")) != 0 {
					t.Error("the request counts as done")
				}
				close(more)
				if rest, err := io.ReadAll(body); err != nil || string(rest) != "data: 2\n\n" {
					t.Errorf("the rest is %q, %v", rest, err)
				}
				r.idle(t, "/download")
			})
		}
	}
}

// An answer that breaks off must not look whole.
func TestStreamAnswersThatBreakOff(t *testing.T) {
	t.Parallel()
	const sent = 100_000
	for name, c := range map[string]struct{ head, body string }{
		"of known length":   {"Content-Length: 200000\r\n", noise(sent)},
		"between chunks":    {"Transfer-Encoding: chunked\r\n", inChunks(noise(sent), 10_000)},
		"in a chunk":        {"Transfer-Encoding: chunked\r\n", inChunks(noise(sent-3), 10_000) + "ff\r\nabc"},
		"in a bad chunk":    {"Transfer-Encoding: chunked\r\n", inChunks(noise(sent), 10_000) + "-1\r\n\r\n"},
		"before the end":    {"Transfer-Encoding: chunked\r\n", inChunks(noise(sent), 10_000) + "0\r\n"},
		"in a bad trailer":  {"Transfer-Encoding: chunked\r\nTrailer: X-A\r\n", inChunks(noise(sent), 10_000) + "0\r\nX A: b\r\n\r\n"},
		"in a long trailer": {"Transfer-Encoding: chunked\r\nTrailer: X-A\r\n", inChunks(noise(sent), 10_000) + "0\r\nX-A: " + strings.Repeat("b", 20_000) + "\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newStreamRig(t, nil, func(f *far) {
				if f.next() != nil {
					f.say("HTTP/1.1 200 OK\r\n%s\r\n%s", c.head, c.body)
				}
			})
			conn := r.dial(t)
			conn.say(t, r.head("GET /download"))
			if body, err := io.ReadAll(conn.open(t).Body); err == nil {
				t.Errorf("the client took %d bytes for a whole answer", len(body))
			}
			conn.ended(t)
			if line := r.idle(t, "/download")[0]; line["cut"] != true || line["bytes_out"] != float64(sent) || line["status"] != 200.0 {
				t.Errorf("access line %v", line)
			}
		})
	}
}

// Who goes away or reads nothing in the middle of a download holds nothing.
func TestStreamClientsThatLeaveADownload(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 2000000000\r\n", "Transfer-Encoding: chunked\r\n", ""} {
		for _, version := range []string{"1.1", "1.0"} {
			for name, leave := range map[string]func(*near){
				"goes":          func(n *near) { _ = n.Close() },
				"reads nothing": func(*near) {},
			} {
				t.Run(fmt.Sprintf("%q %s %s", framing, version, name), func(t *testing.T) {
					t.Parallel()
					gone := make(chan struct{})
					r := newStreamRig(t, func(c *Config) { c.Edge.SendTimeout = 300 * time.Millisecond }, func(f *far) {
						if f.next() == nil {
							return
						}
						defer close(gone)
						f.say("HTTP/1.1 200 OK\r\n%s\r\n", framing)
						part := noise(100_000)
						if framing == "Transfer-Encoding: chunked\r\n" {
							part = inChunks(part, len(part))
						}
						for {
							if _, err := io.WriteString(f, part); err != nil {
								return
							}
						}
					})
					conn := r.dial(t)
					conn.say(t, strings.Replace(r.head("GET /download"), "HTTP/1.1", "HTTP/"+version, 1))
					if _, err := io.CopyN(io.Discard, conn.open(t).Body, 50_000); err != nil {
						t.Fatal(err)
					}
					leave(conn)
					<-gone
					if line := r.idle(t, "/download")[0]; line["cut"] != true {
						t.Errorf("access line %v", line)
					}
				})
			}
		}
	}
}

func TestStreamRequestsBehindAnUpload(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			n, _ := io.Copy(io.Discard, q.Body)
			answer := fmt.Sprint(q.Method, n)
			f.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		}
	})
	conn := r.dial(t)
	get := r.head("GET /download")
	conn.say(t, get+r.head("POST /upload", "Content-Length: 300000")+noise(300_000)+get+get)
	for _, want := range []string{"GET0", "POST300000", "GET0", "GET0"} {
		if a := conn.answer(t, "GET"); a.body != want {
			t.Fatalf("got %d %q, want %q", a.status, a.body, want)
		}
	}
}

// Bodies pass in memory that does not grow with them.
func TestStreamMemory(t *testing.T) {
	const size = 64 << 20
	part := bytes.Repeat([]byte("x"), 1<<20)
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			_, _ = io.Copy(io.Discard, q.Body)
			f.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
			for range size / len(part) {
				_, _ = f.Write(part)
			}
		}
	})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	conn := r.dial(t)
	conn.say(t, r.head("POST /upload", fmt.Sprint("Content-Length: ", size)))
	for range size / len(part) {
		if _, err := conn.Write(part); err != nil {
			t.Fatal(err)
		}
		most = max(most, heap())
	}
	body := conn.open(t).Body
	for range size / len(part) {
		if _, err := io.CopyN(io.Discard, body, int64(len(part))); err != nil {
			t.Fatal(err)
		}
		most = max(most, heap())
	}
	if most > before+16<<20 {
		t.Errorf("the heap grew by %d MiB", (most-before)>>20)
	}
}
