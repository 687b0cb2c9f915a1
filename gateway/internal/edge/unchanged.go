package edge

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"
)

// Unchanged tells whether the client has what tag names, a strong entity tag with
// its quotes, and asks only for something else. The comparison is the weak one that
// RFC 9110 section 13.1.2 demands: a proxy that compresses answers weakens tags.
func Unchanged(ctx *fasthttp.RequestCtx, tag string) bool {
	for _, line := range ctx.Request.Header.PeekAll(fasthttp.HeaderIfNoneMatch) {
		for candidate := range bytes.SplitSeq(line, []byte(",")) {
			got := strings.TrimSpace(string(candidate))
			if got == "*" || strings.TrimPrefix(got, "W/") == tag {
				return true
			}
		}
	}
	return false
}
