package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/logging"
	"gatehouse/internal/problem"
	"gatehouse/internal/requestid"
)

const (
	// socketWrite is how long a client may take to accept what is written; gateways
	// are as patient.
	socketWrite = 30 * time.Second
	// socketSilence is how long a client may say nothing, not even that it is there
	// when it is asked.
	socketSilence = 75 * time.Second
	// socketFarewell is how long it may take to say goodbye.
	socketFarewell = time.Second
	// maxSocketFrame is the largest frame that is taken, in bytes. Nothing that a
	// client says in a text means anything.
	maxSocketFrame = 4 << 10
	// socketBatch is about how many bytes are written at once.
	socketBatch = 64 << 10
)

// Farewell says why a socket is closed (RFC 6455 section 7.4.1).
type Farewell = ws.StatusCode

// Farewells.
const (
	GoingAway       Farewell = ws.StatusGoingAway
	PolicyViolation Farewell = ws.StatusPolicyViolation
)

var errGone = errors.New("the client is gone")

// Socket is a WebSocket's server side. The methods that write may be called by
// one goroutine at a time.
type Socket struct {
	conn    net.Conn
	ctx     context.Context
	out     bytes.Buffer              // scratch of Text
	leaving atomic.Pointer[time.Time] // until when the client is listened to, once that has an end

	finish func() // called at the end
	failed func(error)

	mu     sync.Mutex // held while something is written
	sent   int
	broken error // why nothing more can be written
}

// WebSocket answers with the opening of a WebSocket, for which run then has the
// connection, in a goroutine of its own. Its context ends with ctx, and when the
// client is gone. What it returns is told to the client. Done is called at the
// end, whatever happens. With an error nothing is opened, and none of them is
// called.
func (r *Request) WebSocket(ctx context.Context, run func(context.Context, *Socket) Farewell, done func()) error {
	opening, err := r.opening()
	if err != nil {
		return err
	}
	r.ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
	r.socket = &Socket{}
	r.ctx.HijackSetNoResponse(true)
	// From here on nothing can fail on a connection that is not closed already.
	r.ctx.Hijack(func(conn net.Conn) {
		defer r.socketEnded()
		defer done()
		ctx, gone := context.WithCancelCause(ctx)
		defer gone(nil)
		r.socket.serve(ctx, conn, gone, opening, run)
	})
	return nil
}

// opening returns the answer to the handshake.
func (r *Request) opening() ([]byte, error) {
	h := &r.ctx.Request.Header
	if !r.ctx.IsGet() || !h.IsHTTP11() {
		return nil, problem.Newf(problem.BadFraming, "This operation wants a WebSocket, which is a GET of HTTP/1.1.")
	}
	var question, answer bytes.Buffer
	question.WriteString("GET / HTTP/1.1\r\nHost: backend\r\n")
	for _, name := range []string{"Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"} {
		for _, value := range h.PeekAll(name) {
			fmt.Fprintf(&question, "%s: %s\r\n", name, value)
		}
	}
	question.WriteString("\r\n")
	upgrader := ws.Upgrader{Header: ws.HandshakeHeaderString(requestid.Header + ": " + r.ID + "\r\n")}
	if _, err := upgrader.Upgrade(struct {
		io.Reader
		io.Writer
	}{&question, &answer}); err != nil {
		return nil, problem.Newf(problem.BadFraming, "This operation wants a WebSocket (RFC 6455, version 13): Upgrade, Connection, Sec-WebSocket-Key and Sec-WebSocket-Version.")
	}
	return answer.Bytes(), nil
}

// socketEnded writes the request's access line, after a panic too: nobody else
// would recover from it here.
func (r *Request) socketEnded() {
	if v := recover(); v != nil {
		panics.Inc()
		r.socket.failed(fmt.Errorf("panic: %s\n%s", logging.Panicked(v), debug.Stack()))
	}
	r.socket.finish()
}

// serve has the connection from the opening to the farewell.
func (s *Socket) serve(ctx context.Context, conn net.Conn, gone context.CancelCauseFunc, opening []byte, run func(context.Context, *Socket) Farewell) {
	s.conn, s.ctx = conn, ctx
	// Who does not take what is written is not waited for beyond the end.
	hurried := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(hurried)
		_ = conn.SetWriteDeadline(time.Now().Add(socketFarewell))
	})
	// The connection belongs to somebody else after the end.
	defer func() {
		if !stop() {
			<-hurried
		}
	}()
	if s.write(opening) != nil {
		return
	}
	var listening sync.WaitGroup
	listening.Go(func() {
		s.listen()
		gone(errGone)
	})
	defer func() {
		s.leave(time.Unix(1, 0))
		listening.Wait()
	}()
	farewell := run(ctx, s)
	if errors.Is(context.Cause(ctx), errGone) {
		return
	}
	if s.control(ws.NewCloseFrame(ws.NewCloseFrameBody(farewell, ""))) == nil {
		s.leave(time.Now().Add(socketFarewell))
		listening.Wait() // for the client's own goodbye
	}
}

// leave bounds the time for which the client is still listened to.
func (s *Socket) leave(until time.Time) {
	s.leaving.Store(&until)
	_ = s.conn.SetReadDeadline(until)
}

// listen reads what the client sends until it says goodbye, is silent for too
// long or sends what it may not. Texts are taken and mean nothing.
func (s *Socket) listen() {
	state := ws.StateServerSide
	var payload [maxSocketFrame]byte
	for {
		if s.conn.SetReadDeadline(time.Now().Add(socketSilence)) != nil {
			return
		}
		if until := s.leaving.Load(); until != nil && s.conn.SetReadDeadline(*until) != nil {
			return
		}
		h, err := ws.ReadHeader(s.conn)
		if err != nil {
			return
		}
		if err := ws.CheckHeader(h, state); err != nil || h.Length > maxSocketFrame {
			code := ws.StatusProtocolError
			if err == nil {
				code = ws.StatusMessageTooBig
			}
			_ = s.control(ws.NewCloseFrame(ws.NewCloseFrameBody(code, ""))) // it ends either way
			return
		}
		content := payload[:h.Length]
		if _, err := io.ReadFull(s.conn, content); err != nil {
			return
		}
		ws.Cipher(content, h.Mask, 0)
		switch {
		case h.OpCode == ws.OpClose:
			_ = s.control(ws.NewCloseFrame(content[:min(len(content), 2)])) // unless it answers ours
			return
		case h.OpCode == ws.OpPing:
			if s.control(ws.NewPongFrame(content)) != nil {
				return
			}
		case h.OpCode.IsControl():
		case h.Fin:
			state = state.Clear(ws.StateFragmented)
		default:
			state = state.Set(ws.StateFragmented)
		}
	}
}

// Text sends messages of valid UTF-8. It waits for a slow client, for half a
// minute at most; after an error nothing can be sent any more.
func (s *Socket) Text(messages ...string) error {
	s.out.Reset()
	for _, m := range messages {
		if err := ws.WriteFrame(&s.out, ws.NewTextFrame([]byte(m))); err != nil {
			return err
		}
		if s.out.Len() >= socketBatch {
			if err := s.write(s.out.Bytes()); err != nil {
				return err
			}
			s.out.Reset()
		}
	}
	if s.out.Len() == 0 {
		return nil
	}
	return s.write(s.out.Bytes())
}

// Ping asks the client whether it is there.
func (s *Socket) Ping() error { return s.control(ws.NewPingFrame(nil)) }

func (s *Socket) control(f ws.Frame) error {
	frame, err := ws.CompileFrame(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.writeLocked(frame)
	if err == nil && f.Header.OpCode == ws.OpClose {
		s.broken = errGone // nothing comes after it
	}
	return err
}

func (s *Socket) write(frames []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(frames)
}

// writeLocked is called with mu held.
func (s *Socket) writeLocked(frames []byte) error {
	if s.broken != nil {
		return s.broken // in the middle of a frame, or after the last one
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(socketWrite))
	if s.ctx.Err() != nil {
		_ = s.conn.SetWriteDeadline(time.Now().Add(socketFarewell))
	}
	n, err := s.conn.Write(frames)
	s.sent += n
	s.broken = err
	return err
}
