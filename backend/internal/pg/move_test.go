package pg_test

import (
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/move"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/internal/config"
)

// A tenant that has rows in every table has the same ones after a move, there and
// back, and nothing of it is left behind. Another tenant's are as they were.
func TestMovesCoverEveryTable(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	admin := dbtest.Connect(t, db.AdminURL)
	columns := readColumns(t, admin)
	for _, tenant := range []string{"a", "b"} {
		db.AddTenant(t, tenant, "open")
		fill(t, admin, columns, tenant)
	}
	before, beside := dbtest.TenantRows(t, admin, "a"), dbtest.TenantRows(t, admin, "b")
	for table, rows := range before {
		if len(rows) < variants {
			t.Errorf("%s has %d rows, so this proves little", table, len(rows))
		}
	}
	directory, err := placement.New(placement.Config{Key: "Sealed-And-Delivered-0123456789-abcdef", OnMain: "allow", Local: dbtest.Local()},
		db.DB, pg.Config{}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	mover := &move.Mover{Main: db.OwnerURL, Directory: directory, Log: slog.New(slog.DiscardHandler)}
	target := dbtest.NewDedicated(t)
	u, err := placement.ParseURL(target.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	own := *u
	superuser, _ := url.Parse(db.AdminURL.Reveal())
	own.User, own.RawQuery = superuser.User, superuser.RawQuery
	none := map[string][]string{}
	for table := range before {
		none[table] = []string{}
	}
	where := map[string]map[string][]string{}
	for _, to := range []string{move.Dedicated, move.Shared} {
		if _, err := mover.Move(t.Context(), "a", to, func() (*url.URL, error) { return u, nil }); err != nil {
			t.Fatal(err)
		}
		where[move.Shared] = dbtest.TenantRows(t, admin, "a")
		where[move.Dedicated] = dbtest.TenantRows(t, dbtest.Connect(t, config.Secret(own.String())), "a")
		for place, got := range where {
			want := none
			if place == to {
				want = before
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("moved to %s; %s (-want +got):\n%s", to, place, diff)
			}
		}
		if diff := cmp.Diff(beside, dbtest.TenantRows(t, admin, "b")); diff != "" {
			t.Errorf("another tenant's rows (-before +after):\n%s", diff)
		}
	}
	for _, left := range []string{"app.changes", "app.applied_changes", "control.tenant_moves", "control.placements", "pg_trigger where tgname like 'zz!_%' escape '!'"} {
		if n := dbtest.Value[int](t, db.AdminURL, "select count(*)::int from "+left); n != 0 {
			t.Errorf("%d rows are left in %s", n, left)
		}
	}
}

// What moves rely on holds for every table of the tenant plane: an order of foreign
// keys, a key that begins with the tenant, columns that can be written.
func TestTablesCanBeMoved(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	for what, sql := range map[string]string{
		"tables that moves do not know": `select c.relname from pg_class c where c.relnamespace = 'tenant'::regnamespace and c.relkind in ('r', 'p')
			and not c.relispartition and c.relname not in (select name from app.tenant_tables())`,
		"tables whose key does not begin with the tenant": `select name from app.tenant_tables() where key_columns[1] is distinct from 'tenant_id' or cardinality(key_columns) < 2`,
		"tables in a circle of foreign keys": `select k.conrelid::regclass::text from pg_constraint k
			join (select name, row_number() over () as place from app.tenant_tables()) child on format('tenant.%I', child.name)::regclass = k.conrelid
			join (select name, row_number() over () as place from app.tenant_tables()) parent on format('tenant.%I', parent.name)::regclass = k.confrelid
			where k.contype = 'f' and child.place <= parent.place`,
		"columns that cannot be given": `select a.attrelid::regclass || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
			where c.relnamespace = 'tenant'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and (a.attgenerated <> '' or a.attidentity = 'a')`,
	} {
		if found := dbtest.Value[[]string](t, db.AdminURL, "select coalesce(array_agg(x::text), '{}') from ("+sql+") as x (x)"); len(found) > 0 {
			t.Errorf("%s: %v", what, found)
		}
	}
}
