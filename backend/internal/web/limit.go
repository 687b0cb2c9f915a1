package web

import (
	"bytes"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// MaxBody is the largest request body of a route that does not have a bound of
// its own, in bytes.
const MaxBody = 1 << 20

// BodyTime is how long a body may take to arrive behind its header, unless the
// request says in X-Request-Timeout that it has more time.
const BodyTime = 30 * time.Second

// bodyMargin is the time beyond a request's own for its body to end or break off,
// so that the gateway, which tells the client why, is the first to give up.
const bodyMargin = 5 * time.Second

// Bounds returns the bounds of a request by its header; it is what
// [fasthttp.Server] wants as HeaderReceived. A larger body than MaxBody is taken
// by routes with one of their own, whose paths have no parameters. A body has the
// time of its request. That may come from anybody, since nobody knows here from
// whom, and is bounded for that.
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
		n := h.ContentLength()
		if n == 0 || n == noBody {
			return c
		}
		if timeout := requestTimeout(h) + bodyMargin; timeout > BodyTime {
			c.ReadTimeout = timeout
		}
		if 0 < n && n <= MaxBody {
			return c
		}
		path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
		if route, ok := byPath[string(path)]; ok && route.Method == string(h.Method()) {
			c.MaxRequestBodySize = route.MaxBody
		}
		return c
	}
}

// noBody is the length that fasthttp gives a request without a body.
const noBody = -2

// requestTimeout returns the time that a request says it has, at most maxTimeout;
// 0 for none.
func requestTimeout(h *fasthttp.RequestHeader) time.Duration {
	ms, err := strconv.Atoi(string(h.Peek("X-Request-Timeout")))
	if err != nil || ms <= 0 {
		return 0
	}
	return time.Duration(min(ms, int(maxTimeout/time.Millisecond))) * time.Millisecond
}
