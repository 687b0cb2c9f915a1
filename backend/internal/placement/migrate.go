package placement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/internal/config"
)

// migrationsAtOnce bounds the dedicated databases that are migrated at the same
// time.
const migrationsAtOnce = 8

// Migrator brings every database up to date: the main one first, since it says
// which others there are, then those of the tenants that are not deleted.
type Migrator struct {
	// Owner reaches the main database as gh_owner.
	Owner config.Secret
	// Key is TENANT_DB_KEY. It may be empty when no tenant has a database.
	Key config.Secret
	// Local is TENANT_DB_LOCAL_NETWORKS.
	Local []netip.Prefix
	// Timeout bounds the work on each database.
	Timeout time.Duration
	// MainOnly leaves the tenants' databases alone, and DryRun changes nothing.
	MainOnly, DryRun bool
	// TenantHash gives the name under which a tenant appears in logs.
	TenantHash func(tenant string) string
	Log        *slog.Logger
}

// Migrated is what became of one database.
type Migrated struct {
	Tenant  string // "" is the main database
	Changes []pg.Change
	Err     error // tells nothing of how a dedicated database is reached
}

var errNoKey = errors.New("TENANT_DB_KEY is missing; it opens the connection string")

// Run migrates and returns what became of each database, the main one first and
// tenants in the order of their ids. A database that fails does not keep others
// from being migrated, except the main one. One process at a time does this.
func (m Migrator) Run(ctx context.Context) ([]Migrated, error) {
	if m.DryRun {
		return m.run(ctx)
	}
	var all []Migrated
	err := pg.Alone(ctx, m.Owner, "migrate", func(ctx context.Context) (err error) {
		all, err = m.run(ctx)
		return err
	})
	return all, err
}

func (m Migrator) run(ctx context.Context) ([]Migrated, error) {
	main := m.main(ctx)
	all := []Migrated{main}
	if main.Err != nil || m.MainOnly || m.new(main) {
		return all, nil //nolint:nilerr // it is in the report
	}
	rows, err := m.list(ctx)
	if err != nil {
		return all, fmt.Errorf("list the dedicated databases: %w", err)
	}
	var sealer *sealer
	if m.Key != "" {
		if sealer, err = newSealer(m.Key); err != nil {
			return all, err
		}
	}
	all = append(all, make([]Migrated, len(rows))...)
	var group errgroup.Group
	group.SetLimit(migrationsAtOnce)
	for i, row := range rows {
		group.Go(func() error {
			changes, err := m.own(ctx, sealer, row)
			all[1+i] = Migrated{row.TenantID, changes, err}
			return nil
		})
	}
	return all, group.Wait()
}

func (m Migrator) main(ctx context.Context) Migrated {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	changes, err := pg.Migration{DryRun: m.DryRun, Log: m.Log}.Main(ctx, m.Owner)
	return Migrated{Changes: changes, Err: err}
}

// new reports that a dry run found a main database that knows no placements yet.
func (m Migrator) new(main Migrated) bool { return m.DryRun && main.Changes[0].From < placementsSince }

// placementsSince is the migration of the control plane that made the table.
const placementsSince = 2

func (m Migrator) list(ctx context.Context) ([]controldb.ListOwnerURLsRow, error) {
	db, err := pg.Open(pg.Config{URL: m.Owner, MaxConns: 1, PoolWait: listWait})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var q controldb.Queries
	return q.ListOwnerURLs(ctx, db.Control())
}

// listWait bounds how long listing the tenants waits for a connection.
const listWait = 5 * time.Second

// own migrates the database of a tenant.
func (m Migrator) own(ctx context.Context, s *sealer, row controldb.ListOwnerURLsRow) ([]pg.Change, error) {
	if s == nil {
		return nil, errNoKey
	}
	u, id, err := s.openOwner(row.TenantID, row.SealedOwnerURL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	log := m.Log.With("tenant", m.TenantHash(row.TenantID))
	changes, err := pg.Migration{DryRun: m.DryRun, Log: log}.Dedicated(ctx, pg.Dedicated{
		OwnerURL: u, Tenant: row.TenantID, Reach: pg.Reach{Local: m.Local}, Expected: &id,
	})
	if err != nil {
		log.Error("dedicated database not migrated", "cause", err)
	}
	return changes, err
}
