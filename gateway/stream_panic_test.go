package gateway

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/internal/edge"
)

// dialEnd returns a client's connection to a server whose pipeline is the rig's
// but for its end and its log.
func (r *streamRig) dialEnd(t *testing.T, log *slog.Logger, end edge.Handler) func() *near {
	t.Helper()
	g := &Gateway{
		config: r.config, log: log, table: r.table, aliases: r.aliases, limits: r.limits, auth: r.auth, admission: r.admission,
	}
	server := edge.NewServer(g.config.Edge, g.table, g.pipeline(end), log)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Shutdown(t.Context())
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func() *near {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return &near{conn, bufio.NewReader(conn)}
	}
}

// panicked fails the test unless the one request has left one panic, without its
// own words, and one line, and holds nothing any more.
func (r *streamRig) panicked(t *testing.T, route, words string) map[string]any {
	t.Helper()
	lines := r.idle(t, route)
	if faults := r.logs.lines(t, "panic"); len(faults) != 1 || fmt.Sprint(faults[0]["stack"]) == "" || strings.Contains(fmt.Sprint(faults), words) {
		t.Errorf("panics in the log: %v", faults)
	}
	if len(lines) != 1 {
		t.Errorf("%d lines, want one", len(lines))
	}
	r.free(t)
	return lines[0]
}

// free fails the test unless the tenant may have a request in flight, of which its
// limit allows one.
func (r *streamRig) free(t *testing.T) {
	t.Helper()
	// What comes to the proxy and no further.
	r.do(t, "GET", "/socket", r.own(), "").problem(t, 400, "bad_framing")
}

// A handler that fails with half a body read answers for it, and the rest of the
// body is nobody's request.
func TestPanicWhileABodyStreams(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked", "Content-Length: 100000\r\nExpect: 100-continue"} {
		t.Run(framing, func(t *testing.T) {
			t.Parallel()
			r := newStreamRig(t, limits(t, "standard.in_flight=1"), func(f *far) { f.gone() })
			dial := r.dialEnd(t, r.log, func(ex *edge.Exchange) {
				if ex.Body.Length == 0 {
					return
				}
				ex.Body.Stream(time.Now().Add(10 * time.Second))
				if _, err := ex.Body.Next(make([]byte, 10)); err != nil {
					t.Error(err)
				}
				panic("in the middle")
			})
			conn := dial()
			conn.say(t, r.head("POST /upload", framing))
			if strings.Contains(framing, "Expect") {
				conn.continued(t)
			}
			body := noise(100_000)
			if strings.HasPrefix(framing, "Transfer") {
				body = inChunks(body, 10_000) + "0\r\n\r\n"
			}
			conn.say(t, body)
			conn.answer(t, "POST").problem(t, 500, "internal")
			if !strings.HasPrefix(framing, "Content-Length") {
				conn.ended(t)
			} else { // what is little and of a known length is thrown away
				conn.say(t, r.head("GET /download"))
				if a := conn.answer(t, "GET"); a.status != 200 {
					t.Errorf("the next one = %d", a.status)
				}
			}
			if line := r.panicked(t, "/upload", "in the middle"); line["status"] != 500.0 {
				t.Errorf("access line %v", line)
			}
			conn = dial()
			conn.say(t, r.head("GET /download"))
			if a := conn.answer(t, "GET"); a.status != 200 {
				t.Errorf("the next client gets %d", a.status)
			}
		})
	}
}

// A step that fails on the way back, with the backend's answer still to come,
// gives the connection to the backend back, too.
func TestPanicBeforeAnAnswerStreams(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1", "1.0"} {
		for _, framing := range []string{"Content-Length: 1000000", "X-A: until the end"} {
			t.Run(framing+" "+version, func(t *testing.T) {
				t.Parallel()
				gone := make(chan struct{})
				r := newStreamRig(t, limits(t, "standard.in_flight=1"), func(f *far) {
					if f.next() != nil {
						f.say("HTTP/1.1 200 OK\r\nX-Of-The-Backend: 1\r\n%s\r\n\r\n%s", framing, noise(1000))
						f.gone()
						close(gone)
					}
				})
				dial := r.dialEnd(t, r.log, func(ex *edge.Exchange) {
					r.proxy.Handle(ex)
					panic("on the way back")
				})
				conn := dial()
				conn.say(t, strings.Replace(r.head("GET /download"), "HTTP/1.1", "HTTP/"+version, 1))
				a := conn.answer(t, "GET")
				a.problem(t, 500, "internal")
				if a.header.Get("X-Of-The-Backend") != "" {
					t.Errorf("the answer has headers of the other one: %v", a.header)
				}
				<-gone
				if line := r.panicked(t, "/download", "on the way back"); line["status"] != 500.0 || line["cut"] != nil {
					t.Errorf("access line %v", line)
				}
			})
		}
	}
}

// faulty is an answer of which a part can be read.
type faulty struct {
	ex   *edge.Exchange
	part string
}

func (f *faulty) Read(p []byte) (int, error) {
	n := copy(p, f.part)
	if f.part = f.part[n:]; n == 0 {
		panic("in the answer")
	}
	return n, nil
}

func (f *faulty) Close() error {
	f.ex.Cut = true
	f.ex.Finish()
	return nil
}

func TestPanicWhileAnAnswerStreams(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100_000, -1} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(fmt.Sprint(size, " ", version), func(t *testing.T) {
				t.Parallel()
				r := newStreamRig(t, limits(t, "standard.in_flight=1"), func(f *far) { f.gone() })
				dial := r.dialEnd(t, r.log, func(ex *edge.Exchange) { ex.Stream(&faulty{ex, noise(5000)}, size) })
				conn := dial()
				conn.say(t, strings.Replace(r.head("GET /download"), "HTTP/1.1", "HTTP/"+version, 1))
				response := conn.open(t)
				got, err := io.ReadAll(response.Body)
				// A client of HTTP/1.0 cannot tell where a body of unknown length ends.
				if whole := err == nil; string(got) != noise(5000) || whole != (size < 0 && version == "1.0") {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				conn.ended(t)
				if line := r.panicked(t, "/download", "in the answer"); line["status"] != 200.0 || line["cut"] != true {
					t.Errorf("access line %v", line)
				}
			})
		}
	}
}

// What comes at the end of a streamed answer may fail as well: all else that was
// left for the end still happens, and the process goes on.
func TestPanicAtTheEndOfAStreamedAnswer(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1", "1.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			r := newStreamRig(t, limits(t, "standard.in_flight=1"), func(f *far) {
				for f.next() != nil {
					f.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					f.say("%s0\r\n\r\n", inChunks(noise(100_000), 10_000))
				}
			})
			dial := r.dialEnd(t, slog.New(faultyLog{r.log.Handler()}), r.proxy.Handle)
			conn := dial()
			conn.say(t, strings.Replace(r.head("GET /download"), "HTTP/1.1", "HTTP/"+version, 1))
			if a := conn.answer(t, "GET"); a.body != noise(100_000) {
				t.Errorf("got %d bytes", len(a.body))
			}
			eventually(t, "nothing in flight", func() bool {
				return len(r.logs.lines(t, "panic")) == 1 && r.admission.InFlight() == 0 && r.gauge(t, "in_flight") == "0"
			})
			r.free(t)
			if version == "1.0" {
				conn.ended(t)
				return
			}
			conn.say(t, r.head("GET /download"))
			if response, err := http.ReadResponse(conn.reader, nil); err != nil || response.StatusCode != 200 {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}
