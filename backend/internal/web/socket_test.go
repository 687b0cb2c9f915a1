package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/valyala/fasthttp"
)

const handshake = "GET /x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// wire is a client on a connection without any buffer: the server waits for
// whatever it does not read.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	log  bytes.Buffer // to be read after the end
	stop context.CancelFunc
}

// ask sends a request to a route that opens a WebSocket, and reads the head of its
// answer.
func ask(t *testing.T, request string, run func(context.Context, *Socket) Farewell) (*wire, *http.Response) {
	t.Helper()
	client, server := net.Pipe()
	w := &wire{t: t, conn: client, in: bufio.NewReader(client)}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	t.Cleanup(cancel)
	app := &App{Log: slog.New(slog.NewTextHandler(&w.log, nil)), Timeout: time.Minute}
	serve := app.serve(Route{Method: "GET", Path: "/test/socket", Access: Public, Handle: func(r *Request) error {
		return r.WebSocket(ctx, run, cancel)
	}})
	go func() {
		_ = (&fasthttp.Server{Handler: serve, Logger: slog.NewLogLogger(slog.DiscardHandler, 0)}).ServeConn(server)
	}()
	if _, err := io.WriteString(client, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, response
}

// open is ask for what is answered with an open WebSocket.
func open(t *testing.T, run func(context.Context, *Socket) Farewell) *wire {
	t.Helper()
	w, response := ask(t, handshake, run)
	if response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		response.Header.Get("Upgrade") != "websocket" || len(response.Header.Get("X-Request-Id")) != 32 {
		t.Fatalf("got %d %v", response.StatusCode, response.Header)
	}
	return w
}

// say sends a frame as a client does.
func (w *wire) say(f ws.Frame) {
	w.t.Helper()
	if err := ws.WriteFrame(w.conn, ws.MaskFrame(f)); err != nil {
		w.t.Error(err)
	}
}

// hear returns the next frame's kind and content.
func (w *wire) hear() string {
	h, err := ws.ReadHeader(w.in)
	if err != nil {
		return err.Error()
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(w.in, payload); err != nil {
		return err.Error()
	}
	if h.OpCode == ws.OpClose {
		code, _ := ws.ParseCloseFrameData(payload)
		return fmt.Sprintf("close %d", code)
	}
	return fmt.Sprintf("%s %s", map[ws.OpCode]string{ws.OpText: "text", ws.OpPing: "ping", ws.OpPong: "pong"}[h.OpCode], payload)
}

// want fails the test unless these frames come, and then, if closed, the end of
// the connection.
func (w *wire) want(closed bool, frames ...string) {
	w.t.Helper()
	if closed {
		frames = append(frames, "EOF")
	}
	for _, frame := range frames {
		if got := w.hear(); got != frame {
			w.t.Errorf("got %q, want %q", got, frame)
		}
	}
}

// wait is a run that goes on until its context ends, and says why.
func wait(ctx context.Context, _ *Socket) Farewell {
	<-ctx.Done()
	return GoingAway
}

func TestSocket(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 70_000)
	w := open(t, func(ctx context.Context, s *Socket) Farewell {
		for _, err := range []error{s.Text("a", "b"), s.Text(big, "c"), s.Text(), s.Ping()} {
			if err != nil {
				t.Error(err)
			}
		}
		<-ctx.Done()
		if err := s.Text("too late"); err == nil {
			t.Error("something was sent after the client's goodbye")
		}
		return PolicyViolation // which it does not hear any more
	})
	w.want(false, "text a", "text b", "text "+big, "text c", "ping ")
	w.say(ws.NewPongFrame(nil))
	w.say(ws.NewPingFrame([]byte("there?")))
	w.want(false, "pong there?")
	w.say(ws.NewFrame(ws.OpText, false, []byte("of no ")))
	w.say(ws.NewPingFrame([]byte("between")))
	w.want(false, "pong between")
	w.say(ws.NewFrame(ws.OpContinuation, true, []byte("interest")))
	w.say(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "bye")))
	w.want(false, "close 1000")
	_ = w.conn.Close()
}

// A socket's line in the log is written at its end.
func TestSocketEndsWithFarewell(t *testing.T) {
	t.Parallel()
	w := open(t, wait)
	w.stop()
	w.want(false, "close 1001")
	w.say(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
	w.want(true)
	for _, part := range []string{"msg=request", "route=/test/socket", "status=101", "bytes_out="} {
		if line := w.log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, part) {
			t.Errorf("no %s in %s", part, line)
		}
	}
}

func TestSocketRefusesFrames(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		frame ws.Frame
		want  string
	}{
		"too large":             {ws.MaskFrame(ws.NewTextFrame(make([]byte, maxSocketFrame+1))), "close 1009"},
		"not masked":            {ws.NewTextFrame([]byte("x")), "close 1002"},
		"of no kind":            {ws.MaskFrame(ws.NewFrame(ws.OpCode(3), true, nil)), "close 1002"},
		"a continued nothing":   {ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, nil)), "close 1002"},
		"a large question":      {ws.MaskFrame(ws.NewPingFrame(make([]byte, 126))), "close 1002"},
		"of unknown extensions": {ws.MaskFrame(ws.Frame{Header: ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText}}), "close 1002"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, wait)
			go func() { _ = ws.WriteFrame(w.conn, tc.frame) }() // it is not read to its end
			w.want(true, tc.want)
		})
	}
}

func TestSocketRefusesHandshakes(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"none":          "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.0":      strings.Replace(handshake, "HTTP/1.1", "HTTP/1.0", 1),
		"HEAD":          strings.Replace(handshake, "GET", "HEAD", 1),
		"no key":        strings.Replace(handshake, "-Key", "-Lock", 1),
		"a short key":   strings.Replace(handshake, "dGhlIHN", "", 1),
		"another one":   strings.Replace(handshake, "Upgrade: websocket", "Upgrade: h2c", 1),
		"no connection": strings.Replace(handshake, "keep-alive, Upgrade", "keep-alive", 1),
		"an old one":    strings.Replace(handshake, "13", "8", 1),
		"no version":    strings.Replace(handshake, "-Version", "-Vision", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, response := ask(t, request, func(context.Context, *Socket) Farewell {
				t.Error("it was opened")
				return GoingAway
			})
			if response.StatusCode != 400 || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %d %v", response.StatusCode, response.Header)
			}
			_ = w.conn.Close()
		})
	}
}

func TestSocketOutlivesAPanic(t *testing.T) {
	t.Parallel()
	w := open(t, func(context.Context, *Socket) Farewell { panic("secret") })
	w.want(true)
	if text := w.log.String(); !strings.Contains(text, "level=ERROR msg=problem") || !strings.Contains(text, "msg=request") || strings.Contains(text, "secret") {
		t.Errorf("got %s", text)
	}
}

// A client that is silent is taken for gone.
func TestSocketSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := open(t, wait)
		time.Sleep(socketSilence - time.Second)
		w.say(ws.NewPongFrame(nil))
		w.want(true)
		if took := time.Since(start); took != 2*socketSilence-time.Second {
			t.Errorf("it ends after %v", took)
		}
	})
}

// A client that does not read has half a minute; at the end, a second.
func TestSocketOfASlowReader(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stop bool
		want time.Duration
	}{"while it runs": {false, socketWrite}, "at the end": {true, socketFarewell}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var took time.Duration
				var failed error
				w := open(t, func(_ context.Context, s *Socket) Farewell {
					start := time.Now()
					failed = s.Text("nobody reads it")
					took = time.Since(start)
					return GoingAway
				})
				synctest.Wait()
				if tc.stop {
					w.stop()
				}
				time.Sleep(socketWrite + time.Second)
				synctest.Wait()
				if took != tc.want || !errors.Is(failed, os.ErrDeadlineExceeded) {
					t.Errorf("got %v after %v, want the end after %v", failed, took, tc.want)
				}
				w.want(true)
			})
		})
	}
}
