package announce

import (
	"context"
	"time"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/feed"
	"gatehouse/internal/token"
)

const (
	// seedTime bounds telling everything anew.
	seedTime = 30 * time.Second
	// deletedWindow is how long ago a tenant may have been deleted to be told of.
	// Its tokens have expired long before.
	deletedWindow = 2 * time.Hour
)

// seed tells of all tenants and, if it is a full seed, of all sessions that have
// ended lately, wherever they are. It reports false when another backend is at
// it. Dedicated databases that do not answer are asked again later: they hold up
// nobody else.
func (a *Announcer) seed(ctx context.Context, full bool, add func(...feed.Item) error) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, seedTime)
	defer cancel()
	mine := false
	err := a.Maint.InTx(ctx, pg.Scope{Tenant: token.PlatformTenant}, func(tx tenantdb.DBTX) (err error) {
		// The lock is held until the transaction ends.
		if mine, err = a.control.TrySeedLock(ctx, tx); err != nil || !mine {
			return err
		}
		if err := a.addTenants(ctx, tx, add); err != nil || !full {
			return err
		}
		if err := a.addShared(ctx, tx, add); err != nil {
			return err
		}
		return a.addDedicated(ctx, tx, add)
	})
	return mine, err
}

// addTenants reads the overrides after the tenants: those of a newer version of a
// tenant than was read are announced with it by whoever made it.
func (a *Announcer) addTenants(ctx context.Context, tx tenantdb.DBTX, add func(...feed.Item) error) error {
	after := ""
	for ctx.Err() == nil { // statements outlive it
		page, err := a.control.ListTenantStates(ctx, tx, controldb.ListTenantStatesParams{
			AfterID: after, WindowSeconds: deletedWindow.Seconds(), RowLimit: pageSize,
		})
		if err != nil || len(page) == 0 {
			return err
		}
		last := page[len(page)-1].ID
		overrides, err := a.control.ListOverridesBetween(ctx, tx, controldb.ListOverridesBetweenParams{AfterID: after, LastID: last})
		if err != nil {
			return err
		}
		items, err := states(page, overrides)
		if err != nil {
			return err
		}
		if err := add(items...); err != nil || len(page) < pageSize {
			return err
		}
		after = last
	}
	return ctx.Err()
}

func states(tenants []controldb.ListTenantStatesRow, overrides []controldb.Override) ([]feed.Item, error) {
	of := map[string][]controldb.Override{}
	for _, o := range overrides {
		of[o.TenantID] = append(of[o.TenantID], o)
	}
	items := make([]feed.Item, 0, len(tenants))
	for _, t := range tenants {
		item, err := stateItem(state(t, of[t.ID]))
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// addShared tells of the sessions that have ended in the main database.
func (a *Announcer) addShared(ctx context.Context, tx tenantdb.DBTX, add func(...feed.Item) error) error {
	after := earliest
	for ctx.Err() == nil {
		page, err := a.queries.ListRevokedSessionsOfAllTenants(ctx, tx, tenantdb.ListRevokedSessionsOfAllTenantsParams{
			WindowSeconds: Window.Seconds(), AfterRevokedAt: after.RevokedAt, AfterID: after.ID, RowLimit: pageSize,
		})
		if err != nil || len(page) == 0 {
			return err
		}
		items := make([]feed.Item, 0, len(page))
		for _, s := range page {
			items = append(items, revoked(tenantdb.ListRevokedSessionsRow(s)))
		}
		if err := add(items...); err != nil || len(page) < pageSize {
			return err
		}
		after = tenantdb.ListRevokedSessionsRow(page[len(page)-1])
	}
	return ctx.Err()
}
