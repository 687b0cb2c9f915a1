package web

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Document answers 200 with a body of a media type of its own, which anybody may
// keep for maxAge. The body must not change.
func (r *Request) Document(mediaType string, maxAge time.Duration, body []byte) error {
	h := &r.ctx.Response.Header
	h.Set(fasthttp.HeaderCacheControl, "public, max-age="+strconv.Itoa(int(maxAge/time.Second)))
	r.ctx.SetContentType(mediaType)
	r.ctx.Response.SetBodyRaw(body)
	return nil
}
