package placement

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
)

// As returns a connection to the scope's tenant, wherever it lives; each
// statement runs in a transaction of its own, in one round trip (see
// [pg.DB.As]).
func (d *Directory) As(s pg.Scope) tenantdb.DBTX { return &placed{d, s} }

// Admit checks that the scope's tenant may be served and its session lives, as
// everything else in the scope would first (see [pg.DB.Admit]).
func (d *Directory) Admit(ctx context.Context, s pg.Scope) error {
	return d.with(ctx, s.Tenant, func(db *pg.DB, _ bool) error { return db.Admit(ctx, s) })
}

// InTx runs fn in one transaction inside the scope, in the database of its
// tenant (see [pg.DB.InTx]).
func (d *Directory) InTx(ctx context.Context, s pg.Scope, fn func(tx tenantdb.DBTX) error) error {
	return d.with(ctx, s.Tenant, func(db *pg.DB, _ bool) error { return db.InTx(ctx, s, fn) })
}

// routeTries bounds how often a statement is sent anew because its tenant has moved:
// who looked its route up before may be the last to keep it.
const routeTries = 4

// with runs fn on the database of a tenant, and tells it whether that is a
// dedicated one. When the database refuses the tenant, or a dedicated one does not
// know the tenant's login any more, the route may be stale: it is looked up, and if
// it has changed fn is run again. The refusal came before anything else was done.
func (d *Directory) with(ctx context.Context, tenant string, fn func(db *pg.DB, own bool) error) error {
	for try := 1; ; try++ {
		where, err := d.find(ctx, tenant)
		if err != nil {
			return err
		}
		db, own, giveBack, err := d.borrow(tenant, where)
		if err != nil {
			return err
		}
		err = fn(db, own)
		giveBack(err)
		stale := pg.NotResident(err) || pg.IsMoving(err) || own && pg.LoginRefused(err)
		if own {
			err = pg.Conceal(err)
		}
		if !stale || try == routeTries || !d.moved(ctx, tenant, where) {
			return err
		}
	}
}

type placed struct {
	directory *Directory
	scope     pg.Scope
}

// Exec implements tenantdb.DBTX.
func (p *placed) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	err = p.directory.with(ctx, p.scope.Tenant, func(db *pg.DB, _ bool) error {
		tag, err = db.As(p.scope).Exec(ctx, sql, args...)
		return err
	})
	return tag, err
}

// Query implements tenantdb.DBTX. The rows hold their connection, and so the
// pool, until they are closed.
func (p *placed) Query(ctx context.Context, sql string, args ...any) (rows pgx.Rows, err error) {
	err = p.directory.with(ctx, p.scope.Tenant, func(db *pg.DB, own bool) error {
		rows, err = db.As(p.scope).Query(ctx, sql, args...)
		if err == nil && own {
			rows = ownRows{rows}
		}
		return err
	})
	return rows, err
}

// QueryRow implements tenantdb.DBTX.
func (p *placed) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := p.Query(ctx, sql, args...)
	if err != nil {
		return pg.FailedRow(err)
	}
	return pg.FirstRow(rows)
}

// ownRows are rows of a dedicated database, whose errors are not to tell where
// it is.
type ownRows struct{ pgx.Rows }

// Err implements pgx.Rows.
func (r ownRows) Err() error { return pg.Conceal(r.Rows.Err()) }
