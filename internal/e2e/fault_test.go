package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/stack"
)

// Without Redis the path works, with limits kept by each gateway.
func TestRedisStops(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{Limits: `{"plans": {"standard": {"user": {"limit": "6/1m,5"}}}}`})
	c := newClient(t, s, 0)
	_, tokens := c.newUser()
	if err := s.Redis.Stop(); err != nil {
		t.Fatal(err)
	}
	_, tokens = c.newUser()
	statuses := map[int]int{}
	for range 10 {
		statuses[c.do("GET", "/api/v1/address-book", tokens.Access, nil).StatusCode]++
	}
	if statuses[200] != 5 || statuses[429] != 5 {
		t.Errorf("without Redis: got %v, want the limit to hold", statuses)
	}
	eventually(t, "the gateway reports that it is degraded", func() bool {
		return strings.Contains(get(t, s.Gateways[0].Ops+"/health/ready"), "degraded")
	})
	if err := s.Redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway is healthy again", func() bool {
		return !strings.Contains(get(t, s.Gateways[0].Ops+"/health/ready"), "degraded")
	})
	_, tokens = c.newUser()
	c.do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200)
}

// Without PostgreSQL there are 503 problems; it recovers by itself.
func TestPostgresStops(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{})
	c := newClient(t, s, 0)
	_, tokens := c.newUser()
	if err := s.Postgres.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []answer{
		c.do("GET", "/api/v1/address-book", tokens.Access, nil),
		c.do("POST", "/api/v1/address-book", tokens.Access, contactBody()),
		c.do("GET", "/api/v1/auth/me", tokens.Access, nil),
		c.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}),
		c.do("POST", "/api/v1/auth/login", "", map[string]any{
			"username_or_email": "x", "password": "x", "tenant_id": stack.DemoTenant,
		}),
	} {
		a.problem(503, "unavailable")
	}
	c.do("GET", "/api/v1/ping", "", nil).want(200)
	eventually(t, "health tells", func() bool { return c.do("GET", "/health", "", nil).StatusCode == 503 })
	if err := s.Postgres.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the path works again", func() bool {
		return c.do("GET", "/api/v1/address-book", tokens.Access, nil).StatusCode == 200
	})
	// Nothing was spent or lost meanwhile.
	c.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).want(200)
	eventually(t, "health tells", func() bool { return c.do("GET", "/health", "", nil).StatusCode == 200 })
}

// While one backend is gone the other serves; without any there is a 503.
func TestBackendsStop(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{Backends: 2})
	c := newClient(t, s, 0)
	_, tokens := c.newUser()
	if err := s.Backends[0].Kill(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(200)
	}
	if err := s.Backends[1].Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is a 503", func() bool {
		return c.do("GET", "/api/v1/address-book", tokens.Access, nil).StatusCode == 503
	})
	if got := get(t, s.Gateways[0].Ops+"/health/ready"); !strings.Contains(got, "degraded") {
		t.Errorf("the gateway's readiness: %s", got)
	}
	if err := s.Backends[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the path works again", func() bool {
		return c.do("GET", "/api/v1/address-book", tokens.Access, nil).StatusCode == 200
	})
}

func TestOpsListeners(t *testing.T) {
	t.Parallel()
	newClient(t, shared, 0).do("GET", "/api/v1/ping", "", nil).want(200)
	for _, base := range []string{shared.Gateways[0].Ops, shared.Backends[0].Ops} {
		if got := get(t, base+"/health/live"); !strings.Contains(got, "healthy") {
			t.Errorf("%s: live: %s", base, got)
		}
		if got := get(t, base+"/health/ready"); !strings.Contains(got, `"status":"healthy"`) {
			t.Errorf("%s: ready: %s", base, got)
		}
	}
	if got := get(t, shared.Gateways[0].Ops+"/metrics"); !strings.Contains(got, "gateway_http_requests_total{") || !strings.Contains(got, `_bucket{`) {
		t.Errorf("gateway metrics: %.2000s", got)
	}
	if got := get(t, shared.Backends[0].Ops+"/metrics"); !strings.Contains(got, "backend_http_requests_total{") {
		t.Errorf("backend metrics: %.2000s", got)
	}
}

func get(t testing.TB, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
