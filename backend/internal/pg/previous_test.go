package pg_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/dbtest"
)

// previousTables finds the tables of each plane in the statements of the previous
// version.
var previousTables = map[string]*regexp.Regexp{"control": controlTable, "tenant": table}

func previousQueries(t *testing.T, plane string) []query {
	t.Helper()
	return parseFiles(t, "testdata/previous/"+plane+"/*.sql", previousTables[plane])
}

// previousSchema is a database as the previous version has it.
func previousSchema(t *testing.T) *dbtest.Database {
	t.Helper()
	db := dbtest.New(t)
	dbtest.Downgrade(t, db.AdminURL, dbtest.PreviousTenant)
	dbtest.DowngradeControl(t, db.AdminURL, dbtest.PreviousControl)
	return db
}

// During an upgrade the previous version of the backend runs on the schema of this
// one. Its statements take and give the same types there as before, and its roles
// may do all they could.
func TestPreviousStatementsMeanTheSame(t *testing.T) {
	t.Parallel()
	old, now := dbtest.Connect(t, previousSchema(t).AdminURL), dbtest.Connect(t, dbtest.New(t).AdminURL)
	for plane := range previousTables {
		for _, q := range previousQueries(t, plane) {
			sql, _ := number(q.sql, func(string, bool) *string { return nil })
			if diff := cmp.Diff(types(t, old, q.name, sql), types(t, now, q.name, sql)); diff != "" {
				t.Errorf("%s (-previous +this schema):\n%s", q.name, diff)
			}
		}
	}
	const grants = `
		select array_agg(g order by g) from (
			select format('%s: %s on %s.%s', grantee, privilege_type, table_schema, table_name) from information_schema.table_privileges
			union select format('%s: %s of %s on %s.%s', grantee, privilege_type, column_name, table_schema, table_name) from information_schema.column_privileges
			union select format('%s: %s on %s', grantee, privilege_type, specific_schema || '.' || routine_name) from information_schema.routine_privileges
		) x(g) where g like 'gh\_app:%' or g like 'gh\_maint:%'`
	var before, after []string
	if err := old.QueryRow(t.Context(), grants).Scan(&before); err != nil || len(before) < 10 {
		t.Fatalf("found %d privileges, error %v", len(before), err)
	}
	if err := now.QueryRow(t.Context(), grants).Scan(&after); err != nil {
		t.Fatal(err)
	}
	for _, g := range before {
		if !slices.Contains(after, g) {
			t.Errorf("a privilege that the previous version has is gone: %s", g)
		}
	}
}

// types shows the types of a statement's parameters and columns.
func types(t *testing.T, conn *pgx.Conn, name, sql string) []string {
	t.Helper()
	s, err := conn.Prepare(t.Context(), "q", sql)
	if err != nil {
		return []string{err.Error()}
	}
	if err := conn.Deallocate(t.Context(), "q"); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var shown []string
	for _, oid := range s.ParamOIDs {
		shown = append(shown, fmt.Sprintf("parameter %d", oid))
	}
	for _, f := range s.Fields {
		shown = append(shown, fmt.Sprintf("column %s %d", f.Name, f.DataTypeOID))
	}
	return shown
}

// What the previous version writes is taken: no column is required that it does not
// know, and no condition is new that its rows break.
func TestPreviousStatementsAreCarriedOut(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	before := dbtest.TenantRows(t, h.maint, "b")
	tested := 0
	for _, q := range previousQueries(t, "tenant") {
		if len(q.tables) == 0 || q.reads() {
			continue
		}
		tested++
		for v := range variants {
			if sql, args, ok := h.bind(q, q.sql, "b", v, true); ok {
				h.reaches(q, nil, sql, args, before)
			}
		}
	}
	if tested < 20 {
		t.Errorf("found %d statements that write", tested)
	}
	conn := dbtest.Connect(t, dbtest.New(t).AdminURL)
	inserts := regexp.MustCompile(`(?is)insert into control\.(\w+)(?: as \w+)? \(([^)]*)\)`)
	for _, q := range previousQueries(t, "control") {
		for _, m := range inserts.FindAllStringSubmatch(q.sql, -1) {
			columns := strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
			var required string
			if err := conn.QueryRow(t.Context(), `select coalesce(string_agg(column_name, ', '), '') from information_schema.columns
				where table_schema = 'control' and table_name = $1 and is_nullable = 'NO' and column_default is null
				and is_identity = 'NO' and is_generated = 'NEVER' and column_name <> all($2)`, m[1], columns).Scan(&required); err != nil {
				t.Fatal(err)
			}
			if required != "" || len(columns) == 0 {
				t.Errorf("%s gives no %s, which control.%s requires", q.name, required, m[1])
			}
		}
	}
}
