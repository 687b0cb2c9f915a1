package backend

import (
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/password"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// This version runs on the schema of the previous one, for as long as migrations
// have not reached a database, and goes on while they do.
func TestOnThePreviousSchema(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, own config.Secret) {
		s := newTestServer(t)
		dbtest.Downgrade(t, s.db.AdminURL, dbtest.PreviousTenant)
		dbtest.DowngradeControl(t, s.db.AdminURL, dbtest.PreviousControl)
		operator := s.newOperator()
		s.newTenant(operator, "older", "open", own)
		s.newTenant(operator, "other", "closed", "")
		s.signup("older", "ana")
		role := s.db.AdminURL
		if own != "" {
			role = s.adminURL(own)
			dbtest.Downgrade(t, role, dbtest.PreviousTenant)
		}
		dbtest.Exec(t, role, "update tenant.users set role = $1 where username = 'ana'", string(token.Admin))
		ana := s.signedIn("older", "ana")
		s.journey(t, "first", ana, operator)

		c := AdminConfig{
			MigrateURL: s.db.OwnerURL, TenantKey: testSecret, TenantNetworks: dbtest.Local(), MigrateTimeout: time.Minute,
			Password: password.Config{MemoryKiB: 8, Time: 1},
		}
		if _, err := Migrate(t.Context(), c, MigrateOptions{}, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		s.journey(t, "second", s.signedIn("older", "ana"), operator)
		if p := s.page(s.signedIn("older", "ana").Access, url.Values{"q": {"souza of"}}); len(p.Data) != 2 {
			t.Errorf("got %+v", p.Data)
		}
	})
}

// journey uses everything that reaches a database, and leaves one contact.
func (s *testServer) journey(t *testing.T, name string, admin, operator actor) {
	t.Helper()
	const book = "/api/v1/address-book"
	var made struct{ ID string }
	b := contactBody()
	b["name"] = "Ana Souza of " + name
	for _, status := range []int{201, 201} {
		s.do("POST", book, admin.Access, b, "Idempotency-Key", name).want(t, status).into(t, &made)
	}
	s.importFile(admin.Access, "text/csv", "on_error=skip", csvHeader+"Bob,male,3,Street,1234567890,bob@example.com\r\nbad\r\n").want(t, 200)
	var user, invited struct{ ID string }
	s.do("POST", "/api/v1/users", admin.Access, newUser(name)).want(t, 201).into(t, &user)
	s.do("POST", "/api/v1/invitations", admin.Access, map[string]any{"role": "member"}).want(t, 201).into(t, &invited)
	spare, doomed := s.signedIn("older", name), s.signedIn("older", name)
	tenant := map[string]any{"id": "new-" + name, "name": "New " + name}
	s.do("POST", tenantsPath, operator.Access, tenant).want(t, 201)
	for _, step := range []struct {
		method, path string
		as           actor
		body         any
	}{
		{"GET", book + "/" + made.ID, admin, nil},
		{"PUT", book + "/" + made.ID, admin, b},
		{"GET", book + "?q=souza&sort=-name&count=exact", admin, nil},
		{"GET", book + "?age_gte=3&sort=age&limit=1", admin, nil},
		{"GET", book + "/export?format=csv&q=souza", admin, nil},
		{"GET", book + "/export?format=vcard", admin, nil},
		{"GET", "/api/v1/auth/me", admin, nil},
		{"GET", "/api/v1/auth/sessions", admin, nil},
		{"GET", "/api/v1/users?q=ana", admin, nil},
		{"GET", admin.path() + "/logins", admin, nil},
		{"GET", admin.path() + "/sessions", admin, nil},
		{"PUT", "/api/v1/users/" + user.ID, admin, record(name, "admin")},
		{"GET", "/api/v1/invitations", admin, nil},
		{"DELETE", "/api/v1/invitations/" + invited.ID, admin, nil},
		{"GET", "/api/v1/audit", admin, nil},
		{"GET", tenantsPath, operator, nil},
		{"PUT", tenantsPath + "/new-" + name, operator, map[string]any{"plan": "free"}},
		{"POST", tenantsPath + "/new-" + name + "/suspend", operator, nil},
		{"POST", tenantsPath + "/new-" + name + "/resume", operator, nil},
		{"GET", limitsPath("new-" + name), operator, nil},
		{"PUT", limitsPath("new-" + name), operator, map[string]any{"overrides": []any{}}},
		{"GET", "/api/v1/admin/tenant/stats", operator, nil},
		{"GET", "/api/v1/admin/tenant/health", operator, nil},
		{"GET", "/api/v1/admin/audit?tenant_id=older", operator, nil},
		{"DELETE", tenantsPath + "/new-" + name, operator, nil},
	} {
		if a := s.do(step.method, step.path, step.as.Access, step.body); a.StatusCode != 200 {
			t.Errorf("%s: %s %s: got %d: %s", name, step.method, step.path, a.StatusCode, a.body)
		}
	}
	// The change of role has ended both sessions.
	for _, ended := range []actor{spare, doomed} {
		s.do("GET", "/api/v1/auth/me", ended.Access, nil).problem(t, 401, "unauthenticated")
	}
	again := s.signedIn("older", name)
	next := s.refreshed(again.Refresh)
	s.do("POST", "/api/v1/auth/logout", next.Access, nil).want(t, 200)
	s.do("POST", "/api/v1/auth/logout-all", s.signedIn("older", name).Access, nil).want(t, 200)
	s.do("DELETE", fmt.Sprint("/api/v1/users/", user.ID), admin.Access, nil).want(t, 200)
	s.do("DELETE", book+"/"+s.page(admin.Access, url.Values{"name": {"bob"}}).Data[0].ID, admin.Access, nil).want(t, 200)
}
