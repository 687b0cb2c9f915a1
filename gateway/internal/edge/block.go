package edge

import (
	"bytes"
	"slices"

	"github.com/valyala/fasthttp"
)

// block is headers that are set at once, since they are the same on every answer:
// the value of the first holds the lines of the others. Backends cannot set any of
// them, for the proxy holds theirs back.
type block struct {
	name, value []byte
	// room is as long as value and holds no line break, which fasthttp takes out of
	// what is set.
	room []byte
}

func newBlock(headers []header) block {
	value := bytes.Clone(headers[0].value)
	for _, h := range headers[1:] {
		value = slices.Concat(value, []byte("\r\n"), h.name, []byte(": "), h.value)
	}
	return block{headers[0].name, value, bytes.Repeat([]byte{' '}, len(value))}
}

var (
	secureBlock = newBlock(secureHeaders)
	// pageBlock is for what a browser shows.
	pageBlock = newBlock(append([]header{{secureHeaders[0].name, []byte(pagePolicy)}}, secureHeaders[1:]...))
)

func (b *block) set(h *fasthttp.ResponseHeader) {
	h.SetCanonical(b.name, b.room)
	copy(h.PeekCanonical(b.name), b.value)
}
