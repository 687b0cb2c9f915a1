package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
)

const (
	// batch is how many changes are carried out at a time, and few how many may be
	// left for when writes are paused.
	batch = 1000
	few   = 200
	// fenceTries is how often the end is tried, each time after all changes that
	// came in between.
	fenceTries = 20
	fencePause = 500 * time.Millisecond
)

// errBehind says that something was written that the copy has not got.
var errBehind = errors.New("writes went on while the last changes were carried out")

// follow carries out the changes on the copy, pauses writes, and makes the copy the
// tenant's data.
func (r *run) follow(ctx context.Context) error {
	for try := 1; ; try++ {
		if err := r.catchUp(ctx, few); err != nil {
			return err
		}
		r.stop("caught up")
		err := r.arrive(ctx)
		again := errors.Is(err, errBehind) || pg.LockTimedOut(err)
		if err == nil || !again || try == fenceTries {
			return err
		}
		// Who writes is let in for a while.
		if err := r.reopen(ctx, r.source); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(fencePause):
		}
	}
}

// catchUp carries out changes until fewer than so many are found at once.
func (r *run) catchUp(ctx context.Context, fewer int) error {
	for {
		n, err := r.replay(ctx)
		if err != nil {
			return err
		}
		r.moved.Changes += int64(n)
		if n < fewer {
			return nil
		}
	}
}

// replay carries out a batch of changes in one transaction, which also notes them,
// and then takes them off the log. Those that are on it again after a stop between
// the two are not carried out twice.
func (r *run) replay(ctx context.Context) (int, error) {
	var changes []byte
	err := r.source.InTx(ctx, func(tx tenantdb.DBTX) (err error) {
		changes, err = r.queries.ExportChanges(ctx, tx, tenantdb.ExportChangesParams{TenantID: r.tenant, RowLimit: batch})
		return err
	})
	if err != nil {
		return 0, err
	}
	var found struct {
		IDs []int64 `json:"ids"`
	}
	if err := json.Unmarshal(changes, &found); err != nil || len(found.IDs) == 0 {
		return 0, err
	}
	err = r.target.InTx(ctx, func(tx tenantdb.DBTX) error {
		return r.queries.ApplyChanges(ctx, tx, tenantdb.ApplyChangesParams{TenantID: r.tenant, Changes: changes})
	})
	if err != nil {
		return 0, err
	}
	r.stop("replayed")
	return len(found.IDs), r.source.InTx(ctx, func(tx tenantdb.DBTX) error {
		return r.queries.ForgetChanges(ctx, tx, tenantdb.ForgetChangesParams{TenantID: r.tenant, Ids: found.IDs})
	})
}

// arrive pauses writes, carries out what is left, compares, and changes the
// tenant's placement. It fails with errBehind when the pause was over before that.
func (r *run) arrive(ctx context.Context) error {
	if err := r.fence(ctx); err != nil {
		return err
	}
	began := time.Now()
	r.stop("fenced")
	if err := r.complete(ctx); err != nil {
		return errors.Join(err, r.reopen(ctx, r.source))
	}
	r.stop("compared")
	settle := r.settleInShared
	if r.move.Target == Dedicated {
		settle = r.settleInDedicated
	}
	if err := settle(ctx); err != nil {
		return err
	}
	r.move.Step = clean
	r.stop("settled")
	if err := r.reopen(ctx, r.target); err != nil {
		return err
	}
	r.moved.Paused = time.Since(began)
	return nil
}

// complete carries out all changes that there are, and compares.
func (r *run) complete(ctx context.Context) error {
	if err := r.catchUp(ctx, 1); err != nil {
		return err
	}
	return r.source.Snapshot(ctx, func(from tenantdb.DBTX) error {
		for _, table := range r.tables {
			if err := r.sameTouched(ctx, from, table); err != nil {
				return err
			}
		}
		return nil
	})
}

// sameTouched compares how many rows a table has, and the contents of those that
// have changed since it was copied and compared as a whole.
func (r *run) sameTouched(ctx context.Context, from tenantdb.DBTX, table string) error {
	var keys []byte
	err := r.target.InTx(ctx, func(tx tenantdb.DBTX) (err error) {
		keys, err = r.queries.TouchedKeys(ctx, tx, tenantdb.TouchedKeysParams{TenantID: r.tenant, TableName: table})
		return err
	})
	if err != nil {
		return err
	}
	return r.same(ctx, from, table, keys)
}

// locked runs a transaction of the source while no writer of the tenant is at work
// there. Others wait for it, so it waits for them for a moment only.
func (r *run) locked(ctx context.Context, fn func(tx tenantdb.DBTX) error) error {
	return r.source.InTx(ctx, func(tx tenantdb.DBTX) error {
		if err := r.queries.SetLockTimeout(ctx, tx, fmt.Sprint(lockWait.Milliseconds())); err != nil {
			return err
		}
		if err := r.queries.LockFence(ctx, tx, r.tenant); err != nil {
			return err
		}
		return fn(tx)
	})
}

// fence refuses writes for ten seconds. Those that are under way have ended.
func (r *run) fence(ctx context.Context) error {
	return r.locked(ctx, func(tx tenantdb.DBTX) error { return r.queries.FenceResident(ctx, tx, r.tenant) })
}

// leave ends the tenant's service at the source, in a transaction that gets what
// else has to be in it, unless the copy has not got all.
func (r *run) leave(ctx context.Context, fn func(tx tenantdb.DBTX) error) error {
	return r.locked(ctx, func(tx tenantdb.DBTX) error {
		behind, err := r.queries.HasChanges(ctx, tx, r.tenant)
		if err == nil && behind {
			err = errBehind
		}
		if err != nil {
			return err
		}
		return fn(tx)
	})
}

// settleInDedicated gives the tenant its new placement in the transaction that ends
// its service in the main database.
func (r *run) settleInDedicated(ctx context.Context) error {
	return r.leave(ctx, func(tx tenantdb.DBTX) error {
		if err := r.queries.ExpelTenant(ctx, tx, r.tenant); err != nil {
			return err
		}
		if err := r.control.SettleInDedicated(ctx, tx, r.tenant); err != nil {
			return err
		}
		return r.settled(ctx, tx)
	})
}

// settleInShared ends the tenant's service in its own database, and then lets it
// into the main one in the transaction that gives it its new placement.
func (r *run) settleInShared(ctx context.Context) error {
	err := r.leave(ctx, func(tx tenantdb.DBTX) error { return r.queries.CloseResident(ctx, tx, r.tenant) })
	if err != nil {
		return err
	}
	r.stop("closed")
	sealed, err := r.sealed(ctx)
	if err != nil {
		return err
	}
	err = r.main.InTx(ctx, func(tx tenantdb.DBTX) error {
		if err := r.queries.AdmitTenant(ctx, tx, r.tenant); err != nil {
			return err
		}
		if err := r.control.SettleInShared(ctx, tx, r.tenant); err != nil {
			return err
		}
		return r.settled(ctx, tx)
	})
	r.move.SealedOwnerURL, r.move.SealedURL = sealed.OwnerURL, sealed.ServingURL
	return err
}

func (r *run) settled(ctx context.Context, tx tenantdb.DBTX) error {
	p := controldb.SetTenantPlacementParams{ID: r.tenant, Placement: r.move.Target}
	if err := r.control.SetTenantPlacement(ctx, tx, p); err != nil {
		return err
	}
	if err := r.record(ctx, tx, "moved"); err != nil {
		return err
	}
	return r.setStep(ctx, tx, clean)
}
