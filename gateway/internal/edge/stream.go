package edge

import (
	"errors"
	"io"
	"time"
)

// Stream makes body the answer's: it is read, and closed, after the steps have
// returned. Its Close must call [Exchange.Finish]. The size is in bytes, -1 for
// one that only the end tells.
//
// The head goes out at once, and each part when it comes: the next one may take its
// time.
func (ex *Exchange) Stream(body io.ReadCloser, size int) {
	ex.streamed = true
	ex.Ctx.Response.ImmediateHeaderFlush = true
	if ex.server != nil { // else it is a test of another package, without a client
		body = &streamed{ex, body, size}
	}
	if size < 0 && !ex.Ctx.Request.Header.IsHTTP11() {
		ex.Ctx.Response.SetBodyStream(body, untilClose)
		ex.streamUntilClose(body)
		return
	}
	ex.Ctx.Response.SetBodyStream(body, size)
}

// Progress gives the client of a streamed answer time to take the next part.
func (ex *Exchange) Progress() {
	if ex.server == nil { // not served by one, as in tests of other packages
		return
	}
	// Without a connection there is nobody to wait for, as writing will tell.
	_ = ex.Ctx.Conn().SetWriteDeadline(time.Now().Add(ex.server.conns.sendTimeout))
}

// Finish ends a streamed answer. The exchange must not be used any more.
func (ex *Exchange) Finish() {
	ex.streamed = false
	for _, f := range ex.later {
		ex.finish(f)
	}
	if ex.stepping { // a step panicked and another answer takes the place
		ex.later, ex.Cut = ex.later[:0], false
		ex.unhijack()
		return
	}
	if ex.server != nil {
		ex.server.release(ex)
	}
}

// finish does one thing that was left for the end of the answer. The steps that
// would recover from a panic have returned by then, and what others give back must
// still be given back.
func (ex *Exchange) finish(f func(*Exchange)) {
	defer func() {
		if fault := recover(); fault != nil {
			if ex.server == nil {
				panic(fault)
			}
			ex.report(ex.server.conns.log, fault)
		}
	}()
	f(ex)
}

var errPanic = errors.New("panic")

// streamed is the body of a streamed answer as fasthttp writes it. A panic ends
// the answer in the middle, and is logged: fasthttp would keep it to itself, or,
// on a connection that it has handed over, let it end the process.
type streamed struct {
	ex   *Exchange
	body io.ReadCloser
	size int
}

// Read implements io.Reader.
func (s *streamed) Read(p []byte) (int, error) { return s.body.Read(p) }

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo, by which fasthttp calls
// WriteTo instead of Read.
func (s *streamed) SupportsBodyWriteTo() bool { return true }

// WriteTo implements io.WriterTo.
func (s *streamed) WriteTo(w io.Writer) (written int64, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			s.ex.report(s.ex.server.conns.log, fault)
			err = errPanic
		}
	}()
	if s.size >= 0 {
		// The head is written, and w would hold small parts back until they fill its
		// buffer.
		w = s.ex.Ctx.Conn()
	}
	return io.Copy(w, s.body)
}

// Close implements io.Closer.
func (s *streamed) Close() error { return s.body.Close() }
