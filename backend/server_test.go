package backend

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gatehouse/api"
	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/config"
	"gatehouse/internal/health"
)

func TestRoutesAreTheDocuments(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Extensions["x-served-by"] == "gateway" {
				continue
			}
			public := op.Security != nil && len(*op.Security) == 0
			hasQuery := false
			for _, p := range append(slices.Clone(item.Parameters), op.Parameters...) {
				hasQuery = hasQuery || p.Value.In == "query"
			}
			role, _ := op.Extensions["x-role"].(string)
			want = append(want, fmt.Sprintf("%s %s public=%v query=%v role=%q", method, path, public, hasQuery, role))
		}
	}
	for _, r := range routes(health.NewChecker(), features{}) {
		got = append(got, fmt.Sprintf("%s %s public=%v query=%v role=%q", r.Method, r.Path, r.Access == web.Public, r.Query, r.Role))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes.go and api/openapi.yaml differ (-document +routes):\n%s", diff)
	}
}

func TestPingHeadAndUnknown(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	a := s.do("GET", "/api/v1/ping", "", nil).want(t, 200)
	if got := string(a.body); got != `{"message":"pong","data":{}}` {
		t.Errorf("got %s", got)
	}
	if a := s.do("HEAD", "/api/v1/ping", "", nil).want(t, 200); len(a.body) != 0 || a.ContentLength != 28 {
		t.Errorf("HEAD: got %q, length %d", a.body, a.ContentLength)
	}
	s.do("GET", "/api/v1/ping?x=1", "", nil).problem(t, 400, "invalid_query", "x")
	s.do("GET", "/api/v1/nope", "", nil).problem(t, 404, "not_found")
	s.do("GET", "/api/v1/ping/", "", nil).problem(t, 404, "not_found")
	a = s.do("DELETE", "/api/v1/ping", "", nil)
	a.problem(t, 405, "method_not_allowed")
	if allow := a.Header.Get("Allow"); !strings.Contains(allow, "GET") {
		t.Errorf("got Allow %q", allow)
	}
	if a.Header.Get("Server") != "" {
		t.Errorf("got Server %q", a.Header.Get("Server"))
	}
}

func TestRequestIDAndClientComeFromTrustedGatewaysOnly(t *testing.T) {
	t.Parallel()
	const id = "from-the-gateway-1"
	for _, trusted := range []bool{true, false} {
		s := newTestServer(t, func(c *Config) {
			if !trusted {
				c.TrustedGateways = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			}
		})
		a := s.do("GET", "/api/v1/ping", "", nil, "X-Request-Id", id, "X-Forwarded-For", "203.0.113.9")
		if got := a.Header.Get("X-Request-Id"); (got == id) != trusted || got == "" {
			t.Errorf("trusted=%v: got request ID %q", trusted, got)
		}
		if got := strings.Contains(s.logs.String(), "203.0.113.9"); got != trusted {
			t.Errorf("trusted=%v: the forwarded address was believed: %v", trusted, got)
		}
		bad := s.do("GET", "/api/v1/nope", "", nil, "X-Request-Id", "bad id")
		if p := bad.problem(t, 404, "not_found"); p.RequestID == "" || p.RequestID != bad.Header.Get("X-Request-Id") {
			t.Errorf("got request ID %q in the body, %q in the header", p.RequestID, bad.Header.Get("X-Request-Id"))
		}
	}
}

func TestDeadlineOfTheGatewayHolds(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	// Somebody holds the table, so the request waits until its deadline.
	hold := make(chan struct{})
	held := make(chan struct{})
	owner := dbtest.Open(t, s.db.OwnerURL)
	go func() {
		_ = owner.InTx(context.Background(), pg.Scope{Tenant: "acme"}, func(tx tenantdb.DBTX) error {
			_, err := tx.Exec(context.Background(), "lock table tenant.contacts in access exclusive mode")
			close(held)
			<-hold
			return err
		})
	}()
	<-held
	defer close(hold)
	s.do("GET", "/api/v1/address-book", token, nil, "X-Request-Timeout", "150").problem(t, 504, "timeout")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Redis.URL = "redis://127.0.0.1:1/0" }) // where nobody is
	for _, path := range []string{"/health", "/api/v1/health"} {
		if a := s.do("GET", path, "", nil).want(t, 200); string(a.body) != `{"status":"degraded"}` {
			t.Errorf("%s: got %s", path, a.body)
		}
	}
}

func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) {
		c.Database.URL = "postgres://gh_app:x@127.0.0.1:1/gatehouse?sslmode=disable"
	})
	a := s.do("GET", "/health", "", nil).want(t, 503)
	if string(a.body) != `{"status":"unhealthy"}` || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %s, Retry-After %q", a.body, a.Header.Get("Retry-After"))
	}
	a = s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "a", "password": "b", "tenant_id": "c"})
	a.problem(t, 503, "unavailable")
	if a.Header.Get("Retry-After") == "" || strings.Contains(string(a.body), "127.0.0.1") {
		t.Errorf("got Retry-After %q and %s", a.Header.Get("Retry-After"), a.body)
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	for request, want := range map[string]string{
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2097152\r\n\r\n": "body_too_large",
		"GET /api/v1/ping HTTP/1.1\r\nHost x\r\n\r\n":                                    "bad_framing",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n":    "headers_too_large",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%.40q: %v", request, err)
		}
		var p struct{ Code string }
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Code != want || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%.40q: got %d %q (error %v), want %s", request, resp.StatusCode, p.Code, err, want)
		}
		_ = conn.Close()
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	c := validConfig(t)
	c.Database.URL, c.DrainDelay, c.ShutdownTimeout = db.URL, time.Hour, time.Second
	b, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	api, ops := listen(t), listen(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, api, ops) }()
	ready := func() int {
		resp, err := http.Get("http://" + ops.Addr().String() + "/health/ready")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if got := ready(); got != 200 {
		t.Errorf("got %d before", got)
	}
	stop()
	for ready() != 503 {
		if t.Context().Err() != nil {
			t.Fatal("never became not ready")
		}
	}
	// It still serves whoever comes, and says goodbye.
	resp, err := http.Get("http://" + api.Addr().String() + "/api/v1/ping")
	if err != nil || resp.StatusCode != 200 || !resp.Close {
		t.Errorf("while draining: got %v, %v", resp, err)
	}
	select {
	case err := <-done:
		t.Errorf("stopped before DRAIN_DELAY: %v", err)
	default:
	}
}

// validConfig is a configuration as production wants it.
func validConfig(t *testing.T) Config {
	t.Helper()
	var c Config
	if err := config.Load(&c, []string{
		"DATABASE_URL=postgres://gh_app:a-long-password@db:5432/gatehouse", "REDIS_URL=redis://redis:6379/0",
		"MAINT_DATABASE_URL=postgres://gh_maint:a-long-password@db:5432/gatehouse",
		"JWT_SECRET=" + testSecret, "CURSOR_ENCRYPTION_KEY=" + testSecret, "TENANT_DB_KEY=" + testSecret,
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	validConfig(t)
	var c Config
	err := config.Load(&c, []string{
		"JWT_SECRET=secret", "DATABASE_URL=postgres://gh_app:postgres@db/gatehouse", "MAX_AGE=3601", "DRAIN_DELAY=soon",
		"ARGON2_MEMORY_KIB=8", "TRUSTED_GATEWAYS=everyone", "BACKEND_ADDR=8081", "LOG_LEVEL=loud", "DATABASE_POOLER=x",
	})
	m, ok := err.(*config.Mistakes) //nolint:errorlint // Load promises this very type
	if !ok {
		t.Fatalf("got %v", err)
	}
	names := m.Names()
	slices.Sort(names)
	want := []string{"ARGON2_MEMORY_KIB", "BACKEND_ADDR", "CURSOR_ENCRYPTION_KEY", "DATABASE_POOLER", "DATABASE_URL", "DRAIN_DELAY",
		"JWT_SECRET", "LOG_LEVEL", "MAINT_DATABASE_URL", "MAX_AGE", "REDIS_URL", "TENANT_DB_KEY", "TRUSTED_GATEWAYS"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, err)
	}
}
