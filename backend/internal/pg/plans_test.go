//go:build plans

package pg_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/dbtest"
)

// pageRows is how many rows a page of a list reads: one more than it shows.
const pageRows = 51

// sample holds rows of a tenant whose values queries are given, by table and
// column.
type sample map[string]map[string]*string

// read puts one row into the sample.
func (s sample) read(t *testing.T, conn *pgx.Conn, table, from string, args ...any) {
	t.Helper()
	var text string
	if err := conn.QueryRow(t.Context(), "select to_jsonb(r)::text from "+from, args...).Scan(&text); err != nil {
		t.Fatalf("a row of %s: %v", table, err)
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		t.Fatal(err)
	}
	s[table] = map[string]*string{}
	for column, value := range row {
		if value != nil {
			as := strings.TrimSuffix(fmt.Sprintf("%v", value), ".0")
			s[table][column] = &as
		} else {
			s[table][column] = nil
		}
	}
}

// newSample takes a row out of the middle of each of a tenant's tables; sessions,
// tokens and users are of one another, and live.
func newSample(t *testing.T, conn *pgx.Conn, tenant string) sample {
	t.Helper()
	s := sample{}
	for _, table := range []string{"contacts", "login_events", "login_failures", "idempotency_keys", "invitations", "audit"} {
		s.read(t, conn, table, `tenant.`+table+` r where tenant_id = $1 order by ctid
			offset (select count(*) / 2 from tenant.`+table+` where tenant_id = $1) limit 1`, tenant)
	}
	s.read(t, conn, "refresh_tokens", `tenant.refresh_tokens r where tenant_id = $1 and spent_at is null and exists (
		select from tenant.sessions s where s.tenant_id = r.tenant_id and s.id = r.session_id and s.revoked_at is null and s.expires_at > now())
		order by created_at desc limit 1`, tenant)
	s.read(t, conn, "sessions", "tenant.sessions r where tenant_id = $1 and id = $2", tenant, *s["refresh_tokens"]["session_id"])
	s.read(t, conn, "users", "tenant.users r where tenant_id = $1 and id = $2", tenant, *s["sessions"]["user_id"])
	s.read(t, conn, "tenants", "control.tenants r where id = $1", tenant)
	s.readInvoices(t, conn, tenant)
	s.read(t, conn, "placements", "control.placements r order by tenant_id offset 25 limit 1")
	s.read(t, conn, "limit_overrides", "control.limit_overrides r order by tenant_id offset 250 limit 1")
	return s
}

// readInvoices takes an invoice with lines, and what it is about.
func (s sample) readInvoices(t *testing.T, conn *pgx.Conn, tenant string) {
	t.Helper()
	s.read(t, conn, "nfe_documents", `tenant.nfe_documents r where tenant_id = $1 and numero is not null
		and exists (select from tenant.nfe_items i where i.tenant_id = r.tenant_id and i.document_id = r.id) order by id limit 1`, tenant)
	d := s["nfe_documents"]
	var head string
	if err := conn.QueryRow(t.Context(), "select row_to_json(d)::text from tenant.nfe_documents d where tenant_id = $1 and id = $2::text::uuid", tenant, *d["id"]).Scan(&head); err != nil {
		t.Fatal(err)
	}
	d["head"] = &head
	s.read(t, conn, "nfe_items", "tenant.nfe_items r where tenant_id = $1 and document_id = $2::text::uuid limit 1", tenant, *d["id"])
	for _, table := range []string{"nfe_numbers", "nfe_voided_ranges"} {
		s.read(t, conn, table, "tenant."+table+" r where tenant_id = $1 order by ctid limit 1", tenant)
	}
	s.read(t, conn, "nfe_products", `tenant.nfe_products r where tenant_id = $1
		and not exists (select from tenant.nfe_items i where i.tenant_id = r.tenant_id and i.product_id = r.id) limit 1`, tenant)
	for _, table := range []string{"nfe_emitters", "nfe_recipients"} { // no document refers to the oldest
		s.read(t, conn, table, "tenant."+table+" r where tenant_id = $1 order by created_at limit 1", tenant)
	}
}

// supply returns a parameter's value: what is fixed for its name, or that of the
// column of its name in the query's tables. The plural of a column is an array,
// and after_ is a position in the middle of a list.
func (s sample) supply(t *testing.T, q query, name, tenant string) string {
	t.Helper()
	if value, ok := map[string]string{
		"tenant_id": tenant, "row_limit": fmt.Sprint(pageRows), "window_seconds": "3660", "kept_seconds": "86400", "keep_id": uuid.Nil.String(),
		"after_revoked_at": "-infinity", "created_gte": "-infinity", "created_lt": "infinity", "reason": "logout", "last_id": "t-100", "old_hash": "x",
		// Nothing is found by what is looked for, which is the worst case.
		"q": "%no such text%", "pattern": "%no such text%", "name": "%no such text%", "email": "%no such text%", "phone": "%no such text%",
		"age": "149", "age_gte": "149", "age_lte": "-1", "gender": "true", "action": "no such", "actor_id": uuid.Nil.String(),
		"ativo": "true", "up_to": "999999999", "icms_aliquota": "18", "ipi_aliquota": "5", "pis_aliquota": "1.65", "cofins_aliquota": "7.6", "tipo_emissao": "", "assinatura": "x", "issued_gte": "infinity", "issued_lt": "-infinity",
		"min_cents": "999999999999", "max_cents": "-1", "dated_gte": "yesterday", "dated_lt": "tomorrow",
		"role": "admin", "active": "true", "details": "{}", "spent_ip": "192.0.2.1", "spent_user_agent": "x", "successor": `\x` + strings.Repeat("00", 32),
	}[name]; ok {
		return value
	}
	if name == "used_by" {
		return *s["users"]["id"]
	}
	column := strings.TrimPrefix(name, "after_")
	for _, table := range append(slices.Clone(q.tables), "users") {
		if value := s[table][column]; value != nil {
			return *value
		}
		for _, ending := range []string{"s", "es"} {
			if single, ok := strings.CutSuffix(column, ending); ok && s[table][single] != nil {
				return `{"` + strings.ReplaceAll(*s[table][single], `\`, `\\`) + `"}`
			}
		}
	}
	t.Errorf("%s: nothing supplies @%s", q.name, name)
	return ""
}

// allowance is how much more than the rest a query may read.
type allowance struct {
	perRow float64 // rows for each that is returned
	own    bool    // all rows of the tenant
	all    bool    // all rows of all tenants, also without an index
	why    string
}

var allowed = map[string]allowance{
	"CountContacts":             {all: true, why: "counts what the client asks to have counted; where a tenant has most of the rows, all are read"},
	"EndTenantSessions":         {all: true, why: "changes most of a tenant's sessions, when it is suspended or deleted"},
	"CountUsersOfAllTenants":    {all: true, why: "is for operators' statistics, at most once in 15 seconds"},
	"CountUsers":                {own: true, why: "is for operators' statistics, at most once in 15 seconds"},
	"ListAuditOfAllTenants":     {all: true, why: "is for operators; only with a filter more is read than is shown"},
	"ListAuditOfAllTenantsDesc": {all: true, why: "is for operators; only with a filter more is read than is shown"},
	"DeleteLoginFailures":       {all: true, why: "is done once in a round of housekeeping, and an index by time would be worse"},
	"VoidInvitationsOf":         {own: true, why: "is done when a user is deleted or demoted; a tenant has few invitations"},
	"ListSessionsByCreated":     {perRow: 6, why: "passes over sessions that have ended, which are kept for 30 days"},
	"ListSessionsByCreatedDesc": {perRow: 6, why: "passes over sessions that have ended, which are kept for 30 days"},
	"GetNfe":                    {perRow: 40, why: "reads all that belongs to a document"},
	"DeleteNfeContent":          {perRow: 40, why: "deletes all that belongs to a document"},
	"DeleteNfe":                 {perRow: 40, why: "deletes all that belongs to a document"},
	"CountNfe":                  {own: true, why: "counts what the client asks to have counted"},
	"CountNfeRecipients":        {own: true, why: "counts what the client asks to have counted"},
	"CountNfeProducts":          {own: true, why: "counts what the client asks to have counted"},
	"CountNfeEmitters":          {own: true, why: "counts what the client asks to have counted"},
	"SumNfe":                    {own: true, why: "adds up the documents of the months that it is asked for, and tells them by an index"},
	"RevokeOtherSessions":       {perRow: 6, why: "passes over sessions that have ended, which are kept for 30 days"},
}

// most is the number of rows that a query without an allowance may read.
func most(returned, perRow float64) float64 { return max(perRow, 3)*returned + 6 }

// atVolume is a database at volume.
type atVolume struct {
	t                 *testing.T
	admin, app, maint *pgx.Conn
	totals            map[string]float64            // rows of each table
	owned             map[string]map[string]float64 // rows of each tenant in each table
}

// Up to so many rows a table, or what a tenant has of it, is read as the planner
// likes.
const (
	smallTable = 2000
	smallShare = 200
)

// TestPlans carries every query out at volume: for a tenant that has most of the
// rows, one with a tenth of them and a small one, by a plan for the values and by
// one for any values. Each has to find its rows by a condition of an index, which
// for a query of a tenant names the tenant, and to read little more than it
// returns. Filters that no index serves may read the tenant's rows, not more.
func TestPlans(t *testing.T) {
	db := dbtest.New(t)
	volume(t, db)
	v := &atVolume{
		t: t, admin: dbtest.Connect(t, db.AdminURL), app: dbtest.Connect(t, db.URL), maint: dbtest.Connect(t, db.MaintURL),
		totals: map[string]float64{}, owned: map[string]map[string]float64{},
	}
	v.count()
	measured := map[string]bool{}
	for _, tenant := range []string{giant, large, small} {
		s := newSample(t, v.admin, tenant)
		for _, q := range parsePlane(t, "tenant", table) {
			if v.explain(s, q, tenant, false) {
				measured[q.name] = true
			}
		}
		for _, q := range parsePlane(t, "control", controlTable) {
			if slices.Contains(q.tables, "tenant_moves") {
				continue // is an operator's command's alone, and has a row for each that runs
			}
			if v.explain(s, q, tenant, true) {
				measured[q.name] = true
			}
		}
	}
	if len(measured) < 120 {
		t.Errorf("measured %d queries only", len(measured))
	}
	for name := range allowed {
		if !measured[name] {
			t.Errorf("allowed has %s, which is no query", name)
		}
	}
	v.enterSession()
	v.search()
	v.pages()
}

// count looks how many rows there are.
func (v *atVolume) count() {
	v.t.Helper()
	for _, table := range []string{
		"users", "sessions", "refresh_tokens", "login_events", "login_failures", "idempotency_keys", "invitations", "audit", "contacts",
		"nfe_emitters", "nfe_recipients", "nfe_products", "nfe_documents", "nfe_items", "nfe_icms", "nfe_ipi", "nfe_pis", "nfe_cofins",
		"nfe_transport", "nfe_transport_volumes", "nfe_payments", "nfe_references", "nfe_fiscal_info", "nfe_numbers", "nfe_voided_ranges",
	} {
		rows, err := v.admin.Query(v.t.Context(), "select tenant_id, count(*)::float8 from tenant."+table+" group by 1")
		if err != nil {
			v.t.Fatal(err)
		}
		v.owned[table] = map[string]float64{}
		var tenant string
		var n float64
		if _, err := pgx.ForEachRow(rows, []any{&tenant, &n}, func() error {
			v.owned[table][tenant] = n
			v.totals[table] += n
			return nil
		}); err != nil {
			v.t.Fatal(err)
		}
	}
}

// finds matches queries that look for rows, and do not only insert some.
var finds = regexp.MustCompile(`(from|join|update|into) +(tenant|control|app)\.\w+[^;]*(where|on conflict)|from +(tenant|control|app)\.`)

// explain carries a query out, and reports whether it is one that reads tables.
func (v *atVolume) explain(s sample, q query, tenant string, control bool) bool {
	v.t.Helper()
	if len(q.tables) == 0 || !finds.MatchString(q.sql) {
		return false
	}
	roles := []*pgx.Conn{v.app}
	switch {
	case control || wide[q.name] != "":
		roles = []*pgx.Conn{v.maint}
	case strings.Contains(q.sql, "@kept_seconds"): // housekeeping, in databases of both kinds
		roles = append(roles, v.maint)
	}
	filters := []string{""}
	number(q.sql, func(name string, narg bool) *string {
		if narg && name != "versions" && tenant == large && !slices.Contains(filters, name) {
			filters = append(filters, name)
		}
		return nil
	})
	for _, filter := range filters {
		for _, kind := range []string{"custom", "generic"} {
			sql, args := number(q.sql, func(name string, narg bool) *string {
				if narg && name != filter {
					return nil
				}
				value := s.supply(v.t, q, name, tenant)
				return &value
			})
			for _, conn := range roles {
				plan, err := measure(v.t, conn, tenant, kind, sql, args)
				if err != nil {
					v.t.Errorf("%s in %s: %v", q.name, tenant, err)
					continue
				}
				v.judge(q, tenant, kind, filter, plan)
			}
		}
	}
	return true
}

// judge holds what a plan has read against what is allowed.
func (v *atVolume) judge(q query, tenant, kind, filter string, plan node) {
	v.t.Helper()
	a := allowed[q.name]
	read, own, all := 0.0, 0.0, 0.0
	for _, table := range q.tables {
		own += 2 * v.owned[table][tenant]
		all += 2 * v.totals[table]
	}
	wrong := func(format string, args ...any) {
		v.t.Helper()
		v.t.Errorf("%s in %s, %s plan, filter %q, %s:\n%s", q.name, tenant, kind, filter, fmt.Sprintf(format, args...), plan)
	}
	plan.walk(func(n node) {
		if !n.scans() || v.totals[n.Relation] <= smallTable {
			return
		}
		read += n.read()
		switch cond := n.cond(); {
		case n.Type == "Tid Scan", a.all:
		case cond == "":
			wrong("goes through %s without the condition of an index", n.Relation)
		case wide[q.name] == "" && !strings.Contains(cond, "tenant_id"):
			wrong("goes through rows of all tenants")
		}
	})
	limit := most(plan.returned(), a.perRow)
	switch {
	case a.all:
		limit = max(limit, all)
	case a.own, filter != "", own <= 2*smallShare:
		limit = max(limit, own)
	}
	if read > limit {
		wrong("reads %g rows, at most %g are allowed", read, limit)
	}
}

// readBy is how many rows of tables a transaction has read, and what its connection
// did before and has not reported.
func readBy(t *testing.T, tx pgx.Tx) (rows int) {
	t.Helper()
	if err := tx.QueryRow(t.Context(), `select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::int from pg_stat_xact_all_tables
		where schemaname in ('app', 'tenant')`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// enterSession looks at the statements inside app.enter and app.require_session,
// which every request begins with.
func (v *atVolume) enterSession() {
	v.t.Helper()
	s := newSample(v.t, v.admin, giant)
	tx, err := v.app.Begin(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(v.t.Context()) }()
	before := readBy(v.t, tx)
	if _, err := tx.Exec(v.t.Context(), "select app.enter($1, false), app.require_session($1, $2::text::uuid, $3::text::uuid)",
		giant, *s["sessions"]["id"], *s["users"]["id"]); err != nil {
		v.t.Fatal(err)
	}
	if got := readBy(v.t, tx) - before; got != 2 {
		v.t.Errorf("a request reads %d rows to begin with, want the resident and the session", got)
	}
}

// search looks at what is read to find contacts by a part of a text: the newest
// contacts, and what is found. Whoever has a text that many have is not looked for.
func (v *atVolume) search() {
	v.t.Helper()
	const sample = 1000
	for _, tenant := range []string{giant, large, small} {
		contact := newSample(v.t, v.admin, tenant)["contacts"]
		for field, text := range map[string]string{
			"name": (*contact["name_key"])[len("contact "):], "email": *contact["email_key"], "phone": (*contact["phone"])[len("+55 11 "):],
			"q": *contact["email_key"],
		} {
			for pattern, least := range map[string]int{"%" + text + "%": 1, "%no such text%": 0} {
				found, read := v.find(tenant, field, pattern)
				// Trigrams that are all there can stand apart in a contact.
				if found < least || found > 1000 || read > sample+2*found+100 {
					v.t.Errorf("%s like %s in %s: finds %d contacts and reads %d rows", field, pattern, tenant, found, read)
				}
			}
		}
		if found, read := v.find(tenant, "email", "%example%"); found != -1 || read > sample {
			v.t.Errorf("a text that all have in %s: finds %d contacts and reads %d rows", tenant, found, read)
		}
	}
}

// find returns how many contacts app.find_contacts finds, -1 when it finds too many,
// and how many rows it reads.
func (v *atVolume) find(tenant, field, pattern string) (found, read int) {
	v.t.Helper()
	tx, err := v.app.Begin(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(v.t.Context()) }()
	if _, err := tx.Exec(v.t.Context(), "select app.enter($1, false)", tenant); err != nil {
		v.t.Fatal(err)
	}
	before := readBy(v.t, tx)
	if err := tx.QueryRow(v.t.Context(), "select coalesce(cardinality(app.find_contacts($1, $2, $3, 1000)), -1)", tenant, field, pattern).Scan(&found); err != nil {
		v.t.Fatal(err)
	}
	return found, readBy(v.t, tx) - before
}

// pages holds page 10,000 of the contacts against the first, in every order.
func (v *atVolume) pages() {
	v.t.Helper()
	for _, q := range parsePlane(v.t, "tenant", table) {
		order, ok := strings.CutPrefix(q.name, "ListContactsBy")
		if !ok {
			continue
		}
		column := map[string]string{"Created": "created_at", "Name": "name_sort", "Age": "age"}[strings.TrimSuffix(order, "Desc")]
		direction := map[bool]string{true: " desc", false: ""}[strings.HasSuffix(order, "Desc")]
		for _, kind := range []string{"custom", "generic"} {
			page := func(rows int) node {
				s := sample{}
				s.read(v.t, v.admin, "contacts", fmt.Sprintf("tenant.contacts r where tenant_id = $1 order by %s%s, id%s offset $2 limit 1",
					column, direction, direction), giant, rows)
				sql, args := number(q.sql, func(name string, narg bool) *string {
					if narg {
						return nil
					}
					value := s.supply(v.t, q, name, giant)
					return &value
				})
				plan, err := measure(v.t, v.app, giant, kind, sql, args)
				if err != nil {
					v.t.Fatal(err)
				}
				return plan
			}
			first, deep := page(0), page(10_000*(pageRows-1))
			if was, is := first.Hit+first.Read, deep.Hit+deep.Read; deep.read() != first.read() || deep.returned() != pageRows || float64(is) > 1.5*float64(was)+3 {
				v.t.Errorf("%s, %s plan: page 10,000 returns %g rows for %g and %d blocks, page 1 for %g and %d:\n%s",
					q.name, kind, deep.returned(), deep.read(), is, first.read(), was, deep)
			}
		}
	}
}
