package edge

import (
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// handover is a request whose client waits to be told whether to send the body
// (RFC 9110 section 10.1.1). fasthttp asks whether it may, and calls the handler
// when it has told it so. In between the steps wait in a goroutine of their own:
// the client is told to send when the last of them asks for the body, and what
// they refuse it never sends.
type handover struct {
	ex    *Exchange
	asked chan struct{} // the steps want the body
	come  chan error    // whether it comes
	done  chan struct{} // the steps have returned
	once  sync.Once
}

type handoverKey struct{}

// expect answers whether a client may send its body: with 100, or with the
// status of the answer that the steps have given without it.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	ex := s.begin(ctx, time.Now(), nil)
	h := &handover{ex: ex, asked: make(chan struct{}), come: make(chan error, 1), done: make(chan struct{})}
	ex.Body.handover = h
	go func() {
		defer close(h.done)
		s.handler(ex)
	}()
	select {
	case <-h.asked:
		// The deadline of the answer before may be over, and fasthttp sets none for
		// the 100. If none can be set the connection is gone.
		_ = ctx.Conn().SetWriteDeadline(time.Now().Add(s.conns.sendTimeout))
		ctx.SetUserValue(handoverKey{}, h)
		ex.Body.announce()
		return fasthttp.StatusContinue
	case <-h.done:
		LingerOnClose(ctx.Conn()) // it may be sending already
		status := ctx.Response.StatusCode()
		s.end(ex)
		return status
	}
}

// handed returns the request whose body fasthttp has asked for, or nil.
func handed(ctx *fasthttp.RequestCtx) *handover {
	h, _ := ctx.UserValue(handoverKey{}).(*handover)
	return h
}

// ask waits for the body.
func (h *handover) ask(b *Body) error {
	close(h.asked)
	b.handover = nil
	return <-h.come
}

// resume lets the steps go on and waits until they have returned.
func (h *handover) resume(err error) {
	h.once.Do(func() {
		h.come <- err
		<-h.done
	})
}

// Close implements io.Closer, which fasthttp calls before it uses the request's
// memory again: the client could not be told to send.
func (h *handover) Close() error {
	h.resume(endedEarly())
	return nil
}
