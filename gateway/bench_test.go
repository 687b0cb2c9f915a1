package gateway

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/config"
	"gatehouse/internal/limit"
	"gatehouse/internal/logging"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/revocation"
	"gatehouse/internal/stack"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// bench is a pipeline whose end answers by itself, with everything in memory: a
// token that was seen before, a store of limits without Redis, a log that is
// written and thrown away.
type bench struct {
	g      *Gateway
	server *edge.Server
	ctx    fasthttp.RequestCtx
	header []byte
}

func newBench(tb testing.TB, store ratelimit.Store) *bench {
	tb.Helper()
	body := []byte(`{"message":"ok","data":{}}`)
	return newBenchBefore(tb, store, func(ex *edge.Exchange) {
		ex.Ctx.Response.Header.SetContentType("application/json")
		ex.Ctx.Response.SetBody(body)
	})
}

// newBenchBefore is newBench with another end.
func newBenchBefore(tb testing.TB, store ratelimit.Store, end edge.Handler) *bench {
	tb.Helper()
	return newTracedBench(tb, store, nil, end)
}

// newTracedBench is newBenchBefore with traces.
func newTracedBench(tb testing.TB, store ratelimit.Store, traces *telemetry.Tracer, end edge.Handler) *bench {
	tb.Helper()
	c := testConfig()
	c.DocumentFile = "" // the real one
	c.Log.HashKey = testSecret
	document, err := c.document()
	if err != nil {
		tb.Fatal(err)
	}
	log := openLog(tb)
	g := &Gateway{config: c, log: log, traces: traces}
	if g.table, err = route.Compile(document); err != nil {
		tb.Fatal(err)
	}
	content, err := os.ReadFile(c.Limits.File)
	if err != nil {
		tb.Fatal(err)
	}
	policies, err := ratelimit.ParsePolicies(content)
	if err != nil {
		tb.Fatal(err)
	}
	limiter := ratelimit.New(ratelimit.Options{Store: store, Keys: c.Limits.Keys, Fallback: c.Limits.Fallback, Log: log})
	keys := token.NewKeyring(c.Token, time.Now)
	g.aliases = edge.NewAliases(g.table, c.Edge.Compat, time.Now)
	g.follows.tenants, g.follows.revoked = limit.NewBook(), revocation.NewSet(0, time.Now)
	g.limits = edge.NewLimits(policies, limiter, nil, g.follows.tenants.Get)
	g.admission = edge.NewAdmission(g.limits, func() int { return 1 }, g.table, c.Admission.Bounds(c.Proxy.MaxConns))
	g.auth = edge.NewAuthenticator(edge.AuthenticatorOptions{
		Keys: keys, Cache: edge.NewTokenCache(1000), Limits: g.limits, Revoked: g.follows.refused, Hash: c.Log.TenantHash,
	})
	b := &bench{g: g, server: edge.NewServer(c.Edge, g.table, g.pipeline(end), log)}
	b.header = []byte("GET /api/v1/address-book/019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d?x=y HTTP/1.1\r\n" +
		"Host: localhost:8443\r\nUser-Agent: k6/2.2.0\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n" +
		"Authorization: Bearer " + sign(tb, keys, "tenant1", uuid.New()) + "\r\n\r\n")
	b.ctx.Init2(&benchConn{}, nil, false)
	b.read(tb)
	return b
}

// openLog opens a log as production has it, at a file that takes everything.
func openLog(tb testing.TB) *slog.Logger {
	tb.Helper()
	log, flush, err := logging.Open(logging.Config{File: os.DevNull, Format: "json"}, "gateway")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := flush(); err != nil {
			tb.Error(err)
		}
	})
	return log
}

// plenty is a store that never runs out: a refusal would be another path.
type plenty struct{}

func (plenty) Take(_ context.Context, _ []byte, asks []ratelimit.Ask) error {
	for i := range asks {
		asks[i].Granted, asks[i].Fill = asks[i].Need+asks[i].Extra, 0
	}
	return nil
}

// asking is a store that is asked for plenty, so that Redis is measured and not
// its refusals.
type asking struct{ ratelimit.Store }

func (s asking) Take(ctx context.Context, tag []byte, asks []ratelimit.Ask) error {
	if err := s.Store.Take(ctx, tag, asks); err != nil {
		return err
	}
	return plenty{}.Take(ctx, tag, asks)
}

// benchConn is a connection that is never used.
type benchConn struct{ net.Conn }

func (*benchConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (*benchConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }

func (b *bench) read(tb testing.TB) {
	if err := b.ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(string(b.header)))); err != nil {
		tb.Fatal(err)
	}
}

// request passes one request through the pipeline.
func (b *bench) request() {
	b.server.Pass(&b.ctx)
	b.ctx.Response.Reset()
}

func (b *bench) check(tb testing.TB) {
	tb.Helper()
	b.server.Pass(&b.ctx)
	if got := b.ctx.Response.StatusCode(); got != 200 {
		tb.Fatalf("status = %d %s", got, b.ctx.Response.Body())
	}
	b.ctx.Response.Reset()
}

// TestPipelineAllocations holds the bound of the hot path: everything between
// the parsed request and the proxy, a log line included.
func TestPipelineAllocations(t *testing.T) {
	b := newBench(t, plenty{})
	b.check(t)
	if got := testing.AllocsPerRun(2000, b.request); got > mostAllocations {
		t.Errorf("%v allocations per request, want at most %d", got, mostAllocations)
	}
}

func BenchmarkPipeline(b *testing.B) {
	p := newBench(b, plenty{})
	p.check(b)
	b.ReportAllocs()
	for b.Loop() {
		p.request()
	}
}

// BenchmarkPipelineRedis leases from a Redis for both layers of limits: the
// installed server where there is one.
func BenchmarkPipelineRedis(b *testing.B) {
	client := openRedis(b)
	p := newBench(b, asking{ratelimit.NewRedis(client)})
	p.check(b)
	b.ReportAllocs()
	for b.Loop() {
		p.request()
	}
}

// BenchmarkSteps measures each step alone, around an end that does nothing.
// The state that the steps before it would have left is prepared.
func BenchmarkSteps(b *testing.B) {
	p := newBench(b, plenty{})
	g := p.g
	pass := func(next edge.Handler) edge.Handler { return next }
	prepare := []edge.Step{edge.Client(nil), edge.RequestID(), edge.Route(g.table, g.aliases)}
	for _, s := range []struct {
		name  string
		steps []edge.Step
	}{
		{"none", []edge.Step{pass}},
		{"Client", []edge.Step{edge.Client(nil)}},
		{"RequestID", []edge.Step{edge.RequestID()}},
		{"Secure", []edge.Step{edge.Secure(edge.HSTS{})}},
		{"CORS", []edge.Step{edge.CORS(edge.CORSConfig{Origins: []string{"https://app.example.com"}})}},
		{"AccessLog", []edge.Step{edge.AccessLog(g.log)}},
		{"Recover", []edge.Step{edge.Recover(g.log)}},
		{"Framing", []edge.Step{edge.Framing()}},
		{"Alias", []edge.Step{g.aliases.Announce()}},
		{"Route", []edge.Step{edge.Route(g.table, g.aliases)}},
		{"prepared", prepare},
		{"prepared+LimitAddress", append(prepare[:3:3], g.limits.LimitAddress())},
		{"prepared+Authenticate", append(prepare[:3:3], g.auth.Authenticate())},
		{"prepared+Authenticate+Authorize", append(prepare[:3:3], g.auth.Authenticate(), edge.Authorize())},
		{"prepared+Authenticate+LimitIdentity", append(prepare[:3:3], g.auth.Authenticate(), g.limits.LimitIdentity())},
	} {
		b.Run(s.name, func(b *testing.B) {
			server := edge.NewServer(g.config.Edge, g.table, edge.Chain(func(*edge.Exchange) {}, s.steps...), g.log)
			b.ReportAllocs()
			for b.Loop() {
				server.Pass(&p.ctx)
				p.ctx.Response.Reset()
			}
		})
	}
}

// BenchmarkGateway measures whole requests over loopback sockets, client and
// backend included, on one connection.
func BenchmarkGateway(b *testing.B) {
	redis := startRedis(b) // the embedded one would measure itself
	r := newRig(b, func(c *Config) { c.Redis.URL = config.Secret(redis.URL()) })
	client := &fasthttp.HostClient{Addr: r.Addr("http")}
	defer client.CloseIdleConnections()
	var request fasthttp.Request
	var response fasthttp.Response
	request.SetRequestURI("http://gateway.test/things/7")
	request.Header.Set("Authorization", "Bearer "+r.token(b, "tenant1"))
	r.backend.forget = true
	b.ReportAllocs()
	for b.Loop() {
		if err := client.Do(&request, &response); err != nil || response.StatusCode() != 200 {
			b.Fatal(err, response.StatusCode())
		}
	}
}

// openRedis connects to a private Redis: the installed one where there is one.
func openRedis(tb testing.TB) *redisconn.Client {
	tb.Helper()
	server := startRedis(tb)
	client, err := redisconn.Open(redisconn.Config{URL: config.Secret(server.URL()), Timeout: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

func startRedis(tb testing.TB) *stack.Redis {
	tb.Helper()
	server, err := stack.StartRedis(tb.Context(), stack.RedisOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
	})
	return server
}
