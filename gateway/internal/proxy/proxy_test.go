package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// script is what a backend does with its nth request, from 1, on any
// connection. It returns false to close the connection.
type script func(n int, request *http.Request, body string, conn net.Conn) bool

// upstream is a backend that follows a script over raw sockets.
type upstream struct {
	addr     string
	requests atomic.Int64
	conns    atomic.Int64
	ln       net.Listener
	open     sync.Map // its connections
}

// cut ends the connections, as the end of a process does.
func (u *upstream) cut() {
	u.open.Range(func(conn, _ any) bool { return conn.(net.Conn).Close() == nil })
}

func newUpstream(t testing.TB, s script) *upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return upstreamOn(t, ln, s)
}

func upstreamOn(t testing.TB, ln net.Listener, s script) *upstream {
	t.Helper()
	u := &upstream{addr: ln.Addr().String(), ln: ln}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			u.conns.Add(1)
			wg.Go(func() {
				defer conn.Close()
				stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
				defer stop()
				u.open.Store(conn, true)
				defer u.open.Delete(conn)
				u.serve(conn, s)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return u
}

func (u *upstream) serve(conn net.Conn, s script) {
	reader := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		if !s(int(u.requests.Add(1)), request, string(body), conn) {
			return
		}
	}
}

// ok answers every request with a text.
func ok(text string) script {
	return func(_ int, _ *http.Request, _ string, conn net.Conn) bool {
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		return true
	}
}

// raw answers every request with bytes.
func raw(answer string) script {
	return func(_ int, _ *http.Request, _ string, conn net.Conn) bool {
		_, _ = io.WriteString(conn, answer)
		return true
	}
}

func newProxy(t testing.TB, change func(*Config), addrs ...string) *Proxy {
	t.Helper()
	c := Config{Backends: addrs, DialTimeout: time.Second, MaxConns: 100}
	if change != nil {
		change(&c)
	}
	p := New(Options{Config: c})
	t.Cleanup(p.Close)
	return p
}

// closedAddr is an address that refuses connections.
func closedAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func exchange(method, target, lines, body string) *edge.Exchange {
	ex := &edge.Exchange{
		Ctx:       &fasthttp.RequestCtx{},
		Method:    []byte(method),
		Target:    []byte(target),
		Route:     &route.Route{Method: method, Timeouts: route.Timeouts{Timeout: 2 * time.Second}},
		Client:    netip.MustParseAddr("192.0.2.1"),
		RequestID: "0123456789abcdef",
	}
	ex.ClientText = ex.Client.String()
	ex.Fields.Raw = []byte(lines + "\r\n")
	var err error
	if ex.Body, err = edge.NewBody(strings.NewReader(body), int64(len(body)), 1<<30); err != nil {
		panic(err)
	}
	return ex
}

// ask sends one request and returns its status and body.
func ask(p *Proxy, method, body string) (int, string) {
	ex := exchange(method, "/x", "", body)
	p.Handle(ex)
	if ex.Problem != nil {
		return ex.Ctx.Response.StatusCode(), string(ex.Problem.Code)
	}
	return ex.Ctx.Response.StatusCode(), string(ex.Ctx.Response.Body())
}

func want(t testing.TB, what string, gotStatus int, gotBody string, status int, body string) {
	t.Helper()
	if gotStatus != status || gotBody != body {
		t.Errorf("%s = %d %q, want %d %q", what, gotStatus, gotBody, status, body)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, ok("fine"))
	p := newProxy(t, nil, u.addr)
	for range 10 {
		status, body := ask(p, "POST", "hello")
		want(t, "answer", status, body, 200, "fine")
	}
	if got := u.conns.Load(); got != 1 {
		t.Errorf("%d connections for 10 requests in a row, want 1", got)
	}
	large := strings.Repeat("x", 5*inlineBody)
	echo := newUpstream(t, func(_ int, _ *http.Request, body string, conn net.Conn) bool {
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		return true
	})
	status, body := ask(newProxy(t, nil, echo.addr), "POST", large)
	if status != 200 || body != large {
		t.Errorf("a large body = %d with %d bytes", status, len(body))
	}
}

func TestRefusedDialTriesAnother(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, ok("fine"))
	p := newProxy(t, nil, closedAddr(t), u.addr, closedAddr(t))
	for range 20 {
		status, body := ask(p, "POST", "x") // nothing was sent: any method
		want(t, "answer", status, body, 200, "fine")
	}
	gone := newProxy(t, nil, closedAddr(t), closedAddr(t))
	began := time.Now()
	status, body := ask(gone, "GET", "")
	want(t, "no backend", status, body, 503, "unavailable")
	if took := time.Since(began); took > time.Second {
		t.Errorf("all gone took %v to say", took)
	}
}

func TestOnlyHarmlessRequestsAreRepeated(t *testing.T) {
	t.Parallel()
	// Takes the request and closes without an answer, the first time.
	flaky := func(n int, _ *http.Request, _ string, conn net.Conn) bool {
		if n == 1 {
			return false
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return true
	}
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 502, "PUT": 502, "DELETE": 502, "PATCH": 502} {
		u := newUpstream(t, flaky)
		got, _ := ask(newProxy(t, nil, u.addr), method, "")
		if n := u.requests.Load(); got != status || status == 502 && n != 1 || status == 200 && n != 2 {
			t.Errorf("%s = %d after %d requests, want %d", method, got, n, status)
		}
	}
	never := newUpstream(t, func(int, *http.Request, string, net.Conn) bool { return false })
	status, body := ask(newProxy(t, nil, never.addr), "GET", "")
	want(t, "GET", status, body, 502, "bad_gateway")
	if n := never.requests.Load(); n != 2 {
		t.Errorf("GET was sent %d times, want 2", n)
	}
	// The second try goes elsewhere when there is an elsewhere.
	for range 10 {
		bad, good := newUpstream(t, func(int, *http.Request, string, net.Conn) bool { return false }), newUpstream(t, ok("fine"))
		status, body := ask(newProxy(t, nil, bad.addr, good.addr), "GET", "")
		want(t, "GET with another backend", status, body, 200, "fine")
	}
}

func TestUnusableAnswersAre502AndEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"no HTTP":                  "hello\r\n\r\n",
		"half a header":            "HTTP/1.1 200 OK\r\nContent-Le",
		"half a body":              "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"two lengths":              "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"unknown coding":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"101":                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"status 999":               "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
		"status 000":               "HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n",
		"too large a header":       "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", readBuffer) + "\r\n\r\n",
		"length and chunks":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
		"chunks of HTTP/1.0":       "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked twice":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"the same length twice":    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"a list of lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
		"a signed length":          "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
		"an enormous length":       "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\na",
		"a folded header":          "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		"a space before the colon": "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"bare line feeds":          "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"a bare line feed":         "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n",
		"another version":          "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
		"a line before":            "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"endless interim":          strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"only interim":             "HTTP/1.1 103 Early Hints\r\n\r\n",
		"a header with a NUL":      "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
	} {
		u := newUpstream(t, func(n int, _ *http.Request, _ string, conn net.Conn) bool {
			if n > 1 {
				return ok("fine")(n, nil, "", conn)
			}
			_, _ = io.WriteString(conn, answer)
			return false
		})
		p := newProxy(t, nil, u.addr)
		status, body := ask(p, "GET", "")
		want(t, name, status, body, 502, "bad_gateway")
		if n := u.requests.Load(); n != 1 {
			t.Errorf("%s: sent %d times, want once: a byte came back", name, n)
		}
		status, body = ask(p, "GET", "")
		want(t, name+", the next request", status, body, 200, "fine")
		if n := u.conns.Load(); n != 2 {
			t.Errorf("%s: the connection was used again", name)
		}
	}
}

// The end of a head that is malformed may never come: it is not waited for, and
// the log says what is wrong with it.
func TestUnusableAnswersAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, cause string }{
		"bare line feeds":   {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "the answer is malformed: a line ends in a bare LF"},
		"a bare line feed":  {"HTTP/1.1 200 OK\r\nContent-Length: 0\nX:", "the answer is malformed: a line ends in a bare LF"},
		"an empty line":     {"\n", "the answer is malformed: a line ends in a bare LF"},
		"another protocol":  {"220 mail.example.com ESMTP\r\n", "the answer is malformed: the status line"},
		"two lengths":       {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "the answer is malformed: Content-Length"},
		"chunks and length": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", "the answer is malformed: chunks with a length, or in HTTP/1.0"},
		"a folded header":   {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "the answer is malformed: A header is folded over several lines."},
		"bad chunks":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc", "the chunks are malformed"},
		"endless interim":   {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), "too many interim answers"},
		"a 101":             {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "a 101 that nobody asked for, or without the right Sec-WebSocket-Accept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, func(_ int, _ *http.Request, _ string, conn net.Conn) bool {
				_, _ = io.WriteString(conn, c.answer)
				return true // and stays
			})
			ex := exchange("GET", "/x", "", "")
			newProxy(t, nil, u.addr).Handle(ex)
			if ex.Problem == nil || ex.Problem.Code != problem.BadGateway {
				t.Fatalf("answer = %d %v, want 502", ex.Ctx.Response.StatusCode(), ex.Problem)
			}
			if got, want := fmt.Sprint(ex.Problem.Unwrap()), "backend "+u.addr+": broken: "+c.cause; got != want {
				t.Errorf("cause = %q, want %q", got, want)
			}
		})
	}
}

// TestStrayAnswersReachNobody checks the gravest fault that a proxy can have:
// one client getting another's answer.
func TestStrayAnswersReachNobody(t *testing.T) {
	t.Parallel()
	const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
	for name, delay := range map[string]time.Duration{"at once": 0, "late": 20 * time.Millisecond} {
		sent := make(chan struct{}, 10)
		u := newUpstream(t, func(n int, r *http.Request, _ string, conn net.Conn) bool {
			ok("mine")(n, r, "", conn)
			if n == 1 {
				time.Sleep(delay)
				_, _ = io.WriteString(conn, stray)
			}
			sent <- struct{}{}
			return true
		})
		p := newProxy(t, nil, u.addr)
		status, body := ask(p, "GET", "")
		want(t, name+", first", status, body, 200, "mine")
		<-sent
		time.Sleep(5 * time.Millisecond) // loopback delivers within microseconds
		for range 3 {
			status, body = ask(p, "POST", "x")
			want(t, name+", next", status, body, 200, "mine")
		}
		if n := u.conns.Load(); n != 2 {
			t.Errorf("%s: %d connections, want the first one given up", name, n)
		}
	}
}

// TestClosedIdleConnection checks that a request which must not be repeated does
// not run into a connection that the backend has closed meanwhile.
func TestClosedIdleConnection(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	u := newUpstream(t, func(n int, r *http.Request, _ string, conn net.Conn) bool {
		ok("fine")(n, r, "", conn)
		if n == 1 {
			_ = conn.Close()
			close(closed)
			return false
		}
		return true
	})
	p := newProxy(t, nil, u.addr)
	ask(p, "POST", "x")
	<-closed
	time.Sleep(5 * time.Millisecond) // loopback delivers within microseconds
	status, body := ask(p, "POST", "x")
	want(t, "the next POST", status, body, 200, "fine")
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	timeouts := make(chan string, 2)
	u := newUpstream(t, func(n int, r *http.Request, _ string, conn net.Conn) bool {
		timeouts <- r.Header.Get("X-Request-Timeout")
		if n == 1 {
			<-release
		} else {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
			<-release
		}
		return false
	})
	t.Cleanup(func() { close(release) }) // before the backend is waited for
	p := newProxy(t, nil, u.addr)
	for _, name := range []string{"no answer", "half an answer"} {
		ex := exchange("GET", "/x", "X-Request-Timeout: 999999\r\n", "")
		ex.Route.Timeout = 150 * time.Millisecond
		began := time.Now()
		p.Handle(ex)
		if ex.Problem == nil || ex.Problem.Code != problem.Timeout {
			t.Errorf("%s: problem = %v, want timeout", name, ex.Problem)
		}
		if took := time.Since(began); took < 140*time.Millisecond || took > time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if ex.Upstream < 140*time.Millisecond || !ex.Asked {
			t.Errorf("%s: upstream time = %v", name, ex.Upstream)
		}
		if ms, err := strconv.Atoi(<-timeouts); err != nil || ms < 100 || ms > 150 {
			t.Errorf("%s: X-Request-Timeout = %d, %v; want the time left", name, ms, err)
		}
	}
	if n := u.requests.Load(); n != 2 {
		t.Errorf("%d requests for two clients", n)
	}

	// A backend that does not even take connections.
	stuck := New(Options{
		Config: Config{Backends: []string{"192.0.2.1:1"}, DialTimeout: time.Minute, MaxConns: 1},
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	t.Cleanup(stuck.Close)
	ex := exchange("GET", "/x", "", "")
	ex.Route.Timeout = 100 * time.Millisecond
	stuck.Handle(ex)
	if ex.Problem == nil || ex.Problem.Code != problem.Timeout {
		t.Errorf("problem = %v, want timeout", ex.Problem)
	}
}

func TestFullBackend(t *testing.T) {
	t.Parallel()
	release, entered := make(chan struct{}), make(chan struct{}, 2)
	u := newUpstream(t, func(n int, r *http.Request, _ string, conn net.Conn) bool {
		entered <- struct{}{}
		<-release
		return ok("slow")(n, r, "", conn)
	})
	p := newProxy(t, func(c *Config) { c.MaxConns = 1 }, u.addr)
	first := make(chan string)
	go func() {
		_, body := ask(p, "GET", "")
		first <- body
	}()
	<-entered
	status, body := ask(p, "GET", "")
	want(t, "with no connection left", status, body, 503, "overloaded")
	close(release)
	if got := <-first; got != "slow" {
		t.Errorf("the first request = %q", got)
	}
	status, body = ask(p, "GET", "")
	want(t, "with the connection free again", status, body, 200, "slow")
}

func TestInterimAnswersAreSkipped(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"))
	status, body := ask(newProxy(t, nil, u.addr), "POST", "x")
	want(t, "answer", status, body, 200, "fine")
}

func TestFramingOfAnswers(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", wholeAnswer+1)
	for name, c := range map[string]struct {
		answer, body, trailer string
		streamed              bool
	}{
		"a length":                 {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", "", false},
		"a large one":              {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large), large, "", true},
		"chunked":                  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n", "abc", "", false},
		"with trailer":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T, Server\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\nX-U: 2\r\nServer: x\r\n\r\n", "abc", "1", true},
		"no content":               {"HTTP/1.1 204 No Content\r\n\r\n", "", "", false},
		"not modified":             {"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "", "", false},
		"until the end":            {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", "abc", "", true},
		"HTTP/1.0":                 {"HTTP/1.0 200 OK\r\n\r\nabc", "abc", "", true},
		"HTTP/1.0 with a length":   {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", "", false},
		"behind interim ones":      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", "", false},
		"chunked, of several kind": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + inSmallChunks(wholeAnswer), strings.Repeat("x", wholeAnswer), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, func(_ int, _ *http.Request, _ string, conn net.Conn) bool {
				_, _ = io.WriteString(conn, c.answer)
				return !strings.Contains(c.answer, "close") && !strings.Contains(c.answer, "HTTP/1.0")
			})
			p := newProxy(t, nil, u.addr)
			for range 2 {
				ex := exchange("GET", "/x", "", "")
				p.Handle(ex)
				streamed := ex.Ctx.Response.IsBodyStream()
				answer := written(t, ex)
				body, err := io.ReadAll(answer.Body)
				if ex.Problem != nil || err != nil || string(body) != c.body || streamed != c.streamed {
					t.Errorf("problem %v, error %v, %d bytes, streamed %v", ex.Problem, err, len(body), streamed)
				}
				if got := answer.Trailer.Get("X-T"); got != c.trailer || len(answer.Trailer) > 1 {
					t.Errorf("the trailer is %v", answer.Trailer)
				}
				if ex.Cut || streamed && ex.Sent != int64(len(c.body)) {
					t.Errorf("cut %v, %d bytes sent", ex.Cut, ex.Sent)
				}
			}
		})
	}
}

// written returns the answer as the client reads it.
func written(t *testing.T, ex *edge.Exchange) *http.Response {
	t.Helper()
	var b bytes.Buffer
	if _, err := ex.Ctx.Response.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(&b), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// inSmallChunks is a body of n bytes in chunks of 32 KiB, as a backend streams it.
func inSmallChunks(n int) string {
	var b strings.Builder
	for left := n; left > 0; {
		size := min(left, 32<<10)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", size, strings.Repeat("x", size))
		left -= size
	}
	return b.String() + "0\r\n\r\n"
}

// TestAnswersThatBreakOff are never taken for whole ones.
func TestAnswersThatBreakOff(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]string{
		"a length":                 "Content-Length: 100000\r\n\r\nabc",
		"chunks":                   "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"chunks, between two":      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"chunks with a bare LF":    "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
		"chunks that are longer":   "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
		"chunks of other digits":   "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"chunks of no size":        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n\r\n\r\n",
		"chunks of negative size":  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\n\r\n",
		"chunks of enormous size":  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nfffffffffffffffff\r\n\r\n",
		"a trailer that is folded": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n",
		"a trailer without an end": "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: a\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, func(_ int, _ *http.Request, _ string, conn net.Conn) bool {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+rest)
				return false
			})
			ex := exchange("GET", "/x", "", "")
			newProxy(t, nil, u.addr).Handle(ex)
			var b bytes.Buffer
			_, err := ex.Ctx.Response.WriteTo(&b)
			if ex.Problem != nil { // it was seen before anything was sent on
				return
			}
			if err == nil || !ex.Cut || strings.HasSuffix(b.String(), "0\r\n\r\n") {
				t.Errorf("error %v, cut %v, written:\n%s", err, ex.Cut, b.String())
			}
		})
	}
}

func TestConnectionsOfStreamedAnswersAreReused(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	u := newUpstream(t, raw("HTTP/1.1 200 OK\r\nContent-Type: text/csv; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"+inSmallChunks(size)))
	p := newProxy(t, nil, u.addr)
	for range 2 {
		ex := exchange("GET", "/x", "", "")
		p.Handle(ex)
		answer := written(t, ex)
		n, err := io.Copy(io.Discard, answer.Body)
		if ex.Problem != nil || err != nil || n != size || answer.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("problem %v, error %v, %d bytes of %s; want %d", ex.Problem, err, n, answer.Header.Get("Content-Type"), size)
		}
	}
	if n := u.conns.Load(); n != 1 {
		t.Errorf("%d connections, want one that is used again", n)
	}
}

func authenticated(ex *edge.Exchange) *edge.Exchange {
	ex.Claims = &token.Claims{}
	return ex
}
