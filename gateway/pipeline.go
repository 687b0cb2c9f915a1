package gateway

import "gatehouse/gateway/internal/edge"

// pipeline returns the handler that every request goes through. The list is
// the order, outermost first; a step sees a request only after those above it,
// and the answer only after those below it.
//
// Before the first step lies the connection: TLS, limits on connections, on the
// header's size, on the body's size by operation, and on the time a request
// may take to arrive (edge.Server, edge.Connections).
func (g *Gateway) pipeline(end edge.Handler) edge.Handler {
	return edge.Chain(end,
		// Whatever fails further in, the process lives on.
		edge.Recover(g.log),

		// Who is asking, and under which name the request goes. Everything below
		// logs, limits or forwards these.
		edge.Client(g.config.Edge.TrustedProxies),
		edge.RequestID(),

		// Headers on the way out: around all that can answer, so that no answer
		// lacks them.
		edge.Secure(g.config.Edge.HSTS),
		edge.CORS(g.config.Edge.CORS),
		g.aliases.Announce(),

		// Around the log, which tells the trace's name, and all that takes its time.
		edge.Trace(g.traces),

		// Every answer is logged and counted, including the one for a panic
		// further in: so Recover stands a second time inside the log.
		edge.AccessLog(g.log),
		edge.Recover(g.log),

		// Only a target in canonical form is matched, and what was matched is
		// what a backend gets. What these two refuse comes to none of the limits
		// below, so it is counted on its way back; likewise a redirect to HTTPS.
		g.limits.LimitRefused(),
		edge.Framing(),
		g.config.Edge.Redirect.Step(),
		edge.Route(g.table, g.aliases),

		// By address before anything is spent on the token; by identity only
		// after the token was verified, since nothing else says whose bucket it
		// is. What a role does not allow, or the tenant has no request in flight
		// to spare for, is refused before it costs the tenant and the user anything.
		g.limits.LimitAddress(),
		g.auth.Authenticate(),
		edge.Authorize(),
		g.admission.Spare(),
		g.limits.LimitIdentity(),

		// A body is asked for and read only now, and before there is a slot for the
		// request: who is slow to send takes none.
		edge.Receive(),

		// Last, so that nothing that is refused for another reason takes a slot.
		g.admission.Admit(),
	)
}
