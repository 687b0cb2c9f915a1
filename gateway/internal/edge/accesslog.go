package edge

import (
	"context"
	"log/slog"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/logging"
	"gatehouse/internal/problem"
	"gatehouse/internal/telemetry"
)

// unmatched counts the requests that have no route.
var unmatched = telemetry.NewRoute("gateway", "", "unmatched")

// AccessLog writes one line for each request and counts it: what was asked (the
// route's template, never the path), what the answer was, how long it took.
// Tenants appear only as a keyed hash, users not at all.
func AccessLog(log *slog.Logger) Step {
	record := func(ex *Exchange) {
		took := time.Since(ex.Start)
		status := ex.Ctx.Response.StatusCode()
		metrics := unmatched
		if ex.Route != nil {
			metrics = ex.Route.Metrics
		}
		if status == fasthttp.StatusSwitchingProtocols {
			metrics.Observe(status, ex.Upstream) // how long a WebSocket lives says nothing of the service
		} else {
			metrics.Observe(status, took)
		}
		if ctx := context.Background(); log.Enabled(ctx, slog.LevelInfo) {
			ex.attrs = ex.appendAttrs(ex.attrs[:0], status, took)
			logging.Log(log, ex.Start.Add(took), slog.LevelInfo, "request", ex.attrs)
		}
	}
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			next(ex)
			ex.After(record)
		}
	}
}

func (ex *Exchange) appendAttrs(attrs []slog.Attr, status int, took time.Duration) []slog.Attr {
	attrs = append(attrs,
		slog.String("request_id", ex.RequestID),
		slog.String("method", ex.methodName()),
		slog.String("route", ex.Template()),
		slog.Int("status", status),
		slog.Float64("duration_ms", milliseconds(took)),
		slog.Int64("bytes_in", ex.Body.Read),
		slog.Int("bytes_out", ex.bytesOut()),
		slog.String("client", ex.ClientText),
	)
	if trace := telemetry.TraceID(ex.traceParent()); trace != "" {
		attrs = append(attrs, slog.String("trace_id", trace))
	}
	if ex.Alias { // the template does not tell
		attrs = append(attrs, slog.Bool("alias", true))
	}
	if ex.Cut {
		attrs = append(attrs, slog.Bool("cut", true))
	}
	if ex.Asked {
		attrs = append(attrs, slog.Float64("upstream_ms", milliseconds(ex.Upstream)))
	}
	if ex.TenantHash != "" {
		attrs = append(attrs, slog.String("tenant", ex.TenantHash))
	}
	if ex.Problem != nil {
		attrs = append(attrs, slog.String("code", string(ex.Problem.Code)))
		switch cause := ex.Problem.Unwrap(); {
		case cause != nil: // which clients are not told
			attrs = append(attrs, slog.String("cause", cause.Error()))
		case ex.Problem.Code == problem.BadFraming: // the rule that was broken
			attrs = append(attrs, slog.String("cause", ex.Problem.Detail))
		}
		if ex.limit != "" {
			attrs = append(attrs, slog.String("limit", ex.limit))
		}
	}
	return attrs
}

// methodName returns the method without keeping the request's bytes: a log
// handler may hold on to what it is given, and a method that nobody knows is the
// client's own text.
func (ex *Exchange) methodName() string {
	switch string(ex.Method) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	case "OPTIONS":
		return "OPTIONS"
	case "":
		return ""
	}
	return "other"
}

// milliseconds has a resolution of a microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
