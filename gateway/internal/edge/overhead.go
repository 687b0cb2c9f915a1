package edge

import "errors"

// What surrounds the data of a body in chunks is bounded, since extensions and
// tiny chunks may be many times the data: 64 KiB, and eight bytes for each byte
// of data. A chunk of one byte takes five more.
const (
	freeOverhead    = 64 << 10
	overheadForByte = 8
)

var errOverhead = errors.New("the chunks have more around them than data")

// overhead is what may still come beside the data of a body in chunks.
type overhead struct {
	counted bool
	left    int64
}

// countOverhead begins with the body of a request.
func (c *Conn) countOverhead() {
	if c != nil {
		c.overhead = overhead{counted: true, left: freeOverhead}
	}
}

// take counts n bytes that have come.
func (o *overhead) take(n int) error {
	if !o.counted {
		return nil
	}
	if o.left -= int64(n); o.left < 0 {
		return errOverhead
	}
	return nil
}

// data counts n bytes of them as data.
func (o *overhead) data(n int) { o.left += int64(n) * (1 + overheadForByte) }
