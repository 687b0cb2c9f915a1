package backend

import (
	"testing"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

// Whoever owns a dedicated database can write there what it likes. It makes
// neither an operator nor a user of another tenant.
func TestOwnerOfADedicatedDatabaseGainsNothingElse(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := credentials{tenant: token.PlatformTenant, pair: s.operator("isolation.operator")}
	p := newParty(s, &operator, true)
	owner := dbtest.Connect(t, p.owner)
	for _, sql := range []string{
		"set role gh_owner",
		"alter table tenant.users drop constraint users_check, drop constraint users_role_check",
		"insert into app.residents (tenant_id) values ('acme'), ('platform')",
		// A user of its own becomes an operator, and others get one of its making.
		"update tenant.users set role = 'operator' where username like 'member.%'",
		`insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
			select o.tenant, gen_random_uuid(), 'planted', 'planted', 'planted@example.com', 'planted@example.com', u.password_hash, o.role
			from tenant.users u, (values ('acme', 'admin'), ('platform', 'operator')) as o (tenant, role) where u.username like 'admin.%'`,
	} {
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	login := func(tenant, username string) answer {
		return s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": username, "password": testPassword, "tenant_id": tenant})
	}
	login("acme", "planted").problem(t, 401, "invalid_credentials")
	login("platform", "planted").problem(t, 401, "invalid_credentials")
	login(p.tenant, p.member.username).problem(t, 401, "invalid_credentials")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": p.member.Refresh}).problem(t, 401, "invalid_refresh_token")
	// The others are as they were.
	s.do("GET", "/api/v1/users", p.admin.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/admin/tenants", p.admin.Access, nil).problem(t, 403, "forbidden")
}
