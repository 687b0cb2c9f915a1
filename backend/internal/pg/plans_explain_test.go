//go:build plans

package pg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// node is a step of a plan that was carried out, as EXPLAIN shows it.
type node struct {
	Type      string  `json:"Node Type"`
	Relation  string  `json:"Relation Name"`
	Index     string  `json:"Index Name"`
	Cond      string  `json:"Index Cond"`
	Rows      float64 `json:"Actual Rows"` // of one of the loops
	Loops     float64 `json:"Actual Loops"`
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Hit       int     `json:"Shared Hit Blocks"` // with those of the steps below
	Read      int     `json:"Shared Read Blocks"`
	Plans     []node  `json:"Plans"`
}

// walk calls fn for the step and all below it.
func (n node) walk(fn func(node)) {
	fn(n)
	for _, p := range n.Plans {
		p.walk(fn)
	}
}

// scans reports whether the step reads rows of a table.
func (n node) scans() bool { return n.Relation != "" && strings.HasSuffix(n.Type, "Scan") }

// read is how many rows the plan read from tables.
func (n node) read() (rows float64) {
	n.walk(func(n node) {
		if n.scans() {
			rows += (n.Rows + n.Filtered + n.Rechecked) * n.Loops
		}
	})
	return rows
}

// returned is how many rows the plan gave or changed.
func (n node) returned() float64 {
	if n.Type != "ModifyTable" {
		return n.Rows * n.Loops
	}
	changed := 0.0
	for _, p := range n.Plans {
		if p.Type != "" && p.Rows*p.Loops > changed {
			changed = p.Rows * p.Loops
		}
	}
	return changed
}

// cond is the index condition by which the step finds its rows; a bitmap's is that
// of the indexes below it.
func (n node) cond() string {
	if n.Type != "Bitmap Heap Scan" {
		return n.Cond
	}
	var conds []string
	n.walk(func(n node) {
		if n.Type == "Bitmap Index Scan" {
			conds = append(conds, n.Cond)
		}
	})
	return strings.Join(conds, " ")
}

// String shows the plan, a step on each line.
func (n node) String() string {
	var b strings.Builder
	var show func(node, string)
	show = func(n node, indent string) {
		fmt.Fprintf(&b, "%s%s %s %s rows=%g loops=%g filtered=%g %s\n", indent, n.Type, n.Relation, n.Index, n.Rows, n.Loops, n.Filtered+n.Rechecked, n.Cond)
		for _, p := range n.Plans {
			show(p, indent+"  ")
		}
	}
	show(n, "")
	return b.String()
}

// measure carries a query out inside a tenant, as the connection's role, and undoes
// it. The kind of plan is generic or custom.
func measure(t *testing.T, conn *pgx.Conn, tenant, kind, sql string, args []*string) (node, error) {
	t.Helper()
	ctx := t.Context()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = tx.Rollback(ctx)
		_, _ = conn.Exec(ctx, "deallocate q")
	}()
	if _, err := tx.Exec(ctx, "select app.enter($1, true), set_config('plan_cache_mode', 'force_'||$2||'_plan', true)", tenant, kind); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "prepare q as "+sql); err != nil {
		return node{}, fmt.Errorf("%w in %s", err, sql)
	}
	execute := "explain (analyze, buffers, timing off, format json) execute q"
	if len(args) > 0 {
		var values []string
		for _, a := range args {
			value := "null"
			if a != nil {
				value = "'" + strings.ReplaceAll(*a, "'", "''") + "'"
			}
			values = append(values, value)
		}
		execute += "(" + strings.Join(values, ", ") + ")"
	}
	var text string
	if err := tx.QueryRow(ctx, execute, pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
		return node{}, fmt.Errorf("%w in %s", err, execute)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	return plans[0].Plan, nil
}
