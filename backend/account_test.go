package backend

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
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

// audited returns actor, target and details of the audit rows of an action,
// oldest first.
func (s *testServer) audited(action string) []string {
	s.t.Helper()
	return dbtest.Value[[]string](s.t, s.db.OwnerURL, `
		select coalesce(array_agg(coalesce(actor, '-') || ' ' || coalesce(target, '-') || ' ' || details order by created_at, id), '{}')
		from tenant.audit where action = $1`, action)
}

// exec changes the database behind the server's back.
func (s *testServer) exec(sql string, args ...any) {
	s.t.Helper()
	dbtest.Exec(s.t, s.db.AdminURL, sql, args...)
}

// userID returns the id of a signed-in user.
func (s *testServer) userID(p pair) string {
	s.t.Helper()
	claims, err := s.keys.Verify(p.Access)
	if err != nil {
		s.t.Fatal(err)
	}
	return claims.UserID.String()
}

// invite makes an invitation that expires in so much time and returns its
// token. An empty address means none.
func (s *testServer) invite(tenant, role, email string, expires time.Duration) string {
	s.t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	raw := base64.RawURLEncoding.EncodeToString(secret)
	hash := sha256.Sum256([]byte(raw))
	s.exec(`insert into tenant.invitations (tenant_id, id, hash, role, email, email_key, expires_at)
		values ($1, gen_random_uuid(), $2, $3, nullif($4, ''), lower(nullif($4, '')), now() + $5)`, tenant, hash[:], role, email, expires)
	return raw
}

func signupBody(tenant, username string, invite ...string) map[string]any {
	b := map[string]any{"username": username, "email": username + "@example.com", "password": testPassword, "tenant_id": tenant}
	if len(invite) > 0 {
		b["invite_token"] = invite[0]
	}
	return b
}

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
		{"short invitation", body("invite_token", strings.Repeat("a", 42)), 400, "validation_failed", []string{"/invite_token"}},
		{"long invitation", body("invite_token", strings.Repeat("a", 44)), 400, "validation_failed", []string{"/invite_token"}},
		{"malformed invitation", body("invite_token", strings.Repeat("a", 42)+"+"), 400, "validation_failed", []string{"/invite_token"}},
		{"no invitation", body("invite_token", ""), 400, "validation_failed", []string{"/invite_token"}},
		{"null invitation", body("invite_token", nil), 400, "validation_failed", []string{"/invite_token"}},
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

func TestSignupByInvitation(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.db.AddTenant(t, "guild", "invite")
	s.exec("update control.tenants set status = 'suspended' where id = 'globex'")
	s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "taken")).want(t, 201)

	used := s.invite("guild", "member", "", time.Hour)
	s.do("POST", "/api/v1/auth/signup", "", signupBody("guild", "first", used)).want(t, 201)
	withdrawn := s.invite("guild", "member", "", time.Hour)
	s.exec("delete from tenant.invitations where used_at is null")
	bound := s.invite("guild", "admin", "Ana@Example.com", time.Hour)

	var first string
	for _, tc := range []struct {
		name string
		body map[string]any
	}{
		{"without", signupBody("guild", "ana")},
		{"wrong", signupBody("guild", "ana", strings.Repeat("A", 43))},
		{"used", signupBody("guild", "ana", used)},
		{"expired", signupBody("guild", "ana", s.invite("guild", "admin", "", 0))},
		{"withdrawn", signupBody("guild", "ana", withdrawn)},
		{"another tenant's", signupBody("guild", "ana", s.invite("acme", "member", "", time.Hour))},
		{"for another address", signupBody("guild", "bea", bound)},
		{"taken name and wrong", signupBody("guild", "first", strings.Repeat("A", 43))},
		{"wrong in an open tenant", signupBody("acme", "ana", strings.Repeat("A", 43))},
		{"taken name and wrong in an open tenant", signupBody("acme", "taken", strings.Repeat("A", 43))},
		{"good for a closed tenant", signupBody("closed", "ana", s.invite("closed", "member", "", time.Hour))},
		{"good for a suspended tenant", signupBody("globex", "ana", s.invite("globex", "member", "", time.Hour))},
		{"unknown tenant", signupBody("nowhere", "ana", strings.Repeat("A", 43))},
	} {
		a := s.do("POST", "/api/v1/auth/signup", "", tc.body)
		p := a.problem(t, 403, "signup_closed")
		same := strings.ReplaceAll(string(a.body), p.RequestID, "")
		if first == "" {
			first = same
		}
		if same != first {
			t.Errorf("%s: the answer tells it apart: %s", tc.name, same)
		}
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.invitations where used_at is not null"); n != 1 {
		t.Errorf("got %d used invitations, want 1", n)
	}

	// The invitation says the role; its address ignores case.
	var user struct{ ID, Role string }
	s.do("POST", "/api/v1/auth/signup", "", signupBody("guild", "ANA", bound)).want(t, 201).into(t, &user)
	if user.Role != "admin" {
		t.Errorf("got role %q, want admin", user.Role)
	}
	invitation := dbtest.Value[string](t, s.db.OwnerURL, "select id::text from tenant.invitations where used_by = $1 and used_at is not null", user.ID)
	if want := fmt.Sprintf(`- %s {"role": "admin", "invitation": "%s"}`, user.ID, invitation); s.audited("user.signup")[2] != want {
		t.Errorf("got audit %q, want %q last", s.audited("user.signup"), want)
	}
	if want := fmt.Sprintf(`- %s {"user": "%s"}`, invitation, user.ID); s.audited("invitation.use")[1] != want {
		t.Errorf("got audit %q, want %q last", s.audited("invitation.use"), want)
	}
	// An open tenant honours one too.
	s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "carla", s.invite("acme", "admin", "", time.Hour))).want(t, 201).into(t, &user)
	if user.Role != "admin" {
		t.Errorf("got role %q, want admin", user.Role)
	}
}

func TestInvitationOutlivesARefusedSignup(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "ana")).want(t, 201)
	invite := s.invite("acme", "member", "", time.Hour)
	s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "ANA", invite)).problem(t, 409, "conflict")
	s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "bea", invite)).want(t, 201)
	if got := s.audited("invitation.use"); len(got) != 1 {
		t.Errorf("got audit %q, want one row", got)
	}
}

func TestInvitationWorksOnceInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.db.AddTenant(t, "guild", "invite")
	invite := s.invite("guild", "admin", "", time.Hour)
	counts := make(chan map[int]int, 1)
	s.inOwnerTx(func(exec func(sql string, args ...any)) {
		// All of them are at work before one can have the invitation.
		exec("select from tenant.invitations for update")
		go func() {
			counts <- parallel(5, func(i int) int {
				return s.do("POST", "/api/v1/auth/signup", "", signupBody("guild", fmt.Sprintf("user%d", i), invite)).StatusCode
			})
		}()
		s.awaitLocks(5)
	})
	if count := <-counts; count[201] != 1 || count[403] != 4 {
		t.Errorf("got %v, want one 201 and 4 403", count)
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.users"); n != 1 {
		t.Errorf("got %d users, want 1", n)
	}
}

// parallel runs fn n times at once and counts the statuses that it returns.
func parallel(n int, fn func(i int) int) map[int]int {
	statuses := make([]int, n)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = fn(i) })
	}
	wg.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	return count
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
