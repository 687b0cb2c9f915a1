// Package ops serves a process's operators: metrics, health and profiles, on a
// listener of its own that clients never reach. It has no authentication, so it
// binds loopback unless told otherwise.
package ops

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/go-json-experiment/json"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"github.com/valyala/fasthttp/pprofhandler"

	"gatehouse/internal/health"
	"gatehouse/internal/logging"
	"gatehouse/internal/telemetry"
)

// Server is the ops listener of one process.
type Server struct {
	checker *health.Checker
	pages   []Page
	server  *fasthttp.Server
}

// Page is what one process has beside what all have.
type Page struct {
	// Prefix is how its paths begin, with a slash at both ends.
	Prefix string
	Handle fasthttp.RequestHandler
}

// New returns a server that is not listening yet.
func New(checker *health.Checker, log *slog.Logger, pages ...Page) *Server {
	s := &Server{checker: checker, pages: pages}
	s.server = &fasthttp.Server{
		Handler:               s.handle,
		Name:                  "gatehouse",
		NoDefaultServerHeader: true,
		ReadTimeout:           5 * time.Second,
		// A CPU profile or a trace takes as long as its client asks, usually 30 s.
		WriteTimeout:          2 * time.Minute,
		IdleTimeout:           2 * time.Minute,
		MaxRequestBodySize:    4096, // nothing here takes a body
		Concurrency:           256,
		CloseOnShutdown:       true,
		SecureErrorLogMessage: true,
		Logger:                logging.Library{Log: log},
	}
	return s
}

// Serve answers on ln until Shutdown.
func (s *Server) Serve(ln net.Listener) error { return s.server.Serve(ln) }

// Shutdown stops the listener.
func (s *Server) Shutdown(ctx context.Context) error { return s.server.ShutdownWithContext(ctx) }

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	s.answer(ctx)
	// At the end, because an error answer starts from an empty header.
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	ctx.Response.Header.Set("Cache-Control", "no-store")
}

func (s *Server) answer(ctx *fasthttp.RequestCtx) {
	if !ctx.IsGet() && !ctx.IsHead() && !ctx.IsPost() {
		ctx.Error("method not allowed", fasthttp.StatusMethodNotAllowed)
		ctx.Response.Header.Set("Allow", "GET, HEAD, POST")
		return
	}
	switch path := string(ctx.Path()); {
	case path == "/metrics":
		s.writeMetrics(ctx)
	case path == "/health/live":
		writeJSON(ctx, fasthttp.StatusOK, map[string]health.Status{"status": health.Healthy})
	case path == "/health/ready":
		report := s.ready()
		status := fasthttp.StatusOK
		if !report.Status.Serving() {
			status = fasthttp.StatusServiceUnavailable
		}
		writeJSON(ctx, status, report)
	case path == pprofPrefix:
		pprofIndex(ctx) // which the handler below refuses
	case strings.HasPrefix(path, pprofPrefix):
		pprofhandler.PprofHandler(ctx)
	default:
		s.answerPage(ctx, path)
	}
}

func (s *Server) answerPage(ctx *fasthttp.RequestCtx, path string) {
	here := "/metrics, /health/live, /health/ready"
	for _, p := range s.pages {
		switch {
		case strings.HasPrefix(path, p.Prefix):
			p.Handle(ctx)
			return
		case path+"/" == p.Prefix:
			ctx.Response.Header.Set("Location", p.Prefix) // not absolute: a proxy may be in between
			ctx.SetStatusCode(fasthttp.StatusMovedPermanently)
			return
		}
		here += ", " + p.Prefix
	}
	ctx.Error("not found; here are "+here+" and /debug/pprof/", fasthttp.StatusNotFound)
}

// ready does not pass on the request's context, which is used again after the
// handler and so must never reach another goroutine.
func (s *Server) ready() health.Report { return s.checker.Ready(context.Background()) }

// writeMetrics runs the checks for each scrape, so that what it tells of them is
// as old as the rest. They take a second at most.
func (s *Server) writeMetrics(ctx *fasthttp.RequestCtx) {
	report := s.ready()
	ctx.SetContentType("text/plain; version=0.0.4; charset=utf-8")
	err := telemetry.Write(ctx, func(w io.Writer) {
		metrics.WriteGaugeUint64(w, "health_ready", oneIf(report.Status.Serving()))
		for _, name := range slices.Sorted(maps.Keys(report.Checks)) {
			metrics.WriteGaugeUint64(w, fmt.Sprintf("health_check_up{check=%q}", name), oneIf(report.Checks[name].Status == health.Healthy))
		}
	})
	if err != nil {
		ctx.Error("internal error", fasthttp.StatusInternalServerError)
	}
}

func oneIf(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

const pprofPrefix = "/debug/pprof/"

var pprofIndex = fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Index)

func writeJSON(ctx *fasthttp.RequestCtx, status int, v any) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		ctx.Error("internal error", fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.SetBody(append(body, '\n'))
}

const probeTimeout = 5 * time.Second

// Probe asks the ops listener at addr whether its process is ready; container
// health checks run it as `gateway health` and `backend health`. An address
// without a host, such as ":9090", means this machine.
func Probe(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("probe %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/health/ready", nil)
	if err != nil {
		return err
	}
	// No proxy, and no connection that outlives the probe. Readiness is told
	// within a second.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: probeTimeout}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", bytes.TrimSpace(body))
	}
	return nil
}
