package web

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// MaxBody is the largest request body of a route that does not have a bound of
// its own, in bytes.
const MaxBody = 1 << 20

// Bounds returns the bounds of a request by its header, for routes with a
// MaxBody of their own; it is what [fasthttp.Server] wants as HeaderReceived.
// The paths of such routes have no parameters.
func Bounds(routes []Route) func(*fasthttp.RequestHeader) fasthttp.RequestConfig {
	byPath := map[string]Route{}
	for _, route := range routes {
		for _, path := range paths(route.Path) {
			if route.MaxBody > 0 {
				byPath[path] = route
			}
		}
	}
	return func(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
		if n := h.ContentLength(); 0 <= n && n <= MaxBody {
			return c
		}
		path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
		if route, ok := byPath[string(path)]; ok && route.Method == string(h.Method()) {
			c.MaxRequestBodySize = route.MaxBody
		}
		return c
	}
}
