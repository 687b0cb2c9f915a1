package pg_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/goldentest"
)

// Every table of the tenant plane, those of later migrations too, has the
// tenant first in its primary key and cannot be read around its policies.
func TestEveryTenantTableIsProtected(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	got := dbtest.Value[string](t, db.AdminURL, `
		select coalesce(string_agg(c.relname, ' ' order by c.relname), '')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'tenant' and c.relkind in ('r', 'p') and not (
			c.relrowsecurity and c.relforcerowsecurity
			and exists (
				select from pg_constraint k join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
				where k.conrelid = c.oid and k.contype = 'p' and a.attname = 'tenant_id')
			and (select array_agg(p.polname::text || ' ' || r.rolname order by p.polname) from pg_policy p, pg_roles r
				where p.polrelid = c.oid and p.polroles = array[r.oid]) = array['maint gh_maint', 'owner gh_owner', 'tenant gh_app']
			and (select count(*) from pg_policy p where p.polrelid = c.oid) = 3)`)
	if got != "" {
		t.Errorf("not protected by app.protect, or without tenant_id first: %s", got)
	}
	// Nothing else in that schema could show rows around the policies.
	got = dbtest.Value[string](t, db.AdminURL, `
		select coalesce(string_agg(c.relname, ' '), '') from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'tenant' and c.relkind not in ('r', 'p', 'i', 'I', 't')`)
	if got != "" {
		t.Errorf("views, sequences or foreign tables in schema tenant: %s", got)
	}
}

func TestRolesCannotBypass(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	got := dbtest.Value[string](t, db.AdminURL, `
		select coalesce(string_agg(rolname, ' '), '') from pg_roles
		where rolname like 'gh\_%' and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)`)
	if got != "" {
		t.Errorf("too powerful: %s", got)
	}
	for _, sql := range []string{
		"update app.residents set fenced_at = null",
		"insert into control.tenants (id, name) values ('x', 'x')",
		"select * from control.limit_overrides",
		"delete from control.limit_overrides",
		"alter table tenant.users no force row level security",
		"select app.protect('tenant.users')",
		"select app.export_rows('acme', 'users', null, 1)",
		"select app.capture('acme', 'users')",
		"select * from app.changes",
		"select * from control.tenant_moves",
		"create table tenant.x ()",
		"set role gh_owner",
	} {
		if err := tryExec(t, db, sql); err == nil {
			t.Errorf("the service role may: %s", sql)
		}
	}
}

func tryExec(t *testing.T, db *dbtest.Database, sql string) error {
	t.Helper()
	_, err := db.Control().Exec(t.Context(), sql)
	return err
}

func TestOperatorsOnlyInThePlatform(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	for _, tc := range []struct{ tenant, role string }{{"acme", "operator"}, {"platform", "admin"}} {
		conn, err := pgx.Connect(t.Context(), db.AdminURL.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Exec(t.Context(), `insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
			values ($1, gen_random_uuid(), 'ana', 'ana', 'a@b.c', 'a@b.c', 'x', $2)`, tc.tenant, tc.role)
		if err == nil {
			t.Errorf("%s could be made in %s", tc.role, tc.tenant)
		}
		_ = conn.Close(t.Context())
	}
}

// Each query of the tenant plane reaches its rows by an index condition, also
// under row-level security and as a generic plan: an operator that is not
// leakproof could not.
func TestEveryTenantQueryCanUseAnIndex(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	conn, err := pgx.Connect(t.Context(), db.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	// Small tables would be read whole otherwise.
	if _, err := conn.Exec(t.Context(), "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; select app.enter('acme', false)"); err != nil {
		t.Fatal(err)
	}
	ordered := map[string]string{
		"ListContactsByCreated": "ROW(created_at, id)", "ListContactsByName": "ROW(name_sort, id)", "ListContactsByAge": "ROW(age, id)",
		"ListRevokedSessions": "ROW(revoked_at, id)",
		"ListNfeByCreated":    "ROW(created_at, id)", "ListNfeByIssued": "ROW(issued_at, id)", "ListNfeByTotal": "ROW(total_cents, id)",
	}
	inserts := []string{"PutNfeContent"} // of several tables
	sums := []string{"SumNfe"}           // which are put in order, not the rows
	tested := 0
	for name, sql := range generatedQueries(t) {
		if !strings.Contains(sql, " tenant.") || strings.HasPrefix(sql, "insert") || slices.Contains(inserts, name) {
			continue
		}
		tested++
		if strings.Contains(name, "OfAllTenants") {
			continue // for gh_maint, whose index is not by tenant
		}
		plan := explain(t, conn, sql)
		if strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "Index Cond") || strings.Contains(plan, "Sort") && !slices.Contains(sums, name) {
			t.Errorf("%s does not go by an index:\n%s", name, plan)
		}
		if order, ok := ordered[strings.TrimSuffix(name, "Desc")]; ok && !regexp.MustCompile(`Index Cond: .*`+regexp.QuoteMeta(order)).MatchString(plan) {
			t.Errorf("%s does not start at its cursor:\n%s", name, plan)
		}
		for line := range strings.SplitSeq(plan, "\n") {
			if strings.Contains(line, "Index Cond") && !strings.Contains(line, "tenant_id") {
				t.Errorf("%s: an index condition without the tenant: %s", name, line)
			}
		}
	}
	if tested < 15 {
		t.Errorf("found %d queries only", tested)
	}
}

// What is read over all tenants of a database goes by an index, too, as the role
// for housekeeping sees them.
func TestQueriesOfAllTenantsCanUseAnIndex(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	conn := dbtest.Connect(t, db.MaintURL)
	if _, err := conn.Exec(t.Context(), "set plan_cache_mode = force_generic_plan; set enable_seqscan = off"); err != nil {
		t.Fatal(err)
	}
	for name, cond := range map[string]string{
		"ListRevokedSessionsOfAllTenants": `using sessions_revoked_everywhere on sessions (?s:.*)Index Cond: .*ROW\(revoked_at, id\)`,
		"ListAuditOfAllTenants":           `using audit_created_everywhere on audit`,
		"ListAuditOfAllTenantsDesc":       `using audit_created_everywhere on audit`,
	} {
		sql, ok := generatedQueries(t)[name]
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		if plan := explain(t, conn, sql); !regexp.MustCompile(cond).MatchString(plan) || strings.Contains(plan, "Sort") {
			t.Errorf("%s does not go by its index:\n%s", name, plan)
		}
	}
}

// generatedQueries returns the SQL of package tenantdb by name.
func generatedQueries(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../tenantdb/*.sql.go")
	if err != nil {
		t.Fatal(err)
	}
	query := regexp.MustCompile("(?s)const (\\w+) = `-- name: \\w+ :\\w+\\n(.*?)`")
	found := map[string]string{}
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range query.FindAllStringSubmatch(string(source), -1) {
			found[m[1]] = strings.TrimSpace(m[2])
		}
	}
	return found
}

func explain(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	prepared, err := conn.Prepare(t.Context(), "q", sql)
	if err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	execute := "explain execute q"
	if n := len(prepared.ParamOIDs); n > 0 {
		execute += "(null" + strings.Repeat(", null", n-1) + ")"
	}
	rows, err := conn.Query(t.Context(), execute, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Deallocate(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestSchemaIsAsRecorded(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	got := dbtest.Value[string](t, db.AdminURL, `
		select string_agg(format('%s.%s %s %s%s', table_schema, table_name, column_name, data_type,
			case is_nullable when 'NO' then ' not null' else '' end), e'\n' order by table_schema, table_name, ordinal_position) || e'\n'
		from information_schema.columns where table_schema in ('app', 'control', 'tenant')`)
	goldentest.Compare(t, "schema.txt", got)
}
