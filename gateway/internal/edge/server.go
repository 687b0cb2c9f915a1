package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/route"
	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/problem"
)

// Config is the edge's own settings.
type Config struct {
	TrustedProxies   Trust         `env:"TRUSTED_PROXIES" doc:"Networks of our own proxies in front of the gateway, whose X-Forwarded-For, X-Forwarded-Proto, X-Request-Id and traceparent are believed" example:"10.0.0.0/8" kind:"a comma-separated list of networks such as 10.0.0.0/8"`
	ProxyProtocol    string        `env:"PROXY_PROTOCOL" envDefault:"off" doc:"Whether connections from TRUSTED_PROXIES begin with a header of the PROXY protocol, version 1 or 2, as load balancers of layer 4 send it; those from elsewhere never may" kind:"on or off"`
	Redirect         Redirect      `env:"HTTP_REDIRECT" envDefault:"off" doc:"The port at which clients reach HTTPS: requests that come without it are answered with a redirect there; off serves them" kind:"a port number or off" example:"443"`
	HSTS             HSTS          `env:"HSTS" envDefault:"max-age=31536000; includeSubDomains" doc:"Strict-Transport-Security of answers over HTTPS; off for none, max-age=0 to have browsers forget it" kind:"max-age=seconds, perhaps with ; includeSubDomains and ; preload, or off"`
	MaxConnections   int           `env:"MAX_CONNECTIONS" envDefault:"20000" doc:"Most client connections at once"`
	MaxPerAddress    int           `env:"MAX_CONNECTIONS_PER_ADDRESS" envDefault:"1000" doc:"Most connections at once from one client address (IPv6: one /64); trusted proxies are exempt"`
	ReceiveTimeout   time.Duration `env:"REQUEST_RECEIVE_TIMEOUT" envDefault:"15s" doc:"Longest that a request may take to arrive, from its first byte to its last"`
	SendTimeout      time.Duration `env:"RESPONSE_SEND_TIMEOUT" envDefault:"30s" doc:"Longest that a client may take to read an answer"`
	IdleTimeout      time.Duration `env:"IDLE_TIMEOUT" envDefault:"75s" doc:"Longest that a connection may stay silent between requests; longer than that of a load balancer in front"`
	TokenCacheTokens int           `env:"TOKEN_CACHE_TOKENS" envDefault:"20000" doc:"How many verified tokens are remembered, about 1 KiB each"`
	CORS             CORSConfig
	Compat           CompatConfig
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	m.Range("MAX_CONNECTIONS", c.MaxConnections, 1, 1_000_000)
	m.Range("MAX_CONNECTIONS_PER_ADDRESS", c.MaxPerAddress, 1, 1_000_000)
	m.Range("TOKEN_CACHE_TOKENS", c.TokenCacheTokens, 1, 10_000_000)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"REQUEST_RECEIVE_TIMEOUT", c.ReceiveTimeout}, {"RESPONSE_SEND_TIMEOUT", c.SendTimeout}, {"IDLE_TIMEOUT", c.IdleTimeout}} {
		if d.value < 100*time.Millisecond || d.value > time.Hour {
			m.Add(d.name, "is %v; 100ms to 1h is allowed", d.value)
		}
	}
	switch {
	case c.ProxyProtocol != "on" && c.ProxyProtocol != "off":
		m.Add("PROXY_PROTOCOL", "is %q; on or off is wanted", c.ProxyProtocol)
	case c.ProxyProtocol == "on" && len(c.TrustedProxies) == 0:
		m.Add("PROXY_PROTOCOL", "is on and TRUSTED_PROXIES is empty; nobody would be believed")
	}
	c.CORS.Validate(m)
	c.Compat.Validate(m)
}

// readBuffer bounds the request line and headers together; above it the
// answer is 431. Twice the longest target leaves as much for the headers.
const readBuffer = 2 * maxTarget

// Server receives requests and passes them to the first step.
type Server struct {
	conns    *Connections
	server   *fasthttp.Server
	handler  Handler
	pool     sync.Pool
	draining atomic.Bool
}

// NewServer returns a server with a limit on everything that a client can make
// large, many or slow.
func NewServer(c Config, table *route.Table, handler Handler, log *slog.Logger) *Server {
	s := &Server{
		conns:   NewConnections(c.MaxConnections, c.MaxPerAddress, c.TrustedProxies, log),
		handler: handler,
	}
	s.pool.New = func() any { return &Exchange{server: s} }
	s.conns.receiveTimeout, s.conns.idleTimeout, s.conns.sendTimeout = c.ReceiveTimeout, c.IdleTimeout, c.SendTimeout
	s.conns.parkAfter = parkAfter
	s.conns.proxyLines = c.ProxyProtocol == "on"
	s.conns.handshakeTimeout = min(handshakeTimeout, c.ReceiveTimeout)
	s.server = &fasthttp.Server{
		Handler:      s.Pass,
		ErrorHandler: s.serveFault,
		ConnState:    track,

		// Bodies are read when the steps have let the request through, and bounded
		// there. The one byte that the server wants before it calls the first step
		// it gets at once (ahead.go).
		StreamRequestBody:  true,
		MaxRequestBodySize: 1,
		HeaderReceived:     announceBody,
		ExpectHandler:      s.expect,

		ReadBufferSize: readBuffer,
		ReadTimeout:    c.ReceiveTimeout, // from the first byte to the last, however it drips
		WriteTimeout:   c.SendTimeout,
		IdleTimeout:    c.IdleTimeout,
		// Connections are limited below, where trusted proxies are known; this
		// bound is never reached.
		Concurrency: c.MaxConnections + 1,

		DisablePreParseMultipartForm: true, // bodies are the backend's
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true, // else the errors that ErrorHandler gets quote requests, tokens and all
		Logger:                       logging.Library{Log: log},
	}
	return s
}

// Serve answers plain connections until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	return s.server.Serve(&parkingLot{s.conns.Listen(ln), nil, s.server.ServeConn})
}

// ServeTLS answers encrypted connections until Shutdown.
func (s *Server) ServeTLS(ln net.Listener, c *tls.Config) error {
	return s.server.Serve(&parkingLot{s.conns.Listen(ln), c, s.server.ServeConn})
}

// Connections returns how many client connections are open.
func (s *Server) Connections() int { return s.conns.Len() }

// Drain makes every answer the last on its connection, so that clients come
// back elsewhere.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown stops accepting and waits for the requests under way. When ctx ends
// first, the rest is cut off; it returns how many requests that were.
//
// fasthttp's own Shutdown is not used: it closes connections on which a request
// is just arriving.
func (s *Server) Shutdown(ctx context.Context) (cut int) {
	s.Drain()
	s.conns.StopAccepting()
	if s.conns.Settle(ctx) {
		return 0
	}
	return s.conns.CloseAll()
}

// Pass passes a request that arrived whole to the first step, and returns when
// its answer is complete.
func (s *Server) Pass(ctx *fasthttp.RequestCtx) {
	if h := handed(ctx); h != nil {
		h.ex.Body.stream = ctx.RequestBodyStream()
		h.ex.Body.meet(connOf(ctx.Conn()))
		h.resume(nil)
		s.end(h.ex)
		return
	}
	s.pass(ctx, ctx.Time(), nil)
}

// serveFault passes on a request that did not arrive whole. fasthttp closes the
// connection after the answer.
func (s *Server) serveFault(ctx *fasthttp.RequestCtx, err error) {
	if handshakeFailed(ctx.Conn()) {
		return // there is no request, and nobody to read an answer
	}
	LingerOnClose(ctx.Conn())
	// fasthttp leaves the deadline of what was written before, which may be over.
	// If none can be set the connection is gone.
	_ = ctx.Conn().SetWriteDeadline(time.Now().Add(s.conns.sendTimeout))
	s.pass(ctx, connOf(ctx.Conn()).began(time.Now()), faultOf(err))
}

// faultOf turns fasthttp's error into the problem that the client is told.
func faultOf(err error) *problem.Error {
	var tooSmall *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &tooSmall):
		return problem.New(problem.HeadersTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return problem.New(problem.RequestTimeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return endedEarly()
	}
	return problem.Wrap(problem.BadFraming, errors.New(parserText(err)))
}

// parserText says what fasthttp did not understand, for the log. What the client
// sent is left out, and stands in quotes if at all: it may hold a token.
func parserText(err error) string {
	text, ok := strings.CutPrefix(err.Error(), "error when reading request headers: ")
	if !ok {
		return "the target or the Host header is malformed"
	}
	text, _, _ = strings.Cut(text, `"`)
	text, _, _ = strings.Cut(text, ": buffer size=")
	return strings.TrimRight(strings.TrimPrefix(text, "fasthttp: "), " :")
}

func (s *Server) pass(ctx *fasthttp.RequestCtx, start time.Time, fault *problem.Error) {
	ex := s.begin(ctx, start, fault)
	s.handler(ex)
	s.end(ex)
}

func (s *Server) begin(ctx *fasthttp.RequestCtx, start time.Time, fault *problem.Error) *Exchange {
	ex := s.pool.Get().(*Exchange)
	if fault == nil {
		fault = connOf(ctx.Conn()).behindChunked()
	}
	ex.stepping = true
	ex.begin(ctx, start, fault)
	return ex
}

// end is called when the steps have returned.
func (s *Server) end(ex *Exchange) {
	ctx := ex.Ctx
	connOf(ctx.Conn()).noteBody(&ex.Fields)
	if s.draining.Load() && ctx.Response.StatusCode() != fasthttp.StatusSwitchingProtocols {
		ctx.SetConnectionClose()
	}
	if ex.Body.left() {
		// Of one in chunks nobody can tell where the next request would begin, one
		// that was stopped is waited for no longer, and of one whose only byte is to
		// come the server has seen the end.
		if ex.Body.Length < 0 || ex.Body.stopped != 0 || ex.Body.Length == 1 && ex.Body.awaitsFirst() {
			ctx.SetConnectionClose()
		}
		LingerOnClose(ctx.Conn())
	}
	ex.stepping = false
	if !ex.streamed {
		s.release(ex)
	}
}

func (s *Server) release(ex *Exchange) {
	ex.reset()
	ex.server = s
	s.pool.Put(ex)
}
