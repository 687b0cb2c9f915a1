// Package web is the rim between HTTP and the backend's features: it routes,
// identifies the caller, decodes strictly, and writes the one envelope and the
// one problem shape. Features see [Request] and return errors.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/logging"
	"gatehouse/internal/problem"
	"gatehouse/internal/requestid"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Access says who may call a route.
type Access int

// The kinds of access. Authenticated routes need a valid token; whether its
// session still lives is checked with the route's first query.
const (
	Authenticated Access = iota
	Public
)

// Handler answers one request, by writing through r or by returning an error.
type Handler func(r *Request) error

// Route is one operation. Method and Path are those of the OpenAPI document.
type Route struct {
	Method string
	Path   string
	Access Access
	// Role is the role that is needed; none means any signed-in caller. An
	// operator administers its own tenant, the platform.
	Role token.Role
	// Query says that the operation has query parameters, which it reads
	// through [Request.List] or [Request.Query]; the others refuse any.
	Query bool
	// MaxBody is the largest request body in bytes, [MaxBody] when zero.
	MaxBody int
	Handle  Handler
}

// App serves routes.
type App struct {
	Log     *slog.Logger
	Tokens  *Tokens
	Cursors *Cursors
	// HashKeys key [Request.Hashes].
	HashKeys [][]byte
	// Trusted are the gateways whose X-Request-Id, X-Forwarded-For,
	// X-Request-Timeout and traceparent are believed.
	Trusted []netip.Prefix
	// Traces records the requests that trusted gateways want recorded; nil is none.
	Traces *telemetry.Tracer
	// Timeout bounds requests that come without X-Request-Timeout.
	Timeout time.Duration
}

// maxTimeout bounds what a gateway may ask for.
const maxTimeout = 5 * time.Minute

var (
	inFlight         = metrics.NewGauge(`backend_http_in_flight`, nil)
	panics           = metrics.NewCounter(`backend_panics_total`)
	handshakesFailed = metrics.NewCounter(`backend_tls_handshakes_failed_total`)
)

// Handler returns the handler of all routes.
func (a *App) Handler(routes []Route) fasthttp.RequestHandler {
	r := router.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleOPTIONS = false
	r.NotFound = a.fallback(problem.NotFound)
	r.MethodNotAllowed = a.fallback(problem.MethodNotAllowed)
	for _, route := range routes {
		serve := a.serve(route)
		for _, path := range paths(route.Path) {
			r.Handle(route.Method, path, serve)
			if route.Method == fasthttp.MethodGet {
				r.Handle(fasthttp.MethodHead, path, serve)
			}
		}
	}
	return r.Handler
}

// Versioned and unversioned prefix. Whether the alias is still open, and the
// headers that tell of its end, are the gateway's business.
const (
	prefix      = "/api/v1/"
	aliasPrefix = "/api/"
)

// unmatched stands for the route of what has none.
const unmatched = "unmatched"

// paths returns the paths that an operation answers at.
func paths(path string) []string {
	if rest, ok := strings.CutPrefix(path, prefix); ok {
		return []string{path, aliasPrefix + rest}
	}
	return []string{path}
}

func (a *App) fallback(code problem.Code) fasthttp.RequestHandler {
	return a.serve(Route{Path: unmatched, Access: Public, Query: true, Handle: func(*Request) error { return problem.New(code) }})
}

// serve wraps a route's handler: request ID, deadline, access log and metrics,
// panics, identity.
func (a *App) serve(route Route) fasthttp.RequestHandler {
	counted := telemetry.NewRoute("backend", route.Method, route.Path)
	return func(ctx *fasthttp.RequestCtx) {
		inFlight.Inc()
		r, cancel := a.request(ctx, route)
		defer cancel()
		if err := a.run(r, route); err != nil {
			r.writeError(a.Log, err)
			r.stream, r.socket = nil, nil
		}
		ctx.Response.Header.Set(requestid.Header, r.ID)
		if r.replayed {
			ctx.Response.Header.Set("Idempotency-Replayed", "true")
		}

		if r.socket != nil { // how long a WebSocket lives says nothing of the service
			counted.Observe(ctx.Response.StatusCode(), time.Since(ctx.Time()))
			r.socket.failed = func(err error) { r.logProblem(a.Log, problem.From(err)) }
			r.socket.finish = func() {
				a.logAccess(r, time.Since(ctx.Time()))
				r.endSpan(methodName(ctx.Method()))
			}
			return
		}
		finish := func() {
			inFlight.Dec()
			took := time.Since(ctx.Time())
			counted.Observe(ctx.Response.StatusCode(), took)
			a.logAccess(r, took)
			r.endSpan(methodName(ctx.Method()))
		}
		if r.stream == nil {
			finish()
			return
		}
		r.stream.finish = func() {
			if err := r.stream.err; err != nil {
				r.logProblem(a.Log, problem.From(err))
			}
			finish()
		}
	}
}

func (a *App) request(ctx *fasthttp.RequestCtx, route Route) (*Request, context.CancelFunc) {
	r := &Request{ctx: ctx, route: route.Path, cursors: a.Cursors, hashKeys: a.HashKeys, ClientIP: peer(ctx).String()}
	timeout := a.Timeout
	if a.Trusts(ctx) {
		if id := ctx.Request.Header.Peek(requestid.Header); requestid.Valid(id) {
			r.ID = string(id)
		}
		if client, err := netip.ParseAddr(string(ctx.Request.Header.Peek("X-Forwarded-For"))); err == nil {
			r.ClientIP = client.String()
		}
		if own := requestTimeout(&ctx.Request.Header); own > 0 {
			timeout = own
		}
		r.span = a.Traces.Continue(r.traceParent(), ctx.Time())
	}
	if r.ID == "" {
		r.ID = requestid.New()
	}
	// Not derived from ctx: that ends with the server, and requests in flight
	// are to be finished then.
	var cancel context.CancelFunc
	r.context, cancel = context.WithTimeout(context.Background(), timeout)
	return r, cancel
}

// peer returns the address of who sent the request. A Unix socket is on this
// machine.
func peer(ctx *fasthttp.RequestCtx) netip.Addr {
	if onSocket(ctx) {
		return netip.IPv6Loopback()
	}
	if addr, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return addr.AddrPort().Addr().Unmap()
	}
	addr, _ := netip.ParseAddrPort(ctx.RemoteAddr().String()) // of a test's connection
	return addr.Addr().Unmap()
}

func onSocket(ctx *fasthttp.RequestCtx) bool { return ctx.RemoteAddr().Network() == "unix" }

// Trusts reports whether a gateway sent the request. Who may open the backend's
// Unix socket is one: its mode says who that is. So is who has shown a
// certificate of the authority for gateways, wherever it connects from.
func (a *App) Trusts(ctx *fasthttp.RequestCtx) bool {
	if onSocket(ctx) {
		return true
	}
	addr := peer(ctx)
	for _, p := range a.Trusted {
		if p.Contains(addr) {
			return true
		}
	}
	state := ctx.TLSConnectionState()
	return state != nil && len(state.VerifiedChains) > 0
}

func (a *App) run(r *Request, route Route) (err error) {
	defer func() {
		if v := recover(); v != nil {
			panics.Inc()
			err = fmt.Errorf("panic: %s\n%s", logging.Panicked(v), debug.Stack())
		}
	}()
	if route.Access == Authenticated {
		bearer, _ := token.FromBearer(r.ctx.Request.Header.Peek("Authorization"))
		claims, hash, err := a.Tokens.verify(bearer)
		if err != nil {
			return problem.Wrap(problem.Unauthenticated, err)
		}
		r.Caller, r.tenantHash = claims, hash
		if !claims.Role.Satisfies(route.Role) {
			return problem.New(problem.Forbidden)
		}
	}
	if !route.Query {
		if err := r.noQuery(); err != nil {
			return err
		}
	}
	return r.handle(route.Handle)
}

// ServerError answers what fasthttp refuses before a handler runs.
func (a *App) ServerError(ctx *fasthttp.RequestCtx, err error) {
	if state := ctx.TLSConnectionState(); state != nil && !state.HandshakeComplete {
		handshakesFailed.Inc()
		return // there is no request, and nobody to read an answer
	}
	r := &Request{ctx: ctx, ID: requestid.New(), route: "malformed", ClientIP: peer(ctx).String()}
	code := problem.BadFraming
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		code = problem.BodyTooLarge
	case errors.As(err, &small):
		code = problem.HeadersTooLarge
	case isTimeout(err):
		code = problem.RequestTimeout
	}
	r.writeError(a.Log, problem.New(code))
	ctx.Response.Header.Set(requestid.Header, r.ID)
	a.logAccess(r, 0)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
