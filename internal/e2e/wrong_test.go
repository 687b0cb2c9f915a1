package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// Wrong input is a 4xx problem that names the field, and nothing is written.
func TestWrongInput(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	_, tokens := c.newUser()
	encoded, err := json.Marshal(contactBody())
	if err != nil {
		t.Fatal(err)
	}
	valid := string(encoded)
	with := func(name string, value any) map[string]any {
		b := contactBody()
		b[name], b["age"] = value, 147
		return b
	}
	const book = "/api/v1/address-book"
	for _, tc := range []struct {
		name         string
		method, path string
		body         any
		status       int
		code         string
		fields       []string
	}{
		{"empty body", "POST", book, "", 400, "invalid_json", nil},
		{"truncated JSON", "POST", book, valid[:25], 400, "invalid_json", nil},
		{"duplicate keys", "POST", book, `{"name":"a","name":"b"}`, 400, "invalid_json", []string{"/name"}},
		{"unknown field", "POST", book, with("nick", "x"), 400, "validation_failed", []string{"/nick"}},
		{"wrong type", "POST", book, with("name", 7), 400, "validation_failed", []string{"/name"}},
		{"NUL", "POST", book, with("name", "a\x00"), 400, "validation_failed", []string{"/name"}},
		{"invalid UTF-8", "POST", book, "{\"name\":\"\xff\"}", 400, "invalid_json", []string{"/name"}},
		{"all findings", "POST", book, "{}", 400, "validation_failed", []string{"/name", "/gender", "/age", "/address", "/phone", "/email"}},
		{"2 MiB", "POST", book, with("address", strings.Repeat("x", 2<<20)), 413, "body_too_large", nil},
		{"limit 0", "GET", book + "?limit=0", nil, 400, "invalid_query", []string{"limit"}},
		{"limit 501", "GET", book + "?limit=501", nil, 400, "invalid_query", []string{"limit"}},
		{"unknown parameter", "GET", book + "?page=2", nil, 400, "invalid_query", []string{"page"}},
		{"tampered cursor", "GET", book + "?cursor=AAAA", nil, 400, "invalid_cursor", nil},
		{"unknown path", "GET", "/api/v1/nope", nil, 404, "not_found", nil},
		{"unversioned", "GET", "/admin", nil, 404, "not_found", nil},
		{"trailing slash", "GET", book + "/", nil, 404, "not_found", nil},
		{"malformed id", "GET", book + "/17", nil, 404, "not_found", nil},
		{"wrong method", "PATCH", book, valid, 405, "method_not_allowed", nil},
		{"unknown method", "BREW", book, nil, 400, "bad_framing", nil},
		{"encoded slash", "GET", book + "%2f17", nil, 400, "bad_framing", nil},
		{"dot segment", "GET", "/api/v1/%2e%2e/ping", nil, 400, "bad_framing", nil},
		{"double slash", "GET", "/api//v1/ping", nil, 400, "bad_framing", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &client{t: t, base: c.base, http: c.http}
			c.do(tc.method, tc.path, tokens.Access, tc.body).problem(tc.status, tc.code, tc.fields...)
		})
	}
	c.do("POST", book, tokens.Access, valid, "Content-Type", "text/plain").problem(415, "unsupported_media_type")
	if allow := c.do("DELETE", book, tokens.Access, nil).problem(405, "method_not_allowed").Header.Get("Allow"); allow == "" {
		t.Error("a 405 without Allow")
	}
	var written []any
	c.do("GET", book+"?age=147", tokens.Access, nil).want(200).into(&written)
	if len(written) != 0 {
		t.Errorf("wrong input was written: %v", written)
	}
}

func TestWrongTokens(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	_, tokens := c.newUser()
	keys := func(secret string) *token.Keyring {
		return token.NewKeyring(token.Config{Secret: config.Secret(secret), Issuer: "gatehouse", Audience: "gatehouse"}, time.Now)
	}
	claims, err := keys(shared.Secrets.JWT).Verify(tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(secret string, lifetime time.Duration, change func(*token.Claims)) string {
		changed := claims
		change(&changed)
		signed, err := keys(secret).Sign(changed, lifetime)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	same := func(*token.Claims) {}
	parts := strings.Split(tokens.Access, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": "x"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, bearer := range map[string]string{
		"missing":          "",
		"garbage":          "x.y.z",
		"expired":          sign(shared.Secrets.JWT, -time.Minute, same),
		"foreign":          sign(strings.Repeat("another key ", 4), time.Minute, same),
		"none":             none,
		"none, whole":      unsigned,
		"changed payload":  parts[0] + "." + parts[1][:len(parts[1])-2] + "AA." + parts[2],
		"unknown session":  sign(shared.Secrets.JWT, time.Minute, func(c *token.Claims) { c.Session = uuid.New() }),
		"a tenant we lack": sign(shared.Secrets.JWT, time.Minute, func(c *token.Claims) { c.Tenant = "nowhere" }),
		"a refresh token":  tokens.Refresh,
		"3,000 dots":       strings.Repeat(".", 3000),
	} {
		a := c.do("GET", "/api/v1/address-book", bearer, nil)
		if a.problem(401, "unauthenticated"); a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	c.do("GET", "/api/v1/auth/me", tokens.Access, nil, "X-Tenant-Id", "platform").problem(403, "tenant_mismatch")
	c.do("GET", "/api/v1/auth/me", tokens.Access, nil, "X-Tenant-Id", stack.DemoTenant).want(200)
}

// Another tenant's contact is not found, whatever the caller sends along.
func TestAnotherTenantsContact(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	_, tokens := c.newUser()
	var contact struct{ ID string }
	c.do("POST", "/api/v1/address-book", tokens.Access, contactBody()).want(201).into(&contact)
	path := "/api/v1/address-book/" + contact.ID
	operator := c.login(stack.OperatorUser, shared.Secrets.OperatorPassword, token.PlatformTenant).Access
	c.do("GET", path, operator, nil).problem(404, "not_found")
	c.do("PUT", path, operator, contactBody()).problem(404, "not_found")
	c.do("DELETE", path, operator, nil).problem(404, "not_found")
	c.do("GET", path, operator, nil, "X-Tenant-Id", stack.DemoTenant).problem(403, "tenant_mismatch")
	c.do("GET", path, tokens.Access, nil).want(200)
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	for _, path := range []string{"/api/v1/ping", "/nope", "/api/v1/address-book", "/api//x"} {
		h := c.do("GET", path, "", nil).Header
		for name, want := range map[string]string{
			"Strict-Transport-Security": "max-age=", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'",
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "deny",
		} {
			if got := h.Get(name); !strings.Contains(strings.ToLower(got), want) {
				t.Errorf("%s: got %s %q, want %s", path, name, got, want)
			}
		}
		for _, name := range []string{"Server", "X-Powered-By"} {
			if got := h.Get(name); got != "" {
				t.Errorf("%s: got %s %q", path, name, got)
			}
		}
	}
}

func TestRateLimitByAddress(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{Gateways: 2, Limits: `{
		"address": {"auth": {"limit": "6/1m,5"}}, "plans": {"standard": {"user": {"limit": "6/1m,5"}}}
	}`})
	gateways := []*client{newClient(t, s, 0), newClient(t, s, 1)}
	body := map[string]any{"username_or_email": stack.DemoUser, "password": s.Secrets.DemoPassword, "tenant_id": stack.DemoTenant}
	var tokens pair
	statuses := map[int]int{}
	for i := range 10 {
		a := gateways[i%2].do("POST", "/api/v1/auth/login", "", body)
		if statuses[a.StatusCode]++; a.StatusCode == http.StatusOK {
			a.into(&tokens)
		} else if a.problem(429, "rate_limited"); a.Header.Get("Retry-After") == "" {
			t.Error("a 429 without Retry-After")
		}
	}
	// Two gateways share one bucket.
	if statuses[200] != 5 || statuses[429] != 5 {
		t.Errorf("got %v, want five of each", statuses)
	}
	statuses = map[int]int{}
	for i := range 10 {
		a := gateways[i%2].do("GET", "/api/v1/auth/me", tokens.Access, nil)
		if statuses[a.StatusCode]++; a.Header.Get("RateLimit") == "" || a.Header.Get("RateLimit-Policy") == "" {
			t.Errorf("no RateLimit headers: %v", a.Header)
		}
	}
	if statuses[200] != 5 || statuses[429] != 5 {
		t.Errorf("by user: got %v, want five of each", statuses)
	}
	gateways[0].do("GET", "/api/v1/ping", "", nil).want(200)
}
