package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ways is the document with operations of all kinds of time-outs. What waits for
// the whole of 60 s waits longer than a test's connections do.
func ways(c *Config) {
	c.DocumentFile = "testdata/ways.yaml"
	c.Proxy.DialTimeout, c.Edge.ReceiveTimeout = time.Minute, time.Minute
}

// timeLeft is what a backend is told.
func timeLeft(t testing.TB, q *http.Request) time.Duration {
	t.Helper()
	list := q.Header.Values("X-Request-Timeout")
	ms, err := strconv.Atoi(strings.Join(list, " and "))
	if err != nil {
		t.Errorf("X-Request-Timeout = %v", list)
	}
	return time.Duration(ms) * time.Millisecond
}

func TestTimeoutOfTheResponse(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 4)
	r := newStreamRig(t, ways, func(f *far) {
		if q := f.next(); q != nil {
			_, _ = io.Copy(io.Discard, q.Body)
			asked <- q
			f.gone()
		}
	})
	r.raw(t, r.head("GET /response", "X-Request-Timeout: 7"), "GET").problem(t, 504, "timeout")
	// What is left is that of the whole: the answer's body may take it.
	if left := timeLeft(t, <-asked); left <= 200*time.Millisecond || left > time.Minute {
		t.Errorf("X-Request-Timeout = %v, want what is left of 60 s", left)
	}
	// It begins with the request's last byte.
	conn := r.dial(t)
	body := noise(70_000)
	conn.say(t, r.head("POST /response", "Content-Length: 70000"), body[:69_000])
	time.Sleep(1100 * time.Millisecond)
	conn.say(t, body[69_000:])
	conn.answer(t, "POST").problem(t, 504, "timeout")
	<-asked // all of it has arrived
	if n := len(asked); n != 0 {
		t.Errorf("sent %d times more: a backend that is slow may be at work", n)
	}
}

func TestTimeoutOfTheResponseLeavesAnUploadAlone(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, ways, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			n, _ := io.Copy(io.Discard, q.Body)
			f.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%d", n)
		}
	})
	conn := r.dial(t)
	body := noise(70_000)
	conn.say(t, r.head("POST /response", "Content-Length: 70000"), body[:69_000])
	time.Sleep(1100 * time.Millisecond)
	conn.say(t, body[69_000:])
	if a := conn.answer(t, "POST"); a.status != 200 || a.body != "70000" {
		t.Errorf("answer = %d %s", a.status, a.body)
	}
}

// crowded is the address of a listener that takes no connection any more, since
// nobody accepts those that it has: who connects waits.
func crowded(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	socket, err := ln.(*net.TCPListener).SyscallConn()
	if err == nil {
		err = errors.Join(socket.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		conn, err := net.DialTimeout("tcp", ln.Addr().String(), 300*time.Millisecond)
		if err != nil {
			return ln.Addr().String()
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Skip("the system takes connections for a listener that is full")
	return ""
}

func TestTimeoutOfConnecting(t *testing.T) {
	t.Parallel()
	full := crowded(t)
	alone := newStreamRig(t, func(c *Config) { ways(c); c.Proxy.Backends = []string{full} }, (*far).gone)
	a := alone.raw(t, alone.head("GET /connect"), "GET")
	a.problem(t, 503, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	// Of several backends the next is tried, and told what is left.
	good := listenFar(t, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			left := fmt.Sprint(timeLeft(t, q).Milliseconds())
			f.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(left), left)
		}
	})
	both := newStreamRig(t, func(c *Config) { ways(c); c.Proxy.Backends = []string{full, good} }, (*far).gone)
	var fewest int
	for n := 0; n < 50 && !(fewest > 0 && fewest <= 59_800); n++ {
		a := both.raw(t, both.head("GET /connect"), "GET")
		left, err := strconv.Atoi(a.body)
		if a.status != 200 || err != nil {
			t.Fatalf("answer = %d %s", a.status, a.body)
		}
		if fewest == 0 || left < fewest {
			fewest = left
		}
	}
	if fewest > 59_800 {
		t.Errorf("a backend tried second was told at least %d ms of 60 s, want what is left after 200 ms", fewest)
	}
}

// The same 500 ms end an answer's body as the total, and not as the time until
// its head.
func TestTimeoutOfTheTotal(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	r := newStreamRig(t, ways, func(f *far) {
		q := f.next()
		if q == nil {
			return
		}
		f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s", inChunks("first", 5))
		if q.URL.Path == "/total" {
			f.gone()
			return
		}
		<-more
		f.say("%s0\r\n\r\n", inChunks("second", 6))
	})
	head := r.dial(t)
	head.say(t, r.head("GET /head"))
	answer := head.open(t)

	total := r.dial(t)
	total.say(t, r.head("GET /total"))
	cut := total.open(t)
	if body, err := io.ReadAll(cut.Body); cut.StatusCode != 200 || string(body) != "first" || err == nil || isTimeout(err) {
		t.Errorf("the total: %d %q, %v; want an answer that is cut", cut.StatusCode, body, err)
	}
	total.ended(t)
	if line := r.idleBut(t, "/total"); line["cut"] != true || line["status"] != 200.0 {
		t.Errorf("access line %v", line)
	}
	close(more)
	if body, err := io.ReadAll(answer.Body); string(body) != "firstsecond" || err != nil {
		t.Errorf("the head: %q, %v; want all of it", body, err)
	}
}

// idleBut waits for the only access line with the route.
func (r *streamRig) idleBut(t testing.TB, route string) (found map[string]any) {
	t.Helper()
	eventually(t, "the request's line", func() bool {
		for _, line := range r.logs.lines(t, "request") {
			if line["route"] == route {
				found = line
			}
		}
		return found != nil
	})
	return found
}

// The total bounds an upload, too; whose fault it is shows in the status.
func TestTimeoutOfTheTotalOfAnUpload(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sends   int // of 70,000 bytes
		status  int
		code    string
		outcome string // which blames the backend or does not
	}{
		"by the client":  {69_000, 408, "request_timeout", "unsent"},
		"by the backend": {70_000, 504, "timeout", "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan error, 1)
			r := newStreamRig(t, ways, func(f *far) {
				if q := f.next(); q != nil {
					_, err := io.Copy(io.Discard, q.Body)
					got <- err
					f.gone()
				}
			})
			conn := r.dial(t)
			conn.say(t, r.head("POST /total", "Content-Length: 70000"), noise(c.sends))
			conn.answer(t, "POST").problem(t, c.status, c.code)
			if err := <-got; (err == nil) != (c.sends == 70_000) {
				t.Errorf("the backend got a request that ended with %v", err)
			}
			if n := metricValue(t, r.rig, fmt.Sprintf(`gateway_proxy_requests_total{backend=%q,outcome=%q}`, r.far, c.outcome)); n != 1 {
				t.Errorf("%v requests count as %s", n, c.outcome)
			}
		})
	}
}
