package backend

import (
	"log/slog"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/password"
)

// A tenant whose connection string is lost fails the commands over all
// databases, and nothing else: the others are done, and the first operator is
// made.
func TestCommandsOverAllDatabases(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	s.newTenant(operator, "own", "open", db)
	s.newTenant(operator, "lost", "open", dbtest.NewDedicated(t))
	dbtest.Exec(t, s.db.AdminURL, "update control.placements set sealed_owner_url = 'x' where tenant_id = 'lost'")
	dbtest.Exec(t, s.db.AdminURL, "delete from tenant.users where role = 'operator'")
	dbtest.Downgrade(t, s.adminURL(db), 8)
	c := AdminConfig{
		MigrateURL: s.db.OwnerURL, TenantKey: newSecret + "," + testSecret, TenantNetworks: dbtest.Local(), MigrateTimeout: time.Minute,
		OperatorEmail: "op@example.com", OperatorPassword: testPassword, Password: password.Config{MemoryKiB: 8, Time: 1},
	}
	log := slog.New(slog.DiscardHandler)
	operators := func() int {
		return dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.users where role = 'operator'")
	}
	for _, dry := range []bool{true, false} {
		all, err := Migrate(t.Context(), c, MigrateOptions{DryRun: dry}, log)
		if err == nil || err.Error() != "1 of 3 databases failed" || len(all) != 3 || all[1].Err == nil {
			t.Fatalf("got %v, %v", all, err)
		}
		if own := all[2].Changes[0]; own.From != 8 || own.To < 9 {
			t.Errorf("dry %v: got %+v", dry, own)
		}
		if made := operators() > 0; made == dry {
			t.Errorf("dry %v: %d operators", dry, operators())
		}
	}
	all, err := Reseal(t.Context(), c, log)
	if err == nil || err.Error() != "1 of 2 tenants failed" || len(all) != 2 || !all[1].Done {
		t.Errorf("got %v, %v", all, err)
	}
	dbtest.Exec(t, s.db.AdminURL, "delete from control.placements where tenant_id = 'lost'")
	if all, err := Migrate(t.Context(), c, MigrateOptions{}, log); err != nil || len(all) != 2 {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := Reseal(t.Context(), c, log); err != nil {
		t.Error(err)
	}
}
