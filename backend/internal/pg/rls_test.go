package pg_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/backend/internal/dbtest"
)

// Queries that reach no table of the tenant plane, and why that is in order.
var exempt = map[string]string{
	"Enter":                "is what enters a tenant",
	"EnterSession":         "is what enters a tenant, and looks for a session of that same one",
	"AdmitTenant":          "changes app.residents, which the service role may not",
	"ExpelTenant":          "changes app.residents, which the service role may not",
	"ListResidents":        "reads app.residents, which the service role may not",
	"SuspendResident":      "changes app.residents, which the service role may not",
	"ResumeResident":       "changes app.residents, which the service role may not",
	"DatabaseID":           "reads the identity of the database, which is nobody's",
	"SchemaVersion":        "reads the version of the schema, which is nobody's",
	"TryIdempotencyLock":   "takes a lock whose name holds the tenant, and reads nothing",
	"LockLogins":           "takes a lock whose name holds the tenant, and reads nothing",
	"TryFence":             "takes a lock whose name holds the tenant, and reads nothing",
	"TryHousekeeping":      "takes a lock of the database, and reads nothing",
	"IsFenced":             "reads app.residents, which the service role may not",
	"FindContacts":         "calls a function that looks at the tenant by itself, which TestFindContacts holds it to",
	"ListTenantTables":     "is for moves, of which the service role may do nothing",
	"CaptureChanges":       "is for moves, of which the service role may do nothing",
	"ReleaseChanges":       "is for moves, of which the service role may do nothing",
	"ExportRows":           "is for moves, of which the service role may do nothing",
	"ImportRows":           "is for moves, of which the service role may do nothing",
	"ListChangeIDs":        "is for moves, of which the service role may do nothing",
	"ExportChanges":        "is for moves, of which the service role may do nothing",
	"ApplyChanges":         "is for moves, of which the service role may do nothing",
	"ForgetChanges":        "is for moves, of which the service role may do nothing",
	"ForgetAllChanges":     "is for moves, of which the service role may do nothing",
	"ForgetAppliedChanges": "is for moves, of which the service role may do nothing",
	"HasChanges":           "is for moves, of which the service role may do nothing",
	"TouchedKeys":          "is for moves, of which the service role may do nothing",
	"Fingerprint":          "is for moves, of which the service role may do nothing",
	"WipeRows":             "is for moves, of which the service role may do nothing",
	"FenceResident":        "changes app.residents, which the service role may not",
	"CloseResident":        "changes app.residents, which the service role may not",
	"OpenResident":         "changes app.residents, which the service role may not",
	"AdmitClosed":          "changes app.residents, which the service role may not",
	"LockFence":            "takes a lock whose name holds the tenant, and reads nothing",
	"SetLockTimeout":       "is a setting of a transaction",
}

// Queries that name no tenant, because they are for gh_maint. They are tested
// like the others.
var wide = map[string]string{
	"ListAuditOfAllTenants":           "is how operators read the audit trail",
	"ListAuditOfAllTenantsDesc":       "is how operators read the audit trail",
	"CountUsersOfAllTenants":          "is for the statistics of operators",
	"ListRevokedSessionsOfAllTenants": "is what the gateways are told of, which are everybody's",
}

// Row-level security alone keeps the tenants of a database apart. Every query
// runs with its conditions on the tenant taken out, as the service role inside
// tenant a, with the values of rows of tenant b: it sees just what it would
// have seen with the condition, and changes nothing of b. That the same query
// does reach b's rows as gh_maint, who is under no such policy, shows that the
// test could see it.
func TestRowLevelSecurityHoldsForEveryQueryWithoutItsCondition(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	known := map[string]bool{}
	for _, q := range parseQueries(t) {
		known[q.name] = true
		if len(q.tables) == 0 {
			if exempt[q.name] == "" {
				t.Errorf("%s reaches no table of the tenant plane; say in exempt why that is in order", q.name)
			}
			continue
		}
		stripped, taken := strip(q.sql)
		names := strings.Contains(q.sql, "@tenant_id") || strings.Contains(q.sql, "= 'platform'")
		if (!names || taken == 0 && !q.inserts) && wide[q.name] == "" {
			t.Errorf("%s names no tenant, or in a way that this test does not know", q.name)
		}
		if left := comparesTenant.FindString(stripped); left != "" {
			t.Errorf("%s: %q stays when its conditions on the tenant are taken out; teach this test its form", q.name, left)
		}
		for _, narg := range []bool{false, true} {
			if narg && !strings.Contains(q.sql, "sqlc.narg") {
				continue
			}
			h.test(q, stripped, narg)
		}
		if !h.leaked[q.name] {
			t.Errorf("%s reaches no row of b even as gh_maint: the values that suppliers give do not fit it", q.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exempt)) {
		if !known[name] {
			t.Errorf("exempt has %s, which is no query", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wide)) {
		if !known[name] {
			t.Errorf("wide has %s, which is no query", name)
		}
	}
}

// harness is a database with two tenants, a and b, that have rows in every
// table.
type harness struct {
	t         *testing.T
	app       *pgx.Conn // the service role
	maint     *pgx.Conn
	b         tenantData
	columns   map[string][]column
	suppliers map[string]func(v int) string
	leaked    map[string]bool // queries that were seen to reach b's rows
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	db := dbtest.New(t)
	db.AddTenant(t, "a", "open")
	db.AddTenant(t, "b", "open")
	owner := dbtest.Connect(t, db.OwnerURL)
	columns := readColumns(t, owner)
	fill(t, owner, columns, "a")
	b := fill(t, owner, columns, "b")
	fillUser(t, owner, columns["users"], "platform", map[string]string{"role": "operator"})
	for table, rows := range dbtest.TenantRows(t, owner, "b") {
		if len(rows) != variants {
			t.Fatalf("tenant b has %d rows in %s", len(rows), table)
		}
	}
	return &harness{
		t: t, app: dbtest.Connect(t, db.URL), maint: dbtest.Connect(t, db.MaintURL),
		b: b, columns: columns, suppliers: suppliers(b), leaked: map[string]bool{},
	}
}

// test runs a query with the values of each of b's rows. With narg its
// parameters that may be null have values too.
func (h *harness) test(q query, stripped string, narg bool) {
	h.t.Helper()
	before := dbtest.TenantRows(h.t, h.maint, "b")
	unchanged := func(how string) {
		h.t.Helper()
		after := dbtest.TenantRows(h.t, h.maint, "b")
		if diff := cmp.Diff(before, after); diff != "" {
			h.t.Errorf("%s, %s, changed rows of b:\n%s", q.name, how, diff)
			before = after
		}
	}
	for v := range variants {
		sql, args, ok := h.bind(q, stripped, "b", v, narg)
		if !ok {
			return
		}
		// What the query should see, in a and in no tenant.
		want, nothing := h.alone(q, "a", v, narg), h.alone(q, "nobody", v, narg)
		if h.reaches(q, want, sql, args, before) {
			h.leaked[q.name] = true
		}

		got, err := h.inTenant("a", sql, args)
		h.judge(q, "inside a", want, got, err)
		unchanged("inside a")

		// The connection has been in a, and has left it.
		got, err = exec(h.t.Context(), h.app, sql, args)
		h.judge(q, "in no tenant", nothing, got, err)
		sql, args, _ = h.bind(q, q.sql, "b", v, narg)
		got, err = exec(h.t.Context(), h.app, sql, args)
		h.judge(q, "in no tenant, with its condition", nothing, got, err)
		unchanged("in no tenant")
	}
}

// reaches reports whether the query, as gh_maint, shows or changes rows of b,
// which is then undone.
func (h *harness) reaches(q query, want []string, sql string, args []*string, before map[string][]string) bool {
	h.t.Helper()
	ctx := h.t.Context()
	tx, err := h.maint.Begin(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	got, err := exec(ctx, h.maint, sql, args)
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e) && e.Code == "23505" && q.inserts:
		return true // the key of one of b's rows is taken
	case errors.As(err, &e) && e.Code == "23503" && strings.HasPrefix(q.sql, "delete"):
		return true // other rows of b stand on it
	case err != nil:
		h.t.Errorf("%s as gh_maint: %v", q.name, err)
		return false
	}
	return h.showsB(got) != "" || q.reads() && !slices.Equal(got, want) || !cmp.Equal(before, dbtest.TenantRows(h.t, h.maint, "b"))
}

// alone returns what a query that only reads finds when the database holds one
// tenant only.
func (h *harness) alone(q query, tenant string, v int, narg bool) []string {
	h.t.Helper()
	if !q.reads() {
		return nil
	}
	ctx := h.t.Context()
	tx, err := h.maint.Begin(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for _, table := range h.standingOn(q.tables) {
		if _, err := tx.Exec(ctx, "delete from "+pgx.Identifier{"tenant", table}.Sanitize()+" where tenant_id <> $1", tenant); err != nil {
			h.t.Fatal(err)
		}
	}
	sql, _ := strip(q.sql)
	sql, args, _ := h.bind(q, sql, tenant, v, narg)
	rows, err := exec(ctx, h.maint, sql, args)
	if err != nil {
		h.t.Fatalf("%s as gh_maint: %v", q.name, err)
	}
	return rows
}

// standingOn returns tables and all that point at them, which come first.
func (h *harness) standingOn(tables []string) []string {
	var list []string
	for _, table := range h.b.order {
		points := slices.ContainsFunc(h.columns[table], func(c column) bool { return slices.Contains(list, c.target) })
		if points || slices.Contains(tables, table) {
			list = append(list, table)
		}
	}
	slices.Reverse(list)
	return list
}

// judge holds what the service role got against what is due.
func (h *harness) judge(q query, where string, want, got []string, err error) {
	h.t.Helper()
	var e *pgconn.PgError
	denied := errors.As(err, &e) && e.Code == pgInsufficientPrivilege
	switch {
	case q.inserts && !denied:
		h.t.Errorf("%s, %s, with b for the tenant: got %v, error %v; want it refused", q.name, where, got, err)
	case err != nil && (q.reads() || !denied):
		h.t.Errorf("%s, %s: %v", q.name, where, err)
	case q.reads() && !slices.Equal(got, want):
		h.t.Errorf("%s, %s: got\n%s\nwant\n%s", q.name, where, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if value := h.showsB(got); value != "" {
		h.t.Errorf("%s, %s, shows %q of b", q.name, where, value)
	}
}

// pgInsufficientPrivilege is also what a policy's check raises.
const pgInsufficientPrivilege = "42501"

// showsB returns a value that only b has.
func (h *harness) showsB(rows []string) string {
	for _, row := range rows {
		for _, value := range h.b.marks {
			if strings.Contains(row, value) {
				return value
			}
		}
	}
	return ""
}

// inTenant runs a query in a transaction that has entered a tenant.
func (h *harness) inTenant(tenant, sql string, args []*string) ([]string, error) {
	h.t.Helper()
	ctx := h.t.Context()
	tx, err := h.app.Begin(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, "select app.enter($1, true)", tenant); err != nil {
		h.t.Fatal(err)
	}
	rows, err := exec(ctx, h.app, sql, args)
	if err != nil {
		return nil, err
	}
	return rows, tx.Commit(ctx)
}

// exec runs one statement with values as text and returns its rows as text, in
// a fixed order.
func exec(ctx context.Context, conn *pgx.Conn, sql string, args []*string) ([]string, error) {
	values := make([][]byte, len(args))
	for i, arg := range args {
		if arg != nil {
			values[i] = []byte(*arg)
		}
	}
	result := conn.PgConn().ExecParams(ctx, sql, values, nil, nil, nil).Read()
	var rows []string
	for _, r := range result.Rows {
		var fields []string
		for _, f := range r {
			if f == nil {
				f = []byte(`\N`)
			}
			fields = append(fields, string(f))
		}
		rows = append(rows, strings.Join(fields, "|"))
	}
	slices.Sort(rows)
	return rows, result.Err
}

// A foreign key that left the tenant out could point at another's row, and a
// unique index without it would tell that another has the value.
func TestKeysStayInTheTenant(t *testing.T) {
	t.Parallel()
	conn := dbtest.Connect(t, dbtest.New(t).AdminURL)
	const count = `
		with plane as (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'tenant'),
		keys as (
			select k.conrelid::regclass || ' ' || k.conname as name,
			       array[a.attname, b.attname] = array['tenant_id', 'tenant_id']::name[] and k.confrelid in (select oid from plane) as good
			from pg_constraint k
			join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
			join pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
			where k.contype = 'f' and k.conrelid in (select oid from plane)
			union all
			select i.indexrelid::regclass::text, coalesce(a.attname = 'tenant_id', false)
			from pg_index i left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
			where i.indisunique and i.indrelid in (select oid from plane)
			union all
			select k.conrelid::regclass || ' ' || k.conname, false from pg_constraint k where k.contype = 'x' and k.conrelid in (select oid from plane)
		)
		select count(*) filter (where good), coalesce(string_agg(name, ', ') filter (where not good), '') from keys`
	var good int
	var bad string
	if err := conn.QueryRow(t.Context(), count).Scan(&good, &bad); err != nil {
		t.Fatal(err)
	}
	if bad != "" || good < 12 {
		t.Errorf("%d keys have the tenant first; these have not: %s", good, bad)
	}
}
