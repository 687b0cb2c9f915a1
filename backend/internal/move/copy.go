package move

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
)

const (
	// copyRows is how many rows are copied at a time, and wipeRows how many are
	// deleted.
	copyRows = 1000
	wipeRows = 5000
	// lockWait is how long a change of a table waits for its users at a time. Others
	// wait behind it meanwhile, so it lets them pass and tries again, for lockTime in
	// all.
	lockWait  = 200 * time.Millisecond
	lockPause = 300 * time.Millisecond
	lockTime  = 5 * time.Minute
	// Each tenth time it waits for so long: after a second PostgreSQL stops an
	// autovacuum of the table that others wait for.
	lockVacuum = 1500 * time.Millisecond
)

// prepare has the source log the tenant's changes.
func (r *run) prepare(ctx context.Context) error {
	err := r.target.InTx(ctx, func(tx tenantdb.DBTX) error {
		if r.target == r.own { // which no other tenant is to get meanwhile
			return r.queries.AdmitClosed(ctx, tx, r.tenant)
		}
		return r.queries.ExpelTenant(ctx, tx, r.tenant)
	})
	if err != nil {
		return err
	}
	for _, table := range r.tables {
		err := r.patiently(ctx, r.source, func(tx tenantdb.DBTX) error {
			return r.queries.CaptureChanges(ctx, tx, tenantdb.CaptureChangesParams{TenantID: r.tenant, TableName: table})
		})
		if err != nil {
			return fmt.Errorf("log the changes of %s: %w", table, err)
		}
		r.stop("captured " + table)
	}
	return r.next(ctx, copying)
}

// patiently runs a transaction that waits for locks, again and again.
func (r *run) patiently(ctx context.Context, db *pg.Owner, fn func(tx tenantdb.DBTX) error) error {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	for try := 1; ; try++ {
		wait := lockWait
		if try%10 == 0 {
			wait = lockVacuum
		}
		err := db.InTx(ctx, func(tx tenantdb.DBTX) error {
			if err := r.queries.SetLockTimeout(ctx, tx, fmt.Sprint(wait.Milliseconds())); err != nil {
				return err
			}
			return fn(tx)
		})
		if !pg.LockTimedOut(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lockPause):
		}
	}
}

// copy copies the tenant's rows as one moment sees them. It begins anew each time.
func (r *run) copy(ctx context.Context) error {
	if err := r.wipe(ctx, r.target); err != nil {
		return err
	}
	r.moved.Rows = 0
	var included []int64 // in the copy
	err := r.source.Snapshot(ctx, func(from tenantdb.DBTX) (err error) {
		if included, err = r.queries.ListChangeIDs(ctx, from, r.tenant); err != nil {
			return err
		}
		for _, table := range r.tables {
			if err := r.copyTable(ctx, from, table); err != nil {
				return fmt.Errorf("copy %s: %w", table, err)
			}
			if err := r.same(ctx, from, table, nil); err != nil {
				return err
			}
			r.stop("copied " + table)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = r.source.InTx(ctx, func(tx tenantdb.DBTX) error {
		return r.queries.ForgetChanges(ctx, tx, tenantdb.ForgetChangesParams{TenantID: r.tenant, Ids: included})
	})
	if err != nil {
		return err
	}
	r.stop("copied all")
	return r.next(ctx, follow)
}

func (r *run) copyTable(ctx context.Context, from tenantdb.DBTX, table string) error {
	var after []byte
	for {
		rows, err := r.queries.ExportRows(ctx, from, tenantdb.ExportRowsParams{
			TenantID: r.tenant, TableName: table, After: after, RowLimit: copyRows,
		})
		if err != nil {
			return err
		}
		var page struct {
			Last jsontext.Value `json:"last"`
		}
		if err := json.Unmarshal(rows, &page); err != nil {
			return err
		}
		if page.Last.Kind() == 'n' {
			return nil
		}
		err = r.target.InTx(ctx, func(to tenantdb.DBTX) error {
			n, err := r.queries.ImportRows(ctx, to, tenantdb.ImportRowsParams{TenantID: r.tenant, TableName: table, Rows: rows})
			r.moved.Rows += n
			return err
		})
		if err != nil {
			return err
		}
		after = page.Last
	}
}

// same compares a table's rows: all of them, or all keys' and how many there are.
func (r *run) same(ctx context.Context, from tenantdb.DBTX, table string, keys []byte) error {
	p := tenantdb.FingerprintParams{TenantID: r.tenant, TableName: table, Keys: keys}
	was, err := r.queries.Fingerprint(ctx, from, p)
	if err != nil {
		return err
	}
	var is string
	err = r.target.InTx(ctx, func(to tenantdb.DBTX) (err error) {
		is, err = r.queries.Fingerprint(ctx, to, p)
		return err
	})
	if err == nil && is != was {
		err = fmt.Errorf("the copy of %s has %s; its original has %s", table, is, was)
	}
	return err
}

// wipe deletes all rows of the tenant from a database, those that point at others
// first, and the notes of a move.
func (r *run) wipe(ctx context.Context, db *pg.Owner) error {
	for i := len(r.tables) - 1; i >= 0; i-- {
		for wiped := int64(1); wiped > 0; {
			err := db.InTx(ctx, func(tx tenantdb.DBTX) (err error) {
				wiped, err = r.queries.WipeRows(ctx, tx, tenantdb.WipeRowsParams{TenantID: r.tenant, TableName: r.tables[i], RowLimit: wipeRows})
				return err
			})
			if err != nil {
				return fmt.Errorf("delete rows of %s: %w", r.tables[i], err)
			}
		}
	}
	return db.InTx(ctx, func(tx tenantdb.DBTX) error { return r.queries.ForgetAppliedChanges(ctx, tx, r.tenant) })
}

// release ends the logging of changes and deletes the log.
func (r *run) release(ctx context.Context, db *pg.Owner) error {
	for _, table := range r.tables {
		err := r.patiently(ctx, db, func(tx tenantdb.DBTX) error {
			return r.queries.ReleaseChanges(ctx, tx, tenantdb.ReleaseChangesParams{TenantID: r.tenant, TableName: table})
		})
		if err != nil {
			return fmt.Errorf("end the log of %s: %w", table, err)
		}
	}
	return db.InTx(ctx, func(tx tenantdb.DBTX) error { return r.queries.ForgetAllChanges(ctx, tx, r.tenant) })
}

// reopen lets everybody in again.
func (r *run) reopen(ctx context.Context, db *pg.Owner) error {
	return db.InTx(ctx, func(tx tenantdb.DBTX) error { return r.queries.OpenResident(ctx, tx, r.tenant) })
}
