package web

import (
	"github.com/valyala/fasthttp"

	"gatehouse/internal/telemetry"
)

// traceParent returns the request's traceparent, of which there must be one.
func (r *Request) traceParent() []byte {
	parents := r.ctx.Request.Header.PeekAll(telemetry.TraceParent)
	if len(parents) != 1 {
		return nil
	}
	return parents[0]
}

// endSpan ends the span of a request whose answer is complete.
func (r *Request) endSpan(method string) {
	if r.span == nil {
		return
	}
	status := r.ctx.Response.StatusCode()
	if method == "other" {
		method = "_OTHER"
	}
	name := method
	if r.route != unmatched {
		name += " " + r.route
		r.span.Text(telemetry.HTTPRoute, r.route)
	}
	r.span.Name(name)
	r.span.Text(telemetry.RequestMethod, method)
	r.span.Number(telemetry.StatusCode, status)
	r.span.Text(telemetry.RequestID, r.ID)
	if r.tenantHash != "" {
		r.span.Text(telemetry.TenantHash, r.tenantHash)
	}
	if r.refusal != "" {
		r.span.Text(telemetry.Problem, string(r.refusal))
	}
	switch {
	case r.stream != nil && r.stream.err != nil:
		r.span.Fail("cut")
	case status >= fasthttp.StatusInternalServerError:
		r.span.Fail(string(r.refusal))
	}
	r.span.End()
	r.span = nil
}

// handle passes the request to its handler, in a span of its own: what that asks
// of the database and the cache stands inside it.
func (r *Request) handle(h Handler) error {
	if r.span == nil {
		return h(r)
	}
	span := r.span.Child("handler")
	defer span.End() // also when it panics
	r.context = telemetry.WithSpan(r.context, span)
	return h(r)
}
