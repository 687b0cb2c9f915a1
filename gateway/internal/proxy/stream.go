package proxy

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/gateway/internal/edge"
)

const (
	// wholeAnswer is the largest answer, in bytes, that is read before any of it
	// is sent on.
	wholeAnswer = 64 << 10
	// streamBuffer is what a streamed body takes of memory in each direction.
	streamBuffer = 32 << 10
	// streamIdle is how long a backend may pause in the middle of an answer.
	streamIdle = 5 * time.Minute
)

var (
	streamBuffers = sync.Pool{New: func() any { return new([streamBuffer]byte) }}
	streams       = metrics.NewCounter(`gateway_proxy_streamed_answers_total`)
	streamsCut    = metrics.NewCounter(`gateway_proxy_streamed_answers_cut_total`)
)

// stream is the body of an answer that is passed on while it comes. It holds its
// connection to the backend until then.
type stream struct {
	ex      *edge.Exchange
	backend *backend
	conn    *conn
	left    int64 // of a body whose length is known, else as in answerHead
	chunks  chunks
	end     time.Time // zero for no bound
	done    bool      // the end has come, and soundly
	closes  bool      // the connection ends with it
}

// passStream makes the rest of the answer the exchange's body. A first chunk that
// is here already must be sound, since later there is no other answer to give.
func (c *conn) passStream(h *answerHead, q *call, b *backend) (outcome, fate) {
	s := &stream{ex: q.ex, backend: b, conn: c, left: h.length, closes: h.closes}
	size := -1
	switch {
	case h.length > 0:
		size = int(h.length)
	case h.length == inChunks:
		s.chunks.reader = c.reader
		if c.reader.Buffered() > 0 {
			if err := s.chunks.next(); err != nil {
				q.cause = err
				return broken, ended
			}
		}
		if h.trailer && q.ex.Ctx.Request.Header.IsHTTP11() {
			announce(h, q.ex)
		}
	}
	if q.ex.Route.Total > 0 {
		s.end = q.deadline
	}
	streams.Inc()
	q.ex.Stream(s, size)
	return answered, held
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if s.done {
		return 0, io.EOF
	}
	wait := time.Now().Add(streamIdle)
	if !s.end.IsZero() && s.end.Before(wait) {
		wait = s.end
	}
	if err := s.conn.SetReadDeadline(wait); err != nil {
		return 0, err
	}
	n, err := s.read(p)
	s.ex.Sent += int64(n)
	s.ex.Progress()
	return n, err
}

func (s *stream) read(p []byte) (n int, err error) {
	switch {
	case s.left == inChunks:
		if n, err = s.chunks.Read(p); errors.Is(err, io.EOF) {
			s.done = true
			passTrailer(s.chunks.trailer, s.ex)
		}
	case s.left == untilClose:
		n, err = s.conn.reader.Read(p)
		s.done = errors.Is(err, io.EOF)
	default:
		if int64(len(p)) > s.left {
			p = p[:s.left]
		}
		n, err = s.conn.reader.Read(p)
		if s.left -= int64(n); s.left == 0 {
			s.done = true
			return n, io.EOF
		}
		err = cutOff(err)
	}
	return n, err
}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo.
func (s *stream) SupportsBodyWriteTo() bool { return true }

// WriteTo implements io.WriterTo: in larger parts than fasthttp's own.
func (s *stream) WriteTo(w io.Writer) (written int64, err error) {
	buffer := streamBuffers.Get().(*[streamBuffer]byte) //nolint:forcetypeassert // nothing else is in there
	defer streamBuffers.Put(buffer)
	for {
		n, err := s.Read(buffer[:])
		if n > 0 {
			m, err := w.Write(buffer[:n])
			written += int64(m)
			if err != nil {
				return written, err
			}
		}
		if errors.Is(err, io.EOF) {
			return written, nil
		}
		if err != nil {
			return written, err
		}
	}
}

// Close implements io.Closer. Without its end the answer counts as cut, and
// fasthttp ends the client's connection without the last chunk.
func (s *stream) Close() error {
	if !s.done {
		s.ex.Cut = true
		streamsCut.Inc()
	}
	s.backend.put(s.conn, s.done && !s.closes && s.conn.reader.Buffered() == 0, time.Now())
	s.ex.Finish()
	return nil
}
