package pg_test

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// variants is how many rows a tenant has in each table: one where what may be
// null is null, one where it is not, and one from long ago.
const variants = 3

// longAgo is the variant whose times have passed.
const longAgo = 2

// column is a column of a table of the tenant plane, from the catalog.
type column struct {
	table, name, kind string
	// length is the most characters that a column of text has, 0 for any number.
	length  int
	notNull bool
	// target and targetColumn are what a foreign key points at; target is ""
	// without one.
	target, targetColumn string
}

// readColumns returns the columns of every table of the tenant plane.
func readColumns(t *testing.T, conn *pgx.Conn) map[string][]column {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select c.relname, a.attname, y.typname, case y.typname when 'varchar' then greatest(a.atttypmod - 4, 0) else 0 end, a.attnotnull,
			coalesce(f.relname, ''), coalesce(f.attname, '')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
		join pg_type y on y.oid = a.atttypid
		left join lateral (
			select tc.relname, ta.attname from pg_constraint k, unnest(k.conkey, k.confkey) as u(own, other)
			join pg_class tc on true join pg_attribute ta on ta.attrelid = tc.oid
			where k.contype = 'f' and k.conrelid = c.oid and tc.oid = k.confrelid and u.own = a.attnum and ta.attnum = u.other
			limit 1
		) f on a.attname <> 'tenant_id'
		where n.nspname = 'tenant' and c.relkind in ('r', 'p') order by c.relname, a.attnum`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c column, err error) {
		return c, r.Scan(&c.table, &c.name, &c.kind, &c.length, &c.notNull, &c.target, &c.targetColumn)
	})
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string][]column{}
	for _, c := range list {
		columns[c.table] = append(columns[c.table], c)
	}
	return columns
}

// tenantData is what was put into a tenant's tables.
type tenantData struct {
	rows map[string][]map[string]*string // by table and variant, by column
	// order is that in which tables got their rows: those that others point at come
	// first.
	order []string
	// marks are values that no other tenant has.
	marks []string
}

func (d tenantData) value(table, column string, v int) string {
	if value := d.rows[table][v][column]; value != nil {
		return *value
	}
	for _, row := range d.rows[table] { // null in this row
		if row[column] != nil {
			return *row[column]
		}
	}
	return ""
}

// fixed are values where the schema allows a few only, by column or by table and
// column.
var fixed = map[string]string{
	"outcome": "ok", "revoked_reason": "logout", "status": "200",
	"nfe_documents.status": "draft", "modelo": "65", "ambiente": "2", "indicador_total": "1",
	"valor_total": "7.00", "total_cents": "700", "numero_inicial": "30", "numero_final": "32",
	"nfe_emitters.cpf": "", "nfe_recipients.cpf": "", "nfe_recipients.id_estrangeiro": "",
}

// suppliers gives values to parameters whose name is no column of the query's
// tables.
func suppliers(b tenantData) map[string]func(v int) string {
	always := func(value string) func(int) string { return func(int) string { return value } }
	of := func(table, column string) func(int) string {
		return func(v int) string { return b.value(table, column, v) }
	}
	return map[string]func(int) string{
		"age_gte":     of("contacts", "age"),
		"age_lte":     of("contacts", "age"),
		"created_gte": always("-infinity"),
		"created_lt":  always("infinity"),
		"dated_gte":   always("-infinity"),
		"dated_lt":    always("infinity"),
		"head": func(v int) string {
			return fmt.Sprintf(`{"status": "draft", "findings": [], "modelo": "65", "ambiente": "2", "serie": "000", "tipo_emissao": "1", "data_emissao": "2026-07-01T00:00:00Z",
				"data_emissao_offset": 0, "emitter_id": %q}`,
				b.value("nfe_documents", "emitter_id", v))
		},
		"issued_gte":     always("-infinity"),
		"issued_lt":      always("infinity"),
		"itens":          always(`[{"numero_item": 989}]`),
		"kept_seconds":   always("900"),
		"last_number":    always("77"),
		"max_cents":      always("1000000"),
		"min_cents":      always("0"),
		"keep_id":        always(uuid.NewString()),
		"old_hash":       of("users", "password_hash"),
		"password_hash":  always("another hash"),
		"pattern":        of("users", "username_key"),
		"q":              of("contacts", "name_key"),
		"reason":         always("logout"),
		"row_limit":      always("100"),
		"up_to":          always("999999999"),
		"window_seconds": always("900"),
		// Of a document's content the lines are enough.
		"icms": always("[]"), "ipi": always("[]"), "pis": always("[]"), "cofins": always("[]"), "transporte": always("[]"), "volumes": always("[]"),
		"pagamentos": always("[]"), "referencias": always("[]"), "informacoes_fiscais": always("[]"),
	}
}

// fill puts rows into every table, so that those of later migrations are
// tested too.
func fill(t *testing.T, owner *pgx.Conn, columns map[string][]column, tenant string) tenantData {
	t.Helper()
	d := tenantData{rows: map[string][]map[string]*string{}}
	mark := tenant + strings.ToLower(rand.Text())[:9]
	d.marks = append(d.marks, mark)
	for len(d.rows) < len(columns) {
		filled := len(d.rows)
		for table, list := range columns {
			ready := d.rows[table] == nil && !slices.ContainsFunc(list, func(c column) bool {
				return c.target != "" && c.target != table && d.rows[c.target] == nil
			})
			if !ready {
				continue
			}
			d.order = append(d.order, table)
			for v := range variants {
				row := map[string]*string{}
				for _, c := range list {
					row[c.name] = d.make(c, tenant, mark, v)
				}
				insert(t, owner, table, row)
				d.rows[table] = append(d.rows[table], row)
			}
		}
		if len(d.rows) == filled {
			t.Fatal("foreign keys of the tenant plane form a circle")
		}
	}
	return d
}

// make returns a value for a column, by what it points at, its name, or its
// type.
func (d *tenantData) make(c column, tenant, mark string, v int) *string {
	if c.target != "" {
		return d.rows[c.target][v][c.targetColumn]
	}
	if !c.notNull && v == 0 {
		return nil
	}
	value, known := fixed[c.table+"."+c.name]
	if !known {
		value, known = fixed[c.name]
	}
	past, future := time.Duration(variants-v)*time.Second, time.Hour
	if v == longAgo {
		past, future = 1000*24*time.Hour, -24*time.Hour
	}
	moment := func(d time.Duration) string { return time.Now().UTC().Add(d).Format(time.RFC3339Nano) }
	switch {
	case known:
	case c.name == "tenant_id":
		value = tenant
	case c.name == "role":
		value = []string{"member", "admin", "admin"}[v]
	case strings.HasPrefix(c.name, "expires"):
		value = moment(future)
	case c.kind == "timestamptz":
		value = moment(-past)
	case c.kind == "uuid":
		value = uuid.NewString()
		d.marks = append(d.marks, value)
	case c.kind == "bytea":
		random := make([]byte, 32)
		rand.Read(random) // never fails (crypto/rand)
		value = `\x` + hex.EncodeToString(random)
		d.marks = append(d.marks, value)
	case c.kind == "jsonb", c.kind == "json":
		value = fmt.Sprintf(`{"key": "%s%d"}`, mark, v)
	case c.kind == "bool":
		value = "true"
	case c.kind == "int4", c.kind == "int8", c.kind == "numeric":
		value = fmt.Sprint(30 + v)
	case c.length > 0 && c.length < len(mark)+1:
		value = fmt.Sprint("0000", v)[max(0, 5-c.length):]
	default: // text; its length fits all bounds
		value = fmt.Sprint(mark, v)
	}
	return &value
}

// fillUser makes one user of a tenant, with some values given.
func fillUser(t *testing.T, owner *pgx.Conn, columns []column, tenant string, given map[string]string) {
	t.Helper()
	var d tenantData
	row := map[string]*string{}
	for _, c := range columns {
		row[c.name] = d.make(c, tenant, "platform-1", 0)
	}
	for name, value := range given {
		row[name] = &value
	}
	insert(t, owner, "users", row)
}

func insert(t *testing.T, owner *pgx.Conn, table string, row map[string]*string) {
	t.Helper()
	var names, numbers []string
	var args []*string
	for name, value := range row {
		args = append(args, value)
		names = append(names, pgx.Identifier{name}.Sanitize())
		numbers = append(numbers, fmt.Sprintf("$%d", len(args)))
	}
	sql := "insert into " + pgx.Identifier{"tenant", table}.Sanitize() +
		" (" + strings.Join(names, ", ") + ") values (" + strings.Join(numbers, ", ") + ")"
	if _, err := exec(t.Context(), owner, sql, args); err != nil {
		t.Fatalf("make a row of tenant.%s; a value that the schema allows may be missing in fixed: %v", table, err)
	}
}
