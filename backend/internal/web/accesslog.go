package web

import (
	"log/slog"
	"time"

	"gatehouse/internal/logging"
	"gatehouse/internal/telemetry"
)

// logAccess writes the one line of a request: what was asked (the route's
// template, never the path), what the answer was, how long it took. The tenant
// appears only as a keyed hash, the user not at all.
func (a *App) logAccess(r *Request, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("request_id", r.ID),
		slog.String("method", methodName(r.ctx.Method())),
		slog.String("route", r.route),
		slog.Int("status", r.ctx.Response.StatusCode()),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.Int("bytes_in", len(r.ctx.Request.Body())),
		slog.String("client", r.ClientIP),
	}
	if trace := telemetry.TraceID(r.traceParent()); trace != "" {
		attrs = append(attrs, slog.String("trace_id", trace))
	}
	switch {
	case r.socket != nil:
		attrs = append(attrs, slog.Int("bytes_out", r.socket.sent))
	case r.stream != nil: // Body would read a stream to its end
		attrs = append(attrs, slog.Int("bytes_out", r.stream.sent))
	default:
		attrs = append(attrs, slog.Int("bytes_out", len(r.ctx.Response.Body())))
	}
	if r.tenantHash != "" {
		attrs = append(attrs, slog.String("tenant", r.tenantHash))
	}
	if r.refusal != "" {
		attrs = append(attrs, slog.String("code", string(r.refusal)))
	}
	logging.Log(a.Log, time.Now(), slog.LevelInfo, "request", attrs)
}

// methodName names the methods that operations have; another is the client's own
// text.
func methodName(method []byte) string {
	switch name := string(method); name {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return name
	}
	return "other"
}
