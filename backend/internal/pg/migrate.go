package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"gatehouse/internal/config"
	gatehousesql "gatehouse/sql"
)

// plane is a set of migrations with a version table of its own.
type plane struct {
	name    string
	schema  string // holds the version table
	files   fs.FS
	version func(context.Context, *DB) (int64, error)
}

// tenantPlane is the plane that dedicated databases have, too.
const tenantPlane = "tenant"

var planes = []plane{
	{"control", "control", gatehousesql.Control(), func(ctx context.Context, db *DB) (int64, error) {
		return db.control.SchemaVersion(ctx, db.Control())
	}},
	{tenantPlane, "app", gatehousesql.Tenant(), func(ctx context.Context, db *DB) (int64, error) {
		return db.queries.SchemaVersion(ctx, db.Control())
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

// Migrate brings both planes of the main database up to date, as the owner.
// Several may run at once: one migrates, the others wait and find nothing to
// do.
func Migrate(ctx context.Context, owner config.Secret, log *slog.Logger) error {
	pc, err := pgx.ParseConfig(owner.Reveal())
	if err != nil {
		return errors.New("MIGRATE_DATABASE_URL cannot be read")
	}
	db := stdlib.OpenDB(*pc)
	defer db.Close()
	for _, p := range planes {
		if err := p.migrate(ctx, db, log); err != nil {
			return fmt.Errorf("migrate the %s plane: %w", p.name, err)
		}
	}
	return nil
}

func (p plane) migrate(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	// goose makes its version table before the first migration, so the schema
	// has to be there; creating it twice at once is the only race.
	if _, err := db.ExecContext(ctx, "create schema if not exists "+p.schema); err != nil && !lostSchemaRace(err) {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, p.files,
		goose.WithTableName(p.schema+".schema_version"), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	for _, r := range results {
		log.Info("migrated", "plane", p.name, "version", r.Source.Version, "duration_ms", r.Duration.Milliseconds())
	}
	return nil
}
