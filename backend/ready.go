package backend

import (
	"context"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/health"
)

// readyPath is where gateways ask whether this backend should get requests. It
// is no operation of the API: a gateway does not pass it on, and nobody but a
// gateway is told.
const readyPath = "/health/ready"

// tellReady answers gateways that ask at the address at which they reach the
// backend: on the ops listener they might see a process that is fine behind an
// address that is not. There is no log line, since each gateway asks every two
// seconds.
func tellReady(probe *health.Checker, trusts func(*fasthttp.RequestCtx) bool, next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Request.Header.RequestURI()) != readyPath || !ctx.IsGet() || !trusts(ctx) {
			next(ctx)
			return
		}
		// Not with ctx, which is used again after this function.
		status := probe.Latest(context.Background())
		if !status.Serving() {
			ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		}
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"status":"` + string(status) + `"}`)
	}
}
