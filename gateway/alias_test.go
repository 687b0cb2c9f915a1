package gateway

import (
	"bufio"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/token"
)

// The aliases of the test document are announced like this by default.
const (
	deprecation = "@1793491200"
	sunset      = "Fri, 31 Dec 2027 00:00:00 GMT"
)

// announces checks the three headers of an answer; canonical is the path that
// they name, or "" for none of them.
func announces(t testing.TB, what string, a answer, canonical string) {
	t.Helper()
	want := [3]string{deprecation, sunset, "<" + canonical + `>; rel="successor-version"`}
	if canonical == "" {
		want = [3]string{}
	}
	got := [3]string{}
	for i, name := range []string{"Deprecation", "Sunset", "Link"} {
		got[i] = strings.Join(a.header.Values(name), "|")
	}
	if got != want {
		t.Errorf("%s: Deprecation, Sunset, Link = %q, want %q", what, got, want)
	}
}

// clock stands still until it is set.
type clock struct{ atomic.Pointer[time.Time] }

func newClock(moment string) *clock {
	c := &clock{}
	c.set(moment)
	return c
}

func (c *clock) set(moment string) {
	now, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		panic(err)
	}
	c.Store(&now)
}

func (c *clock) now() time.Time { return *c.Load() }

func TestAliasesAnswerLikeTheirOperations(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, newClock("2026-12-24T18:00:00Z").now, nil)
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
		if strings.HasSuffix(string(ctx.Path()), "/missing") {
			ctx.SetStatusCode(404)
		}
		ctx.SetBodyString("fine")
	})
	member := r.as(t, token.Member)
	json := func() map[string]string { return with(r.as(t, token.Member), "Content-Type", "application/json") }
	for _, c := range []struct {
		method, target string
		header         map[string]string
		body           string
		status         int
		canonical      string // that the answer names
		reaches        bool   // the backend
	}{
		{"GET", "/api/notes", member, "", 200, "/api/v1/notes", true},
		{"HEAD", "/api/notes", member, "", 200, "/api/v1/notes", true},
		{"GET", "/api/notes?limit=5&q=%2F", member, "", 200, "/api/v1/notes", true},
		{"GET", "/api/notes/7", member, "", 200, "/api/v1/notes/7", true},
		{"GET", "/api/notes/a%20b%22%3E;c='(d),e=f@g:h!$&*+~", member, "", 200, "/api/v1/notes/a%20b%22%3E;c='(d),e=f@g:h!$&*+~", true},
		{"GET", "/api/notes/v1", member, "", 200, "/api/v1/notes/v1", true},
		{"POST", "/api/notes", json(), "{}", 200, "/api/v1/notes", true},
		{"POST", "/api/login", map[string]string{"Content-Type": "application/json"}, "{}", 200, "/api/v1/login", true},
		{"GET", "/api/notes/missing", member, "", 404, "/api/v1/notes/missing", true}, // the backend's own
		{"OPTIONS", "/api/notes", nil, "", 204, "/api/v1/notes", false},
		{"GET", "/api/notes", nil, "", 401, "/api/v1/notes", false},
		{"GET", "/api/audit", member, "", 403, "/api/v1/audit", false},
		{"GET", "/api/notes", with(r.as(t, token.Member), "X-Tenant-Id", "tenant2"), "", 403, "/api/v1/notes", false},
		{"DELETE", "/api/notes", member, "", 405, "/api/v1/notes", false},
		{"POST", "/api/notes", json(), strings.Repeat("x", 1001), 413, "/api/v1/notes", false},
		{"POST", "/api/notes", with(json(), "Content-Encoding", "gzip"), "{}", 415, "/api/v1/notes", false},
		// What is no alias says nothing.
		{"GET", "/api/v1/notes/7", member, "", 200, "", true},
		{"GET", "/api/v1/notes/7", nil, "", 401, "", false},
		{"GET", "/probe", nil, "", 200, "", true},
		{"GET", "/api/nowhere", member, "", 404, "", false},
		{"GET", "/api/v1/v1/notes", member, "", 404, "", false},
		{"GET", "/api//notes", member, "", 400, "", false},
	} {
		what := c.method + " " + c.target
		_, before := r.backend.last()
		a := r.do(t, c.method, c.target, c.header, c.body)
		if a.status != c.status {
			t.Errorf("%s = %d %s, want %d", what, a.status, a.body, c.status)
		}
		announces(t, what, a, c.canonical)
		got, after := r.backend.last()
		if reached := after > before; reached != c.reaches || reached && got.target != c.target {
			t.Errorf("%s: reached the backend %v as %s, want %v, byte for byte", what, reached, got.target, c.reaches)
		}
		if c.status == 405 && a.header.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
			t.Errorf("%s: Allow = %q", what, a.header.Get("Allow"))
		}
	}

	// What the backend says of deprecation gives way; its links are its own.
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
		h := &ctx.Response.Header
		h.Set("Deprecation", "@1")
		h.Set("Sunset", "never")
		h.Set("Link", `</next>; rel="next"`)
	})
	a := r.do(t, "GET", "/api/notes", member, "")
	if got, want := strings.Join(a.header.Values("Link"), ", "), `</next>; rel="next", </api/v1/notes>; rel="successor-version"`; got != want {
		t.Errorf("Link = %s, want %s", got, want)
	}
	a.header.Del("Link")
	a.header.Set("Link", `</api/v1/notes>; rel="successor-version"`)
	announces(t, "over the backend's own headers", a, "/api/v1/notes")
}

func TestAliasesShareLimits(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, newClock("2026-12-24T18:00:00Z").now, limits(t, "auth=1/1h,2"))
	header := map[string]string{"Content-Type": "application/json"}
	for _, target := range []string{"/api/login", "/api/v1/login"} {
		if a := r.do(t, "POST", target, header, "{}"); a.status != 200 {
			t.Fatalf("POST %s = %d", target, a.status)
		}
	}
	a := r.do(t, "POST", "/api/login", header, "{}")
	a.problem(t, 429, "rate_limited")
	announces(t, "429", a, "/api/v1/login")
}

func TestAliasesAreCountedAndLogged(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, newClock("2026-12-24T18:00:00Z").now, nil)
	const aliases = `gateway_alias_requests_total{method="POST",route="/api/v1/admin/tenants/{id}/suspend"}`
	const all = `gateway_http_requests_total{method="POST",route="/api/v1/admin/tenants/{id}/suspend",status="4xx"}`
	aliasesBefore, allBefore := metricValue(t, r, aliases), metricValue(t, r, all)
	// Refused ones count: somebody still asks there. No other test asks for this
	// operation.
	r.do(t, "POST", "/api/admin/tenants/acme/suspend", nil, "").problem(t, 401, "unauthenticated")
	r.do(t, "POST", "/api/admin/tenants/acme/suspend", r.as(t, token.Admin), "").problem(t, 403, "forbidden")
	r.do(t, "POST", "/api/v1/admin/tenants/acme/suspend", nil, "").problem(t, 401, "unauthenticated")
	if got := metricValue(t, r, aliases) - aliasesBefore; got != 2 {
		t.Errorf("%s rose by %v, want 2", aliases, got)
	}
	if got := metricValue(t, r, all) - allBefore; got != 3 {
		t.Errorf("%s rose by %v, want 3", all, got)
	}
	_, body := r.ops(t, "/metrics")
	if strings.Contains(body, `route="/api/admin`) || strings.Contains(body, "acme") {
		t.Error("a metric names a path instead of its template")
	}
	for i, line := range r.logs.lines(t, "request") {
		if alias := line["alias"] == true; line["route"] != "/api/v1/admin/tenants/{id}/suspend" || alias != (i < 2) {
			t.Errorf("log line %d = %v", i+1, line)
		}
	}
}

func TestAliasesEndAtTheirSunset(t *testing.T) {
	t.Parallel()
	watch := newClock("2027-12-30T23:59:59Z")
	r := newRigAt(t, watch.now, nil)
	if a := r.do(t, "GET", "/api/notes", r.as(t, token.Member), ""); a.status != 200 {
		t.Errorf("before the sunset = %d %s", a.status, a.body)
	}
	_, before := r.backend.last()

	watch.set("2027-12-31T00:00:00Z")
	for _, c := range []struct{ method, target, body, canonical string }{
		{"GET", "/api/notes", "", "/api/v1/notes"},
		{"GET", "/api/notes/7?x=y", "", "/api/v1/notes/7"},
		{"POST", "/api/login", "{}", "/api/v1/login"},
		{"DELETE", "/api/notes", "", "/api/v1/notes"},
		{"OPTIONS", "/api/notes", "", "/api/v1/notes"},
		{"POST", "/api/notes", strings.Repeat("x", 1001), "/api/v1/notes"},
	} {
		a := r.do(t, c.method, c.target, r.as(t, token.Member), c.body)
		a.problem(t, 410, "gone")
		announces(t, c.method+" "+c.target, a, c.canonical)
	}
	r.do(t, "GET", "/api/notes", nil, "").problem(t, 410, "gone") // whoever asks
	if _, after := r.backend.last(); after != before {
		t.Errorf("%d requests for what is gone reached the backend", after-before)
	}
	if a := r.do(t, "GET", "/api/v1/notes", r.as(t, token.Member), ""); a.status != 200 {
		t.Errorf("the canonical path after the sunset = %d", a.status)
	}
	r.do(t, "GET", "/api/nowhere", nil, "").problem(t, 404, "not_found")
}

func TestAliasesCanBeOff(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, newClock("2028-01-01T00:00:00Z").now, func(c *Config) { c.Edge.Compat.Alias = "off" })
	for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
		a := r.do(t, method, "/api/notes", r.as(t, token.Member), "")
		a.problem(t, 404, "not_found")
		announces(t, method, a, "")
	}
	if a := r.do(t, "GET", "/api/v1/notes", r.as(t, token.Member), ""); a.status != 200 {
		t.Errorf("the canonical path = %d", a.status)
	}
	if !strings.Contains(r.do(t, "GET", "/openapi.json", nil, "").body, "x-alias") {
		t.Error("the document that is served lost its extension")
	}
}

// TestPanicByAnAlias checks the answer that is made anew after everything that
// stood in it was thrown away.
func TestPanicByAnAlias(t *testing.T) {
	t.Parallel()
	r := newRigAt(t, newClock("2026-12-24T18:00:00Z").now, nil)
	server := edge.NewServer(r.config.Edge, r.table, r.pipeline(func(*edge.Exchange) { panic("boom") }), r.log)
	var ctx fasthttp.RequestCtx
	ctx.Init2(&benchConn{}, nil, false)
	if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader("POST /api/login HTTP/1.1\r\nHost: x\r\n\r\n"))); err != nil {
		t.Fatal(err)
	}
	server.Pass(&ctx)
	h := &ctx.Response.Header
	if got := ctx.Response.StatusCode(); got != 500 || string(h.Peek("Sunset")) != sunset || string(h.Peek("Deprecation")) != deprecation {
		t.Errorf("status = %d, header:\n%s", got, h)
	}
}

func TestPreflightByAnAlias(t *testing.T) {
	t.Parallel()
	const app = "https://app.example.com"
	r := newRigAt(t, newClock("2026-12-24T18:00:00Z").now, func(c *Config) { c.Edge.CORS.Origins = []string{app} })
	a := r.do(t, "OPTIONS", "/api/notes", map[string]string{"Origin": app, "Access-Control-Request-Method": "GET"}, "")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != app || a.header.Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("preflight = %d %v", a.status, a.header)
	}
	a = r.do(t, "GET", "/api/notes", with(r.as(t, token.Member), "Origin", app), "")
	exposed := fmt.Sprintf(", %s,", a.header.Get("Access-Control-Expose-Headers"))
	for _, name := range []string{"deprecation", "sunset", "link", "location", "idempotency-replayed", "content-disposition", "etag"} {
		if !strings.Contains(exposed, " "+name+",") {
			t.Errorf("%s is not exposed to pages: %s", name, exposed)
		}
	}
}
