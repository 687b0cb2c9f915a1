package proxy

import (
	"net"
	"strconv"

	"gatehouse/internal/telemetry"
)

// attempt returns the span of an attempt at a backend, and makes it the parent of
// the backend's own. It is nil for a request that is not recorded.
func (q *call) attempt(b *backend) *telemetry.Span {
	span := q.ex.Span.Call("attempt")
	if span == nil {
		return nil
	}
	q.ex.Parent = span.AppendParent(q.ex.Parent[:0])
	span.Text(telemetry.RequestMethod, q.ex.Route.Method)
	host, text, _ := net.SplitHostPort(b.addr)
	if port, err := strconv.Atoi(text); err == nil {
		span.Text(telemetry.ServerAddress, host)
		span.Number(telemetry.ServerPort, port)
	} else { // a Unix socket
		span.Text(telemetry.ServerAddress, b.addr)
	}
	if q.attempts > 0 {
		span.Number(telemetry.Resend, q.attempts)
	}
	q.attempts++
	return span
}

// attempted ends the span of an attempt. Of an answer that is passed on while it
// comes the rest is the request's own.
func (q *call) attempted(span *telemetry.Span, o outcome) {
	if span == nil {
		return
	}
	if o != answered {
		span.Fail(o.String())
	} else {
		span.Number(telemetry.StatusCode, q.ex.Ctx.Response.StatusCode())
	}
	span.End()
}
