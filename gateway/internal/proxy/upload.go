package proxy

import (
	"errors"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/gateway/internal/edge"
)

// errBody is why a request was not sent to its end: its body did not come whole,
// which is the client's fault.
type errBody struct{ cause error }

func (e *errBody) Error() string { return "the request's body: " + e.cause.Error() }

// upload sends a request whose body is still on its way: a head, then the body as
// it comes, in chunks when its length is not known. If it does not come whole the
// request is left unfinished, which no backend can take for a whole one.
//
// A backend may answer before it has seen all of it, and then nothing more is
// sent. Early reports that; the connection is of no further use.
func (c *conn) upload(q *call, host string) (early bool, err error) {
	body := &q.ex.Body
	body.Stream(q.deadline)
	c.head = appendHead(c.head[:0], q.ex, host, body.Length, time.Until(q.deadline))
	if _, err := c.Write(c.head); err != nil {
		return false, err
	}
	e := c.listen(q.ex)
	finished := false
	defer func() {
		if !finished { // a panic: the exchange goes to another request soon
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
		e.stop()
	}()
	early, err = c.sendParts(q, e)
	if bodyFault(err) != nil {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // what it would have answered matters no more
	} else if cause := c.awaitAnswer(q); cause != nil {
		err = cause
	}
	finished = true
	return early, err
}

func (c *conn) sendParts(q *call, e *ear) (early bool, err error) {
	w := bodyWriter{conn: c, chunked: q.ex.Body.Length < 0}
	if err := w.write(q.body); err != nil {
		return e.heard.Load(), err
	}
	buffer := streamBuffers.Get().(*[streamBuffer]byte) //nolint:forcetypeassert // nothing else is in there
	defer streamBuffers.Put(buffer)
	for !e.heard.Load() {
		n, err := q.ex.Body.Next(buffer[:])
		switch {
		case e.heard.Load():
			return true, nil
		case errors.Is(err, io.EOF):
			return false, w.end(q.ex)
		case err != nil:
			return false, &errBody{err}
		}
		if err := w.write(buffer[:n]); err != nil {
			return e.heard.Load(), err
		}
	}
	return true, nil
}

// ear listens for the answer while the request is being sent.
type ear struct {
	heard, deaf atomic.Bool
	done        chan struct{}
}

// listen waits for the answer's first byte. A client that is slow to send is then
// waited for no longer.
func (c *conn) listen(ex *edge.Exchange) *ear {
	e := &ear{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		// An end is an answer, too, of a kind. That the time is up is none: whether
		// the client or the backend took it shows in what is sent.
		if _, err := c.reader.Peek(1); isTimeout(err) {
			return
		}
		e.heard.Store(true)
		if !e.deaf.Load() {
			_ = ex.Body.Stop() // if that fails nothing comes anyway
		}
	}()
	return e
}

// stop waits until nobody reads from the connection any more; the deadline of
// the request bounds it.
func (e *ear) stop() {
	e.deaf.Store(true)
	<-e.done
}

// bodyWriter frames the parts of a body, each with one write.
type bodyWriter struct {
	conn    *conn
	chunked bool
}

func (w *bodyWriter) write(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	if !w.chunked {
		_, err := w.conn.Write(part)
		return err
	}
	head := &w.conn.head // its memory is used again
	*head = strconv.AppendInt((*head)[:0], int64(len(part)), 16)
	*head = append(*head, "\r\n"...)
	*head = append(*head, part...)
	*head = append(*head, "\r\n"...)
	_, err := w.conn.Write(*head)
	return err
}

// end writes what follows the last part.
func (w *bodyWriter) end(ex *edge.Exchange) error {
	if !w.chunked {
		return nil
	}
	head := &w.conn.head
	*head = append((*head)[:0], "0\r\n"...)
	*head = appendTrailers(*head, ex)
	*head = append(*head, "\r\n"...)
	_, err := w.conn.Write(*head)
	return err
}

// bodyFault returns what was wrong with a request's body, or nil.
func bodyFault(err error) error {
	if err == nil { // before there is a variable to be allocated
		return nil
	}
	var body *errBody
	if errors.As(err, &body) {
		return body.cause
	}
	return nil
}
