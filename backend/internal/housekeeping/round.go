package housekeeping

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

const (
	// batch is how many rows of a table a transaction deletes at most.
	batch = 500
	// pageSize is how many tenants are read at once, and ownAtOnce how many
	// dedicated databases are worked on at once.
	pageSize  = 100
	ownAtOnce = 4
	// batchTime bounds a transaction, and turnTime all that is done for a tenant in
	// one round; what is left is done in the next.
	batchTime = 5 * time.Second
	turnTime  = time.Minute
	// connectTime bounds a new connection to a dedicated database.
	connectTime = 500 * time.Millisecond
)

// errBusy says that another process tidies the database.
var errBusy = errors.New("another process does the housekeeping")

// everywhere goes through all tenants. It stops, and reports that it is busy, when
// another process is at work on the main database, and with an error when that
// fails. Dedicated databases hold up nobody else.
func (k *Keeper) everywhere(ctx context.Context) (busy bool, err error) {
	after := ""
	for ctx.Err() == nil {
		page, err := k.control.ListAllPlacements(ctx, k.Maint.Control(), controldb.ListAllPlacementsParams{AfterID: after, RowLimit: pageSize})
		if err != nil || len(page) == 0 {
			return false, err
		}
		switch err := k.tidyAll(ctx, page); {
		case errors.Is(err, errBusy):
			return true, nil
		case err != nil:
			return false, err
		}
		after = page[len(page)-1].ID
	}
	return false, ctx.Err()
}

func (k *Keeper) tidyAll(ctx context.Context, tenants []controldb.ListAllPlacementsRow) error {
	var own errgroup.Group
	own.SetLimit(ownAtOnce)
	defer func() { _ = own.Wait() }() // what fails there is counted
	for _, t := range tenants {
		switch {
		case t.Status == "moving":
			// What moves is not touched.
		case t.Placement == "shared":
			if err := k.tidy(ctx, k.inMain, t.ID); err != nil {
				return err
			}
		case t.Status == "active":
			// Others are let into their databases by nobody.
			own.Go(func() error { k.tidyOwn(ctx, t); return nil })
		}
	}
	return nil
}

// tidyOwn tidies a dedicated database, through its serving login.
func (k *Keeper) tidyOwn(ctx context.Context, t controldb.ListAllPlacementsRow) {
	err := k.Directory.Probe(ctx, t.ID, t.SealedURL, connectTime, func(ctx context.Context, db *pg.DB) error {
		return k.tidy(ctx, func(ctx context.Context, tenant string, fn func(tenantdb.DBTX) error) error {
			return db.InTx(ctx, pg.Scope{Tenant: tenant, Write: true}, fn)
		}, t.ID)
	})
	if err == nil || errors.Is(err, errBusy) || ctx.Err() != nil || barred(err) {
		return
	}
	ownFailures.Inc()
	k.Log.Warn("housekeeping of a dedicated database failed", "tenant", k.TenantHash(t.ID), "cause", err)
}

// barred reports whether a tenant has been suspended, deleted or begun to move
// since it was listed.
func barred(err error) bool {
	return problem.Is(err, problem.TenantMoving) || problem.Is(err, problem.Unauthenticated)
}

// inTx runs fn in a transaction that may write rows of the tenant.
type inTx func(ctx context.Context, tenant string, fn func(tenantdb.DBTX) error) error

// inMain is for the main database, where suspended and deleted tenants are tidied,
// too. It does nothing for a tenant whose writes are paused.
func (k *Keeper) inMain(ctx context.Context, tenant string, fn func(tenantdb.DBTX) error) error {
	return k.Maint.InTx(ctx, pg.Scope{Tenant: token.PlatformTenant}, func(tx tenantdb.DBTX) error {
		if ok, err := k.queries.TryFence(ctx, tx, tenant); !ok || err != nil {
			return err
		}
		if fenced, err := k.queries.IsFenced(ctx, tx, tenant); fenced || err != nil {
			return err
		}
		return fn(tx)
	})
}

// tidy deletes what nobody needs of a tenant, in as many transactions as that
// takes.
func (k *Keeper) tidy(ctx context.Context, in inTx, tenant string) error {
	turn := time.Now().Add(turnTime)
	for again := true; again && ctx.Err() == nil && time.Now().Before(turn); {
		var err error
		if again, err = k.tidyOnce(ctx, in, tenant); err != nil {
			return err
		}
	}
	return nil
}

// tidyOnce does every chore once, and reports whether one of them may have more to
// do.
func (k *Keeper) tidyOnce(ctx context.Context, in inTx, tenant string) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	chores := k.chores()
	var deleted []int64
	err = in(ctx, tenant, func(tx tenantdb.DBTX) error {
		deleted = nil // of a try that lost a race
		mine, err := k.queries.TryHousekeeping(ctx, tx)
		if err != nil {
			return err
		}
		if !mine {
			return errBusy
		}
		for _, c := range chores {
			n, err := c.run(ctx, tx, rows{TenantID: tenant, KeptSeconds: c.kept.Seconds(), RowLimit: batch})
			if err != nil {
				return err
			}
			deleted = append(deleted, n)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for i, n := range deleted {
		chores[i].deleted.Add(int(n))
		again = again || n == batch
	}
	return again, nil
}
