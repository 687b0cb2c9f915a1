package edge

import (
	"sync/atomic"
	"time"
)

// deadlines spares the poller most of what the server asks of it. To set a
// deadline takes a lock and moves a timer, and fasthttp sets three for each
// request, of which a request that comes in one piece needs none: so one for
// reading is set by the read that has to wait, and one that is a little later than
// wanted stands.
type deadlines struct {
	// wanted and set are the deadline of reading: what the server asked for, and
	// what the poller knows. They belong to who reads.
	wanted, set time.Time
	// writing is that of writing, in nanoseconds since 1970; 0 for none.
	writing atomic.Int64
	// halted says that nothing more is to be read of the current request.
	halted atomic.Bool
}

// past is over.
var past = time.Unix(1, 0)

// stands reports whether what is set does for what is wanted.
func (d *deadlines) stands(slack time.Duration) bool {
	if d.wanted.IsZero() || d.set.IsZero() {
		return d.wanted.IsZero() && d.set.IsZero()
	}
	late := d.set.Sub(d.wanted)
	return 0 <= late && late <= slack
}

// readSlack is by how much the end of the short wait may be late, after which a
// connection is parked.
func (c *Conn) readSlack() time.Duration {
	if c.waiting {
		return c.limits.parkAfter / 2
	}
	return 0
}

// applyReadDeadline sets what was asked for.
func (c *Conn) applyReadDeadline() error {
	slack := c.readSlack()
	if c.deadlines.stands(slack) {
		return nil
	}
	t := c.deadlines.wanted
	if !t.IsZero() {
		t = t.Add(slack)
	}
	if err := c.setReadDeadline(t); err != nil {
		return err
	}
	if c.deadlines.halted.Load() { // perhaps between the two
		return c.Conn.SetReadDeadline(past)
	}
	return nil
}

// setReadDeadline sets it at once.
func (c *Conn) setReadDeadline(t time.Time) error {
	c.deadlines.wanted, c.deadlines.set = t, t
	return c.Conn.SetReadDeadline(t)
}

// began returns when the time began in which a request was to arrive that has not:
// with its first byte, or with its connection.
func (c *Conn) began(now time.Time) time.Time {
	if c == nil || c.deadlines.wanted.IsZero() {
		return now
	}
	return earliest(now, c.deadlines.wanted.Add(-c.limits.receiveTimeout))
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// halt ends a read under way, and all that come in the same request. It may be
// called from another goroutine.
func (c *Conn) halt() error {
	c.deadlines.halted.Store(true)
	return c.Conn.SetReadDeadline(past)
}

// goOn ends what halt began: a body may turn out to have come whole all the same.
func (c *Conn) goOn() {
	if c.deadlines.halted.Swap(false) {
		c.deadlines.set = past
	}
}

// SetWriteDeadline implements net.Conn. The deadline may be late by a thirty-second
// part of the time that clients have to read an answer.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		c.deadlines.writing.Store(0)
		return c.Conn.SetWriteDeadline(t)
	}
	slack := c.limits.sendTimeout / 32
	if late := time.Duration(c.deadlines.writing.Load() - t.UnixNano()); 0 <= late && late <= slack {
		return nil
	}
	t = t.Add(slack)
	c.deadlines.writing.Store(t.UnixNano())
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
