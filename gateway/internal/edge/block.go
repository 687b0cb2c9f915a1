package edge

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// The secure headers are the same on every answer, so they are one block: the
// value of the first holds the lines of the others. Backends cannot set any of
// them, for the proxy holds theirs back.
var (
	blockName  = secureHeaders[0].name
	blockValue = func() []byte {
		value := bytes.Clone(secureHeaders[0].value)
		for _, h := range secureHeaders[1:] {
			value = append(value, "\r\n"...)
			value = append(value, h.name...)
			value = append(value, ": "...)
			value = append(value, h.value...)
		}
		return value
	}()
	// blockRoom is as long as blockValue and holds no line break, which fasthttp
	// takes out of what is set.
	blockRoom = bytes.Repeat([]byte{' '}, len(blockValue))
)

// setBlock sets all secure headers at once.
func setBlock(h *fasthttp.ResponseHeader) {
	h.SetCanonical(blockName, blockRoom)
	copy(h.PeekCanonical(blockName), blockValue)
}
