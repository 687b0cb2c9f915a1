package placement

import (
	"context"
	"errors"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/pg"
	"gatehouse/internal/problem"
)

// pool is an open pool of a dedicated database. Pools go by their sealed
// connection string, so a changed one is another pool.
type pool struct {
	db *pg.DB
	// users are those that hold the pool at the moment; while there is one, it
	// is not closed.
	users   int
	used    time.Time // by a request
	breaker breaker
	// retired is a pool that nobody finds any more; its last user closes it.
	retired bool
}

// closeIfUnused closes a retired pool that nobody uses. Connections that are
// still being read from are waited for, in the background.
func (p *pool) closeIfUnused() {
	if p.retired && p.users == 0 {
		poolsClosed.Inc()
		go p.db.Close()
	}
}

var (
	poolsOpened  = metrics.NewCounter(`backend_tenant_pools_opened_total`)
	poolsClosed  = metrics.NewCounter(`backend_tenant_pools_closed_total`)
	poolsRefused = metrics.NewCounter(`backend_tenant_pools_refused_total`)
)

// errPoolsBusy says that every pool there may be is in use.
var errPoolsBusy = errors.New("all pools of dedicated databases are in use")

// borrow returns the database that a tenant's route leads to, and whether it is a
// dedicated one.
// Give it back, with what came of it, with the function that comes with it once
// a connection has been taken or is not needed any more. A dedicated one that is
// out of reach is refused at once.
func (d *Directory) borrow(tenant string, where route) (db *pg.DB, own bool, giveBack func(error), err error) {
	if where.sealed == "" {
		return d.shared, false, func(error) {}, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pools[where.sealed]
	if p == nil {
		if p, err = d.open(tenant, where); err != nil {
			return nil, true, nil, err
		}
	}
	if !p.breaker.allow(d.now()) {
		return nil, true, nil, problem.Wrap(problem.Unavailable, errTripped)
	}
	p.used = d.now()
	leave := d.use(p)
	return p.db, true, func(err error) {
		d.mu.Lock()
		p.breaker.note(err, d.now())
		d.mu.Unlock()
		leave()
	}, nil
}

// use counts another user of a pool. It is called with the lock held.
func (d *Directory) use(p *pool) (leave func()) {
	p.users++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		p.users--
		p.closeIfUnused()
	}
}

// open makes a pool, which connects on demand. It is called with the lock held.
func (d *Directory) open(tenant string, where route) (*pool, error) {
	if len(d.pools) >= d.config.Pools && !d.evict() {
		poolsRefused.Inc()
		return nil, problem.Wrap(problem.Overloaded, errPoolsBusy)
	}
	c, err := d.poolConfig(tenant, []byte(where.sealed))
	if err != nil {
		return nil, err
	}
	db, err := pg.OpenDedicated(c, d.reach(), d.config.Connect)
	if err != nil {
		return nil, err
	}
	poolsOpened.Inc()
	p := &pool{db: db}
	d.pools[where.sealed] = p
	return p, nil
}

func (d *Directory) poolConfig(tenant string, sealed []byte) (pg.Config, error) {
	u, err := d.sealer.open(tenant, servingURL, sealed)
	if err != nil {
		return pg.Config{}, err
	}
	c := d.pool
	c.URL = u
	return c, nil
}

// retire takes away the pool of a sealed connection string, if it is open. It is
// closed once nobody uses it. It is called with the lock held.
func (d *Directory) retire(sealed string) {
	if p := d.pools[sealed]; p != nil {
		delete(d.pools, sealed)
		p.retired = true
		p.closeIfUnused()
	}
}

const (
	// idleTime is how long a pool stays open that no request uses, and sweepEvery
	// how often such are looked for.
	idleTime   = 5 * time.Minute
	sweepEvery = 30 * time.Second
)

// sweep closes the pools that have been unused for long. It is called with the
// lock held, by whoever looks for a tenant: while nobody does, the pools close
// their idle connections by themselves.
func (d *Directory) sweep() {
	now := d.now()
	if now.Sub(d.swept) < sweepEvery {
		return
	}
	d.swept = now
	for sealed, p := range d.pools {
		if p.users == 0 && !p.db.Busy() && now.Sub(p.used) >= idleTime {
			d.retire(sealed)
		}
	}
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
	d.retire(oldest)
	return true
}

// Probe runs fn on the dedicated database that a sealed serving URL leads to: on
// its pool if it is open, else on one connection, which must come about within
// the given time.
func (d *Directory) Probe(ctx context.Context, tenant string, sealed []byte, connect time.Duration, fn func(context.Context, *pg.DB) error) error {
	d.mu.Lock()
	p := d.pools[string(sealed)]
	if p != nil {
		leave := d.use(p)
		d.mu.Unlock()
		defer leave()
		return pg.Conceal(fn(ctx, p.db))
	}
	d.mu.Unlock()
	c, err := d.poolConfig(tenant, sealed)
	if err != nil {
		return err
	}
	c.MaxConns = 1
	db, err := pg.OpenDedicated(c, d.reach(), connect)
	if err != nil {
		return err
	}
	defer func() { go db.Close() }() // which may wait for a server that is silent
	return pg.Conceal(fn(ctx, db))
}
