package move

import (
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
)

// BenchmarkMove moves a tenant with 100,000 contacts, which is written to all the
// time, to a database of its own and back.
func BenchmarkMove(b *testing.B) {
	r := newRig(b)
	dbtest.Exec(b, r.db.AdminURL, `insert into tenant.contacts (tenant_id, id, name, name_sort, gender, age, address, phone, email, name_key, email_key)
		select 'acme', gen_random_uuid(), 'Contact ' || n, 'contact ' || n, true, n % 100, 'Street ' || n, '+55 11 9' || n, n || '@example.com', 'contact ' || n, n || '@example.com'
		from generate_series(100001, 200000) n`)
	l := r.load()
	var paused, longest time.Duration
	var rows, changes int64
	for i := range b.N {
		m, err := r.mover.Move(b.Context(), "acme", []string{Dedicated, Shared}[i%2], r.ask)
		if err != nil {
			b.Fatal(err)
		}
		paused, longest, rows, changes = paused+m.Paused, max(longest, m.Paused), rows+m.Rows, changes+m.Changes
	}
	l.end()
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(changes)/float64(b.N), "changes")
	b.ReportMetric(float64(paused.Milliseconds())/float64(b.N), "pause-ms")
	b.ReportMetric(float64(longest.Milliseconds()), "longest-pause-ms")
}
