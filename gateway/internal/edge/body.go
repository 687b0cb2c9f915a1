package edge

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/problem"
)

// WholeBody is the largest request body, in bytes, that is read before a backend
// is chosen. It goes on with a Content-Length, and may be sent a second time.
const WholeBody = 64 << 10

// keptBody is the largest buffer that an exchange keeps for the next body.
const keptBody = 16 << 10

// Body is what a client sends behind the header. It is still on its way when the
// steps see the request, and read once, by whoever passes it on. Errors of its
// methods are a *[problem.Error].
type Body struct {
	// Length in bytes, or -1 for one in chunks, whose length only its end tells.
	Length int64
	// Read is how many bytes have come.
	Read int64

	stream  io.Reader
	limit   int64
	refusal *problem.Error // what a first byte is answered with, for a body that has to be empty
	done    bool           // its end was seen

	// How long it is waited for once it is streamed. Until then the server's own
	// deadline stands.
	ctx  *fasthttp.RequestCtx // nil for a body that comes from no client
	conn *Conn                // of a body whose first byte comes apart, else nil
	idle time.Duration        // between two reads
	end  time.Time            // of it all
	// stopped is set, atomically, when no more of it is wanted.
	stopped uint32

	handover *handover
	whole    []byte // its buffer is used again
}

// NewBody returns a body of a length in bytes, -1 for an unknown one, of which at
// most limit bytes are taken. It was received as far as the step does that.
func NewBody(stream io.Reader, length, limit int64) (Body, error) {
	b := Body{stream: stream, Length: length, limit: limit}
	return b, b.receive()
}

// Whole returns the body and true if it is at most WholeBody bytes long, and
// otherwise what was read of it. It belongs to the exchange.
func (b *Body) Whole() (body []byte, all bool) { return b.whole, b.Length == 0 || b.done }

// receive reads a body of at most WholeBody bytes, or as much of one in chunks. Of
// a larger one it waits for the beginning.
func (b *Body) receive() error {
	if !b.wanted() {
		return nil
	}
	if cap(b.whole) == 0 {
		size := b.Length
		if size > WholeBody {
			size = keptBody
		}
		b.whole = make([]byte, 0, max(size, 1<<10))
	}
	for b.wanted() {
		if len(b.whole) == cap(b.whole) {
			grown := make([]byte, len(b.whole), min(4*cap(b.whole), WholeBody+1))
			copy(grown, b.whole)
			b.whole = grown
		}
		n, err := b.next(b.whole[len(b.whole):cap(b.whole)])
		b.whole = b.whole[:len(b.whole)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether more of the body is to be read before a backend is asked.
func (b *Body) wanted() bool {
	switch {
	case b.Length == 0 || b.done:
		return false
	case b.Length > WholeBody:
		return b.awaitsFirst()
	}
	return len(b.whole) <= WholeBody
}

// Stream has the rest of the body waited for until end, and the server's time for
// a request at most for each part of it.
func (b *Body) Stream(end time.Time) { b.end = end }

// Stop ends the wait for what comes next; it may be called from another
// goroutine.
func (b *Body) Stop() error {
	atomic.StoreUint32(&b.stopped, 1)
	if b.ctx == nil {
		return nil
	}
	if conn := connOf(b.ctx.Conn()); conn != nil {
		return conn.halt()
	}
	return b.ctx.SetReadDeadline(past)
}

// Next reads what comes next; io.EOF is the end of a body that came whole.
func (b *Body) Next(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	if b.ctx != nil {
		wait := time.Now().Add(b.idle)
		if wait.After(b.end) {
			wait = b.end
		}
		if err := b.ctx.SetReadDeadline(wait); err != nil {
			return 0, endedEarly()
		}
		// Stop may have been called before the deadline was moved again.
		if atomic.LoadUint32(&b.stopped) != 0 {
			return 0, endedEarly()
		}
	}
	return b.next(p)
}

// next reads. At the end of the body the error may be nil. A client that waits to
// be told whether to send its body is told so now.
func (b *Body) next(p []byte) (int, error) {
	if b.handover != nil {
		if err := b.handover.ask(b); err != nil {
			return 0, err
		}
	}
	// Not more than one byte above the limit, which tells that it is exceeded.
	if left := b.limit - b.Read + 1; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := b.read(p)
	b.Read += int64(n)
	switch {
	case n > 0 && b.refusal != nil:
		return n, b.refusal
	case b.Read > b.limit:
		return n, problem.New(problem.BodyTooLarge)
	case b.Read == b.Length, errors.Is(err, io.EOF) && b.Length < 0 && !b.broken():
		b.done = true
		return n, b.trailerFault()
	case errors.Is(err, io.EOF):
		return n, endedEarly()
	case err != nil:
		return n, bodyFault(err)
	}
	return n, nil
}

// broken reports whether the connection has ended. fasthttp takes that for the end
// of a body when it comes between two chunks.
func (b *Body) broken() bool {
	if b.ctx == nil {
		return false
	}
	conn := connOf(b.ctx.Conn())
	return conn != nil && conn.ended
}

// trailerFault returns what is wrong with the trailers of a body in chunks. fasthttp
// has refused those that are forbidden, but takes names with a space in them.
func (b *Body) trailerFault() error {
	if b.Length >= 0 || b.ctx == nil {
		return nil
	}
	lines := LinesOf(b.ctx.Request.Header.TrailerHeader())
	for {
		if _, _, ok := lines.Next(); !ok {
			break
		}
	}
	if lines.Fault() != "" {
		return malformedChunks()
	}
	return nil
}

// left reports whether some of the body was not read.
func (b *Body) left() bool { return b.Length != 0 && !b.done }

func endedEarly() *problem.Error {
	return problem.Newf(problem.BadFraming, "The request ended before its body was complete.")
}

// bodyFault turns an error of reading a body into the problem that the client is
// told, if it still listens.
func bodyFault(err error) *problem.Error {
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return problem.New(problem.RequestTimeout)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, &timeout):
		return endedEarly()
	}
	return malformedChunks()
}

func malformedChunks() *problem.Error {
	return problem.Newf(problem.BadFraming, "The chunks of the body are malformed, or it has trailers that are forbidden.")
}
