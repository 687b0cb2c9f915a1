package gateway

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// The tests of this file would each notice the loss of one step.

func TestRequestID(t *testing.T) {
	t.Parallel()
	const given = "client-chosen-id-1234"
	header := map[string]string{"X-Request-Id": given}

	r := newRig(t, nil)
	a := r.do(t, "GET", "/probe", header, "")
	id := a.header.Get("X-Request-Id")
	if id == given || len(id) != 32 {
		t.Errorf("X-Request-Id = %q; a stranger's must be replaced", id)
	}
	if got, _ := r.backend.last(); got.header["X-Request-Id"][0] != id || len(got.header["X-Request-Id"]) != 1 {
		t.Errorf("the backend got %q, want %q", got.header["X-Request-Id"], id)
	}
	if lines := r.logs.lines(t, "request"); len(lines) != 1 || lines[0]["request_id"] != id {
		t.Errorf("log lines %v, want one with request_id %q", lines, id)
	}

	behind := newRig(t, trustLoopback)
	if got := behind.do(t, "GET", "/probe", header, "").header.Get("X-Request-Id"); got != given {
		t.Errorf("X-Request-Id = %q; a trusted proxy's must be kept", got)
	}
	header["X-Request-Id"] = "no good: spaces"
	if got := behind.do(t, "GET", "/probe", header, "").header.Get("X-Request-Id"); len(got) != 32 {
		t.Errorf("X-Request-Id = %q; an invalid one must be replaced", got)
	}
}

func trustLoopback(c *Config) {
	c.Edge.TrustedProxies = edge.Trust{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	header := map[string]string{"X-Forwarded-For": "203.0.113.9, 198.51.100.7, 10.1.1.1", "X-Forwarded-Proto": "https"}
	for _, c := range []struct {
		name, client, proto string
		hsts                bool
		change              func(*Config)
	}{
		{"from anybody", "127.0.0.1", "http", false, nil},
		{"from a proxy", "198.51.100.7", "https", true, trustLoopback},
	} {
		r := newRig(t, c.change)
		a := r.do(t, "GET", "/probe", header, "")
		got, _ := r.backend.last()
		for name, want := range map[string]string{
			"X-Forwarded-For":   c.client,
			"X-Real-Ip":         c.client,
			"X-Forwarded-Proto": c.proto,
			"Forwarded":         "for=" + c.client + ";proto=" + c.proto + `;host="gateway.test"`,
		} {
			if values := got.header[name]; len(values) != 1 || values[0] != want {
				t.Errorf("%s: the backend got %s = %q, want %q", c.name, name, values, want)
			}
		}
		if log := r.logs.lines(t, "request")[0]["client"]; log != c.client {
			t.Errorf("%s: logged client %v, want %s", c.name, log, c.client)
		}
		if hsts := a.header.Get("Strict-Transport-Security") != ""; hsts != c.hsts {
			t.Errorf("%s: Strict-Transport-Security sent: %v, want %v", c.name, hsts, c.hsts)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.Set("X-Frame-Options", "ALLOWALL")
		ctx.Response.Header.Set("X-Powered-By", "something 1.2")
		if string(ctx.Path()) == "/things/cached" {
			ctx.Response.Header.Set("Cache-Control", "private, max-age=5")
		}
	})
	want := map[string]string{
		"Content-Security-Policy":           "default-src 'none'; frame-ancestors 'none'",
		"Cross-Origin-Embedder-Policy":      "require-corp",
		"Cross-Origin-Opener-Policy":        "same-origin",
		"Cross-Origin-Resource-Policy":      "same-origin",
		"Referrer-Policy":                   "no-referrer",
		"X-Content-Type-Options":            "nosniff",
		"X-Dns-Prefetch-Control":            "off",
		"X-Frame-Options":                   "DENY",
		"X-Permitted-Cross-Domain-Policies": "none",
		"Cache-Control":                     "no-store",
		"Server":                            "",
		"X-Powered-By":                      "",
		"Strict-Transport-Security":         "",
	}
	for _, target := range []string{"/probe", "/nowhere", "/things", "/things//x"} {
		a := r.do(t, "GET", target, nil, "")
		for name, value := range want {
			if got := strings.Join(a.header.Values(name), "|"); got != value {
				t.Errorf("GET %s: %s = %q, want %q", target, name, got, value)
			}
		}
		if a.header.Get("Permissions-Policy") == "" {
			t.Errorf("GET %s: no Permissions-Policy", target)
		}
	}
	if got := r.do(t, "GET", "/things/cached", r.bearer(t), "").header.Get("Cache-Control"); got != "private, max-age=5" {
		t.Errorf("Cache-Control = %q, want the backend's own", got)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.com"
	r := newRig(t, func(c *Config) {
		c.Edge.CORS = edge.CORSConfig{Origins: []string{app}, Credentials: true}
	})
	allow := func(a answer) string { return a.header.Get("Access-Control-Allow-Origin") }
	preflight := map[string]string{"Origin": app, "Access-Control-Request-Method": "GET"}

	a := r.do(t, "OPTIONS", "/things", preflight, "")
	if a.status != 204 || allow(a) != app || a.header.Get("Access-Control-Allow-Credentials") != "true" ||
		a.header.Get("Access-Control-Allow-Methods") != "GET, POST, PUT, DELETE, OPTIONS" ||
		a.header.Get("Access-Control-Max-Age") != "3600" ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "idempotency-key") || a.body != "" {
		t.Errorf("preflight = %+v", a)
	}
	if _, n := r.backend.last(); n != 0 {
		t.Error("the preflight reached the backend")
	}

	// A refusal must be readable too.
	a = r.do(t, "GET", "/things", map[string]string{"Origin": app}, "")
	if a.status != 401 || allow(a) != app || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "retry-after") {
		t.Errorf("401 for the origin = %+v", a)
	}
	for name, header := range map[string]map[string]string{
		"another origin": {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "GET"},
		"a suffix":       {"Origin": app + ".evil.example.com", "Access-Control-Request-Method": "GET"},
		"null":           {"Origin": "null", "Access-Control-Request-Method": "GET"},
		"none":           {},
	} {
		a := r.do(t, "OPTIONS", "/things", header, "")
		if allow(a) != "" || a.header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: allowed: %v", name, a.header)
		}
		if a.header.Get("Vary") != "Origin" {
			t.Errorf("%s: Vary = %q, want Origin", name, a.header.Get("Vary"))
		}
	}
	if a := r.do(t, "OPTIONS", "/nowhere", preflight, ""); a.status != 404 || a.header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("preflight for an unknown path = %d %v", a.status, a.header)
	}

	open := newRig(t, func(c *Config) { c.Edge.CORS.Origins = []string{"*"} })
	a = open.do(t, "OPTIONS", "/things", preflight, "")
	if allow(a) != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Vary") != "" {
		t.Errorf("preflight under * = %v", a.header)
	}
	if none := newRig(t, nil).do(t, "OPTIONS", "/things", preflight, ""); allow(none) != "" || none.header.Get("Vary") != "" {
		t.Errorf("preflight without any origin configured = %v", none.header)
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Log.HashKey = testSecret })
	r.do(t, "POST", "/things?secret=1", with(r.bearer(t), "Content-Type", "application/json"), `{"a":1}`)
	r.do(t, "GET", "/things/7", nil, "")
	r.do(t, "BREW", "/things", nil, "")

	got := r.logs.lines(t, "request")
	if len(got) != 3 {
		t.Fatalf("%d lines, want 3: %v", len(got), got)
	}
	for _, line := range got {
		for _, key := range []string{"duration_ms", "upstream_ms", "request_id", "time", "level"} {
			delete(line, key)
		}
	}
	want := []map[string]any{
		{"msg": "request", "method": "POST", "route": "/things", "status": 200.0, "bytes_in": 7.0, "bytes_out": 26.0,
			"client": "127.0.0.1", "tenant": r.config.Log.TenantHash("tenant1")},
		{"msg": "request", "method": "GET", "route": "/things/{id}", "status": 401.0, "bytes_in": 0.0, "bytes_out": got[1]["bytes_out"],
			"client": "127.0.0.1", "code": "unauthenticated", "cause": "token: missing"},
		{"msg": "request", "method": "other", "route": "unmatched", "status": 400.0, "bytes_in": 0.0, "bytes_out": got[2]["bytes_out"],
			"client": "127.0.0.1", "code": "bad_framing"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func with(header map[string]string, name, value string) map[string]string {
	header[name] = value
	return header
}

func TestPanicIsA500(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) {})
	before := metricValue(t, r, "gateway_panics_total")
	// A handler of the pipeline's end that fails, in place of the proxy.
	server := edge.NewServer(r.config.Edge, r.table, r.pipeline(func(*edge.Exchange) { panic("boom") }), r.log)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	defer func() {
		server.Shutdown(t.Context())
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for range 2 { // the connection lives on
		fmt.Fprint(conn, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n")
		a := readAnswer(t, reader, "GET")
		p := a.problem(t, 500, "internal")
		if strings.Contains(fmt.Sprint(p), "boom") {
			t.Errorf("the cause is shown: %v", p)
		}
	}
	lines := r.logs.lines(t, "panic")
	if len(lines) != 2 || lines[0]["cause"] != "boom" || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "pipeline_test.go") {
		t.Errorf("log = %v, want the cause and its stack", lines)
	}
	if got := r.logs.lines(t, "request"); len(got) != 2 || got[0]["status"] != 500.0 {
		t.Errorf("access log = %v, want two 500s", got)
	}
	if got := metricValue(t, r, "gateway_panics_total"); got < before+2 {
		t.Errorf("gateway_panics_total = %v, want %v", got, before+2)
	}
}

func TestRouting(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.do(t, "GET", "/nowhere", r.bearer(t), "").problem(t, 404, "not_found")
	r.do(t, "GET", "/things/7/parts", r.bearer(t), "").problem(t, 404, "not_found")
	r.do(t, "GET", "/things/", r.bearer(t), "").problem(t, 404, "not_found")

	a := r.do(t, "PUT", "/things", r.bearer(t), "")
	a.problem(t, 405, "method_not_allowed")
	if got := a.header.Get("Allow"); got != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("Allow = %q", got)
	}
	a = r.do(t, "OPTIONS", "/things/7", nil, "")
	if a.status != 204 || a.header.Get("Allow") != "GET, HEAD, DELETE, OPTIONS" {
		t.Errorf("OPTIONS = %d, Allow %q", a.status, a.header.Get("Allow"))
	}
	if _, n := r.backend.last(); n != 0 {
		t.Errorf("%d requests reached the backend, want none", n)
	}

	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("12345") })
	a = r.do(t, "HEAD", "/things/7", r.bearer(t), "")
	if a.status != 200 || a.header.Get("Content-Length") != "5" || a.body != "" {
		t.Errorf("HEAD = %+v", a)
	}
	const target = "/things/a%20b;c=d:e@f%C3%A9?q=%7e&x[]=%2F+y"
	if a = r.do(t, "GET", target, r.bearer(t), ""); a.status != 200 {
		t.Fatalf("GET %s = %d %s", target, a.status, a.body)
	}
	if got, _ := r.backend.last(); got.target != target {
		t.Errorf("the backend got %s, want %s byte for byte", got.target, target)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	json := func() map[string]string { return with(r.bearer(t), "Content-Type", "application/json") }
	large := strings.Repeat("x", 100_001)

	if a := r.do(t, "POST", "/things", json(), large[1:]); a.status != 200 {
		t.Errorf("a body of the limit's size = %d", a.status)
	}
	if got, _ := r.backend.last(); got.body != large[1:] {
		t.Errorf("the backend got a body of %d bytes", len(got.body))
	}
	r.do(t, "POST", "/things", json(), large).problem(t, 413, "body_too_large")
	r.do(t, "POST", "/nowhere", json(), large).problem(t, 404, "not_found")
	r.do(t, "PUT", "/things", json(), large).problem(t, 405, "method_not_allowed")
	r.do(t, "POST", "/things", r.bearer(t), "{}").problem(t, 415, "unsupported_media_type")
	r.do(t, "POST", "/things", with(r.bearer(t), "Content-Type", "text/plain"), "{}").problem(t, 415, "unsupported_media_type")
	r.do(t, "POST", "/things", with(json(), "Content-Encoding", "gzip"), "{}").problem(t, 415, "unsupported_media_type")
	r.do(t, "DELETE", "/things/7", json(), "{}").problem(t, 400, "bad_framing")
	r.do(t, "GET", "/things/7", json(), "{}").problem(t, 400, "bad_framing")

	_, before := r.backend.last()
	if a := r.do(t, "POST", "/things", with(r.bearer(t), "Content-Type", "application/json; charset=utf-8"), "{}"); a.status != 200 {
		t.Errorf("a content type with parameters = %d", a.status)
	}
	if a := r.do(t, "POST", "/things", r.bearer(t), ""); a.status != 200 {
		t.Errorf("no body = %d, want the backend's own answer", a.status)
	}
	got, after := r.backend.last()
	if after != before+2 || got.header.Get("Content-Length") != "0" {
		t.Errorf("the backend got %d requests more, the last with Content-Length %q", after-before, got.header["Content-Length"])
	}

	chunked := "POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + r.token(t, "tenant1") +
		"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	if a := r.raw(t, chunked+"3;ext=1\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n", "POST"); a.status != 200 {
		t.Errorf("a chunked body = %d %s", a.status, a.body)
	}
	if got, _ = r.backend.last(); got.body != "[1,2]" || got.header.Get("Content-Length") != "5" || got.header.Get("Transfer-Encoding") != "" {
		t.Errorf("the backend got %q with %v, want it framed anew", got.body, got.header)
	}
	r.raw(t, chunked+"200000\r\n"+large+large, "POST").problem(t, 413, "body_too_large")
	r.raw(t, chunked+"zz\r\n", "POST").problem(t, 400, "bad_framing")
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	valid := r.token(t, "tenant1")
	foreignConfig := r.config.Token
	foreignConfig.Secret = "another secret that this gateway does not know"
	foreign := sign(t, token.NewKeyring(foreignConfig, time.Now), "tenant1", uuid.New())
	expired := sign(t, token.NewKeyring(r.config.Token, func() time.Time { return time.Now().Add(-time.Hour) }), "tenant1", uuid.New())

	for _, c := range []struct{ name, authorization, kind string }{
		{"none", "", "missing"},
		{"another scheme", "Basic dXNlcjpwYXNz", "missing"},
		{"rubbish", "Bearer rubbish", "malformed"},
		{"a foreign key", "Bearer " + foreign, "unknown_key"},
		{"expired", "Bearer " + expired, "expired"},
		{"changed", "Bearer " + valid[:len(valid)-2] + "AA", "bad_signature"},
		{"too long", "Bearer " + strings.Repeat("a", 5000), "malformed"},
	} {
		metric := fmt.Sprintf(`gateway_auth_refused_total{kind=%q}`, c.kind)
		before := metricValue(t, r, metric)
		header := map[string]string{}
		challenge := "Bearer"
		if c.authorization != "" {
			header["Authorization"] = c.authorization
			challenge = `Bearer error="invalid_token"`
		}
		a := r.do(t, "GET", "/things/7", header, "")
		a.problem(t, 401, "unauthenticated")
		if got := a.header.Get("WWW-Authenticate"); got != challenge {
			t.Errorf("%s: WWW-Authenticate = %q, want %q", c.name, got, challenge)
		}
		if metricValue(t, r, metric) < before+1 {
			t.Errorf("%s: %s did not count", c.name, metric)
		}
	}
	if _, n := r.backend.last(); n != 0 {
		t.Fatalf("%d requests without a valid token reached the backend", n)
	}

	hits := metricValue(t, r, "gateway_token_cache_hits_total")
	for range 3 {
		if a := r.do(t, "GET", "/things/7", map[string]string{"Authorization": "bearer " + valid}, ""); a.status != 200 {
			t.Fatalf("valid token = %d %s", a.status, a.body)
		}
	}
	if got := metricValue(t, r, "gateway_token_cache_hits_total"); got < hits+2 {
		t.Errorf("token cache hits rose by %v, want 2 at least", got-hits)
	}
	// A token in the query, a cookie or a body says nothing.
	r.do(t, "GET", "/things/7?access_token="+valid, nil, "").problem(t, 401, "unauthenticated")
	r.do(t, "GET", "/things/7", map[string]string{"Cookie": "token=" + valid}, "").problem(t, 401, "unauthenticated")
}

func TestTenantGuard(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.do(t, "GET", "/things/7", with(r.bearer(t), "X-Tenant-Id", "tenant2"), "").problem(t, 403, "tenant_mismatch")
	r.do(t, "GET", "/things/7", with(r.bearer(t), "X-Tenant-Id", ""), "").problem(t, 403, "tenant_mismatch")
	if _, n := r.backend.last(); n != 0 {
		t.Error("a request for another tenant reached the backend")
	}
	if a := r.do(t, "GET", "/things/7", with(r.bearer(t), "x-tenant-id", "tenant1"), ""); a.status != 200 {
		t.Errorf("the token's own tenant = %d %s", a.status, a.body)
	}
	if got, _ := r.backend.last(); got.header.Get("X-Tenant-Id") != "" {
		t.Error("X-Tenant-Id reached the backend")
	}
}

func TestPublicOperationsDoNotLookAtTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	header := map[string]string{"Authorization": "Bearer rubbish", "X-Tenant-Id": "tenant9"}
	if a := r.do(t, "GET", "/probe", header, ""); a.status != 200 {
		t.Errorf("GET /probe = %d", a.status)
	}
	if got, _ := r.backend.last(); got.header.Get("Authorization") != "" || got.header.Get("X-Tenant-Id") != "" {
		t.Errorf("the backend got %v", got.header)
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	slow := func(text string) func(*Config) {
		return func(c *Config) {
			name, limit, _ := strings.Cut(text, "=")
			into := map[string]interface{ UnmarshalText([]byte) error }{
				"public": &c.Limits.Public, "address": &c.Limits.Address, "tenant": &c.Limits.Tenant, "user": &c.Limits.User,
			}[name]
			if err := into.UnmarshalText([]byte(limit)); err != nil {
				t.Fatal(err)
			}
		}
	}
	refused := func(t *testing.T, a answer, policy string) {
		t.Helper()
		p := a.problem(t, 429, "rate_limited")
		if !strings.Contains(fmt.Sprint(p["detail"]), `"`+policy+`"`) {
			t.Errorf("detail = %v, want the policy %s named", p["detail"], policy)
		}
		if got := a.header.Get("Retry-After"); got != "3600" && got != "3599" {
			t.Errorf("Retry-After = %q, want an hour", got)
		}
		if !strings.Contains(a.header.Get("Ratelimit"), `"`+policy+`";r=0;t=`) {
			t.Errorf("RateLimit = %q", a.header.Get("Ratelimit"))
		}
	}
	login := func(r *rig) answer {
		return r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}")
	}

	t.Run("public operations by address", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, slow("public=1/1h,2"))
		for i := range 2 {
			a := login(r)
			if want := fmt.Sprintf(`"public";r=%d;t=3600`, 1-i); a.status != 200 || a.header.Get("Ratelimit") != want {
				t.Errorf("login %d = %d, RateLimit %q, want %q", i+1, a.status, a.header.Get("Ratelimit"), want)
			}
			if got := a.header.Get("Ratelimit-Policy"); got != `"public";q=1;w=3600` {
				t.Errorf("RateLimit-Policy = %q", got)
			}
		}
		refused(t, login(r), "public")
		if a := r.do(t, "GET", "/probe", nil, ""); a.status != 200 {
			t.Errorf("a probe = %d, want only the flood guard to apply", a.status)
		}
		if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 200 {
			t.Errorf("a signed-in request = %d, want only the flood guard to apply", a.status)
		}
		refused(t, r.do(t, "GET", "/things/7", nil, ""), "public") // what would be a 401
	})
	t.Run("a 401 is charged to the public limit", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, slow("public=1/1h,2"))
		r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer x"}, "").problem(t, 401, "unauthenticated")
		// The backend's own, for a session that has ended.
		r.backend.answerWith(func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(401) })
		if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 401 {
			t.Errorf("status = %d, want the backend's 401", a.status)
		}
		refused(t, login(r), "public")
	})
	t.Run("flood guard by address", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, slow("address=1/1h,2"))
		for range 2 {
			r.do(t, "GET", "/probe", nil, "")
		}
		refused(t, r.do(t, "GET", "/probe", nil, ""), "address")
		refused(t, r.do(t, "GET", "/things/7", r.bearer(t), ""), "address")
	})
	t.Run("by user, and a refusal costs the tenant nothing", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(c *Config) {
			slow("user=1/1h,1")(c)
			slow("tenant=1/1h,3")(c)
		})
		one := map[string]string{"Authorization": "Bearer " + r.token(t, "tenant1")}
		if a := r.do(t, "GET", "/things/7", one, ""); a.status != 200 {
			t.Fatalf("first request = %d", a.status)
		}
		for range 5 {
			refused(t, r.do(t, "GET", "/things/7", one, ""), "user")
		}
		for i := range 2 { // two more users: the tenant had 3
			if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 200 {
				t.Errorf("user %d = %d %s", i+2, a.status, a.body)
			}
		}
		refused(t, r.do(t, "GET", "/things/7", r.bearer(t), ""), "tenant")
		other := map[string]string{"Authorization": "Bearer " + r.token(t, "tenant2")}
		if a := r.do(t, "GET", "/things/7", other, ""); a.status != 200 {
			t.Errorf("another tenant = %d", a.status)
		}
	})
	t.Run("one command for each layer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		before := r.redis.CommandCount()
		r.do(t, "GET", "/things/7", r.bearer(t), "")
		first := r.redis.CommandCount() - before // with the script's text, and a new connection's greeting
		before = r.redis.CommandCount()
		r.do(t, "GET", "/things/7", r.bearer(t), "")
		// Each EVALSHA runs TIME and, for each bucket, GET and SET: 1+3 and 1+5.
		if got := r.redis.CommandCount() - before; got > first || got > 2+3+5 {
			t.Errorf("%d commands for a request, want two scripts", got)
		}
	})
}

func TestRedisGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) {
		c.Redis.Timeout = 10 * time.Millisecond
		if err := c.Limits.Public.UnmarshalText([]byte("1/1h,2")); err != nil {
			t.Fatal(err)
		}
	})
	r.redis.Close()
	start := time.Now()
	for range 20 {
		if a := r.do(t, "GET", "/things/7", r.bearer(t), ""); a.status != 200 {
			t.Fatalf("status = %d %s", a.status, a.body)
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("20 requests took %v without Redis", took)
	}
	for range 2 {
		r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}")
	}
	r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}").problem(t, 429, "rate_limited")
	if got := r.logs.lines(t, "rate limits are counted by this gateway alone"); len(got) != 1 {
		t.Errorf("%d lines about the fallback, want one", len(got))
	}
	if code, body := r.ops(t, "/health/ready"); code != 200 || !strings.Contains(body, `"status":"degraded"`) {
		t.Errorf("/health/ready = %d %s, want degraded and ready", code, body)
	}
}

// TestRedisHangs stops a Redis that keeps its connections open: each command
// costs its whole time limit until the breaker opens, and none after that.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	r := newRig(t, func(c *Config) {
		c.Redis.URL = config.Secret(server.URL())
		c.Redis.Timeout = 10 * time.Millisecond
	})
	header := r.bearer(t)
	r.do(t, "GET", "/things/7", header, "")
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	var slow int
	for range 50 {
		start := time.Now()
		if a := r.do(t, "GET", "/things/7", header, ""); a.status != 200 {
			t.Fatalf("status = %d %s", a.status, a.body)
		}
		if time.Since(start) > 9*time.Millisecond {
			slow++
		}
	}
	if slow > 15 {
		t.Errorf("%d of 50 requests waited for a hung Redis", slow)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is asked again", func() bool {
		r.do(t, "GET", "/things/7", header, "")
		return len(r.logs.lines(t, "rate limits are counted by all gateways together again")) > 0
	})
}

func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.do(t, "GET", "/openapi.json", nil, "")
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" || !strings.Contains(a.body, `"/things/{id}"`) {
		t.Fatalf("answer = %+v", a)
	}
	tag := a.header.Get("Etag")
	if a.header.Get("Cache-Control") != "public, max-age=300" || tag == "" {
		t.Errorf("header = %v", a.header)
	}
	if again := r.do(t, "GET", "/openapi.json", map[string]string{"If-None-Match": tag}, ""); again.status != 304 || again.body != "" {
		t.Errorf("with its tag = %d %q", again.status, again.body)
	}
	head := r.do(t, "HEAD", "/openapi.json", nil, "")
	if head.status != 200 || head.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
		t.Errorf("HEAD = %d %v", head.status, head.header)
	}
	if _, n := r.backend.last(); n != 0 {
		t.Error("the backend was asked for it")
	}
}

// ops asks the ops listener.
func (r *rig) ops(t testing.TB, path string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr("ops"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: ops\r\n\r\n", path)
	a := readAnswer(t, bufio.NewReader(conn), http.MethodGet)
	return a.status, a.body
}

// metricValue reads one metric from the ops listener.
func metricValue(t testing.TB, r *rig, name string) (value float64) {
	t.Helper()
	_, body := r.ops(t, "/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				t.Fatalf("metric %s: %v", line, err)
			}
			return value
		}
	}
	return 0
}
