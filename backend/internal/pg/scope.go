package pg

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gatehouse/backend/internal/tenantdb"
)

// Scope says for whom statements run.
type Scope struct {
	Tenant string
	Write  bool

	// Session and User, if set, must be a live session; it is checked in the
	// same round trip.
	Session uuid.UUID
	User    uuid.UUID
}

// enter queues app.enter, which must be the first statement of its
// transaction.
func (s Scope) enter(b *pgx.Batch, timeoutMS string) {
	if s.Session == uuid.Nil {
		b.Queue(tenantdb.Enter, s.Tenant, s.Write, timeoutMS)
		return
	}
	b.Queue(tenantdb.EnterSession, s.Tenant, s.Write, s.Session, s.User, timeoutMS)
}

// Admit checks, in one round trip, what every batch and transaction in the scope
// checks first: that the tenant may be served from here, and that the session
// lives.
func (db *DB) Admit(ctx context.Context, s Scope) error {
	run, cancel, timeoutMS := bounds(ctx)
	defer cancel()
	conn, err := db.acquire(run)
	if err != nil {
		return translate(err)
	}
	defer conn.Release()
	var b pgx.Batch
	s.enter(&b, timeoutMS)
	return translate(conn.SendBatch(run, &b).Close())
}

// As returns a connection whose every statement runs in a transaction of its
// own inside the scope, in one round trip.
func (db *DB) As(s Scope) tenantdb.DBTX { return &scoped{db: db, scope: s} }

type scoped struct {
	db    *DB
	scope Scope
}

// send starts the batch of app.enter and one statement, and checks the answer
// to the first.
func (s *scoped) send(ctx context.Context, sql string, args []any) (*exchange, error) {
	run, cancel, timeoutMS := bounds(ctx)
	conn, err := s.db.acquire(run)
	if err != nil {
		cancel()
		return nil, err
	}
	var b pgx.Batch
	s.scope.enter(&b, timeoutMS)
	b.Queue(sql, args...)
	x := &exchange{conn: conn, results: conn.SendBatch(run, &b), cancel: cancel}
	if _, err := x.results.Exec(); err != nil {
		return nil, errors.Join(err, x.close())
	}
	return x, nil
}

// Exec implements tenantdb.DBTX.
func (s *scoped) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	x, err := s.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, translate(err)
	}
	tag, err := x.results.Exec()
	// Only closing the batch tells whether its transaction committed.
	return tag, translate(errors.Join(err, x.close()))
}

// Query implements tenantdb.DBTX.
func (s *scoped) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	x, err := s.send(ctx, sql, args)
	if err != nil {
		return nil, translate(err)
	}
	rows, err := x.results.Query()
	if err != nil {
		return nil, translate(errors.Join(err, x.close()))
	}
	return &scopedRows{Rows: rows, exchange: x}, nil
}

// QueryRow implements tenantdb.DBTX.
func (s *scoped) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := s.Query(ctx, sql, args...)
	return &scopedRow{rows: rows, err: err}
}

// exchange is one batch under way on a connection of the pool.
type exchange struct {
	conn    *pgxpool.Conn
	results pgx.BatchResults
	cancel  context.CancelFunc
}

func (x *exchange) close() error {
	if x.conn == nil {
		return nil
	}
	err := x.results.Close()
	x.conn.Release()
	x.cancel()
	x.conn = nil
	return err
}

// scopedRows gives the connection back after the last row and reports the
// outcome of the whole transaction in Err.
type scopedRows struct {
	pgx.Rows
	exchange *exchange
	err      error
}

// Next implements pgx.Rows.
func (r *scopedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close implements pgx.Rows.
func (r *scopedRows) Close() {
	r.Rows.Close()
	if err := errors.Join(r.Rows.Err(), r.exchange.close()); r.err == nil {
		r.err = err
	}
}

// Err implements pgx.Rows.
func (r *scopedRows) Err() error { return translate(errors.Join(r.Rows.Err(), r.err)) }

// FirstRow returns the first of rows, as QueryRow would.
func FirstRow(rows pgx.Rows) pgx.Row { return &scopedRow{rows: rows} }

// FailedRow returns a row whose query failed.
func FailedRow(err error) pgx.Row { return &scopedRow{err: err} }

type scopedRow struct {
	rows pgx.Rows
	err  error
}

// Scan implements pgx.Row. It drains the batch, so that a failed commit is not
// taken for success.
func (r *scopedRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return translate(pgx.ErrNoRows)
	}
	scanErr := r.rows.Scan(dest...)
	r.rows.Close()
	if err := r.rows.Err(); err != nil {
		return err
	}
	return translate(scanErr)
}

// plain runs statements of the control plane: no tenant to enter.
type plain struct{ db *DB }

// Exec implements controldb.DBTX.
func (p *plain) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	run, cancel, _ := bounds(ctx)
	defer cancel()
	conn, err := p.db.acquire(run)
	if err != nil {
		return pgconn.CommandTag{}, translate(err)
	}
	defer conn.Release()
	tag, err := conn.Exec(run, sql, args...)
	return tag, translate(err)
}

// Query implements controldb.DBTX.
func (p *plain) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	run, cancel, _ := bounds(ctx)
	conn, err := p.db.acquire(run)
	if err != nil {
		cancel()
		return nil, translate(err)
	}
	rows, err := conn.Query(run, sql, args...)
	x := &exchange{conn: conn, results: noBatch{}, cancel: cancel}
	if err != nil {
		return nil, translate(errors.Join(err, x.close()))
	}
	return &scopedRows{Rows: rows, exchange: x}, nil
}

// QueryRow implements controldb.DBTX.
func (p *plain) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := p.Query(ctx, sql, args...)
	return &scopedRow{rows: rows, err: err}
}

// noBatch stands for the batch that a control query does not have.
type noBatch struct{ pgx.BatchResults }

func (noBatch) Close() error { return nil }
