package pg_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/backend/internal/dbtest"
)

// app.find_contacts reads as the owner, who is under no policy of a tenant's, so
// it has to look at the tenant by itself.
func TestFindContacts(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for _, tenant := range []string{"acme", "globex"} {
		db.AddTenant(t, tenant, "open")
		dbtest.Exec(t, db.AdminURL, `
			insert into tenant.contacts (tenant_id, id, name, name_sort, name_key, gender, age, address, phone, email, email_key)
			select $1, ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'n', 'n', 'name of ' || i, true, 1, 'x', '123456' || 1000 + i, 'a@b.c',
			       'mail' || case when i <= 30 then '-rare' else '' end || '@example.com'
			from generate_series(1, 2000) i`, tenant)
	}
	tx, err := dbtest.Connect(t, db.URL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	// found is the number of contacts, or -1 for null.
	find := func(tenant, field, pattern string, most int) (found int, err error) {
		err = pgx.BeginFunc(t.Context(), tx, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "select coalesce(cardinality(app.find_contacts($1, $2, $3, $4)), -1)", tenant, field, pattern, most).Scan(&found)
		})
		return found, err
	}
	refused := func(how string, err error) {
		t.Helper()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != pgInsufficientPrivilege {
			t.Errorf("%s: got error %v", how, err)
		}
	}
	for _, tenant := range []string{"acme", ""} {
		_, err = find(tenant, "name", "%name of 1999%", 10)
		refused("in no tenant", err)
	}
	if _, err := tx.Exec(t.Context(), "select app.enter('acme', false)"); err != nil {
		t.Fatal(err)
	}
	_, err = find("globex", "name", "%name of 1999%", 10)
	refused("in another tenant", err)
	for _, tc := range []struct {
		field, pattern string
		most, want     int
	}{
		{"name", "%of 1999%", 10, 1},
		{"name", "%rare%", 10, 0},
		{"email", "%-rare%", 30, 30},
		{"email", "%-rare%", 29, -1},
		{"phone", "%4562999%", 10, 1},
		{"q", "%of 1999%", 10, 1},
		{"q", "%-rare%", 30, 30},
		{"q", "%4562999%", 10, 1},
		{"name", "%!of%", 10, 0}, // no trigram
		{"email", "%example%", 3000, -1},
		{"q", "%example%", 3000, -1},
	} {
		if got, err := find("acme", tc.field, tc.pattern, tc.most); got != tc.want || err != nil {
			t.Errorf("%+v: got %d, error %v", tc, got, err)
		}
	}
	// What it sets for itself ends with it.
	var seq, index string
	if err := tx.QueryRow(t.Context(), "select current_setting('enable_seqscan'), current_setting('enable_indexscan')").Scan(&seq, &index); err != nil || seq+index != "onon" {
		t.Errorf("the planner's settings are left %s and %s, error %v", seq, index, err)
	}
}
