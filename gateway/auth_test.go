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
