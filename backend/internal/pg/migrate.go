package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	gatehousesql "gatehouse/sql"
)

// plane is a set of migrations with a version table of its own.
type plane struct {
	name    string
	schema  string // holds the version table
	files   fs.FS
	version func(context.Context, tenantdb.DBTX) (int64, error)
}

// tenantPlane is the plane that dedicated databases have, too.
const tenantPlane = "tenant"

var planes = []plane{
	{"control", "control", gatehousesql.Control(), func(ctx context.Context, db tenantdb.DBTX) (int64, error) {
		return controldb.New().SchemaVersion(ctx, db)
	}},
	{tenantPlane, "app", gatehousesql.Tenant(), func(ctx context.Context, db tenantdb.DBTX) (int64, error) {
		return tenantdb.New().SchemaVersion(ctx, db)
	}},
}

// newest returns the version that this program was built with.
func (p plane) newest() int64 {
	files, err := fs.Glob(p.files, "*.sql")
	if err != nil {
		panic(err) // the pattern is constant
	}
	var newest int64
	for _, f := range files {
		if v, err := goose.NumericComponent(f); err == nil {
			newest = max(newest, v)
		}
	}
	return newest
}

// Change is where a migration found a plane of a database and where it left it.
type Change struct {
	Plane    string // control or tenant
	From, To int64  // version; 0 is a database without the plane
}

// Migration brings databases up to date. Several may run at once: one migrates
// a plane, the others wait and find nothing to do.
type Migration struct {
	// DryRun only reports what would be done; the connection may not write.
	DryRun bool
	Log    *slog.Logger
}

// Main migrates both planes of the main database, as gh_owner. It returns what
// it has come to, also with an error.
func (m Migration) Main(ctx context.Context, owner config.Secret) ([]Change, error) {
	pc, err := pgx.ParseConfig(owner.Reveal())
	if err != nil {
		return nil, errors.New("MIGRATE_DATABASE_URL cannot be read")
	}
	return m.run(ctx, pc, planes, nil)
}

// Dedicated migrates the tenant plane of a tenant's own database. It is left
// alone with [ErrOther] unless it is the expected one and the tenant lives
// there. The error tells nothing of the connection string.
func (m Migration) Dedicated(ctx context.Context, d Dedicated) ([]Change, error) {
	pc, err := ownerConfig(ctx, d.Reach, d.OwnerURL)
	if err != nil {
		return nil, err
	}
	changes, err := m.run(ctx, pc, planesOf(tenantPlane), func(conn *pgx.Conn) error {
		p := &provisioner{Dedicated: d, conn: conn}
		return p.asOwner(ctx, func(tx pgx.Tx) error { return p.checkExpected(ctx, tx) })
	})
	return changes, Conceal(err)
}

// run migrates planes of one database as gh_owner, after a look that may refuse
// it.
func (m Migration) run(ctx context.Context, pc *pgx.ConnConfig, planes []plane, look func(*pgx.Conn) error) ([]Change, error) {
	if m.DryRun {
		pc.RuntimeParams["default_transaction_read_only"] = "on"
	}
	conn, err := pgx.ConnectConfig(ctx, pc)
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	if look != nil {
		if err := look(conn); err != nil {
			return nil, err
		}
	}
	if err := becomeOwner(ctx, conn); err != nil {
		return nil, err
	}
	db := openAsOwner(pc)
	defer db.Close()
	var changes []Change
	for _, p := range planes {
		change := Change{Plane: p.name}
		if change.From, err = p.at(ctx, conn); err != nil {
			return changes, err
		}
		change.To = max(change.From, p.newest())
		if !m.DryRun {
			applied, failed := p.migrate(ctx, db, m.Log)
			if change.To, err = p.at(ctx, conn); err != nil && failed == nil {
				return changes, err
			}
			if len(applied) == 0 {
				change.From = change.To // another process did it meanwhile
			}
			err = failed
		}
		changes = append(changes, change)
		if err != nil {
			return changes, fmt.Errorf("migrate the %s plane: %w", p.name, err)
		}
	}
	return changes, nil
}

func planesOf(name string) (found []plane) {
	for _, p := range planes {
		if p.name == name {
			found = append(found, p)
		}
	}
	return found
}

// becomeOwner makes a connection gh_owner's, so that everything belongs to that
// role, whoever connects.
func becomeOwner(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "set role "+OwnerRole)
	return err
}

func openAsOwner(pc *pgx.ConnConfig) *sql.DB {
	return stdlib.OpenDB(*pc, stdlib.OptionAfterConnect(becomeOwner))
}

// at returns the version of a plane, 0 when the database does not have it.
func (p plane) at(ctx context.Context, conn *pgx.Conn) (int64, error) {
	version, err := p.version(ctx, conn)
	if err != nil && FaultOf(err) == NotMigrated {
		return 0, nil
	}
	return version, err
}

// migrate returns the versions that it has applied.
func (p plane) migrate(ctx context.Context, db *sql.DB, log *slog.Logger) (applied []int64, err error) {
	// goose makes its version table before the first migration, so the schema
	// has to be there; creating it twice at once is the only race.
	if _, err := db.ExecContext(ctx, "create schema if not exists "+p.schema); err != nil && !lostSchemaRace(err) {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, p.files,
		goose.WithTableName(p.schema+".schema_version"), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	for _, r := range results {
		log.Info("migrated", "plane", p.name, "version", r.Source.Version, "duration_ms", r.Duration.Milliseconds())
		applied = append(applied, r.Source.Version)
	}
	return applied, err
}

// aloneRetry is how often a process that waits in [Alone] tries again.
const aloneRetry = 250 * time.Millisecond

// Alone runs fn while no other process runs Alone with this name on the database
// and waits for its turn, until ctx ends. It takes a session of the server, so
// it must not lead through a pooler.
func Alone(ctx context.Context, u config.Secret, name string, fn func(context.Context) error) error {
	conn, err := connect(ctx, u.Reveal())
	if err != nil {
		return err
	}
	defer hangUp(conn)
	for {
		// Not a statement that waits: its snapshot would hold up whoever has the
		// lock and makes an index concurrently.
		turn, err := has(ctx, conn, "select pg_try_advisory_lock(hashtextextended($1, 0))", "gatehouse."+name)
		if err != nil {
			return err
		}
		if turn {
			return fn(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another process: %w", ctx.Err())
		case <-time.After(aloneRetry):
		}
	}
}
