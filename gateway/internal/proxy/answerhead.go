package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"gatehouse/gateway/internal/edge"
)

// How long an answer's body is, when it is not a number of bytes.
const (
	inChunks   = -1
	untilClose = -2
)

// answerHead is the status line and the headers of an answer, read as strictly as
// a request's: what two programs might read differently is no answer.
type answerHead struct {
	status  int
	section []byte // the header lines with the empty one
	// named lists what the Connection headers name.
	named [][]byte
	// length of the body in bytes, or one of the above; 0 for none.
	length int64
	// declared is what Content-Length says, -1 when it is absent. An answer to
	// HEAD has one and no body.
	declared int64
	// closes says that the connection ends with the answer.
	closes bool
	// trailer says that trailers were announced.
	trailer bool
	// fault says what is wrong with a head that is no answer.
	fault string
}

var (
	errMalformed = errors.New("the answer is malformed")
	errTooLong   = errors.New("the answer's header is too long")
)

// readHead reads the next head, interim ones included, and leaves the reader
// behind it. When it fails, some says whether anything had come.
func (c *conn) readHead(h *answerHead, method string) (some bool, err error) {
	head, err := c.peekHead()
	if err != nil {
		return len(head) > 0, err
	}
	if !h.parse(head, method) {
		return true, fmt.Errorf("%w: %s", errMalformed, h.fault)
	}
	if _, err := c.reader.Discard(len(head)); err != nil {
		return true, err
	}
	return true, nil
}

// peekHead waits for a whole head; on an error it returns what there is of it.
func (c *conn) peekHead() ([]byte, error) {
	for n := 1; ; {
		_, err := c.reader.Peek(n)
		here, _ := c.reader.Peek(c.reader.Buffered())
		if end := bytes.Index(here, []byte("\r\n\r\n")); end >= 0 {
			return here[:end+4], nil
		}
		if fault := hopeless(here); fault != "" { // the end may never come
			return here, fmt.Errorf("%w: %s", errMalformed, fault)
		}
		if err != nil {
			return here, err
		}
		if n = len(here) + 1; n > readBuffer {
			return here, errTooLong
		}
	}
}

// hopeless says why the beginning of a head cannot become a sound one, or "".
func hopeless(head []byte) string {
	for from := 0; ; {
		end := bytes.IndexByte(head[from:], '\n')
		if end < 0 {
			return ""
		}
		if from += end; from == 0 || head[from-1] != '\r' {
			return "a line ends in a bare LF"
		}
		if !bytes.HasPrefix(head, []byte(version)) {
			return "the status line"
		}
		from++
	}
}

// version begins every answer, but for the last digit of the version.
const version = "HTTP/1."

// parse reads a head that ends in an empty line and reports whether it is sound.
func (h *answerHead) parse(head []byte, method string) bool {
	*h = answerHead{section: h.section[:0], named: h.named[:0], declared: -1}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	old, ok := h.statusLine(line)
	if !ok {
		h.fault = "the status line"
		return false
	}
	h.section = append(h.section, rest...)
	chunked, ok := h.fields(old)
	if !ok {
		return false
	}
	switch {
	case h.status < 200 || h.status == 204 || h.status == 304 || method == "HEAD":
		// No body follows, whatever the headers say (RFC 9112 section 6.3). One
		// that says otherwise may send one, so nothing may follow on the connection.
		if h.status < 300 && method != "HEAD" && (chunked || h.declared > 0) {
			h.closes = true
		}
	case chunked:
		h.length = inChunks
	case h.declared >= 0:
		h.length = h.declared
	default:
		h.length, h.closes = untilClose, true
	}
	return true
}

// statusLine reads such as HTTP/1.1 200 OK; old is HTTP/1.0.
func (h *answerHead) statusLine(line []byte) (old, ok bool) {
	if len(line) < len("HTTP/1.1 200") || string(line[:len(version)]) != version || line[8] != ' ' || line[7] > '1' || line[7] < '0' {
		return false, false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false, false
		}
		h.status = 10*h.status + int(c-'0')
	}
	reason := line[12:]
	if len(reason) > 0 && reason[0] != ' ' || !visible(reason) {
		return false, false
	}
	return line[7] == '0', h.status >= 100 && h.status <= 599
}

// fields reads what frames the answer.
func (h *answerHead) fields(old bool) (chunked, ok bool) {
	var keepAlive, encoded bool
	lines := edge.LinesOf(h.section)
	for {
		name, value, more := lines.Next()
		if !more {
			break
		}
		if !visible(value) {
			h.fault = "a control character in a header"
			return false, false
		}
		switch len(name) {
		case len("trailer"):
			h.trailer = h.trailer || bytes.EqualFold(name, []byte("trailer"))
		case len("connection"):
			if bytes.EqualFold(name, []byte("connection")) {
				h.named = appendOptions(h.named, value)
			}
		case len("content-length"):
			if !bytes.EqualFold(name, []byte("content-length")) {
				continue
			}
			n, sound := length(value)
			if !sound || h.declared >= 0 {
				h.fault = "Content-Length"
				return false, false
			}
			h.declared = n
		case len("transfer-encoding"):
			if !bytes.EqualFold(name, []byte("transfer-encoding")) {
				continue
			}
			if encoded || !bytes.EqualFold(value, []byte("chunked")) {
				h.fault = "Transfer-Encoding"
				return false, false
			}
			encoded = true
		}
	}
	for _, option := range h.named {
		h.closes = h.closes || bytes.EqualFold(option, []byte("close"))
		keepAlive = keepAlive || bytes.EqualFold(option, []byte("keep-alive"))
	}
	h.closes = h.closes || old && !keepAlive
	if h.fault = lines.Fault(); h.fault == "" && encoded && (old || h.declared >= 0) {
		h.fault = "chunks with a length, or in HTTP/1.0"
	}
	return encoded, h.fault == ""
}

// length reads digits and nothing else.
func length(value []byte) (n int64, ok bool) {
	if len(value) == 0 || len(value) > 18 {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, n <= math.MaxInt
}

// visible reports whether text holds no control characters but tabs.
func visible(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
