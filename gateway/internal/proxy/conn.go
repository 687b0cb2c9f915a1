package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
)

const (
	// readBuffer bounds the header of an answer.
	readBuffer = 16 << 10
	// inlineBody is the largest body that is copied behind its head to be sent
	// with one call.
	inlineBody = 16 << 10
	// keptHead is the largest buffer that a connection keeps for the next head.
	keptHead = 64 << 10
)

// conn is a connection to a backend with its reader: bytes that arrive on it
// are seen by nobody else.
type conn struct {
	net.Conn

	reader    *bufio.Reader
	answer    answerHead
	head      []byte
	used      bool // it has carried a request
	idleSince time.Time
	peek      *peeker
	until     time.Time // the deadline, when it is the same for both directions
}

func newConn(raw net.Conn) *conn {
	return &conn{Conn: raw, reader: bufio.NewReaderSize(raw, readBuffer), peek: newPeeker(raw)}
}

// quiet reports whether an idle connection may be used: nothing has arrived on
// it since its last answer, neither bytes that nobody asked for nor its end.
func (c *conn) quiet() bool { return c.reader.Buffered() == 0 && c.peek.quiet() }

// expire has what is read and written end at a deadline, or a little after: to
// move a deadline costs more than to look at it, and those of one request after
// the other lie close together.
func (c *conn) expire(deadline, now time.Time) error {
	slack := min(deadline.Sub(now)/16, time.Second)
	if late := c.until.Sub(deadline); 0 <= late && late <= slack {
		return nil
	}
	c.until = deadline.Add(slack)
	return c.Conn.SetDeadline(c.until)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.until = time.Time{}
	return c.Conn.SetReadDeadline(t)
}

// call is a request on its way to a backend.
type call struct {
	ex       *edge.Exchange
	body     []byte // all of it, or as much as was read
	whole    bool
	now      time.Time // when the attempt or its connection began, or the last one ended
	deadline time.Time // until the answer begins
	last     bool      // the connection is of no use to another request
	attempts int       // made, of a request that is recorded
	cause    error     // why the last attempt failed, if there is more to say than its outcome
}

// What becomes of a connection after a request.
type fate int

const (
	ended  fate = iota // of no further use
	stale              // it was so before, and nothing was sent
	reused             // by the next request
	held               // by the answer's body, which is still coming
)

// roundTrip sends the request and passes the answer on. The connection's
// deadline is set.
func (c *conn) roundTrip(q *call, b *backend) (outcome, fate) {
	quiet, err := c.start(q, b.host)
	switch {
	case quiet:
	case c.used:
		return noAnswer, stale
	default: // what speaks before it is asked speaks no HTTP
		q.cause = errors.New("it spoke before it was asked")
		return broken, ended
	}
	if err == nil && q.whole {
		err = c.awaitAnswer(q)
	}
	if cause := bodyFault(err); cause != nil {
		q.ex.RefuseBody(cause)
		return unsent, ended
	}
	if isTimeout(err) {
		return timedOut, ended
	}
	if err != nil && q.whole {
		q.cause = err
		return noAnswer, ended
	}
	// Whoever could not send all of a large body may have been answered why.
	q.last = q.last || err != nil
	return c.receive(q, b)
}

// awaitAnswer sets how long the answer may take to begin.
func (c *conn) awaitAnswer(q *call) error {
	if q.ex.Route.Response == 0 {
		return nil
	}
	return c.SetReadDeadline(earlier(q.deadline, time.Now().Add(q.ex.Route.Response)))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// receive passes the answer on, interim ones before it.
func (c *conn) receive(q *call, b *backend) (outcome, fate) {
	h := &c.answer
	for interim := 0; ; interim++ {
		some, err := c.readHead(h, q.ex.Route.Method)
		if err == nil && interim > maxInterim {
			err = errors.New("too many interim answers")
		}
		q.cause = err
		switch {
		case isTimeout(err):
			return timedOut, ended
		case err != nil && !some && interim == 0:
			return noAnswer, ended
		case err != nil:
			return broken, ended
		}
		if h.status == fasthttp.StatusSwitchingProtocols {
			return c.upgrade(q, b)
		}
		if h.status >= 200 {
			break
		}
		passInterim(h, q.ex)
	}
	h.closes = h.closes || q.last
	whole, err := c.readWhole(h, q.ex)
	if q.cause = err; err == nil {
		passHead(h, q.ex)
	}
	switch {
	case isTimeout(err):
		return timedOut, ended
	case err != nil:
		return broken, ended
	case !whole:
		return c.passStream(h, q, b)
	case h.closes || c.reader.Buffered() > 0:
		return answered, ended
	}
	return answered, reused
}

// readWhole reads the body if it is small and its length is known, or all of it
// is here, and reports whether it was.
func (c *conn) readWhole(h *answerHead, ex *edge.Exchange) (bool, error) {
	response := &ex.Ctx.Response
	body := response.SwapBody(nil)[:0]
	var err error
	switch {
	case h.length == 0:
	case h.length > 0 && h.length <= wholeAnswer:
		body = slices.Grow(body, int(h.length))[:h.length]
		_, err = io.ReadFull(c.reader, body)
	case h.length == inChunks:
		here, _ := c.reader.Peek(c.reader.Buffered())
		if !complete(here) {
			response.SwapBody(body)
			return false, nil
		}
		body = slices.Grow(body, len(here))[:len(here)]
		body, err = readChunks(c.reader, body)
	default:
		response.SwapBody(body)
		return false, nil
	}
	response.SwapBody(body)
	return true, err
}

// readChunks reads a body that is shorter than the buffer into it.
func readChunks(r *bufio.Reader, buffer []byte) ([]byte, error) {
	parts := chunks{reader: r}
	n := 0
	for {
		m, err := parts.Read(buffer[n:])
		n += m
		if errors.Is(err, io.EOF) {
			return buffer[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// start sends the request if the connection is quiet.
func (c *conn) start(q *call, host string) (quiet bool, err error) {
	switch {
	case !q.whole:
		if quiet = c.quiet(); quiet {
			q.last, err = c.upload(q, host)
		}
		return quiet, err
	case len(q.body) > inlineBody:
		if quiet = c.quiet(); quiet {
			c.writeHead(q, host)
			buffers := net.Buffers{c.head, q.body}
			_, err = buffers.WriteTo(c.Conn)
		}
	default:
		c.writeHead(q, host)
		c.head = append(c.head, q.body...)
		quiet, err = c.send(c.head, q.ex.Route.Response == 0)
	}
	if cap(c.head) > keptHead {
		c.head = nil
	}
	return quiet, err
}

func (c *conn) writeHead(q *call, host string) {
	c.head = appendHead(c.head[:0], q.ex, host, int64(len(q.body)), q.deadline.Sub(q.now))
}

// send writes a whole request if the connection is quiet. It may wait until
// something comes back.
func (c *conn) send(request []byte, wait bool) (quiet bool, err error) {
	if c.peek.joins() {
		n, quiet, err := c.peek.send(request, wait)
		if !quiet || err != nil || n == len(request) {
			return quiet, err
		}
		request = request[n:]
	} else if !c.quiet() {
		return false, nil
	}
	_, err = c.Write(request)
	return true, err
}
