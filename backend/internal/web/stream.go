package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"runtime/debug"
	"time"

	"gatehouse/internal/logging"
)

// streamMargin is the time after its deadline that a stream may take to send
// what it has read.
const streamMargin = 5 * time.Second

// Stream answers 200 with a file that is read, and closed, after the handler has
// returned. When reading fails the connection is broken off, so that no client
// takes a part for the whole.
func (r *Request) Stream(contentType, filename string, body io.ReadCloser) {
	r.ctx.SetContentType(contentType)
	r.ctx.Response.Header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": filename}))
	// The server's own bound is for answers that are ready to be sent. Without
	// a connection there is nothing to bound.
	deadline, _ := r.context.Deadline()
	_ = r.ctx.SetWriteDeadline(deadline.Add(streamMargin))
	r.stream = &stream{body: body, finish: func() {}}
	r.ctx.SetBodyStream(r.stream, -1)
}

// File answers 200 with a file that is at hand.
func (r *Request) File(contentType, filename string, body []byte) {
	r.ctx.SetContentType(contentType)
	r.ctx.Response.Header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": filename}))
	r.ctx.Response.SetBodyRaw(body)
}

// StreamContext is like Context but outlives the handler. The cancel function is
// to be called when the stream is closed.
func (r *Request) StreamContext() (context.Context, context.CancelFunc) {
	deadline, _ := r.context.Deadline()
	return context.WithDeadline(context.WithoutCancel(r.context), deadline)
}

// stream is an answer's body on its way.
type stream struct {
	body   io.ReadCloser
	sent   int
	err    error
	finish func() // called when it is closed
}

// Read implements io.Reader. Nobody else would recover from a panic here.
func (s *stream) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			panics.Inc()
			n, err = 0, fmt.Errorf("panic: %s\n%s", logging.Panicked(v), debug.Stack())
		}
		s.sent += n
		if err != nil && !errors.Is(err, io.EOF) {
			s.err = err
		}
	}()
	return s.body.Read(p)
}

// Close implements io.Closer.
func (s *stream) Close() error {
	err := s.body.Close()
	s.finish()
	return err
}
