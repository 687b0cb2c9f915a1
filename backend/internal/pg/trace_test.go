package pg_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
)

// series returns the value of every series of this process.
func series(t *testing.T) map[string]int {
	t.Helper()
	var text bytes.Buffer
	metrics.WritePrometheus(&text, false)
	all := map[string]int{}
	for line := range strings.Lines(text.String()) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if n, err := strconv.Atoi(value); err == nil {
			all[name] = n
		}
	}
	return all
}

// TestStatementsAreCounted is not parallel: the counters are those of the whole
// process.
func TestStatementsAreCounted(t *testing.T) {
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	acme := pg.Scope{Tenant: "acme", Write: true}
	times := func(query string) string {
		return fmt.Sprintf(`backend_db_query_duration_seconds_count{query=%q}`, query)
	}
	failed := func(kind string) string { return fmt.Sprintf(`backend_db_errors_total{kind=%q}`, kind) }
	raise := func(state string) string {
		return fmt.Sprintf("-- name: TraceRaise :exec\ndo $$ begin raise exception using errcode = '%s'; end $$", state)
	}
	exec := func(s pg.Scope, sql string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := db.As(s).Exec(ctx, sql)
			return err
		}
	}
	for _, c := range []struct {
		name string
		run  func(ctx context.Context) error
		// want is how much series grow by that run's run, of those that have a name
		// like the ones above.
		want map[string]int
	}{
		{"a query of a tenant", exec(acme, "-- name: TraceOne :exec\nselect 1"), map[string]int{times("TraceOne"): 1}},
		{"rows", func(ctx context.Context) error {
			var n int
			return db.As(acme).QueryRow(ctx, "-- name: TraceRow :one\nselect 1").Scan(&n)
		}, map[string]int{times("TraceRow"): 1}},
		{"a query of the control plane", func(ctx context.Context) error {
			_, err := db.Control().Exec(ctx, "-- name: TracePlain :exec\nselect 1")
			return err
		}, map[string]int{times("TracePlain"): 1}},
		{"what has no name", exec(acme, "select 1"), map[string]int{times("other"): 1}},
		{"a transaction", func(ctx context.Context) error {
			return db.InTx(ctx, acme, func(tx tenantdb.DBTX) error {
				_, err := tx.Exec(ctx, "-- name: TraceInner :exec\nselect 1")
				return err
			})
		}, map[string]int{times("TraceInner"): 1, times("Enter"): 1, times("transaction"): 2}},
		{"a lost race", func(ctx context.Context) error {
			return db.InTx(ctx, acme, func(tx tenantdb.DBTX) error {
				_, err := tx.Exec(ctx, raise("40001"))
				return err
			})
		}, map[string]int{
			times("TraceRaise"): 3, times("Enter"): 3, times("transaction"): 6,
			failed("conflict"): 3, "backend_db_transaction_retries_total": 2,
		}},
		{"a rule of the schema", exec(acme, raise("23505")), map[string]int{times("TraceRaise"): 1, failed("constraint"): 1}},
		{"a server that stops", exec(acme, raise("57P01")), map[string]int{times("TraceRaise"): 1, failed("unavailable"): 1}},
		{"an error of its own", exec(acme, "-- name: TraceZero :exec\nselect 1/0"), map[string]int{times("TraceZero"): 1, failed("other"): 1}},
		{"an error among the rows", func(ctx context.Context) error {
			var n int
			return db.As(acme).QueryRow(ctx, "-- name: TraceLate :one\nselect 1/(3-g) from generate_series(3, 4) g").Scan(&n)
		}, map[string]int{times("TraceLate"): 1, failed("other"): 1}},
		{"what cannot be sent", func(ctx context.Context) error {
			_, err := db.As(acme).Exec(ctx, "-- name: TraceUnsent :exec\nselect $1::int", struct{}{})
			return err
		}, map[string]int{times("TraceUnsent"): 1, failed("other"): 1}},
		{"an unknown tenant", exec(pg.Scope{Tenant: "nobody"}, "-- name: TraceNobody :exec\nselect 1"), map[string]int{times("TraceNobody"): 1, failed("refused"): 1}},
		{"a statement that takes too long", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			return exec(acme, "-- name: TraceSlow :exec\nselect pg_sleep(5)")(ctx)
		}, map[string]int{times("TraceSlow"): 1, failed("timeout"): 1}},
	} {
		before := series(t)
		err := c.run(t.Context())
		after := series(t)
		failures := 0
		for name, value := range after {
			grown := value - before[name]
			if strings.HasPrefix(name, "backend_db_errors_total") {
				failures += grown
			} else if !strings.HasPrefix(name, "backend_db_query_duration_seconds_count") && name != "backend_db_transaction_retries_total" {
				continue
			}
			if grown != c.want[name] {
				t.Errorf("%s: %s grew by %d, want %d", c.name, name, grown, c.want[name])
			}
		}
		if (err != nil) != (failures > 0) {
			t.Errorf("%s: error %v, but %d are counted", c.name, err, failures)
		}
	}
	if n := series(t)[`backend_db_connects_total{outcome="ok"}`]; n == 0 {
		t.Error("no connection is counted")
	}
}
