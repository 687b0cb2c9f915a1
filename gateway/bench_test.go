package gateway

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/config"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// bench is a pipeline whose end answers by itself, with everything in memory: a
// token that was seen before, a limiter without Redis, a log that is written
// and thrown away.
type bench struct {
	g      *Gateway
	server *edge.Server
	ctx    fasthttp.RequestCtx
	header []byte
}

func newBench(tb testing.TB, limiter *ratelimit.Limiter) *bench {
	tb.Helper()
	c := testConfig()
	c.DocumentFile = "" // the real one
	c.Log.HashKey = testSecret
	for _, l := range []*ratelimit.Limit{&c.Limits.Public, &c.Limits.Address, &c.Limits.Tenant, &c.Limits.User} {
		l.Burst = 1_000_000_000 // a refusal would be another path
	}
	document, err := c.document()
	if err != nil {
		tb.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	g := &Gateway{config: c, log: log}
	if g.table, err = route.Compile(document); err != nil {
		tb.Fatal(err)
	}
	if limiter == nil {
		limiter = ratelimit.NewLimiter(nil, ratelimit.NewLocal(localBuckets, time.Now), log)
	}
	keys := token.NewKeyring(c.Token, time.Now)
	g.aliases = edge.NewAliases(g.table, c.Edge.Compat, time.Now)
	g.limits = edge.NewLimits(c.Limits, limiter)
	g.auth = edge.NewAuthenticator(keys, edge.NewTokenCache(1000), g.limits, c.Log.TenantHash, time.Now)
	body := []byte(`{"message":"ok","data":{}}`)
	end := func(ex *edge.Exchange) {
		ex.Ctx.Response.Header.SetContentType("application/json")
		ex.Ctx.Response.SetBody(body)
	}
	b := &bench{g: g, server: edge.NewServer(c.Edge, g.table, g.pipeline(end), log)}
	b.header = []byte("GET /api/v1/address-book/019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d?x=y HTTP/1.1\r\n" +
		"Host: localhost:8443\r\nUser-Agent: k6/2.2.0\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n" +
		"Authorization: Bearer " + sign(tb, keys, "tenant1", uuid.New()) + "\r\n\r\n")
	b.ctx.Init2(&benchConn{}, nil, false)
	b.read(tb)
	return b
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
	b := newBench(t, nil)
	b.check(t)
	if got := testing.AllocsPerRun(2000, b.request); got > mostAllocations {
		t.Errorf("%v allocations per request, want at most %d", got, mostAllocations)
	}
}

func BenchmarkPipeline(b *testing.B) {
	p := newBench(b, nil)
	p.check(b)
	b.ReportAllocs()
	for b.Loop() {
		p.request()
	}
}

// BenchmarkPipelineRedis asks a Redis for both layers of limits: the installed
// server where there is one.
func BenchmarkPipelineRedis(b *testing.B) {
	client := openRedis(b)
	log := slog.New(slog.DiscardHandler)
	p := newBench(b, ratelimit.NewLimiter(ratelimit.NewRedis(client), ratelimit.NewLocal(localBuckets, time.Now), log))
	p.check(b)
	b.ReportAllocs()
	for b.Loop() {
		p.request()
	}
}

// BenchmarkSteps measures each step alone, around an end that does nothing.
// The state that the steps before it would have left is prepared.
func BenchmarkSteps(b *testing.B) {
	p := newBench(b, nil)
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
		{"Secure", []edge.Step{edge.Secure()}},
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
