package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"gatehouse/gateway/internal/edge"
)

// chunks reads a body in chunks (RFC 9112 section 7.1), strictly. Extensions are
// dropped.
type chunks struct {
	reader  *bufio.Reader
	left    int64 // of the chunk
	begun   bool  // a chunk's data was read, its end was not
	ended   bool
	trailer []byte // lines with the empty one
}

var errChunks = errors.New("the chunks are malformed")

// maxChunkLine and maxTrailer bound, in bytes, what is no data.
const (
	maxChunkLine = 1 << 10
	maxTrailer   = 8 << 10
)

// Read implements io.Reader; io.EOF is the sound end.
func (c *chunks) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, cutOff(err)
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.reader.Read(p)
	c.left -= int64(n)
	return n, cutOff(err)
}

// next reads to the next chunk's data.
func (c *chunks) next() error {
	if c.begun {
		switch line, err := c.line(maxChunkLine); {
		case err != nil:
			return err
		case len(line) > 0:
			return errChunks
		}
	}
	line, err := c.line(maxChunkLine)
	if err != nil {
		return err
	}
	size, ok := chunkSize(line)
	if !ok {
		return errChunks
	}
	c.left, c.begun = size, true
	if size > 0 {
		return nil
	}
	c.ended = true
	return c.readTrailer()
}

func (c *chunks) readTrailer() error {
	for {
		line, err := c.line(maxChunkLine)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if c.trailer = append(append(c.trailer, line...), "\r\n"...); len(c.trailer) > maxTrailer {
			return errChunks
		}
	}
	if len(c.trailer) == 0 {
		return nil
	}
	c.trailer = append(c.trailer, "\r\n"...)
	lines := edge.LinesOf(c.trailer)
	for _, value, ok := lines.Next(); ok; _, value, ok = lines.Next() {
		if !visible(value) {
			return errChunks
		}
	}
	if lines.Fault() != "" {
		return errChunks
	}
	return nil
}

// complete reports whether b begins with a whole body in chunks that has no
// trailer.
func complete(b []byte) bool {
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok {
			return false
		}
		size, ok := chunkSize(line)
		switch {
		case !ok || size+2 > int64(len(rest)):
			return false
		case size == 0:
			return rest[0] == '\r' && rest[1] == '\n'
		}
		b = rest[size+2:]
	}
}

// line reads a line of at most limit bytes that ends in CR LF, which it leaves
// out.
func (c *chunks) line(limit int) ([]byte, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || len(line) > limit {
		return nil, errChunks
	}
	return line, nil
}

// chunkSize reads hexadecimal digits and perhaps an extension behind them.
func chunkSize(line []byte) (n int64, ok bool) {
	digits, _, _ := bytes.Cut(line, []byte{';'})
	digits = bytes.TrimRight(digits, " \t")
	if len(digits) == 0 || len(digits) > 15 || !visible(line) {
		return 0, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

// cutOff makes an end in the middle an error.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
