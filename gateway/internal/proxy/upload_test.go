package proxy

import (
	"io"
	"net"
	"strings"
	"testing"

	"gatehouse/gateway/internal/edge"
)

// failing is a body that panics where it ends.
type failing struct{ io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		panic("in the body")
	}
	return n, nil
}

// mute is the address of a backend that reads and says nothing; what came on its
// one connection is told when that has ended.
func mute(t *testing.T) (addr string, got <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	all := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		text, _ := io.ReadAll(conn) // a reset is an end, too
		all <- string(text)
	}()
	return ln.Addr().String(), all
}

// streaming is a request with a body that is longer than what is read whole.
func streaming(t *testing.T, body io.Reader, length, limit int64) *edge.Exchange {
	t.Helper()
	ex := exchange("POST", "/x", "", "")
	var err error
	if ex.Body, err = edge.NewBody(body, length, limit); err != nil {
		t.Fatal(err)
	}
	return ex
}

// A panic while a body is passed on leaves nobody behind who listens for an answer:
// the exchange belongs to another request by then.
func TestPanicInAnUpload(t *testing.T) {
	t.Parallel()
	addr, got := mute(t)
	p := newProxy(t, nil, addr)
	ex := streaming(t, failing{strings.NewReader(strings.Repeat("x", edge.WholeBody+100))}, 1<<20, 1<<30)
	func() {
		defer func() {
			if fault := recover(); fault != "in the body" {
				t.Errorf("recovered %v", fault)
			}
		}()
		p.Handle(ex)
	}()
	ex.Body = edge.Body{} // the next request's: the race detector tells who still looks at it
	if text := <-got; !strings.Contains(text, "Content-Length: 1048576") {
		t.Errorf("the backend got %.100q", text)
	}
	b := member(t, p, addr)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns != 0 || b.inFlight.Load() != 0 {
		t.Errorf("%d connections and %d requests are left", b.conns, b.inFlight.Load())
	}
}

// What is wrong with a body leaves the request to the backend without an end.
func TestUploadsThatAreNotWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size, length, limit int64
		status              int
		code                string
	}{
		"too long":               {100_001, -1, 100_000, 413, "body_too_large"},
		"shorter than it says":   {100_000, 100_001, 1 << 30, 400, "bad_framing"},
		"at the limit":           {100_000, -1, 100_000, 504, "timeout"}, // whole, and nobody answers
		"at the limit, declared": {100_000, 100_000, 100_000, 504, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, got := mute(t)
			ex := streaming(t, strings.NewReader(strings.Repeat("x", int(c.size))), c.length, c.limit)
			ex.Route.Timeout /= 10
			newProxy(t, nil, addr).Handle(ex)
			if status := ex.Ctx.Response.StatusCode(); ex.Problem == nil || status != c.status || string(ex.Problem.Code) != c.code {
				t.Errorf("answer = %d %v, want %d %s", status, ex.Problem, c.status, c.code)
			}
			text := <-got
			_, body, _ := strings.Cut(text, "\r\n\r\n")
			whole := strings.HasSuffix(text, "\r\n0\r\n\r\n") || int64(len(body)) == c.length
			if want := c.status == 504; whole != want {
				t.Errorf("the backend has a whole request: %v, want %v", whole, want)
			}
		})
	}
}
