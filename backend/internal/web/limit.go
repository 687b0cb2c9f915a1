package web

import (
	"bytes"
	"strconv"
	"strings"
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
// by routes with one of their own. A body has the
// time of its request. That may come from anybody, since nobody knows here from
// whom, and is bounded for that.
func Bounds(routes []Route) func(*fasthttp.RequestHeader) fasthttp.RequestConfig {
	var large []largeRoute
	for _, route := range routes {
		for _, path := range paths(route.Path) {
			if route.MaxBody > 0 {
				large = append(large, largeRoute{route.Method, path, route.MaxBody})
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
		for _, route := range large {
			if route.method == string(h.Method()) && route.matches(string(path)) {
				c.MaxRequestBodySize = route.maxBody
			}
		}
		return c
	}
}

// largeRoute is a path of a route that takes larger bodies than most.
type largeRoute struct {
	method, path string
	maxBody      int
}

// matches reports whether a path is the route's, whose parameters are whole
// segments.
func (l *largeRoute) matches(path string) bool {
	rest := l.path
	for {
		want, wants, more := strings.Cut(rest, "/")
		is, ises, another := strings.Cut(path, "/")
		if want != is && (!strings.HasPrefix(want, "{") || is == "") || more != another {
			return false
		}
		if !more {
			return true
		}
		rest, path = wants, ises
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
