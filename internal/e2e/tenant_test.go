package e2e

import (
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// operator signs the operator in.
func (c *client) operator() string {
	c.t.Helper()
	return c.login(stack.OperatorUser, shared.Secrets.OperatorPassword, token.PlatformTenant).Access
}

// newDatabase makes an empty database on the stack's server and returns a
// connection string that owns it, as an operator would have one.
func newDatabase(t *testing.T) string {
	t.Helper()
	name := "own_" + strings.ToLower(rand.Text())
	in := func(connection string) string {
		u, err := url.Parse(connection)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/" + name
		return u.String()
	}
	out, code := program(t, shared.Backends[0].Path(), []string{
		"BOOTSTRAP_DATABASE_URL=" + shared.AdminURL, "MIGRATE_DATABASE_URL=" + in(shared.OwnerURL),
		"DATABASE_URL=" + in(shared.AppURL), "MAINT_DATABASE_URL=" + in(shared.MaintURL), "APP_ENV=development",
	}, "bootstrap")
	if code != 0 {
		t.Fatal(out)
	}
	return in(shared.AdminURL)
}

// The commands over all databases, with the settings that backends have. Other
// tests' tenants come and go, so only the main database is looked at.
func TestCommandsOverAllDatabases(t *testing.T) {
	t.Parallel()
	env := []string{
		"MIGRATE_DATABASE_URL=" + shared.OwnerURL, "TENANT_DB_KEY=" + shared.Secrets.TenantKey, "TENANT_DB_LOCAL_NETWORKS=127.0.0.0/8,::1/128",
	}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"migrate", "-dry-run", "-main"}, 0, "up to date"},
		{[]string{"migrate", "-main"}, 0, "up to date"},
		{[]string{"tenant", "reseal"}, 0, "RESULT"},
		{[]string{"tenant", "move"}, 2, "usage"},
	} {
		out, code := program(t, shared.Backends[0].Path(), env, tc.args...)
		if code != tc.code || !strings.Contains(out, tc.want) || strings.Contains(out, shared.Secrets.TenantKey) {
			t.Errorf("%v: got exit code %d: %s", tc.args, code, out)
		}
	}
}

// newTenant makes a tenant, invites its first admin and signs it up and in. An
// empty dbURL means the shared database.
func (c *client) newTenant(operator, dbURL string) (id, admin string, tokens pair) {
	c.t.Helper()
	id = "t" + strings.ToLower(rand.Text())
	body := map[string]any{"id": id, "name": "Tenant " + id, "signup": "invite"}
	if dbURL != "" {
		body["db_url"] = dbURL
	}
	c.do("POST", "/api/v1/admin/tenants", operator, body).want(201)
	var invitation struct{ Token string }
	c.do("POST", "/api/v1/admin/tenants/"+id+"/invitations", operator, map[string]any{}).want(201).into(&invitation)
	admin = "admin-" + strings.ToLower(rand.Text()[:8])
	c.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": admin, "email": admin + "@example.com", "password": password, "tenant_id": id, "invite_token": invitation.Token,
	}).want(201)
	return id, admin, c.login(admin, password, id)
}

// A tenant made through the API can be used at once, wherever its data lives,
// and its life goes through every operation of its accounts.
func TestLifeOfATenant(t *testing.T) {
	t.Parallel()
	for _, placement := range []string{"shared", "dedicated"} {
		t.Run(placement, func(t *testing.T) {
			t.Parallel()
			a, b := newClient(t, shared, 0), newClient(t, shared, 1)
			dbURL := ""
			if placement == "dedicated" {
				dbURL = newDatabase(t)
			}
			operator := a.operator()
			id, admin, tokens := a.newTenant(operator, dbURL)
			var tenant struct{ Placement, Status string }
			b.do("GET", "/api/v1/admin/tenants/"+id, operator, nil).want(200).into(&tenant)
			if tenant.Placement != placement || tenant.Status != "active" {
				t.Errorf("got %+v", tenant)
			}

			// The admin makes a user, who works, and sees what happened.
			var user struct{ ID, Role string }
			b.do("POST", "/api/v1/users", tokens.Access, map[string]any{
				"username": "member", "email": "member@example.com", "password": password,
			}).want(201).into(&user)
			member := a.login("MEMBER@example.com", password, id)
			b.do("POST", "/api/v1/address-book", member.Access, contactBody()).want(201)
			a.do("GET", "/api/v1/users", member.Access, nil).problem(403, "forbidden")
			a.do("GET", "/api/v1/admin/tenants", tokens.Access, nil).problem(403, "forbidden")
			var logins, entries []struct{ Outcome, Action string }
			b.do("GET", "/api/v1/users/"+user.ID+"/logins", tokens.Access, nil).want(200).into(&logins)
			b.do("GET", "/api/v1/audit", tokens.Access, nil).want(200).into(&entries)
			if len(logins) != 1 || logins[0].Outcome != "ok" || len(entries) < 4 {
				t.Errorf("got sign-ins %v and trail %v", logins, entries)
			}

			// A new role ends the user's sessions; the last admin stays one.
			b.do("PUT", "/api/v1/users/"+user.ID, tokens.Access, map[string]any{
				"username": "member", "email": "member@example.com", "active": true, "role": "admin",
			}).want(200)
			a.do("GET", "/api/v1/auth/me", member.Access, nil).problem(401, "unauthenticated")
			a.do("DELETE", "/api/v1/users/"+user.ID, tokens.Access, nil).want(200)
			var me struct{ ID string }
			a.do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200).into(&me)
			a.do("DELETE", "/api/v1/users/"+me.ID, tokens.Access, nil).problem(409, "invalid_state")

			// Suspended means that nothing works, resumed that signing in does.
			b.do("POST", "/api/v1/admin/tenants/"+id+"/suspend", operator, nil).want(200)
			a.do("GET", "/api/v1/address-book", tokens.Access, nil).problem(401, "unauthenticated")
			a.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).problem(401, "invalid_refresh_token")
			login := map[string]any{"username_or_email": admin, "password": password, "tenant_id": id}
			a.do("POST", "/api/v1/auth/login", "", login).problem(401, "invalid_credentials")
			b.do("POST", "/api/v1/admin/tenants/"+id+"/resume", operator, nil).want(200)
			a.do("GET", "/api/v1/address-book", tokens.Access, nil).problem(401, "unauthenticated")
			tokens = a.login(admin, password, id)

			// Every way out.
			second := b.login(admin, password, id)
			var sessions []struct {
				ID      string
				Current bool
			}
			a.do("GET", "/api/v1/auth/sessions", tokens.Access, nil).want(200).into(&sessions)
			if len(sessions) != 2 {
				t.Fatalf("got sessions %v", sessions)
			}
			for _, s := range sessions {
				if !s.Current {
					a.do("DELETE", "/api/v1/auth/sessions/"+s.ID, tokens.Access, nil).want(200)
				}
			}
			b.do("GET", "/api/v1/auth/me", second.Access, nil).problem(401, "unauthenticated")
			second = b.login(admin, password, id)
			a.do("POST", "/api/v1/auth/password", tokens.Access, map[string]any{
				"current_password": password, "new_password": "Another-Horse-8",
			}).want(200)
			b.do("GET", "/api/v1/auth/me", second.Access, nil).problem(401, "unauthenticated")
			second = b.login(admin, "Another-Horse-8", id)
			a.do("POST", "/api/v1/auth/logout-all", tokens.Access, nil).want(200)
			for _, access := range []string{tokens.Access, second.Access} {
				b.do("GET", "/api/v1/auth/me", access, nil).problem(401, "unauthenticated")
			}

			b.do("DELETE", "/api/v1/admin/tenants/"+id, operator, nil).want(200)
			login["password"] = "Another-Horse-8"
			a.do("POST", "/api/v1/auth/login", "", login).problem(401, "invalid_credentials")
			a.do("POST", "/api/v1/admin/tenants/"+id+"/resume", operator, nil).problem(409, "invalid_state")
			b.do("GET", "/api/v1/admin/audit?tenant_id=platform&action=tenant.delete", operator, nil).want(200)
			if secret, _ := url.Parse(dbURL); dbURL != "" {
				if word, _ := secret.User.Password(); strings.Contains(shared.Output(), word) {
					t.Error("the password of the database is in a log")
				}
			}
		})
	}
}

func TestStatisticsOfAllPlacements(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	operator := c.operator()
	inShared, _, _ := c.newTenant(operator, "")
	inOwn, _, _ := c.newTenant(operator, newDatabase(t))
	eventually(t, "both tenants are in the statistics", func() bool {
		var status map[string]bool
		c.do("GET", "/api/v1/admin/tenant/status", operator, nil).want(200).into(&status)
		return status[inShared] && status[inOwn]
	})
	var health []struct {
		TenantID string `json:"tenant_id"`
		Healthy  bool
	}
	c.do("GET", "/api/v1/admin/tenant/health", operator, nil).want(200).into(&health)
	healthy := map[string]bool{}
	for _, h := range health {
		healthy[h.TenantID] = h.Healthy
	}
	if !healthy[inShared] || !healthy[inOwn] {
		t.Errorf("got %v", health)
	}
	var stats struct {
		Total int `json:"total_tenants"`
		Users int `json:"total_users"`
	}
	c.do("GET", "/api/v1/admin/tenant/stats", operator, nil).want(200).into(&stats)
	if stats.Total < 4 || stats.Users < 4 {
		t.Errorf("got %+v", stats)
	}
}

// The unversioned paths are the same operations, and say that they will end.
func TestAlias(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	_, tokens := c.newUser()
	const key = "an-alias-and-its-original"
	first := c.do("POST", "/api/address-book", tokens.Access, contactBody(), "Idempotency-Key", key).want(201)
	again := c.do("POST", "/api/v1/address-book", tokens.Access, contactBody(), "Idempotency-Key", key).want(201)
	if string(first.body) != string(again.body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the alias has keys of its own: %s, %s", first.body, again.body)
	}
	for path, successor := range map[string]string{
		"/api/address-book?limit=1": "/api/v1/address-book", "/api/address-book/x": "/api/v1/address-book/x", "/api/ping": "/api/v1/ping",
		"/api/users": "/api/v1/users",
	} {
		h := c.do("GET", path, tokens.Access, nil).Header
		if h.Get("Deprecation") != "@1793491200" || h.Get("Sunset") != "Tue, 31 Dec 2999 00:00:00 GMT" ||
			h.Get("Link") != "<"+successor+`>; rel="successor-version"` {
			t.Errorf("%s: got %v", path, h)
		}
	}
	if h := c.do("GET", "/api/v1/ping", "", nil).Header; h.Get("Deprecation") != "" {
		t.Errorf("got %v", h)
	}
	c.do("GET", "/api/nope", "", nil).problem(404, "not_found")
}
