// Package placement knows which tenants there are and in which database each
// one lives, shared or dedicated, and keeps the pools of dedicated ones. What
// it says only routes: app.enter asks the database itself.
package placement

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// Config is how dedicated databases are reached.
type Config struct {
	Key       config.Secret  `env:"TENANT_DB_KEY" doc:"Required. Keys that seal the connection strings of dedicated databases, comma-separated, newest first: the first seals, all open; without them the strings are lost"`
	Pools     int            `env:"TENANT_POOLS" envDefault:"50" doc:"Most dedicated databases that this process is connected to at once"`
	PoolConns int            `env:"TENANT_POOL_MAX_CONNS" envDefault:"4" doc:"Most connections to each dedicated database"`
	Local     []netip.Prefix `env:"TENANT_DB_LOCAL_NETWORKS" doc:"Networks of loopback, link-local or cloud metadata addresses where dedicated databases may be; any other such address is refused" kind:"comma-separated networks such as 127.0.0.0/8"`
	Connect   time.Duration  `env:"TENANT_DB_CONNECT_TIMEOUT" envDefault:"500ms" doc:"Longest that a new connection to a dedicated database may take; one that is far away needs several round trips"`
	OnMain    string         `env:"TENANT_DB_ON_MAIN_SERVER" envDefault:"deny" doc:"Whether a dedicated database may be on a server where gh_owner can sign in, such as that of the main database; its owner could read every tenant there" kind:"deny or allow"`
}

// allow is what OnMain has to be for a database on the main server.
const allow = "allow"

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	CheckKeys(m, c.Key)
	m.Range("TENANT_POOLS", c.Pools, 1, 10_000)
	m.Range("TENANT_POOL_MAX_CONNS", c.PoolConns, 1, 1000)
	if c.Connect < 50*time.Millisecond || c.Connect > 10*time.Second {
		m.Add("TENANT_DB_CONNECT_TIMEOUT", "is %v; 50ms to 10s is allowed", c.Connect)
	}
	CheckOnMain(m, c.OnMain)
}

// CheckOnMain reports a word in TENANT_DB_ON_MAIN_SERVER that is not known.
func CheckOnMain(m *config.Mistakes, word string) {
	if word != "deny" && word != allow {
		m.Add("TENANT_DB_ON_MAIN_SERVER", "is %q; deny or allow is wanted", word)
	}
}

// Tenant is what the control plane holds of a tenant that can be used.
type Tenant struct {
	ID string
	// Signup is closed, invite or open.
	Signup string
	// SingleSession ends a user's older sessions at each login.
	SingleSession bool
}

const (
	// routeLifetime is how long a route is used before it is looked up again.
	// A stale one is harmless: the database refuses a tenant that left it.
	routeLifetime = 30 * time.Second
	// routeRetry is how long a route goes on being used when it cannot be looked
	// up.
	routeRetry = 5 * time.Second
	// maxRoutes bounds the routes that are kept.
	maxRoutes = 10_000
)

// Directory finds tenants and their databases.
type Directory struct {
	shared  *pg.DB
	config  Config
	pool    pg.Config // of a dedicated database, without its URL
	sealer  *sealer
	log     *slog.Logger
	now     func() time.Time
	queries controldb.Queries

	mu     sync.Mutex
	routes map[string]route
	pools  map[string]*pool
	swept  time.Time
}

// route says where a tenant's data is. Sealed is the connection string of a
// dedicated database, "" for the shared one.
type route struct {
	sealed  string
	expires time.Time
}

// New returns a directory. Pool is the configuration of the main pool, of
// which those of dedicated databases take the wait and the pooler.
func New(c Config, shared *pg.DB, main pg.Config, log *slog.Logger, now func() time.Time) (*Directory, error) {
	sealer, err := newSealer(c.Key)
	if err != nil {
		return nil, err
	}
	main.MaxConns = c.PoolConns
	return &Directory{
		shared: shared, config: c, pool: main, sealer: sealer, log: log, now: now,
		routes: map[string]route{}, pools: map[string]*pool{},
	}, nil
}

// Find returns an active tenant. Suspended and deleted ones are not found,
// like those that never were.
func (d *Directory) Find(ctx context.Context, id string) (Tenant, error) {
	row, err := d.queries.GetTenant(ctx, d.shared.Control(), id)
	if err != nil {
		return Tenant{}, err
	}
	if row.Status != "active" && row.Status != "moving" { // who moves is served, but for a moment
		return Tenant{}, problem.New(problem.NotFound)
	}
	return Tenant{ID: row.ID, Signup: row.Signup, SingleSession: row.SessionMode == "single"}, nil
}

// Forget drops what is known of a tenant's placement, after a change of it. The
// pool of its dedicated database is closed once nobody uses it.
func (d *Directory) Forget(tenant string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	where := d.routes[tenant]
	delete(d.routes, tenant)
	d.retire(where.sealed)
}

// Close closes the pools of dedicated databases, waiting for connections in
// use. It is called when nobody asks for databases any more.
func (d *Directory) Close() {
	d.mu.Lock()
	pools := d.pools
	d.pools = map[string]*pool{}
	d.mu.Unlock()
	for _, p := range pools {
		p.db.Close()
	}
}

// find returns the route of a tenant. One that is not known, or not to be used,
// is looked for in the shared database, which then refuses it; that is not
// kept, since any text can be asked for.
func (d *Directory) find(ctx context.Context, tenant string) (route, error) {
	d.mu.Lock()
	d.sweep()
	known, ok := d.routes[tenant]
	d.mu.Unlock()
	if ok && d.now().Before(known.expires) {
		return known, nil
	}
	fresh, err := d.lookUp(ctx, tenant)
	if err != nil && ok {
		// The control plane is down; where tenants live has hardly changed. Not
		// every request is to wait for that to be found out.
		known.expires = d.now().Add(routeRetry)
		d.keep(tenant, known)
		return known, nil
	}
	return fresh, err
}

// lookUp asks the control plane for the route of a tenant, and keeps it unless the
// tenant is not known or not to be used.
func (d *Directory) lookUp(ctx context.Context, tenant string) (route, error) {
	row, err := d.queries.GetRoute(ctx, d.shared.Control(), tenant)
	fresh := route{expires: d.now().Add(routeLifetime)}
	switch {
	case problem.Is(err, problem.NotFound) || err == nil && ended(row):
		d.Forget(tenant)
	case err != nil:
		return route{}, err
	default:
		fresh.sealed = string(row.SealedURL)
		d.keep(tenant, fresh)
	}
	return fresh, nil
}

// ended reports that a tenant is not routed to its own database. That refuses it
// too, but may not have been told yet.
func ended(row controldb.GetRouteRow) bool {
	return row.Status == "suspended" || row.Status == "deleted"
}

// moved reports whether a tenant's route is another one by now than it was.
func (d *Directory) moved(ctx context.Context, tenant string, was route) bool {
	is, err := d.lookUp(ctx, tenant)
	return err == nil && is.sealed != was.sealed
}

func (d *Directory) keep(tenant string, r route) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.routes) >= maxRoutes {
		clear(d.routes)
	}
	if was, ok := d.routes[tenant]; ok && was.sealed != r.sealed {
		d.retire(was.sealed)
	}
	d.routes[tenant] = r
}
