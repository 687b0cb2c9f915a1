package backend

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

func TestSignupLoginMeLogout(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	var user struct{ ID, Username, Email, TenantID, Role string }
	s.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": "Ana.Souza", "email": "Ana@Example.com", "password": testPassword, "tenant_id": "acme",
	}).want(t, 201).into(t, &user)
	if user.Username != "Ana.Souza" || user.Role != "member" {
		t.Errorf("got %+v", user)
	}
	// By name and by address, ignoring case.
	p := s.login("acme", "ana.SOUZA")
	s.login("acme", "ANA@example.com")
	if p.Type != "bearer" || p.Expires != 900 || !strings.HasPrefix(p.Refresh, "acme.") {
		t.Errorf("got %+v", p)
	}
	var me struct {
		ID, Username, Role string
		TenantID           string `json:"tenant_id"`
		LoginSession       string `json:"login_session"`
	}
	s.do("GET", "/api/v1/auth/me", p.Access, nil).want(t, 200).into(t, &me)
	if me.ID != user.ID || me.TenantID != "acme" || uuid.Validate(me.LoginSession) != nil {
		t.Errorf("got %+v", me)
	}
	s.do("POST", "/api/v1/auth/logout", p.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/auth/me", p.Access, nil).problem(t, 401, "unauthenticated")
	s.do("POST", "/api/v1/address-book", p.Access, contactBody()).problem(t, 401, "unauthenticated")
	s.do("POST", "/api/v1/auth/logout", p.Access, nil).problem(t, 401, "unauthenticated")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": p.Refresh}).problem(t, 401, "invalid_refresh_token")
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.login_events where outcome = 'ok'"); n != 2 {
		t.Errorf("got %d login events, want 2", n)
	}
}

func TestSignupRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	body := func(change ...any) map[string]any {
		b := map[string]any{"username": "bruno", "email": "bruno@example.com", "password": testPassword, "tenant_id": "acme"}
		for i := 0; i < len(change); i += 2 {
			b[change[i].(string)] = change[i+1]
		}
		return b
	}
	s.do("POST", "/api/v1/auth/signup", "", body()).want(t, 201)
	for _, tc := range []struct {
		name   string
		body   map[string]any
		status int
		code   string
		fields []string
	}{
		{"same name, other case", body("username", "BRUNO", "email", "b2@example.com"), 409, "conflict", nil},
		{"same address, other case", body("username", "bruno2", "email", "Bruno@EXAMPLE.com"), 409, "conflict", nil},
		{"full-width twin of a name", body("username", "ｂｒｕｎｏ", "email", "b3@example.com"), 409, "conflict", nil},
		{"closed tenant", body("tenant_id", "closed"), 403, "signup_closed", nil},
		{"unknown tenant", body("tenant_id", "nowhere"), 403, "signup_closed", nil},
		{"reserved tenant", body("tenant_id", "platform"), 403, "signup_closed", nil},
		{"short name", body("username", "ab"), 400, "validation_failed", []string{"/username"}},
		{"long name", body("username", strings.Repeat("a", 51)), 400, "validation_failed", []string{"/username"}},
		{"mixed scripts", body("username", "pаypal"), 400, "validation_failed", []string{"/username"}}, // Cyrillic а
		{"at sign in a name", body("username", "a@b.c"), 400, "validation_failed", []string{"/username"}},
		{"no address", body("email", "bruno"), 400, "validation_failed", []string{"/email"}},
		{"long address", body("email", strings.Repeat("a", 250)+"@b.com"), 400, "validation_failed", []string{"/email"}},
		{"unfolding address", body("email", strings.Repeat("\ufdfa", 250)+"@b.c"), 400, "validation_failed", []string{"/email"}},
		{"short password", body("password", "Aa34567"), 400, "validation_failed", []string{"/password"}},
		{"long password", body("password", strings.Repeat("Aa1", 22)), 400, "validation_failed", []string{"/password"}},
		{"simple password", body("password", "alllowercase1"), 400, "validation_failed", []string{"/password"}},
		{"NUL in a password", body("password", "Correct\x007"), 400, "validation_failed", []string{"/password"}},
		{"malformed tenant", body("tenant_id", "../acme"), 400, "validation_failed", []string{"/tenant_id"}},
		{"NUL in a tenant", body("tenant_id", "a\x00"), 400, "validation_failed", []string{"/tenant_id"}},
		{"a role", body("role", "admin"), 400, "validation_failed", []string{"/role"}},
		{"everything", map[string]any{"username": "x", "email": "x", "password": "x", "tenant_id": "_"}, 400,
			"validation_failed", []string{"/username", "/email", "/password", "/password", "/tenant_id"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.do("POST", "/api/v1/auth/signup", "", tc.body).problem(t, tc.status, tc.code, tc.fields...)
		})
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.users"); n != 1 {
		t.Errorf("got %d users, want 1", n)
	}
	if logs := s.logs.String(); strings.Contains(logs, "bruno") || strings.Contains(logs, testPassword) {
		t.Error("what was sent is in the log")
	}
}

func TestLoginRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "carla")
	s.signup("acme", "gone")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.users set active = false where username = 'gone'")
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set status = 'suspended' where id = 'globex'")

	var first string
	for _, tc := range []struct{ name, user, password, tenant string }{
		{"wrong password", "carla", "Wrong-Horse-7", "acme"},
		{"unknown user", "nobody", testPassword, "acme"},
		{"unknown tenant", "carla", testPassword, "nowhere"},
		{"another tenant", "carla", testPassword, "closed"},
		{"suspended tenant", "carla", testPassword, "globex"},
		{"inactive", "gone", testPassword, "acme"},
	} {
		a := s.do("POST", "/api/v1/auth/login", "", map[string]any{
			"username_or_email": tc.user, "password": tc.password, "tenant_id": tc.tenant,
		})
		p := a.problem(t, 401, "invalid_credentials")
		if p.Message != "Wrong username or password, please try again" {
			t.Errorf("%s: got message %q", tc.name, p.Message)
		}
		same := strings.ReplaceAll(string(a.body), p.RequestID, "")
		if first == "" {
			first = same
		}
		if same != first {
			t.Errorf("%s: the answer tells it apart: %s", tc.name, same)
		}
	}
	counts := dbtest.Value[string](t, s.db.OwnerURL,
		`select string_agg(outcome || n, ' ' order by outcome) from (select outcome, count(*) n from tenant.login_events group by 1) e`)
	if want := "bad_password1 inactive1 ok2 unknown_user2"; counts != want {
		t.Errorf("got login events %q, want %q", counts, want)
	}
	s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "", "password": "", "tenant_id": ""}).
		problem(t, 400, "validation_failed", "/username_or_email", "/password", "/tenant_id")
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	first := s.signup("acme", "dora")
	var second pair
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": first.Refresh}).want(t, 200).into(t, &second)
	if second.Refresh == first.Refresh || second.Access == first.Access {
		t.Error("the pair was not rotated")
	}
	s.do("GET", "/api/v1/auth/me", second.Access, nil).want(t, 200)

	// Using the first again ends the session, for both of its tokens.
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": first.Refresh}).problem(t, 401, "invalid_refresh_token")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": second.Refresh}).problem(t, 401, "invalid_refresh_token")
	s.do("GET", "/api/v1/auth/me", second.Access, nil).problem(t, 401, "unauthenticated")
	if reason := dbtest.Value[string](t, s.db.OwnerURL, "select revoked_reason from tenant.sessions"); reason != "reuse" {
		t.Errorf("got reason %q, want reuse", reason)
	}
	if !strings.Contains(s.logs.String(), "refresh_token_reuse") {
		t.Error("reuse was not logged as a security event")
	}
}

func TestRefreshOnceInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "elisa")
	var wg sync.WaitGroup
	statuses := make([]int, 50)
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": p.Refresh}).StatusCode
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if count[200] != 1 || count[401] != 49 {
		t.Errorf("got %v, want one 200 and 49 401", count)
	}
	if !dbtest.Value[bool](t, s.db.OwnerURL, "select revoked_at is not null from tenant.sessions") {
		t.Error("the session is still live")
	}
}

func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "fabio")
	secret := strings.TrimPrefix(p.Refresh, "acme.")
	for _, raw := range []string{"", "x", secret, "globex." + secret, "nowhere." + secret, "ACME." + secret, p.Refresh + "x",
		p.Access, strings.Repeat(".", 3000), "acme." + strings.Repeat("A", 43)} {
		s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": raw}).problem(t, 401, "invalid_refresh_token")
	}
	expired := s.login("acme", "fabio")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.refresh_tokens set expires_at = now()")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": expired.Refresh}).problem(t, 401, "invalid_refresh_token")

	dbtest.Exec(t, s.db.AdminURL, "update tenant.refresh_tokens set expires_at = now() + interval '1 day'")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.users set active = false")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": expired.Refresh}).problem(t, 401, "invalid_refresh_token")
}

func TestSingleSessionMode(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set session_mode = 'single' where id = 'acme'")
	first := s.signup("acme", "gil")
	second := s.login("acme", "gil")
	s.do("GET", "/api/v1/auth/me", first.Access, nil).problem(t, 401, "unauthenticated")
	s.do("GET", "/api/v1/auth/me", second.Access, nil).want(t, 200)
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "hugo")
	claims, err := s.keys.Verify(p.Access)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(keys *token.Keyring, change func(*token.Claims), lifetime time.Duration) string {
		c := claims
		change(&c)
		signed, err := keys.Sign(c, lifetime)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	foreign := token.NewKeyring(token.Config{
		Secret: config.Secret(strings.Repeat("other-key", 5)), Issuer: "gatehouse", Audience: "gatehouse",
	}, time.Now)
	same := func(*token.Claims) {}
	for name, bearer := range map[string]string{
		"none":            "",
		"garbage":         "x",
		"expired":         sign(s.keys, same, -time.Minute),
		"foreign key":     sign(foreign, same, time.Minute),
		"unknown session": sign(s.keys, func(c *token.Claims) { c.Session = uuid.New() }, time.Minute),
		"another user":    sign(s.keys, func(c *token.Claims) { c.UserID = uuid.New() }, time.Minute),
		"another tenant":  sign(s.keys, func(c *token.Claims) { c.Tenant = "globex" }, time.Minute),
		"absent tenant":   sign(s.keys, func(c *token.Claims) { c.Tenant = "nowhere" }, time.Minute),
	} {
		a := s.do("GET", "/api/v1/address-book", bearer, nil)
		a.problem(t, 401, "unauthenticated")
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	// Headers do not say who somebody is.
	a := s.do("GET", "/api/v1/auth/me", p.Access, nil, "X-Tenant-Id", "globex", "X-User-Id", uuid.NewString())
	if a.want(t, http.StatusOK); !strings.Contains(string(a.body), `"tenant_id":"acme"`) {
		t.Errorf("got %s", a.body)
	}
}
