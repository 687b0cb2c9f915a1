package edge

import (
	"context"

	"gatehouse/internal/telemetry"
)

// Trace makes the request part of a trace: the one that its traceparent names, or
// a new one. Whether it is recorded decides a trusted proxy, which knows about the
// rest of the trace, and else the gateway: a client that could decide would have
// all of its requests recorded. Without a tracer the step is none at all, and a
// client's traceparent goes on as it came.
func Trace(t *telemetry.Tracer) Step {
	if t == nil {
		return func(next Handler) Handler { return next }
	}
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			ex.Parent, ex.Span = t.Enter(ex.Parent[:0], ex.Fields.TraceParent, ex.Trusted, ex.Start)
			next(ex)
			if ex.Span != nil {
				ex.After(endSpan)
			}
		}
	}
}

// endSpan ends the span of a request whose answer is complete.
func endSpan(ex *Exchange) {
	status := ex.Ctx.Response.StatusCode()
	method := ex.methodName()
	if method == "other" || method == "" {
		method = "_OTHER"
	}
	name := method
	if ex.Route != nil {
		name += " " + ex.Route.Template
		ex.Span.Text(telemetry.HTTPRoute, ex.Route.Template)
	}
	ex.Span.Name(name)
	ex.Span.Text(telemetry.RequestMethod, method)
	ex.Span.Text(telemetry.URLScheme, schemeOf(ex))
	ex.Span.Number(telemetry.StatusCode, status)
	ex.Span.Text(telemetry.RequestID, ex.RequestID)
	if ex.TenantHash != "" {
		ex.Span.Text(telemetry.TenantHash, ex.TenantHash)
	}
	if ex.limit != "" {
		ex.Span.Text(telemetry.LimitName, ex.limit)
	}
	kind := "answer"
	if ex.Problem != nil {
		kind = string(ex.Problem.Code)
		ex.Span.Text(telemetry.Problem, kind)
	}
	switch {
	case ex.Cut:
		ex.Span.Fail("cut")
	case status >= 500:
		ex.Span.Fail(kind)
	}
	ex.Span.End()
	ex.Span = nil
}

func schemeOf(ex *Exchange) string {
	if ex.Secure {
		return "https"
	}
	return "http"
}

// context carries the request's span to where a command to Redis has one of its
// own.
func (ex *Exchange) context() context.Context {
	return telemetry.WithSpan(context.Background(), ex.Span)
}

// traceParent is what goes on to a backend.
func (ex *Exchange) traceParent() []byte {
	if len(ex.Parent) > 0 {
		return ex.Parent
	}
	return ex.Fields.TraceParent
}
