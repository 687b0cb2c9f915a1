package backend

import (
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"gatehouse/backend/internal/cache"
	"gatehouse/backend/internal/housekeeping"
	"gatehouse/backend/internal/invoice"
	"gatehouse/backend/internal/logstream"
	"gatehouse/backend/internal/password"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/logtail"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/telemetry"
	"gatehouse/internal/token"
)

// Config is the settings of `backend serve`.
type Config struct {
	AppEnv  string `env:"APP_ENV" envDefault:"production" doc:"development permits weak secrets, cheap password hashes and seeding" kind:"production or development"`
	Addr    string `env:"BACKEND_ADDR" envDefault:":8081" doc:"Where gateways reach the backend" kind:"host:port or unix:/path"`
	OpsAddr string `env:"BACKEND_OPS_ADDR" envDefault:"127.0.0.1:9091" doc:"Where operators reach metrics, health and profiles; it has no authentication" kind:"host:port"`

	TLS      TLSConfig
	Database pg.Config
	Maint    pg.MaintConfig
	Tenants  placement.Config
	Keeping  housekeeping.Config
	Redis    redisconn.Config
	Cache    cache.Config
	Token    token.Config
	Cursor   web.CursorConfig
	Password password.Config
	Logging  logging.Config
	LogTail  logtail.Config
	Trace    telemetry.TraceConfig
	Streams  logstream.Config
	Invoice  invoice.Config

	MaxAge          int            `env:"MAX_AGE" envDefault:"900" doc:"Lifetime of an access token in seconds, at most 3600"`
	ReuseGrace      time.Duration  `env:"REFRESH_REUSE_GRACE" envDefault:"0s" doc:"How long the client that spent a refresh token may repeat that, for when the answer was lost; at most 30s, 0s for never"`
	TrustedGateways []netip.Prefix `env:"TRUSTED_GATEWAYS" envDefault:"127.0.0.0/8,::1/128" doc:"Peers whose X-Request-Id, X-Forwarded-For, X-Request-Timeout and traceparent are believed, and who are told whether the backend is ready; besides them whoever can open its Unix socket" kind:"comma-separated networks such as 10.0.0.0/8"`
	RequestTimeout  time.Duration  `env:"REQUEST_TIMEOUT" envDefault:"10s" doc:"Time for a request that comes without X-Request-Timeout"`
	DrainDelay      time.Duration  `env:"DRAIN_DELAY" envDefault:"5s" doc:"How long a stopping process goes on serving while it reports not ready, so that nobody is sent to it any more"`
	ShutdownTimeout time.Duration  `env:"SHUTDOWN_TIMEOUT" envDefault:"10s" doc:"How long requests in flight may take to finish when the process stops"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	m.Mode(c.AppEnv)
	if path, ok := socketPath(c.Addr); !ok {
		checkAddr(m, "BACKEND_ADDR", c.Addr)
	} else if !filepath.IsAbs(path) || len(path) > maxSocketPath {
		m.Add("BACKEND_ADDR", "is %q; unix: and an absolute path of at most %d bytes is wanted", c.Addr, maxSocketPath)
	}
	c.TLS.validate(m, c.Addr)
	checkAddr(m, "BACKEND_OPS_ADDR", c.OpsAddr)
	c.Database.Validate(m)
	c.Maint.Validate(m)
	c.Tenants.Validate(m)
	c.Keeping.Validate(m)
	c.Redis.Validate(m)
	c.Cache.Validate(m)
	c.Token.Validate(m)
	c.Cursor.Validate(m)
	c.Password.Validate(m)
	c.Logging.Validate(m)
	c.LogTail.Validate(m)
	c.Trace.Validate(m)
	c.Streams.Validate(m)
	c.Invoice.Validate(m)
	m.Range("MAX_AGE", c.MaxAge, 1, 3600)
	checkDuration(m, "REFRESH_REUSE_GRACE", c.ReuseGrace, 0, 30*time.Second)
	checkDuration(m, "REQUEST_TIMEOUT", c.RequestTimeout, 100*time.Millisecond, 5*time.Minute)
	checkDuration(m, "DRAIN_DELAY", c.DrainDelay, 0, 5*time.Minute)
	checkDuration(m, "SHUTDOWN_TIMEOUT", c.ShutdownTimeout, 100*time.Millisecond, 5*time.Minute)
}

func checkAddr(m *config.Mistakes, name, addr string) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		m.Add(name, "is %q; host:port or :port is wanted", addr)
	}
}

func checkDuration(m *config.Mistakes, name string, d, low, high time.Duration) {
	if d < low || d > high {
		m.Add(name, "is %v; %v to %v is allowed", d, low, high)
	}
}

// AdminConfig is the settings of the commands that prepare the database:
// bootstrap, migrate, seed and operator. None of them is needed for serving.
type AdminConfig struct {
	AppEnv            string        `env:"APP_ENV" envDefault:"production" doc:"development permits weak secrets, cheap password hashes and seeding" kind:"production or development"`
	BootstrapURL      config.Secret `env:"BOOTSTRAP_DATABASE_URL" doc:"PostgreSQL as a superuser, or as a role that may create roles and databases; used by backend bootstrap only" example:"postgres://postgres:PASSWORD@127.0.0.1:5432/postgres"`
	MigrateURL        config.Secret `env:"MIGRATE_DATABASE_URL" doc:"PostgreSQL for migrations and commands, as role gh_owner; not through a pooler" example:"postgres://gh_owner:PASSWORD@127.0.0.1:5432/gatehouse"`
	URL               config.Secret `env:"DATABASE_URL" doc:"Required. PostgreSQL for serving, as role gh_app; bootstrap sets that role's password from it" example:"postgres://gh_app:PASSWORD@127.0.0.1:5432/gatehouse"`
	MaintURL          config.Secret `env:"MAINT_DATABASE_URL" doc:"Required. PostgreSQL for operators' work, statistics and housekeeping, as role gh_maint; bootstrap sets that role's password from it" example:"postgres://gh_maint:PASSWORD@127.0.0.1:5432/gatehouse"`
	OperatorEmail     string        `env:"BOOTSTRAP_OPERATOR_EMAIL" doc:"E-mail address of the first operator, made by backend migrate while there is none (user name: operator)"`
	OperatorPassword  config.Secret `env:"BOOTSTRAP_OPERATOR_PASSWORD" doc:"Password of the first operator"`
	SeedDemoPassword  config.Secret `env:"SEED_DEMO_PASSWORD" doc:"Password of the demo user that backend seed makes, in development only"`
	Password          password.Config
	Logging           logging.Config
	TenantKey         config.Secret  `env:"TENANT_DB_KEY" doc:"Keys that seal the connection strings of dedicated databases, as for serving; needed by the commands that open these"`
	TenantNetworks    []netip.Prefix `env:"TENANT_DB_LOCAL_NETWORKS" doc:"Networks of loopback, link-local or cloud metadata addresses where dedicated databases may be, as for serving" kind:"comma-separated networks such as 127.0.0.0/8"`
	TenantOnMain      string         `env:"TENANT_DB_ON_MAIN_SERVER" envDefault:"deny" doc:"Whether a dedicated database may be on a server where gh_owner can sign in, as for serving" kind:"deny or allow"`
	MigrateTimeout    time.Duration  `env:"MIGRATE_TIMEOUT" envDefault:"1h" doc:"Longest that backend migrate may take for one database"`
	validateBootstrap bool
}

// ForBootstrap makes Validate ask for what `backend bootstrap` needs instead of
// what the other commands need.
func (c *AdminConfig) ForBootstrap() *AdminConfig {
	c.validateBootstrap = true
	return c
}

// Validate implements [config.Checked].
func (c *AdminConfig) Validate(m *config.Mistakes) {
	m.Mode(c.AppEnv)
	pg.CheckURL(m, "MIGRATE_DATABASE_URL", c.MigrateURL, pg.OwnerRole)
	if c.validateBootstrap {
		m.Required("BOOTSTRAP_DATABASE_URL", c.BootstrapURL.Reveal(), "postgres://superuser:password@host:port/postgres is wanted")
		pg.CheckURL(m, "DATABASE_URL", c.URL, pg.AppRole)
		pg.CheckURL(m, "MAINT_DATABASE_URL", c.MaintURL, pg.MaintRole)
	}
	if (c.OperatorEmail == "") != (c.OperatorPassword == "") {
		m.Add("BOOTSTRAP_OPERATOR_EMAIL", "and BOOTSTRAP_OPERATOR_PASSWORD go together; one is missing")
	}
	if c.TenantKey != "" {
		placement.CheckKeys(m, c.TenantKey)
	}
	placement.CheckOnMain(m, c.TenantOnMain)
	checkDuration(m, "MIGRATE_TIMEOUT", c.MigrateTimeout, time.Second, 24*time.Hour)
	c.Password.Validate(m)
	c.Logging.Validate(m)
}
