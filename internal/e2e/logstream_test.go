package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"gatehouse/internal/stack"
)

const logStream = "/api/v1/admin/logs/stream"

// logReader is a client of the log stream.
type logReader struct {
	t  *testing.T
	in io.ReadWriter
}

// openLogs asks for the log stream with a query such as ?level=warn. The reader
// is nil unless it was opened.
func (c *client) openLogs(t *testing.T, s *stack.Stack, query, bearer string, headers ...string) (answer, *logReader) {
	t.Helper()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: s.CertPool(), MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(c.base, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", c.base+logStream+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		req.Header.Set(name, value)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewReader(conn)
	resp, err := http.ReadResponse(buffered, req)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Response: resp, t: t}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		checkContract(t, a)
		return a, &logReader{t: t, in: struct {
			io.Reader
			io.Writer
		}{buffered, conn}}
	}
	defer resp.Body.Close()
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	checkContract(t, a)
	return a, nil
}

// logs opens the log stream.
func (c *client) logs(t *testing.T, s *stack.Stack, query, bearer string) *logReader {
	t.Helper()
	a, r := c.openLogs(t, s, query, bearer)
	a.want(http.StatusSwitchingProtocols)
	return r
}

// next returns the next line, or how many were lost in its place, or an error at
// the end of the stream.
func (r *logReader) next() (line map[string]any, lost int, err error) {
	text, err := wsutil.ReadServerText(r.in)
	if err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(text, &line); err != nil || bytes.ContainsRune(text, '\n') {
		r.t.Errorf("%v in %q", err, text)
	}
	if n, ok := line["dropped"].(float64); ok && len(line) == 1 {
		return nil, int(n), nil
	}
	return line, 0, nil
}

// each calls f with each line until that returns false.
func (r *logReader) each(f func(line map[string]any) bool) {
	r.t.Helper()
	for {
		line, lost, err := r.next()
		if err != nil {
			r.t.Fatal(err)
		}
		if lost == 0 && !f(line) {
			return
		}
	}
}

// closed reads to the end of the stream and returns the code with which it was
// closed, or 0.
func (r *logReader) closed() ws.StatusCode {
	for {
		if _, _, err := r.next(); err != nil {
			return closeCode(err)
		}
	}
}

func closeCode(err error) ws.StatusCode {
	var closed wsutil.ClosedError
	errors.As(err, &closed)
	return closed.Code
}

// pinging asks every gateway for a ping, again and again, until it is stopped: a
// process asks once a second what is wanted.
func pinging(t *testing.T, gateways []*client, headers ...string) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, g := range gateways {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(20 * time.Millisecond):
					if _, err := g.try("GET", "/api/v1/ping", "", nil, headers...); err != nil {
						t.Errorf("ping: %v", err)
						return
					}
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		close(done)
		wg.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// An operator sees the lines of all processes, and with filters those that fit.
func TestLogStream(t *testing.T) {
	t.Parallel()
	gateways := clients(t, shared)
	operator := gateways[0].operator()
	stop := pinging(t, gateways)

	instances := map[any]bool{}
	gateways[0].logs(t, shared, "", operator).each(func(line map[string]any) bool {
		if line["time"] == nil || line["level"] == nil || line["msg"] == nil || line["service"] == nil {
			t.Errorf("no line of a log: %v", line)
		}
		instances[line["instance"]] = true
		return len(instances) < len(shared.Gateways)+len(shared.Backends)
	})
	n := 0
	gateways[1].logs(t, shared, "?level=info&service=backend&route=/api/v1/ping", operator).each(func(line map[string]any) bool {
		if line["service"] != "backend" || line["route"] != "/api/v1/ping" {
			t.Errorf("nobody wanted %v", line)
		}
		n++
		return n < 20
	})
	gateways[2].logs(t, shared, "?level=warn&service=gateway", operator) // of which there may be none
	stop()

	// One request. Gateways would choose an identifier of their own.
	const id = "tail-of-one-request"
	one := gateways[2].logs(t, shared, "?request_id="+id, operator)
	stop = pinging(t, []*client{{t: t, base: shared.Backends[0].API, http: gateways[0].http}}, "X-Request-Id", id)
	one.each(func(line map[string]any) bool {
		if line["request_id"] != id {
			t.Errorf("nobody wanted %v", line)
		}
		return false
	})
	stop()
}

// What is wrong is told before the WebSocket opens, in the usual shape.
func TestLogStreamRefusals(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	operator := c.operator()
	_, _, admin := c.newTenant(operator, "")
	for _, query := range []string{
		"level=loud", "level=INFO", "level=", "service=redis", "service=", "route=", "route=/a%20b", "route=" + strings.Repeat("x", 201),
		"request_id=short", "request_id=" + strings.Repeat("x", 65), "request_id=a%0Abcdefgh", "since=now", "level=info&level=warn",
	} {
		name, _, _ := strings.Cut(query, "=")
		a, _ := c.openLogs(t, shared, "?"+query, operator)
		a.problem(400, "invalid_query", name)
	}
	a, _ := c.openLogs(t, shared, "", admin.Access)
	a.problem(403, "forbidden")
	a, _ = c.openLogs(t, shared, "", "")
	a.problem(401, "unauthenticated")
	a, _ = c.openLogs(t, shared, "", operator, "Sec-WebSocket-Version", "8")
	a.problem(400, "bad_framing")
	c.do("GET", logStream, operator, nil).problem(400, "bad_framing")
	// Nor does a backend believe a gateway that it is one.
	backend := &client{t: t, base: shared.Backends[0].API, http: c.http}
	backend.do("GET", logStream, operator, nil).problem(400, "bad_framing")
	backend.do("GET", logStream, admin.Access, nil).problem(403, "forbidden")
}

// A stream ends with the session that opened it.
func TestLogStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 1)
	operator := c.operator()
	r := c.logs(t, shared, "?level=error", operator)
	newClient(t, shared, 2).do("POST", "/api/v1/auth/logout", operator, nil).want(200)
	if code := r.closed(); code != 0 {
		t.Errorf("closed with %d, want the connection's end", code)
	}
	a, _ := c.openLogs(t, shared, "", operator)
	a.problem(401, "unauthenticated")
}

// A stream tells of every line or that it was lost, goes on when Redis was gone,
// ends cleanly when its backend stops, and there are only so many at a time.
func TestLogStreamInTrouble(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{
		Gateways: 2, GatewayEnv: []string{"LOG_STREAM_BUFFER=10"}, BackendEnv: []string{"LOG_STREAM_READERS=1"},
	})
	gateways := clients(t, s)
	operator := gateways[0].operatorOf(s)
	r := gateways[0].logs(t, s, "?service=gateway&route=/api/v1/ping", operator)
	refused, _ := gateways[1].openLogs(t, s, "", operator)
	refused.problem(503, "overloaded")

	var mu sync.Mutex
	var sent []string // identifiers of requests, in their order until there is a first line
	var first string  // that of the first line
	var told, lost int
	ended := make(chan ws.StatusCode, 1)
	go func() {
		for {
			line, n, err := r.next()
			if err != nil {
				ended <- closeCode(err)
				return
			}
			mu.Lock()
			told, lost = told+1, lost+n
			if n > 0 {
				told--
			} else if first == "" {
				first, _ = line["request_id"].(string)
			}
			mu.Unlock()
		}
	}()
	send := func() {
		id := gateways[1].do("GET", "/api/v1/ping", "", nil).want(200).Header.Get("X-Request-Id")
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, id)
	}
	accounted := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return first != "" && told+lost == len(sent)-slices.Index(sent, first)
	}
	complete := func(what string) {
		t.Helper()
		eventually(t, what, func() bool {
			send() // a gap shows with the line after it
			for range 20 {
				if accounted() {
					return true
				}
				time.Sleep(20 * time.Millisecond)
			}
			return false
		})
	}
	complete("lines come")

	var burst sync.WaitGroup
	for range 8 {
		burst.Go(func() {
			for range 100 {
				send()
			}
		})
	}
	burst.Wait()
	complete("every line of the burst is told of")
	mu.Lock()
	if lost == 0 {
		t.Error("nothing was lost, of far more lines than there is room for")
	}
	mu.Unlock()

	if err := s.Redis.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		send()
	}
	if err := s.Redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	complete("every line is told of after Redis was gone")

	if n := metric(t, s.Backends[0].Ops, "backend_log_streams"); n != 1 {
		t.Errorf("backend_log_streams = %v", n)
	}
	if err := s.Backends[0].Stop(); err != nil {
		t.Error(err)
	}
	if code := <-ended; code != ws.StatusGoingAway {
		t.Errorf("closed with %d, want %d", code, ws.StatusGoingAway)
	}
}
