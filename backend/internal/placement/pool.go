package placement

import (
	"context"
	"errors"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/pg"
	"gatehouse/internal/problem"
)

// pool is an open pool of a dedicated database.
type pool struct {
	db *pg.DB
	// users are those that hold the pool at the moment; while there is one, it
	// is not closed.
	users int
	used  time.Time
}

var (
	poolsOpened  = metrics.NewCounter(`backend_tenant_pools_opened_total`)
	poolsClosed  = metrics.NewCounter(`backend_tenant_pools_closed_total`)
	poolsRefused = metrics.NewCounter(`backend_tenant_pools_refused_total`)
)

// errPoolsBusy says that every pool there may be is in use.
var errPoolsBusy = errors.New("all pools of dedicated databases are in use")

// borrow returns the database of a tenant. Give it back with the function that
// comes with it once a connection has been taken or is not needed any more.
func (d *Directory) borrow(ctx context.Context, tenant string) (*pg.DB, func(), error) {
	where, err := d.find(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	if where.sealed == "" {
		return d.shared, func() {}, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pools[where.sealed]
	if p == nil {
		if p, err = d.open(tenant, where); err != nil {
			return nil, nil, err
		}
	}
	p.users++
	p.used = d.now()
	return p.db, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		p.users--
	}, nil
}

// open makes a pool, which connects on demand. It is called with the lock held.
// Pools go by their sealed connection string, so a changed one is another pool
// and the old one, unused, is closed in time.
func (d *Directory) open(tenant string, where route) (*pool, error) {
	if len(d.pools) >= d.config.Pools && !d.evict() {
		poolsRefused.Inc()
		return nil, problem.Wrap(problem.Overloaded, errPoolsBusy)
	}
	u, err := d.sealer.open(tenant, servingURL, []byte(where.sealed))
	if err != nil {
		return nil, err
	}
	c := d.pool
	c.URL = u
	db, err := pg.Open(c)
	if err != nil {
		return nil, err
	}
	poolsOpened.Inc()
	p := &pool{db: db}
	d.pools[where.sealed] = p
	return p, nil
}

// evict closes the pool that has been unused for longest, if there is one that
// nobody uses. It is called with the lock held.
func (d *Directory) evict() bool {
	oldest := ""
	for key, p := range d.pools {
		if p.users == 0 && !p.db.Busy() && (oldest == "" || p.used.Before(d.pools[oldest].used)) {
			oldest = key
		}
	}
	if oldest == "" {
		return false
	}
	p := d.pools[oldest]
	delete(d.pools, oldest)
	poolsClosed.Inc()
	go p.db.Close() // says goodbye to the server, which may take a while
	return true
}
