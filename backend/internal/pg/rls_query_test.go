package pg_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type query struct {
	name, sql string
	tables    []string // of the tenant plane, in the order they are named
	inserts   bool
}

var (
	queryHead = regexp.MustCompile(`(?m)^-- name: (\w+) :\w+$`)
	comment   = regexp.MustCompile(`(?m)^\s*--.*$`)
	table     = regexp.MustCompile(`(?i)(insert into\s+)?\btenant\.(\w+)`)
	// The same of the control plane.
	controlTable = regexp.MustCompile(`(?i)(insert into\s+)?\bcontrol\.(\w+)`)
	// Conditions on the tenant, in all forms that queries use.
	condition = regexp.MustCompile(`(?i)(?:\b\w+\.)?\btenant_id\s*=\s*(?:@tenant_id\b|'platform'|\w+\.tenant_id\b)`)
	// What would be such a condition in another form.
	comparesTenant = regexp.MustCompile(`(?i)\btenant_id\s*(?:=|<|>|!|~|\bin\b|\bis\b|\blike\b|\bbetween\b)|[=<>~]\s*(?:any\s*\()?\s*\w*\.?tenant_id\b|using\s*\(`)
	parameter      = regexp.MustCompile(`sqlc\.(narg|arg)\('?(\w+)'?\)|@(\w+)`)
)

// parseQueries reads the queries of the tenant plane as they are written, with the
// names of their parameters.
func parseQueries(t *testing.T) []query {
	t.Helper()
	// Reading comes first: writing may change rows of a, and then there would be
	// less to compare.
	reading, writing := []query{}, []query{}
	for _, q := range parsePlane(t, "tenant", table) {
		if q.reads() {
			reading = append(reading, q)
		} else {
			writing = append(writing, q)
		}
	}
	return append(reading, writing...)
}

// parsePlane reads the queries of a plane, whose tables the pattern finds.
func parsePlane(t *testing.T, plane string, table *regexp.Regexp) []query {
	t.Helper()
	return parseFiles(t, "../../../sql/"+plane+"/queries/*.sql", table)
}

// parseFiles reads files of queries.
func parseFiles(t *testing.T, pattern string, table *regexp.Regexp) []query {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files of queries, error %v", len(files), err)
	}
	var found []query
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		heads := queryHead.FindAllStringSubmatchIndex(string(text), -1)
		for i, head := range heads {
			end := len(text)
			if i+1 < len(heads) {
				end = heads[i+1][0]
			}
			q := query{name: string(text[head[2]:head[3]]), sql: comment.ReplaceAllString(string(text[head[1]:end]), "")}
			q.sql = strings.TrimSuffix(strings.TrimSpace(q.sql), ";")
			for _, m := range table.FindAllStringSubmatch(q.sql, -1) {
				q.inserts = q.inserts || m[1] != ""
				if !slices.Contains(q.tables, m[2]) {
					q.tables = append(q.tables, m[2])
				}
			}
			found = append(found, q)
		}
	}
	return found
}

var writes = regexp.MustCompile(`(?i)\b(?:insert into|update|delete from)\s+tenant\.`)

// reads reports whether the query changes nothing.
func (q query) reads() bool { return !writes.MatchString(q.sql) }

// strip takes a query's conditions on the tenant out.
func strip(sql string) (stripped string, taken int) {
	return condition.ReplaceAllString(sql, "true"), len(condition.FindAllString(sql, -1))
}

// bind numbers a query's parameters and supplies their values, those of b's
// row v.
func (h *harness) bind(q query, sql, tenant string, v int, narg bool) (numbered string, args []*string, ok bool) {
	h.t.Helper()
	ok = true
	numbered, args = number(sql, func(name string, nullable bool) *string {
		value, found := h.supply(q, name, tenant, v)
		if !found {
			h.t.Errorf("%s: nothing supplies @%s; add it to suppliers", q.name, name)
			ok = false
		}
		if nullable && !narg {
			return nil
		}
		return &value
	})
	return numbered, args, ok
}

// number replaces the named parameters of a query by numbers and returns their
// values in that order.
func number(sql string, value func(name string, narg bool) *string) (numbered string, args []*string) {
	numbers := map[string]int{}
	numbered = parameter.ReplaceAllStringFunc(sql, func(match string) string {
		m := parameter.FindStringSubmatch(match)
		name := m[2] + m[3]
		if numbers[name] == 0 {
			args = append(args, value(name, m[1] == "narg"))
			numbers[name] = len(args)
		}
		return fmt.Sprintf("$%d", numbers[name])
	})
	return numbered, args
}

// supply returns the value of a parameter, which is what suppliers have, or
// that of the column of its name in the query's tables. The plural of a column
// is an array, and after_ means a position of a list.
func (h *harness) supply(q query, name, tenant string, v int) (value string, ok bool) {
	if name == "tenant_id" {
		return tenant, true
	}
	if f, ok := h.suppliers[name]; ok {
		return f(v), true
	}
	if column, ok := strings.CutPrefix(name, "after_"); ok {
		return h.position(q, column)
	}
	if table := h.tableWith(q, name); table != "" {
		return h.b.value(table, name, v), true
	}
	for _, ending := range []string{"s", "es"} {
		column, plural := strings.CutSuffix(name, ending)
		if table := h.tableWith(q, column); plural && table != "" {
			return `{"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(h.b.value(table, column, v)) + `"}`, true
		}
	}
	return "", false
}

// position is where a list of b's rows begins: at the least or, in descending
// order, the greatest.
func (h *harness) position(q query, column string) (string, bool) {
	table := h.tableWith(q, column)
	if table == "" {
		return "", false
	}
	var values []string
	for v := range variants {
		values = append(values, h.b.value(table, column, v))
	}
	if strings.Contains(q.sql, column+" desc") {
		return slices.Max(values), true
	}
	return slices.Min(values), true
}

func (h *harness) tableWith(q query, name string) string {
	for _, table := range q.tables {
		if slices.ContainsFunc(h.columns[table], func(c column) bool { return c.name == name }) {
			return table
		}
	}
	return ""
}

// The harness tells what it cannot test.
func TestQueriesInUnknownFormsAreFound(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"select 1 from tenant.x where tenant_id = @tenant_id and id = @id":              "",
		"select 1 from tenant.x a join tenant.y b on a.tenant_id = b.tenant_id":         "",
		"select tenant_id, id from tenant.x where tenant_id = 'platform' order by 1":    "",
		"insert into tenant.x (tenant_id, id) values (@tenant_id, @id)":                 "",
		"select 1 from tenant.x where tenant_id in (@tenant_id)":                        "tenant_id in",
		"select 1 from tenant.x where @tenant_id = tenant_id":                           "tenant_id =",
		"select 1 from tenant.x join tenant.y using (tenant_id, id)":                    "using (",
		"update tenant.x set tenant_id = 'c' where tenant_id = @tenant_id and id = @id": "tenant_id =",
	} {
		stripped, _ := strip(sql)
		if got := comparesTenant.FindString(stripped); got != want {
			t.Errorf("%s: got %q, want %q", sql, got, want)
		}
	}
}
