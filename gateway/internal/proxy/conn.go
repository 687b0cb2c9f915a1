package proxy

import (
	"bufio"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
)

const (
	// readBuffer bounds the header of an answer.
	readBuffer = 16 << 10
	// maxAnswer bounds the body of an answer, which is held in memory whole.
	maxAnswer = 16 << 20
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
	response  fasthttp.Response
	head      []byte
	idleSince time.Time
	peek      *peeker
}

func newConn(raw net.Conn) *conn {
	return &conn{Conn: raw, reader: bufio.NewReaderSize(raw, readBuffer), peek: newPeeker(raw)}
}

// quiet reports whether an idle connection may be used: nothing has arrived on
// it since its last answer, neither bytes that nobody asked for nor its end.
func (c *conn) quiet() bool { return c.reader.Buffered() == 0 && c.peek.quiet() }

// roundTrip sends the request and passes the answer on. The connection's
// deadline is set. Reusable says whether the next request may use it.
func (c *conn) roundTrip(ex *edge.Exchange, host string, deadline time.Time) (o outcome, reusable bool) {
	if err := c.send(ex, host, deadline); err != nil {
		if isTimeout(err) {
			return timedOut, false
		}
		return noAnswer, false
	}
	switch start, err := c.reader.Peek(len("HTTP/1.1 200")); {
	case isTimeout(err):
		return timedOut, false
	case err != nil && len(start) == 0:
		return noAnswer, false
	case err != nil || start[9] < '1' || start[9] > '5': // fasthttp takes 000 for 200
		return broken, false
	}
	response := &c.response
	response.Reset()
	response.Header.SetNoDefaultContentType(true)
	response.SkipBody = ex.Route.Method == fasthttp.MethodHead
	if err := response.ReadLimitBody(c.reader, maxAnswer); err != nil {
		if isTimeout(err) {
			return timedOut, false
		}
		return broken, false
	}
	// After a 101 the connection speaks another protocol; nobody asked for one.
	if status := response.StatusCode(); status < 200 || status > 599 {
		return broken, false
	}
	reusable = !response.ConnectionClose() && c.reader.Buffered() == 0
	passAnswer(response, ex)
	return answered, reusable
}

// send writes the request in one call, or two when its body is large.
func (c *conn) send(ex *edge.Exchange, host string, deadline time.Time) error {
	body := ex.Ctx.Request.Body()
	c.head = appendHead(c.head[:0], ex, host, len(body), time.Until(deadline))
	var err error
	if len(body) <= inlineBody {
		c.head = append(c.head, body...)
		_, err = c.Write(c.head)
	} else {
		buffers := net.Buffers{c.head, body}
		_, err = buffers.WriteTo(c.Conn)
	}
	if cap(c.head) > keptHead {
		c.head = nil
	}
	return err
}
