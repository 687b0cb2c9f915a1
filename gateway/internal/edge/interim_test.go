package edge

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/internal/route"
)

// pipeListener accepts the other ends of pipes, which hold nothing that was not
// read.
type pipeListener struct {
	clients chan net.Conn
	closed  chan struct{}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.clients:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

// pipeTo returns a client's end of a connection to a server with one handler.
func pipeTo(t *testing.T, sendTimeout time.Duration, handler Handler) net.Conn {
	t.Helper()
	c := Config{MaxConnections: 10, MaxPerAddress: 10, ReceiveTimeout: 5 * time.Second, SendTimeout: sendTimeout, IdleTimeout: time.Minute}
	s := NewServer(c, &route.Table{}, handler, slog.New(slog.DiscardHandler))
	ln := &pipeListener{make(chan net.Conn), make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	near, far := net.Pipe()
	t.Cleanup(func() {
		_ = near.Close()
		s.Shutdown(t.Context())
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	if err := near.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	ln.clients <- far
	return near
}

const (
	getX  = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
	hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
)

// A client that reads half an interim answer, or none of it, holds the request for
// the time of an answer, and gets nothing behind that half.
func TestInterimThatIsNotRead(t *testing.T) {
	t.Parallel()
	for _, part := range []int{0, 1, len(hints) - 1} {
		written := make(chan error, 1)
		conn := pipeTo(t, 50*time.Millisecond, func(ex *Exchange) {
			_, err := ex.Interim().Write([]byte(hints))
			written <- err
			ex.Ctx.Response.SetBodyString("final")
		})
		if _, err := io.WriteString(conn, getX); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, part)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-written:
			if err == nil {
				t.Error("what was not read counts as written")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the client is waited for without an end")
		}
		if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
			t.Errorf("behind %d bytes of the interim answer come %q, %v", part, rest, err)
		}
	}
}

// What was written before may have been a while ago.
func TestInterimHasATimeOfItsOwn(t *testing.T) {
	t.Parallel()
	over := func(ex *Exchange) {
		if err := ex.Ctx.Conn().SetWriteDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
	}
	conn := pipeTo(t, 5*time.Second, func(ex *Exchange) {
		over(ex)
		if _, err := ex.Interim().Write([]byte(hints)); err != nil {
			t.Errorf("an interim answer: %v", err)
		}
		over(ex)
		if string(ex.Method) == "POST" {
			ex.Body.limit = 3
			if err := ex.Body.receive(); err != nil {
				t.Errorf("a body that is waited for: %v", err)
			}
		}
		ex.Ctx.Response.SetBody(ex.Body.whole)
	})
	reader := bufio.NewReader(conn)
	status := func(want int) {
		t.Helper()
		answer, err := http.ReadResponse(reader, nil)
		if err != nil || answer.StatusCode != want {
			t.Fatalf("got %v, %v; want %d", answer, err, want)
		}
		if want == 200 {
			_, _ = io.Copy(io.Discard, answer.Body)
		}
	}
	for _, request := range []string{getX, getX} {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		status(103)
		status(200)
	}
	if _, err := io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	status(103)
	status(100)
	if _, err := io.WriteString(conn, "abc"); err != nil {
		t.Fatal(err)
	}
	status(200)
}

func TestWhoGetsInterimAnswers(t *testing.T) {
	t.Parallel()
	conn := pipeTo(t, 5*time.Second, func(ex *Exchange) {
		if w := ex.Interim(); w != nil {
			if _, err := io.WriteString(w, hints); err != nil {
				t.Error(err)
			}
		}
	})
	// The second is here before the first is answered; the last knows no such
	// answers, and ends the connection.
	go func() {
		_, _ = io.WriteString(conn, getX+getX)
		_, _ = io.WriteString(conn, strings.Replace(getX, "HTTP/1.1", "HTTP/1.0", 1))
	}()
	var got []int
	for reader := bufio.NewReader(conn); ; {
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			break
		}
		got = append(got, answer.StatusCode)
	}
	if want := []int{103, 200, 200, 200}; len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}
