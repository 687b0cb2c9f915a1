// Package pg is how the backend talks to PostgreSQL: pools, entering a tenant
// under row-level security, transactions, migrations, roles, and the one place
// that reads SQLSTATEs.
//
// A query of a tenant goes through [DB.As], which sends app.enter and the query
// in one round trip, or through [DB.InTx] when several must happen together.
// Errors come back as problems where a client can be told something.
package pg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
)

// Config is how the main database is reached while serving.
type Config struct {
	URL      config.Secret `env:"DATABASE_URL" doc:"Required. PostgreSQL for serving, as role gh_app" example:"postgres://gh_app:PASSWORD@127.0.0.1:5432/gatehouse"`
	MaxConns int           `env:"DATABASE_MAX_CONNS" envDefault:"20" doc:"Most connections that this process opens"`
	PoolWait time.Duration `env:"DATABASE_POOL_WAIT" envDefault:"1s" doc:"Longest that a request waits for a connection before it is answered 503"`
	Pooler   string        `env:"DATABASE_POOLER" envDefault:"session" doc:"What stands between: session for a direct connection, transaction for PgBouncer in transaction mode (no prepared statements)" kind:"session or transaction"`
}

// MaintConfig is how the main database is reached for what concerns more than
// one tenant.
type MaintConfig struct {
	URL config.Secret `env:"MAINT_DATABASE_URL" doc:"Required. PostgreSQL for operators' work, statistics and housekeeping, as role gh_maint" example:"postgres://gh_maint:PASSWORD@127.0.0.1:5432/gatehouse"`
}

// Validate implements [config.Checked].
func (c *MaintConfig) Validate(m *config.Mistakes) {
	CheckURL(m, "MAINT_DATABASE_URL", c.URL, MaintRole)
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	CheckURL(m, "DATABASE_URL", c.URL, AppRole)
	m.Range("DATABASE_MAX_CONNS", c.MaxConns, 1, 1000)
	if c.PoolWait < 10*time.Millisecond || c.PoolWait > 30*time.Second {
		m.Add("DATABASE_POOL_WAIT", "is %v; 10ms to 30s is allowed", c.PoolWait)
	}
	if c.Pooler != "session" && c.Pooler != "transaction" {
		m.Add("DATABASE_POOLER", "is %q; session or transaction is wanted", c.Pooler)
	}
}

// CheckURL reports a database URL that is missing, malformed, or not of the
// role. In production its password must not be a known example.
func CheckURL(m *config.Mistakes, name string, u config.Secret, role string) {
	wanted := fmt.Sprintf("postgres://%s:password@host:port/database is wanted", role)
	if u == "" {
		m.Add(name, "is missing; %s", wanted)
		return
	}
	parsed, err := url.Parse(u.Reveal())
	if err != nil || parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" ||
		parsed.Hostname() == "" || len(parsed.Path) < 2 {
		m.Add(name, "is not a PostgreSQL URL; %s", wanted)
		return
	}
	if parsed.User.Username() != role {
		m.Add(name, "is for role %q; %s", parsed.User.Username(), wanted)
		return
	}
	password, _ := parsed.User.Password()
	if m.Production && weakPassword(password) {
		m.Add(name, "has a weak or well-known password; make one with: openssl rand -hex 24")
	}
}

// weakPassword allows none (peer or certificate authentication) but no short or
// famous one.
func weakPassword(p string) bool {
	switch p {
	case "postgres", "password", "gatehouse", "changeme", "gh_app", "gh_owner", "gh_maint":
		return true
	}
	return p != "" && len(p) < 8
}

// DB is one database with tenants in it.
type DB struct {
	pool     *pgxpool.Pool
	poolWait time.Duration
	queries  *tenantdb.Queries
	control  *controldb.Queries
}

// connectTimeout bounds how long a new connection may take.
const connectTimeout = 2 * time.Second

// Open returns a pool that connects on demand; it does not wait for the
// server. Close it when done.
func Open(c Config) (*DB, error) {
	return open(c, connectTimeout, func(lookup pgconn.LookupFunc) pgconn.LookupFunc { return lookup })
}

// open gives each new connection so much time to come about, to an address that
// a lookup of this kind finds.
func open(c Config, connect time.Duration, lookup func(pgconn.LookupFunc) pgconn.LookupFunc) (*DB, error) {
	pc, err := pgxpool.ParseConfig(c.URL.Reveal())
	if err != nil {
		return nil, errors.New("the database URL cannot be read") // the cause may quote the password
	}
	pc.MaxConns = int32(c.MaxConns)
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.MaxConnLifetime = time.Hour
	pc.MaxConnLifetimeJitter = 10 * time.Minute
	pc.ConnConfig.ConnectTimeout = connect
	pc.ConnConfig.LookupFunc = lookup(pc.ConnConfig.LookupFunc)
	pc.ConnConfig.RuntimeParams["application_name"] = "gatehouse-backend"
	pc.ConnConfig.Tracer = tracer{}
	pc.AfterConnect = useUUIDs
	if c.Pooler == "transaction" {
		pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		// PgBouncer refuses start-up parameters it does not know.
		delete(pc.ConnConfig.RuntimeParams, "application_name")
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), pc)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	return &DB{pool: pool, poolWait: c.PoolWait, queries: tenantdb.New(), control: controldb.New()}, nil
}

// RegisterMetrics publishes the pool's gauges under the name of its placement.
func (db *DB) RegisterMetrics(placement string) {
	gauge := func(name string, value func(*pgxpool.Stat) float64) {
		metrics.GetOrCreateGauge(fmt.Sprintf(`backend_db_pool_%s{placement=%q}`, name, placement),
			func() float64 { return value(db.pool.Stat()) })
	}
	gauge("connections", func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) })
	gauge("connections_busy", func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) })
	gauge("connections_max", func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) })
	gauge("wait_seconds_total", func(s *pgxpool.Stat) float64 { return s.AcquireDuration().Seconds() })
}

// Busy reports whether any of the pool's connections is in use.
func (db *DB) Busy() bool { return db.pool.Stat().AcquiredConns() > 0 }

// Close closes the pool, waiting for connections in use.
func (db *DB) Close() { db.pool.Close() }

// Control returns the connection for queries of the control plane.
func (db *DB) Control() controldb.DBTX { return &plain{db} }

// Check reports whether the database answers and both planes are migrated at
// least as far as this program needs; it is a health check.
func (db *DB) Check(ctx context.Context) error {
	for _, p := range planes {
		if err := p.check(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

func (p plane) check(ctx context.Context, db *DB) error {
	version, err := p.version(ctx, db.Control())
	if err != nil {
		return fmt.Errorf("%s plane: %w", p.name, err)
	}
	if need := p.newest(); version < need {
		return fmt.Errorf("%s plane is at version %d; this program needs %d (run: backend migrate): %w", p.name, version, need, NotMigrated)
	}
	return nil
}

// The margin after a deadline that lets PostgreSQL's own timeout speak first,
// which keeps the connection usable.
const cancelMargin = 250 * time.Millisecond

// defaultTimeout bounds statements of contexts without a deadline.
const defaultTimeout = 10 * time.Second

// bounds derives from a request's deadline the statement_timeout (text, in
// milliseconds) and the context that statements run in.
func bounds(ctx context.Context) (context.Context, context.CancelFunc, string) {
	left := defaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = max(time.Until(deadline), time.Millisecond)
	}
	run, cancel := context.WithTimeout(context.WithoutCancel(ctx), left+cancelMargin)
	return run, cancel, strconv.FormatInt(max(left.Milliseconds(), 1), 10)
}

// acquire takes a connection from the pool, waiting at most poolWait.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	wait, cancel := context.WithTimeout(ctx, db.poolWait)
	defer cancel()
	conn, err := db.pool.Acquire(wait)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		if s := db.pool.Stat(); s.AcquiredConns() < s.MaxConns() {
			return nil, errConnecting
		}
		return nil, errPoolBusy
	}
	return conn, err
}
