package proxy

import (
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
)

// passHead writes a backend's answer, all but its body, as the exchange's. Status
// and all headers cross, except those of the connection, those that only the edge
// may set, and those that tell what software answers. The backend's own problems
// cross as they are.
func passHead(h *answerHead, ex *edge.Exchange) {
	to := &ex.Ctx.Response
	to.SetStatusCode(h.status)
	lines := edge.LinesOf(h.section)
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		if answerCrosses(name) && !contains(h.named, name) {
			to.Header.AddBytesKV(name, value)
		}
	}
	if ex.Route.Method == fasthttp.MethodHead && h.declared >= 0 {
		// The length is that of the body which is not there.
		to.Header.SetContentLength(int(h.declared))
	}
}

func answerCrosses(name []byte) bool {
	var lower [maxKnownName]byte
	if len(name) > len(lower) {
		return true
	}
	n := lowerInto(lower[:], name)
	if len(n) > len(corsPrefix) && string(n[:len(corsPrefix)]) == corsPrefix {
		return false
	}
	return !answerHeldBack.has(n)
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
