package dbtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"gatehouse/internal/config"
)

// Connect returns a connection that is closed when the test ends.
func Connect(t testing.TB, url config.Secret) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TenantRows reads everything that a database holds of one tenant: the rows of
// every table of the tenant plane, as JSON in a fixed order. Tables without any
// are in the map too. The connection must see them, as the owner's does.
func TenantRows(t testing.TB, conn *pgx.Conn, tenant string) map[string][]string {
	t.Helper()
	ctx := t.Context()
	list, err := conn.Query(ctx, `
		select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'tenant' and c.relkind in ('r', 'p') order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(list, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var batch pgx.Batch
	found := make(map[string][]string, len(tables))
	for _, table := range tables {
		batch.Queue("select to_jsonb(r)::text from "+pgx.Identifier{"tenant", table}.Sanitize()+" r where tenant_id = $1 order by 1", tenant).
			Query(func(rows pgx.Rows) (err error) {
				found[table], err = pgx.CollectRows(rows, pgx.RowTo[string])
				return err
			})
	}
	if err := conn.SendBatch(ctx, &batch).Close(); err != nil {
		t.Fatalf("read all rows of %s: %v", tenant, err)
	}
	return found
}
