package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/token"
)

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

func TestRoles(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, c := range []struct {
		target  string
		allowed string
	}{
		{"/api/v1/notes", "member admin operator"},
		{"/api/v1/audit", "admin operator"},
		{"/api/v1/admin/tenants", "operator"},
	} {
		var allowed []string
		for _, role := range []token.Role{token.Member, token.Admin, token.Operator} {
			for _, method := range []string{"GET", "HEAD"} {
				_, before := r.backend.last()
				a := r.do(t, method, c.target, r.as(t, role), "")
				_, after := r.backend.last()
				if a.status != 200 && a.status != 403 || (a.status == 200) != (after > before) {
					t.Errorf("%s %s as %s = %d, reached the backend %d times", method, c.target, role, a.status, after-before)
				}
				if a.status == 200 && method == "GET" {
					allowed = append(allowed, string(role))
				}
			}
		}
		if got := strings.Join(allowed, " "); got != c.allowed {
			t.Errorf("GET %s is allowed to %s, want %s", c.target, got, c.allowed)
		}
	}
	r.do(t, "GET", "/api/v1/audit", r.as(t, token.Member), "").problem(t, 403, "forbidden")
	// What a client says of itself changes nothing.
	for _, name := range []string{"X-Role", "X-User-Role", "Role"} {
		r.do(t, "GET", "/api/v1/audit?role=admin", with(r.as(t, token.Member), name, "operator"), "").problem(t, 403, "forbidden")
	}
	// Who calls comes before what the caller may do.
	r.do(t, "GET", "/api/v1/audit", nil, "").problem(t, 401, "unauthenticated")
	r.do(t, "GET", "/api/v1/audit", with(r.as(t, token.Member), "X-Tenant-Id", "tenant2"), "").problem(t, 403, "tenant_mismatch")
	if a := r.do(t, "OPTIONS", "/api/v1/audit", nil, ""); a.status != 204 {
		t.Errorf("OPTIONS = %d", a.status)
	}
}

func TestForbiddenRequestsCostTheUserNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "standard.user=1/1h,1"))
	member := r.as(t, token.Member)
	for range 3 {
		a := r.do(t, "GET", "/api/v1/audit", member, "")
		a.problem(t, 403, "forbidden")
		if got := a.header.Get("Ratelimit-Policy"); !strings.HasPrefix(got, `"address"`) || strings.Contains(got, `"user"`) {
			t.Errorf("RateLimit-Policy = %s, want the flood guard alone", got)
		}
	}
	if a := r.do(t, "GET", "/api/v1/notes", member, ""); a.status != 200 {
		t.Errorf("the user's first request that is allowed = %d", a.status)
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
