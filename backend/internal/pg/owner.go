package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// Owner is a connection of gh_owner's for long work on one database, which nobody
// else does there meanwhile.
type Owner struct {
	conn *pgx.Conn
	// secret is set where errors must not tell how the database is reached.
	secret bool
}

// busyWait is for the server to notice that the process before has ended.
const busyWait = time.Second

// ErrBusy says that another process is at the same work.
var ErrBusy = errors.New("another process is at it")

// OpenOwner connects to the main database for work of a name. Only one process at
// a time gets a connection for that; others fail with [ErrBusy]. Close it.
func OpenOwner(ctx context.Context, u config.Secret, work string) (*Owner, error) {
	conn, err := connect(ctx, u.Reveal())
	if err != nil {
		return nil, translate(err)
	}
	return newOwner(ctx, &Owner{conn: conn}, work)
}

// OpenDedicatedOwner is [OpenOwner] for a dedicated database. Errors tell nothing
// of the connection string.
func OpenDedicatedOwner(ctx context.Context, r Reach, u config.Secret, work string) (*Owner, error) {
	conn, err := dial(ctx, r, u)
	if err != nil {
		return nil, problem.Wrap(problem.Unavailable, err)
	}
	return newOwner(ctx, &Owner{conn: conn, secret: true}, work)
}

func newOwner(ctx context.Context, o *Owner, work string) (*Owner, error) {
	for deadline := time.Now().Add(busyWait); ; time.Sleep(busyWait / 20) {
		free, err := has(ctx, o.conn, "select pg_try_advisory_lock(hashtextextended($1, 0))", "gatehouse."+work)
		if err == nil && free {
			return o, nil
		}
		if err == nil && time.Now().After(deadline) {
			err = ErrBusy
		}
		if err != nil {
			o.Close()
			return nil, o.told(err)
		}
	}
}

// InTx runs fn in a transaction.
func (o *Owner) InTx(ctx context.Context, fn func(tx tenantdb.DBTX) error) error {
	return o.in(ctx, pgx.TxOptions{}, fn)
}

// Snapshot runs fn in a transaction in which all statements see the database as
// it is when the first one begins.
func (o *Owner) Snapshot(ctx context.Context, fn func(tx tenantdb.DBTX) error) error {
	return o.in(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

func (o *Owner) in(ctx context.Context, options pgx.TxOptions, fn func(tx tenantdb.DBTX) error) error {
	return o.told(pgx.BeginTxFunc(ctx, o.conn, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local role "+OwnerRole); err != nil {
			return err
		}
		return fn(&inTx{tx: tx, run: ctx})
	}))
}

func (o *Owner) told(err error) error {
	if o.secret {
		return Conceal(translate(err))
	}
	return translate(err)
}

// Close ends the connection, and with it what it has locked.
func (o *Owner) Close() { hangUp(o.conn) }
