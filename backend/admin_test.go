package backend

import (
	"testing"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/password"
)

// What an operator has done to the demo tenant since is left as it is.
func TestSeedLeavesAClosedTenantAlone(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	c := AdminConfig{MigrateURL: db.OwnerURL, SeedDemoPassword: testPassword, Password: password.Config{MemoryKiB: 8, Time: 1}}
	seed := func() {
		t.Helper()
		if err := Seed(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	seed()
	seed()
	dbtest.Exec(t, db.AdminURL, "update control.tenants set status = 'suspended' where id = 'tenant1'")
	dbtest.Exec(t, db.AdminURL, "update app.residents set suspended_at = now() where tenant_id = 'tenant1'")
	seed()
	dbtest.Exec(t, db.AdminURL, "update control.tenants set status = 'deleted' where id = 'tenant1'")
	dbtest.Exec(t, db.AdminURL, "delete from app.residents where tenant_id = 'tenant1'")
	seed()
	if n := dbtest.Value[int](t, db.AdminURL, "select count(*)::int from app.residents where tenant_id = 'tenant1'"); n != 0 {
		t.Error("a deleted tenant is let in again")
	}
}
