// Package edge holds the steps that a request passes on its way through the
// gateway, one a file.
//
// A [Step] wraps the [Handler] of all that follows. What a step learns it writes
// into the [Exchange], where the steps inside it and, on the way back, those
// outside it read it. A step that refuses a request calls [Exchange.Refuse] and
// does not call the next handler: nothing further in is reached.
//
// Each file begins with what its step promises; the order of the steps, and why
// it matters, stands in pipeline.go of the module's root package.
//
// Requests that never arrived whole (a header that is too large, broken
// framing, a body above the limit, a client that fell silent) pass through the
// same steps with [Exchange.Fault] set, so that their answers are logged,
// counted and shaped like any other.
package edge

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/admission"
	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/limit"
	"gatehouse/internal/problem"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Handler answers a request.
type Handler func(*Exchange)

// Step wraps the handler of what follows.
type Step func(next Handler) Handler

// Chain returns the handler that passes through the steps, outermost first, and
// ends at last.
func Chain(last Handler, steps ...Step) Handler {
	for i := len(steps) - 1; i >= 0; i-- {
		last = steps[i](last)
	}
	return last
}

// Exchange is one request on its way. It is reused: neither it nor any bytes
// that it leads to may be kept after the handler returns.
type Exchange struct {
	Ctx   *fasthttp.RequestCtx
	Start time.Time

	// Method, Target and Path are as the client sent them; Path is Target
	// without its query. All are empty when the request line was not read.
	Method, Target, Path []byte
	Fields               Fields
	Body                 Body

	// Fault is why the request did not arrive whole or cannot be understood.
	Fault *problem.Error

	// Client is who is at the other end (step Client).
	Client     netip.Addr
	ClientText string
	// Trusted is whether the peer is one of our own proxies, whose word about
	// the request is believed.
	Trusted bool
	// Secure is whether the client's own connection is encrypted.
	Secure bool

	RequestID string        // step RequestID
	Route     *route.Route  // step Route; nil for what the document does not have
	Alias     bool          // step Route; the path is an alias of the route's
	Claims    *token.Claims // step Authenticate; nil for public operations
	// TenantHash is the tenant as it may appear in logs.
	TenantHash string

	// Span is the request's, nil unless it is recorded. Parent is the traceparent
	// that goes on instead of the client's; without one (step Trace) that does.
	Span   *telemetry.Span
	Parent []byte

	// Upstream is the time spent waiting for backends; Asked says whether one
	// was asked at all.
	Upstream time.Duration
	Asked    bool

	// Page says that the answer is a page of the gateway's own, or a file of one.
	Page bool

	// Problem is what the request was refused with.
	Problem *problem.Error
	limit   string // the one that is used up, if that is why

	// Sent is how many bytes of a streamed answer's body have been passed on, and
	// Cut says that it was not all.
	Sent int64
	Cut  bool

	known  *knownToken   // that of Claims
	tenant *limit.Tenant // what is known of its tenant, once it was asked for

	server   *Server
	stepping bool // the steps have not returned yet
	streamed bool // the answer's body goes on after that
	later    []func(*Exchange)

	held    *ratelimit.Held // the client address's bucket, if the connection is its own
	ticket  admission.Ticket
	charges []ratelimit.Charge
	tag     []byte // scratch of the limiting steps
	body    []byte // scratch of Refuse
	attrs   []slog.Attr
}

// reset prepares a used exchange for the next request; scratch stays.
func (ex *Exchange) reset() {
	whole := ex.Body.whole
	if cap(whole) > keptBody {
		whole = nil
	}
	clear(ex.later)
	*ex = Exchange{
		Body:    Body{whole: whole[:0]},
		Parent:  ex.Parent[:0],
		later:   ex.later[:0],
		charges: ex.charges[:0],
		tag:     ex.tag[:0],
		body:    ex.body[:0],
		attrs:   ex.attrs[:0],
	}
}

// begin fills in what the request itself says. A fault says that it did not
// arrive whole.
func (ex *Exchange) begin(ctx *fasthttp.RequestCtx, start time.Time, fault *problem.Error) {
	ex.Ctx = ctx
	ex.Start = start
	ex.Fault = fault
	header := &ctx.Request.Header
	raw := header.RawHeaders()
	if fault != nil && len(raw) == 0 {
		return // the header was not read; fasthttp would report GET /
	}
	ex.Method = header.Method()
	ex.Target = header.RequestURI()
	ex.Path = ex.Target
	for i, c := range ex.Target {
		if c == '?' {
			ex.Path = ex.Target[:i]
			break
		}
	}
	if reason := ex.Fields.read(raw); reason != "" && ex.Fault == nil {
		ex.Fault = problem.Newf(problem.BadFraming, "%s", reason)
	}
	if ex.Fields.HasBody() {
		ex.Body.Length = int64(header.ContentLength())
		ex.Body.stream = ctx.RequestBodyStream()
		ex.Body.ctx = ctx
		conn := connOf(ctx.Conn())
		ex.Body.meet(conn)
		if ex.Body.Length < 0 {
			conn.countOverhead()
		}
		ex.Body.idle = ex.server.conns.receiveTimeout
	}
}

// After runs f once the answer is complete, which for a streamed one is after the
// steps have returned. Steps that count, log or give something back do it there.
func (ex *Exchange) After(f func(*Exchange)) {
	if ex.streamed {
		ex.later = append(ex.later, f)
		return
	}
	f(ex)
}

// bytesOut is how many bytes of body the answer has.
func (ex *Exchange) bytesOut() int {
	if ex.Ctx.Response.IsBodyStream() || ex.Sent > 0 {
		return int(ex.Sent)
	}
	return len(ex.Ctx.Response.Body())
}

// Template is the route's path as the document writes it, or "unmatched".
func (ex *Exchange) Template() string {
	if ex.Route == nil {
		return "unmatched"
	}
	return ex.Route.Template
}
