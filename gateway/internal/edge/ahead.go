package edge

import (
	"time"

	"github.com/valyala/fasthttp"
)

// The steps judge a request by its header, before they wait for its body. But of
// a body whose length is known fasthttp waits for the first byte before it calls
// the first of them. So that wait is answered with a byte that stands for the
// real one, which is taken out when it comes: see [Conn.standIn] and
// [Conn.without]. A body that came with its header is not concerned.

// bodyFollows is how fasthttp tells the connection that a header with a body was
// read: as a deadline for it that nobody would set, so far away.
const bodyFollows = 200 * 365 * 24 * time.Hour

// beyond is later than any other deadline, and earlier than that one.
var beyond = time.Date(2150, 1, 1, 0, 0, 0, 0, time.UTC)

// announceBody is called when a header was read.
func announceBody(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if h.ContentLength() > 0 {
		c.ReadTimeout = bodyFollows
	}
	return c
}

// lead is what is known of the first byte of a body.
type lead int

const (
	noLead    lead = iota // it is like the others
	announced             // the server waits for it if nothing of the body has come
	standing              // the server was given another, and it is still to come
)

// standIn gives the server the byte that it waits for.
func (c *Conn) standIn(b []byte) (int, error) {
	c.lead = standing
	b[0] = 0
	return 1, nil
}

// without takes the real first byte out of n bytes that were read, and returns how
// many are left.
func (c *Conn) without(b []byte, n int) int {
	if c.lead != standing || n == 0 {
		return n
	}
	c.lead = noLead
	c.first[0] = b[0]
	return copy(b, b[1:n])
}

// announce has the server not wait for the body of a client that is told to send it.
func (b *Body) announce() {
	if c := connOf(b.ctx.Conn()); c != nil && b.Length > 0 {
		c.lead = announced
	}
}

// meet begins the body when the server is about to call the steps: what stands for
// its first byte is thrown away.
func (b *Body) meet(c *Conn) {
	switch {
	case c == nil:
	case c.lead == announced:
		c.lead = noLead
	case c.lead == standing:
		b.conn = c
		_, _ = b.stream.Read(c.first[:]) // it is here
	}
}

// awaitsFirst reports whether the first byte is to come apart from the others.
func (b *Body) awaitsFirst() bool { return b.conn != nil && b.conn.lead == standing }

// read reads what comes next, which may be nothing without an error.
func (b *Body) read(p []byte) (n int, err error) {
	if !b.awaitsFirst() {
		return b.stream.Read(p)
	}
	if len(p) == 1 || b.Length == 1 { // else the server would have none to read
		_, err = b.ctx.Conn().Read(p[:1])
	} else {
		n, err = b.stream.Read(p[1:])
	}
	if b.awaitsFirst() {
		return 0, err
	}
	p[0] = b.conn.first[0]
	return n + 1, err
}
