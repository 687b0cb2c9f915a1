package proxy

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
)

// maxInterim is how many interim answers may come before the final one.
const maxInterim = 16

// passInterim passes an interim answer such as 103 Early Hints on (RFC 9110
// section 15.2). Not 100: the client's own wish for one was fulfilled by the
// gateway.
func passInterim(h *answerHead, ex *edge.Exchange) {
	client := ex.Interim()
	if h.status == fasthttp.StatusContinue || client == nil {
		return
	}
	b := append(make([]byte, 0, 512), "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(h.status), 10)
	b = append(append(append(b, ' '), fasthttp.StatusMessage(h.status)...), "\r\n"...)
	lines := edge.LinesOf(h.section)
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		if answerCrosses(name) && !contains(h.named, name) {
			b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
		}
	}
	// If it cannot be written the connection ends, and nobody reads the final one.
	_, _ = client.Write(append(b, "\r\n"...))
}
