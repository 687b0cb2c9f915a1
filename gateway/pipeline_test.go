package gateway

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
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
			"client": "127.0.0.1", "code": "bad_framing", "cause": "The method is not one that this service knows."},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// The log tells which rule a request broke and which limit was used up, and never
// what the client wrote.
func TestAccessLogOfRefusals(t *testing.T) {
	t.Parallel()
	const secret = "eyJhbGciOiJIUzI1NiJ9"
	for name, c := range map[string]struct{ request, code, cause, limit string }{
		"a target":           {"GET //x HTTP/1.1\r\nHost: x\r\n\r\n", "bad_framing", "The path has an empty segment.", ""},
		"a header twice":     {"GET / HTTP/1.1\r\nHost: x\r\nOrigin: a\r\nOrigin: b\r\n\r\n", "bad_framing", "A header that may come once came twice.", ""},
		"two lengths":        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "bad_framing", "duplicate content-length header", ""},
		"a control byte":     {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + secret + "\x00\r\n\r\n", "bad_framing", "invalid header value", ""},
		"a byte in a name":   {"GET / HTTP/1.1\r\nHost: x\r\n" + secret + "\x01: a\r\n\r\n", "bad_framing", "malformed mime header line", ""},
		"a method":           {secret + "\r\n\r\n", "bad_framing", "cannot find http request method", ""},
		"a version":          {"GET /" + secret + " HTTP/3\r\n\r\n", "bad_framing", "unsupported http version", ""},
		"a limit":            {"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "rate_limited", "", "auth"},
		"a body for nothing": {"GET /things HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "bad_framing", "A GET or HEAD request has a body.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, limits(t, "auth=1/1h,1"))
			if c.limit != "" {
				r.raw(t, c.request, "GET")
			}
			r.raw(t, c.request, "GET")
			var line map[string]any
			eventually(t, "the last line", func() bool {
				lines := r.logs.lines(t, "request")
				if len(lines) > 0 {
					line = lines[len(lines)-1]
				}
				return line["code"] == c.code
			})
			cause, _ := line["cause"].(string)
			limit, _ := line["limit"].(string)
			if cause != c.cause || limit != c.limit {
				t.Errorf("cause %q, limit %q, want %q and %q", cause, limit, c.cause, c.limit)
			}
			if strings.Contains(fmt.Sprint(line), secret) {
				t.Errorf("the log shows what the client sent: %v", line)
			}
		})
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
	if len(lines) != 2 || strings.Contains(fmt.Sprint(lines), "boom") || lines[0]["cause"] != "a panic with a value of type string" || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "pipeline_test.go") {
		t.Errorf("log = %v, want the cause and its stack", lines)
	}
	if got := r.logs.lines(t, "request"); len(got) != 2 || got[0]["status"] != 500.0 {
		t.Errorf("access log = %v, want two 500s", got)
	}
	if got := metricValue(t, r, "gateway_panics_total"); got < before+2 {
		t.Errorf("gateway_panics_total = %v, want %v", got, before+2)
	}
}

// faultyLog is a log handler that panics, as the steps around the inner Recover
// never should.
type faultyLog struct{ slog.Handler }

func (faultyLog) Enabled(context.Context, slog.Level) bool { return true }
func (f faultyLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "request" {
		panic("log")
	}
	return f.Handler.Handle(ctx, r)
}

func TestPanicOfAnOuterStepDoesNotEndTheProcess(t *testing.T) {
	t.Parallel()
	logs := &logBuffer{}
	b := newBench(t, plenty{})
	b.g.log = slog.New(faultyLog{slog.NewJSONHandler(logs, nil)})
	server := edge.NewServer(b.g.config.Edge, b.g.table, b.g.pipeline(func(*edge.Exchange) {}), b.g.log)
	server.Pass(&b.ctx)
	if got := b.ctx.Response.StatusCode(); got != 500 || len(logs.lines(t, "panic")) != 1 {
		t.Errorf("status = %d, log = %v", got, logs.lines(t, "panic"))
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

func TestBodiesOfOtherMediaTypes(t *testing.T) {
	t.Parallel()
	const limit = 10 << 20 // as the document says
	r := newRig(t, nil)
	largest := strings.Repeat("a;b;c\r\n", limit/7+1)[:limit]
	for _, c := range []struct {
		name, target, contentType, body string
		status                          int
		code                            string
	}{
		{"csv", "/api/v1/notes/import", "text/csv", "name\r\nAna\r\n", 200, ""},
		{"csv with parameters", "/api/v1/notes/import?dry_run=true", "Text/CSV; charset=utf-8; header=present", "name\r\nAna\r\n", 200, ""},
		{"vcard", "/api/v1/notes/import", "text/vcard; version=4.0", "BEGIN:VCARD\r\nEND:VCARD\r\n", 200, ""},
		{"bytes that are no text", "/api/v1/notes/import", "text/csv", "\xff\x00\xfe", 200, ""}, // the backend judges it
		{"the largest", "/api/v1/notes/import", "text/csv", largest, 200, ""},
		{"one byte more", "/api/v1/notes/import", "text/csv", largest + "x", 413, "body_too_large"},
		{"too large and of another type", "/api/v1/notes/import", "application/json", largest + "x", 413, "body_too_large"},
		{"json where none is taken", "/api/v1/notes/import", "application/json", "[]", 415, "unsupported_media_type"},
		{"another text", "/api/v1/notes/import", "text/plain", "a", 415, "unsupported_media_type"},
		{"two types in one", "/api/v1/notes/import", "text/csv, text/vcard", "a", 415, "unsupported_media_type"},
		{"no type", "/api/v1/notes/import", "", "a", 415, "unsupported_media_type"},
		{"csv where none is taken", "/api/v1/notes", "text/csv", "a", 415, "unsupported_media_type"},
		{"a large csv where none is taken", "/api/v1/notes", "text/csv", largest, 413, "body_too_large"},
	} {
		header := r.bearer(t)
		if c.contentType != "" {
			header["Content-Type"] = c.contentType
		}
		_, before := r.backend.last()
		a := r.do(t, "POST", c.target, header, c.body)
		got, after := r.backend.last()
		if c.status != 200 {
			a.problem(t, c.status, c.code)
			if after != before {
				t.Errorf("%s reached the backend", c.name)
			}
			continue
		}
		if a.status != 200 || got.body != c.body || got.header.Get("Content-Type") != c.contentType {
			t.Errorf("%s = %d; the backend got %d bytes of %q, want %d", c.name, a.status, len(got.body), got.header.Get("Content-Type"), len(c.body))
		}
	}
	for name, c := range map[string]struct {
		target string
		length int
		status int
	}{
		"in chunks":              {"/api/v1/notes/import", limit, 200},
		"in chunks, a byte more": {"/api/v1/notes/import", limit + 1, 413},
		"in chunks elsewhere":    {"/api/v1/notes", limit, 415},
	} {
		a := r.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", c.target, r.token(t, "tenant1"), c.length, (largest + "x")[:c.length]), "POST")
		if a.status != c.status {
			t.Errorf("%s = %d %s, want %d", name, a.status, a.body, c.status)
		}
	}
	for size, chunked := range map[int]bool{64 << 10: false, 64<<10 + 1: true} {
		r.raw(t, fmt.Sprintf("POST /api/v1/notes/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", r.token(t, "tenant1"), size, largest[:size]), "POST")
		if got, _ := r.backend.last(); got.header.Get("Transfer-Encoding") == "chunked" != chunked || got.body != largest[:size] {
			t.Errorf("of %d bytes the backend got %d, with %v", size, len(got.body), got.header)
		}
	}
}

// TestHeadersCross checks what clients and backends tell each other about one
// operation. Package proxy tests what must not cross.
func TestHeadersCross(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, c := range []struct {
		method, target string
		ask, tell      map[string]string
		status         int
	}{
		{"POST", "/api/v1/notes", map[string]string{"Idempotency-Key": "5b3c!~"},
			map[string]string{"Location": "/api/v1/notes/7", "Etag": `"1"`}, 201},
		{"POST", "/api/v1/notes", map[string]string{"Idempotency-Key": strings.Repeat("k", 255)},
			map[string]string{"Location": "/api/v1/notes/7", "Etag": `"1"`, "Idempotency-Replayed": "true"}, 201},
		{"DELETE", "/things/7", map[string]string{"If-Match": `"1", "2"`}, map[string]string{"Etag": `"3"`}, 412},
		{"DELETE", "/things/7", map[string]string{"If-Match": "*"}, nil, 200},
		{"GET", "/things/7", map[string]string{"If-None-Match": `"3"`}, map[string]string{"Etag": `"3"`}, 200},
		{"GET", "/things/7", map[string]string{"Accept": "text/vcard"}, map[string]string{
			"Content-Type": "text/vcard; charset=utf-8", "Content-Disposition": `attachment; filename="contacts.vcf"`}, 200},
	} {
		r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
			for name, value := range c.tell {
				ctx.Response.Header.Set(name, value)
			}
			ctx.SetStatusCode(c.status)
		})
		header := r.bearer(t)
		for name, value := range c.ask {
			header[name] = value
		}
		a := r.do(t, c.method, c.target, header, "")
		if a.status != c.status {
			t.Errorf("%s %s = %d %s, want %d", c.method, c.target, a.status, a.body, c.status)
		}
		got, _ := r.backend.last()
		for name, value := range c.ask {
			if values := got.header.Values(name); len(values) != 1 || values[0] != value {
				t.Errorf("%s %s: the backend got %s = %q, want %q", c.method, c.target, name, values, value)
			}
		}
		for name, value := range c.tell {
			if values := a.header.Values(name); len(values) != 1 || values[0] != value {
				t.Errorf("%s %s: the client got %s = %q, want %q", c.method, c.target, name, values, value)
			}
		}
	}
}

// TestStreamedAnswers checks that what a backend sends in chunks arrives whole,
// with a length when it came at once and in chunks otherwise.
func TestStreamedAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	line := strings.Repeat("x", 1023) + "\n"
	for _, lines := range []int{0, 1, 100, 20 << 10} {
		r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/csv; charset=utf-8")
			ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
				for range lines {
					if _, err := w.WriteString(line); err != nil {
						return
					}
				}
			})
		})
		a := r.do(t, "GET", "/api/v1/notes", r.bearer(t), "")
		if n := a.header.Get("Content-Length"); a.status != 200 || len(a.body) != lines*len(line) || n != "" && n != fmt.Sprint(len(a.body)) ||
			a.header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("%d lines = %d with %d bytes, %v", lines, a.status, len(a.body), a.header)
		}
	}
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
	packed := r.do(t, "GET", "/openapi.json", map[string]string{"Accept-Encoding": "gzip"}, "")
	if packed.header.Get("Content-Encoding") != "gzip" || 2*len(packed.body) > len(a.body) || packed.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("packed = %d bytes under %v", len(packed.body), packed.header)
	}
	head := r.do(t, "HEAD", "/openapi.json", nil, "")
	if head.status != 200 || head.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
		t.Errorf("HEAD = %d %v", head.status, head.header)
	}
	if _, n := r.backend.last(); n != 0 {
		t.Error("the backend was asked for it")
	}
}

// The reference's files come packed to those who take that, under a policy that
// lets the page load them, and only there.
func TestReference(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	page := r.do(t, "GET", "/docs", nil, "")
	if page.status != 200 || page.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page.body, "docs/swagger-ui.css") {
		t.Fatalf("page = %+v", page)
	}
	plain := r.do(t, "GET", "/docs/swagger-ui.css", nil, "")
	packed := r.do(t, "GET", "/docs/swagger-ui.css", map[string]string{"Accept-Encoding": "br, gzip"}, "")
	if plain.header.Get("Content-Encoding") != "" || packed.header.Get("Content-Encoding") != "gzip" || 4*len(packed.body) > len(plain.body) {
		t.Errorf("plain %v, packed %v", plain.header, packed.header)
	}
	tag := packed.header.Get("Etag")
	if tag == "" || tag == plain.header.Get("Etag") || plain.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("tags %q and %q, Vary %q", plain.header.Get("Etag"), tag, plain.header.Get("Vary"))
	}
	if head := r.do(t, "HEAD", "/docs/swagger-ui.css", nil, ""); head.header.Get("Cache-Control") != "public, max-age=3600" ||
		head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(plain.body)) {
		t.Errorf("HEAD = %v", head.header)
	}
	again := r.do(t, "GET", "/docs/swagger-ui.css", map[string]string{"Accept-Encoding": "gzip", "If-None-Match": "W/" + tag}, "")
	if again.status != 304 || again.body != "" {
		t.Errorf("with its tag = %d %q", again.status, again.body)
	}
	for _, a := range []answer{page, plain, packed, again} {
		if got := a.header.Values("Content-Security-Policy"); len(got) != 1 || !strings.Contains(got[0], "script-src 'self'") || strings.Contains(got[0], "unsafe") ||
			a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", a.header)
		}
	}
	for _, name := range []string{"index.html", "nothing", "reference.go", "..%2freference.go", "swagger-ui.css.gz"} {
		a := r.do(t, "GET", "/docs/"+name, nil, "")
		if got := a.header.Get("Content-Security-Policy"); a.status != 404 && a.status != 400 || !strings.HasPrefix(got, "default-src 'none'; frame") {
			t.Errorf("%s = %d under %q", name, a.status, got)
		}
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
