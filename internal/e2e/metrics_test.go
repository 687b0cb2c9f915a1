package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"gatehouse/internal/stack"
)

// TestMetrics goes through what identifies tenants, users and clients, also where
// it does not belong, and looks for it in what both processes expose afterwards.
// What they expose is what the table of metrics says, no more and no less.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	markers := map[string]string{
		"marked request id": "marker-" + strings.ToLower(rand.Text()),
		"idempotency key":   "marker-" + strings.ToLower(rand.Text()),
		"client address":    "203.0.113.77",
		"unknown path":      "marker" + strings.ToLower(rand.Text()),
		"unknown method":    "MARKER",
		"unknown host":      "marker.example.net",
		"demo tenant":       stack.DemoTenant,
		"password":          password,
		"log hash key":      shared.Secrets.LogHash,
		"token secret":      shared.Secrets.JWT,
	}
	c.scenario(markers)

	var all []*exposed
	for _, e := range scrapeAll(shared) {
		all = append(all, e)
		for _, complaint := range e.strange() {
			t.Error(complaint)
		}
		for _, s := range e.series {
			for what, marker := range markers {
				if strings.Contains(strings.ToLower(s.name), strings.ToLower(marker)) {
					t.Errorf("%s: %s is in the name %s", e.base, what, s.name)
				}
				for label, value := range s.labels {
					if strings.Contains(strings.ToLower(value), strings.ToLower(marker)) {
						t.Errorf("%s: %s is in %s{%s=%q}", e.base, what, s.name, label, value)
					}
				}
			}
			// A template has to be one of the document's, not only look like one.
			if template := s.labels["route"]; strings.HasPrefix(template, "/") && !inDocument(t, template) {
				t.Errorf("%s: %s is of the route %q", e.base, s.name, template)
			}
		}
	}
	if want := len(shared.Gateways) + len(shared.Backends); len(all) != want {
		t.Fatalf("%d processes answered, want %d", len(all), want)
	}
	for _, name := range missing(all) {
		t.Errorf("%s is in the table of metrics, and no process has it", name)
	}
	for _, e := range all {
		t.Logf("%s: %d series", e.of, len(e.series))
	}
}

func inDocument(t *testing.T, template string) bool {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return doc.Paths.Value(template) != nil
}

// scenario does what clients do, well and badly, and adds to markers what it
// comes across that identifies anybody.
func (c *client) scenario(markers map[string]string) {
	c.t.Helper()
	marked := []string{
		"X-Request-Id", markers["marked request id"], "X-Forwarded-For", markers["client address"],
		"Forwarded", "for=" + markers["client address"], "User-Agent", markers["marked request id"],
	}
	operator := c.operator()
	tenant, admin, tokens := c.newTenant(operator, "")
	found := map[string]string{
		"tenant": tenant, "admin": admin, "e-mail": admin + "@example.com",
		"access token": tokens.Access, "refresh token": tokens.Refresh, "operator's token": operator,
	}
	id := func(a answer) string {
		var made struct{ ID string }
		a.into(&made)
		return made.ID
	}
	do := func(status int, method, path, bearer string, body any, headers ...string) answer {
		c.t.Helper()
		a := c.do(method, path, bearer, body, append(headers, marked...)...).want(status)
		found[method+" "+path+": request id"] = a.Header.Get("X-Request-Id")
		return a
	}
	found["user"] = id(do(200, "GET", "/api/v1/auth/me", tokens.Access, nil, "X-Tenant-Id", tenant))
	found["session"] = sessionOf(c.t, tokens.Access)
	found["contact"] = id(do(201, "POST", "/api/v1/address-book", tokens.Access, contactBody(), "Idempotency-Key", markers["idempotency key"]))
	path := "/api/v1/address-book/" + found["contact"]
	do(200, "GET", path, tokens.Access, nil)
	do(200, "GET", "/api/address-book/"+found["contact"], tokens.Access, nil) // by the alias
	do(200, "GET", "/api/v1/address-book?q="+found["admin"], tokens.Access, nil)
	do(200, "GET", "/api/v1/users/"+found["user"]+"/logins", tokens.Access, nil)
	do(200, "DELETE", path, tokens.Access, nil)
	do(404, "GET", path, tokens.Access, nil)
	do(404, "GET", "/"+markers["unknown path"]+"/"+tenant, "", nil)
	do(405, "PATCH", path, tokens.Access, nil)
	if a, err := c.try(markers["unknown method"], path, tokens.Access, nil, marked...); err == nil && a.StatusCode < 400 {
		c.t.Errorf("an unknown method got %d", a.StatusCode)
	}
	do(403, "GET", "/api/v1/auth/me", tokens.Access, nil, "X-Tenant-Id", markers["unknown path"])
	do(401, "GET", "/api/v1/auth/me", tokens.Access+"x", nil)
	do(401, "POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": admin, "password": "Wrong-Horse-7", "tenant_id": tenant})
	do(401, "POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": admin, "password": password, "tenant_id": markers["unknown path"]})
	do(200, "GET", "/api/v1/admin/tenants/"+tenant, operator, nil)
	do(200, "GET", "/api/v1/admin/limits/explain?tenant_id="+tenant+"&user_id="+found["user"], operator, nil)
	var next pair
	do(200, "POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).into(&next)
	found["second access token"], found["second refresh token"] = next.Access, next.Refresh
	do(401, "POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}) // ends the session
	do(401, "GET", "/api/v1/auth/me", next.Access, nil)
	do(200, "POST", "/api/v1/admin/tenants/"+tenant+"/suspend", operator, nil)
	maps.Copy(markers, found)
	for what, marker := range markers {
		if len(marker) < 6 {
			c.t.Errorf("%s is %q, which is too short to be looked for", what, marker)
		}
	}
}

// sessionOf returns the session that a token belongs to.
func sessionOf(t testing.TB, access string) string {
	t.Helper()
	parts := strings.Split(access, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", access)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Session string `json:"login_session"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Session
}
