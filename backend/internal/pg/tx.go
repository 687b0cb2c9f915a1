package pg

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/backend/internal/tenantdb"
)

const (
	// txTries is how often a transaction that lost a race is run in all.
	txTries = 3
	// txPause is the longest pause before the second try, twice that before the
	// third. Whoever won the race is woken up meanwhile: without it the loser may be
	// quicker, and they meet again.
	txPause = 40 * time.Millisecond
	// commitTimeout lets a transaction that is done commit even when the
	// request's time is over: its outcome would be unknown otherwise.
	commitTimeout = 2 * time.Second
)

var txRetries = metrics.NewCounter(`backend_db_transaction_retries_total`)

// InTx runs fn in one transaction inside the scope and commits when fn returns
// nil. Deadlocks and serialization failures run fn again, so it must not have
// effects outside the database.
func (db *DB) InTx(ctx context.Context, s Scope, fn func(tx tenantdb.DBTX) error) error {
	for try := 1; ; try++ {
		err := db.inTx(ctx, s, fn)
		if try == txTries || !lostRace(err) {
			return translate(err)
		}
		txRetries.Inc()
		pause := txPause/2 + rand.N(txPause/2) //nolint:gosec // there is nothing to guess
		select {
		case <-ctx.Done():
			return translate(err)
		case <-time.After(time.Duration(try) * pause):
		}
	}
}

func (db *DB) inTx(ctx context.Context, s Scope, fn func(tx tenantdb.DBTX) error) error {
	run, cancel, timeoutMS := bounds(ctx)
	defer cancel()
	conn, err := db.acquire(run)
	if err != nil {
		return err
	}
	defer conn.Release()

	tx, err := conn.Begin(run)
	if err != nil {
		return err
	}
	// After a commit this does nothing; a failed rollback closes the connection.
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		_ = tx.Rollback(end)
	}()

	var b pgx.Batch
	s.enter(&b, timeoutMS)
	if err := tx.SendBatch(run, &b).Close(); err != nil {
		return err
	}
	if err := fn(&inTx{tx: tx, run: run}); err != nil {
		return err
	}
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancelEnd()
	return tx.Commit(end)
}

// Nested runs fn in a part of a transaction that [DB.InTx] handed out. When fn
// fails its changes are undone, and the transaction can go on.
func Nested(tx tenantdb.DBTX, fn func(tx tenantdb.DBTX) error) error {
	outer := tx.(*inTx)
	inner, err := outer.tx.Begin(outer.run)
	if err != nil {
		return translate(err)
	}
	if err := fn(&inTx{tx: inner, run: outer.run}); err != nil {
		if undo := inner.Rollback(outer.run); undo != nil {
			return translate(undo)
		}
		return err
	}
	return translate(inner.Commit(outer.run))
}

// inTx is the connection that InTx hands out: it runs statements with the
// transaction's own bounds and translates their errors.
type inTx struct {
	tx  pgx.Tx
	run context.Context
}

// Exec implements tenantdb.DBTX.
func (t *inTx) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := t.tx.Exec(t.run, sql, args...)
	return tag, translate(err)
}

// Query implements tenantdb.DBTX.
func (t *inTx) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := t.tx.Query(t.run, sql, args...)
	return rows, translate(err)
}

// QueryRow implements tenantdb.DBTX.
func (t *inTx) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	return translatedRow{t.tx.QueryRow(t.run, sql, args...)}
}

type translatedRow struct{ row pgx.Row }

func (r translatedRow) Scan(dest ...any) error { return translate(r.row.Scan(dest...)) }
