package proxy

import (
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
)

// passAnswer writes a backend's answer as the exchange's. Status, body and all
// headers cross, except those of the connection, those that only the edge may
// set, and those that tell what software answers. The backend's own problems
// cross as they are.
func passAnswer(from *fasthttp.Response, ex *edge.Exchange) {
	to := &ex.Ctx.Response
	to.SetStatusCode(from.StatusCode())

	var named [][]byte // by Connection
	if len(from.Header.PeekCanonical(connection)) > 0 {
		for _, value := range from.Header.PeekAll(fasthttp.HeaderConnection) {
			named = appendOptions(named, value)
		}
	}
	for name, value := range from.Header.All() {
		if answerCrosses(name) && !contains(named, name) {
			to.Header.AddBytesKV(name, value)
		}
	}
	if ex.Route.Method == fasthttp.MethodHead {
		// The length is that of the body which is not there.
		if n := from.Header.ContentLength(); n >= 0 {
			to.Header.SetContentLength(n)
		}
		return
	}
	// The two exchange their buffers, so nothing is copied.
	to.SwapBody(from.SwapBody(to.SwapBody(nil)))
}

var connection = []byte(fasthttp.HeaderConnection)

func answerCrosses(name []byte) bool {
	var lower [maxKnownName]byte
	if len(name) > len(lower) {
		return true
	}
	n := lowerInto(lower[:], name)
	if len(n) > len(corsPrefix) && string(n[:len(corsPrefix)]) == corsPrefix {
		return false
	}
	return !answerHeldBack[string(n)]
}

// corsPrefix begins the headers by which the edge, and nobody else, tells
// browsers which pages may read an answer.
const corsPrefix = "access-control-"

// answerHeldBack are answer headers that never cross, in lower case.
var answerHeldBack = set(
	// Of the connection.
	"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authentication-info", "te", "trailer",
	"transfer-encoding", "upgrade", "content-length",
	// Set by the edge.
	"x-request-id", "ratelimit", "ratelimit-policy", "strict-transport-security", "alt-svc", "date",
	"content-security-policy", "cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy",
	"permissions-policy", "referrer-policy", "x-content-type-options", "x-dns-prefetch-control", "x-frame-options",
	"x-permitted-cross-domain-policies",
	// What software answers.
	"server", "via", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator", "x-runtime", "x-version",
	"x-backend-server", "x-envoy-upstream-service-time", "x-debug", "sourcemap", "x-sourcemap",
)
