package placement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// resealTime bounds the work on one tenant: an operator may be changing it.
const resealTime = 30 * time.Second

// Resealer seals the connection strings of all tenants under the first key of
// TENANT_DB_KEY, so that the others can be given up.
type Resealer struct {
	// Owner reaches the main database as gh_owner.
	Owner config.Secret
	// Keys is TENANT_DB_KEY.
	Keys config.Secret
	// TenantHash gives the name under which a tenant appears in logs.
	TenantHash func(tenant string) string
	Log        *slog.Logger
}

// errMoving says that a tenant's strings are also kept where a move is noted.
var errMoving = errors.New("the tenant is being moved; finish or undo that first")

// Resealed is what became of the connection strings of one tenant.
type Resealed struct {
	Tenant string
	// Done is false for those that had the first key already.
	Done bool
	Err  error
}

// Run reseals the strings of one tenant after the other, deleted ones too, and
// returns what became of each: first those that are being moved, which are left as
// they are, then the others in the order of their ids. It can be repeated, and while
// backends serve that have all the keys.
func (r Resealer) Run(ctx context.Context) ([]Resealed, error) {
	sealer, err := newSealer(r.Keys)
	if err != nil {
		return nil, err
	}
	db, err := pg.Open(pg.Config{URL: r.Owner, MaxConns: 1, PoolWait: listWait})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var q controldb.Queries
	tenants, err := q.ListPlaced(ctx, db.Control())
	if err != nil {
		return nil, fmt.Errorf("list the dedicated databases: %w", err)
	}
	moving, err := q.ListMoves(ctx, db.Control())
	if err != nil {
		return nil, fmt.Errorf("list the moves: %w", err)
	}
	var all []Resealed
	for _, tenant := range moving {
		all = append(all, Resealed{tenant, false, errMoving})
	}
	tenants = slices.DeleteFunc(tenants, func(tenant string) bool { return slices.Contains(moving, tenant) })
	for _, tenant := range tenants {
		done, err := r.reseal(ctx, db, sealer, tenant)
		if done {
			r.Log.Info("connection strings sealed anew", "tenant", r.TenantHash(tenant))
		}
		all = append(all, Resealed{tenant, done, err})
	}
	return all, nil
}

// reseal locks the tenant, so that nobody gives it another connection string
// meanwhile.
func (r Resealer) reseal(ctx context.Context, db *pg.DB, s *sealer, tenant string) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, resealTime)
	defer cancel()
	err = db.InTx(ctx, pg.Scope{Tenant: token.PlatformTenant, Write: true}, func(tx tenantdb.DBTX) error {
		var q controldb.Queries
		if _, err := q.LockTenant(ctx, tx, tenant); err != nil {
			return err
		}
		row, err := q.GetPlacement(ctx, tx, tenant)
		if err != nil {
			return err
		}
		fresh, changed, err := s.reseal(row)
		if done = changed; err != nil || !changed {
			return err
		}
		return q.Reseal(ctx, tx, fresh)
	})
	return done && err == nil, err
}

// reseal returns a placement sealed with the first key, and whether that is a
// change. That of a deleted tenant has no serving string.
func (s *sealer) reseal(row controldb.Placement) (fresh controldb.ResealParams, changed bool, err error) {
	owner, id, err := s.openOwner(row.TenantID, row.SealedOwnerURL)
	if err != nil {
		return fresh, false, err
	}
	u, err := url.Parse(owner.Reveal())
	if err != nil {
		return fresh, false, errSealed // the cause may quote the password
	}
	fresh = controldb.ResealParams{
		TenantID: row.TenantID, DatabaseKey: s.databaseKeys(u)[0], SealedOwnerURL: s.sealOwner(row.TenantID, owner, id), SealedURL: row.SealedURL,
	}
	changed = !s.fresh(row.TenantID, ownerURL, row.SealedOwnerURL)
	if len(row.SealedURL) > 0 {
		serving, err := s.open(row.TenantID, servingURL, row.SealedURL)
		if err != nil {
			return fresh, false, err
		}
		changed = changed || !s.fresh(row.TenantID, servingURL, row.SealedURL)
		fresh.SealedURL = s.seal(row.TenantID, servingURL, serving)
	}
	return fresh, changed, nil
}
