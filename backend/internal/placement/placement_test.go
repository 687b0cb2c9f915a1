package placement

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a main database with tenants, and a directory of them.
type world struct {
	*Directory
	t     *testing.T
	main  *dbtest.Database
	clock *clock
}

// newWorld has the tenant acme in the main database and room for two pools.
func newWorld(t *testing.T) *world {
	t.Helper()
	main := dbtest.New(t)
	main.AddTenant(t, "acme", "open")
	c := &clock{now: time.Now()}
	d, err := New(Config{Key: testKey, Pools: 2, PoolConns: 2, OnMain: allow, Local: dbtest.Local(), Connect: 10 * time.Second}, main.DB, pg.Config{PoolWait: 5 * time.Second, Pooler: "session"},
		slog.New(slog.DiscardHandler), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return &world{d, t, main, c}
}

func parse(t *testing.T, u config.Secret) *url.URL {
	t.Helper()
	parsed, err := ParseURL(u.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func nobody(context.Context, string) (bool, error) { return false, nil }

// place provisions a database for a tenant and routes the tenant there.
func (w *world) place(tenant string, u config.Secret) Sealed {
	w.t.Helper()
	sealed, err := w.Provision(w.t.Context(), tenant, parse(w.t, u), nobody)
	if err != nil {
		w.t.Fatal(err)
	}
	w.route(tenant, u, sealed)
	return sealed
}

// route stores where a tenant's data is.
func (w *world) route(tenant string, u config.Secret, sealed Sealed) {
	w.t.Helper()
	dbtest.Exec(w.t, w.main.AdminURL, "insert into control.tenants (id, name, placement) values ($1, $1, 'dedicated') on conflict (id) do update set placement = 'dedicated'", tenant)
	dbtest.Exec(w.t, w.main.AdminURL, `insert into control.placements (tenant_id, database_key, sealed_owner_url, sealed_url) values ($1, $2, $3, $4)
		on conflict (tenant_id) do update set database_key = excluded.database_key, sealed_owner_url = excluded.sealed_owner_url, sealed_url = excluded.sealed_url`,
		tenant, w.DatabaseKeys(parse(w.t, u))[0], sealed.OwnerURL, sealed.ServingURL)
}

// where returns the database that a tenant's statements reach.
func (w *world) where(tenant string) (string, error) {
	w.t.Helper()
	var name string
	err := w.As(pg.Scope{Tenant: tenant}).QueryRow(w.t.Context(), "select current_database()").Scan(&name)
	return name, err
}

func (w *world) wantWhere(tenant string, u config.Secret) {
	w.t.Helper()
	if got, err := w.where(tenant); got != database(parse(w.t, u)) || err != nil {
		w.t.Errorf("%s: got %q, %v, want %q", tenant, got, err, database(parse(w.t, u)))
	}
}

func (w *world) sizes() (routes, pools int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.routes), len(w.pools)
}

// connected returns how many connections the backend has to a database.
func (w *world) connected(u config.Secret) int {
	w.t.Helper()
	return dbtest.Value[int](w.t, w.main.AdminURL, "select count(*)::int from pg_stat_activity where datname = $1 and application_name = 'gatehouse-backend'",
		database(parse(w.t, u)))
}

func TestRouting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	w.place("own", own)
	w.wantWhere("acme", w.main.URL)
	w.wantWhere("own", own)
	// Of every kind of statement, in both.
	for tenant, want := range map[string]config.Secret{"acme": w.main.URL, "own": own} {
		name := database(parse(t, want))
		db := w.As(pg.Scope{Tenant: tenant})
		rows, err := db.Query(t.Context(), "select current_database() from generate_series(1, 3)")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			var got string
			if err := rows.Scan(&got); err != nil || got != name {
				t.Errorf("got %q, %v", got, err)
			}
			n++
		}
		if rows.Close(); n != 3 || rows.Err() != nil {
			t.Errorf("got %d rows, %v", n, rows.Err())
		}
		if tag, err := db.Exec(t.Context(), "select 1"); tag.RowsAffected() != 1 || err != nil {
			t.Errorf("got %v, %v", tag, err)
		}
		err = w.InTx(t.Context(), pg.Scope{Tenant: tenant, Write: true}, func(tx tenantdb.DBTX) error {
			var got string
			err := tx.QueryRow(t.Context(), "select current_database()").Scan(&got)
			if got != name {
				t.Errorf("got %q", got)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if found, err := w.Find(t.Context(), "own"); err != nil || found.ID != "own" || found.Signup != "closed" {
		t.Errorf("got %+v, %v", found, err)
	}
}

func db(w *world, tenant string) tenantdb.DBTX { return w.As(pg.Scope{Tenant: tenant}) }

func TestWhoIsNotServedIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	w.place("own", own)
	for _, status := range []string{"suspended", "deleted"} {
		dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = $1 where id = 'own'", status)
		for _, tenant := range []string{"own", "nobody", "ACME", "../acme", ""} {
			if _, err := w.where(tenant); !problem.Is(err, problem.Unauthenticated) {
				t.Errorf("%s %q: got %v", status, tenant, err)
			}
			if _, err := w.Find(t.Context(), tenant); !problem.Is(err, problem.NotFound) {
				t.Errorf("%s %q: found: %v", status, tenant, err)
			}
		}
	}
	if routes, pools := w.sizes(); routes != 0 || pools != 0 {
		t.Errorf("got %d routes and %d pools", routes, pools)
	}
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'active' where id = 'own'")
	w.wantWhere("own", own)
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'moving' where id = 'own'")
	if _, err := w.Find(t.Context(), "own"); err != nil { // who moves is served
		t.Errorf("moving: got %v", err)
	}
}

// Another backend has changed where the tenant lives; this one still goes by
// its route, which the database refuses.
func TestStaleRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	before := w.place("own", first)
	w.wantWhere("own", first)
	expel := func(tx tenantdb.DBTX) error { var q tenantdb.Queries; return q.ExpelTenant(t.Context(), tx, "own") }
	if err := w.AsOwner(t.Context(), "own", before.OwnerURL, expel); err != nil {
		t.Fatal(err)
	}
	after := w.place("own", second)

	ran := 0
	err := w.InTx(t.Context(), pg.Scope{Tenant: "own", Write: true}, func(tx tenantdb.DBTX) error {
		ran++
		var got string
		if err := tx.QueryRow(t.Context(), "select current_database()").Scan(&got); err != nil || got != database(parse(t, second)) {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
	if err != nil || ran != 1 {
		t.Errorf("ran %d times, %v", ran, err)
	}
	w.wantWhere("own", second)
	// The pool of the first is gone, and its connections.
	if _, pools := w.sizes(); pools != 1 {
		t.Errorf("got %d pools", pools)
	}
	for w.connected(first) > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the connections to the former database stay")
		}
	}

	// It lives nowhere: tried once more and no oftener.
	if err := w.AsOwner(t.Context(), "own", after.OwnerURL, expel); err != nil {
		t.Fatal(err)
	}
	if _, err := w.where("own"); !pg.NotResident(err) || !problem.Is(err, problem.Unauthenticated) {
		t.Errorf("got %v", err)
	}
	// From the main database to one of its own.
	w.wantWhere("acme", w.main.URL)
	dbtest.Exec(t, w.main.AdminURL, "delete from app.residents where tenant_id = 'acme'")
	third := dbtest.NewDedicated(t)
	w.place("acme", third)
	w.wantWhere("acme", third)
}

// A process has at most as many connections to dedicated databases as its pools
// together may have, however many requests there are.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	urls := map[string]config.Secret{}
	for _, tenant := range []string{"one", "two", "three"} {
		urls[tenant] = dbtest.NewDedicated(t)
		w.place(tenant, urls[tenant])
	}
	const each, most = 6, 4 // two pools of two
	hold, entered, done := make(chan struct{}), make(chan struct{}, 2*each), make(chan error, 2*each)
	for range each {
		for _, tenant := range []string{"one", "two"} {
			go func() {
				done <- w.InTx(t.Context(), pg.Scope{Tenant: tenant}, func(tenantdb.DBTX) error {
					entered <- struct{}{}
					<-hold
					return nil
				})
			}()
		}
	}
	for range most {
		<-entered
	}
	for range 20 {
		if _, err := w.where("three"); !problem.Is(err, problem.Overloaded) {
			t.Errorf("got %v, want overloaded", err)
		}
		if n := w.connected(urls["one"]) + w.connected(urls["two"]) + w.connected(urls["three"]); n != most {
			t.Errorf("got %d connections, want %d", n, most)
		}
	}
	close(hold)
	for range 2 * each {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestPoolsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	urls := map[string]config.Secret{}
	for _, tenant := range []string{"one", "two", "three"} {
		urls[tenant] = dbtest.NewDedicated(t)
		w.place(tenant, urls[tenant])
	}
	open := func() []string {
		w.mu.Lock()
		defer w.mu.Unlock()
		var names []string
		for tenant, r := range w.routes {
			if w.pools[r.sealed] != nil {
				names = append(names, tenant)
			}
		}
		slices.Sort(names)
		return names
	}
	w.wantWhere("one", urls["one"])
	w.clock.pass(time.Second)
	w.wantWhere("two", urls["two"])
	w.clock.pass(time.Second)

	// In use by a transaction, and by rows that are still being read.
	hold, held, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- w.InTx(t.Context(), pg.Scope{Tenant: "one"}, func(tenantdb.DBTX) error {
			close(held)
			<-hold
			return nil
		})
	}()
	<-held
	rows, err := db(w, "two").Query(t.Context(), "select generate_series(1, 2)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.where("three"); !problem.Is(err, problem.Overloaded) {
		t.Errorf("got %v, want overloaded", err)
	}
	w.wantWhere("acme", w.main.URL) // needs no pool of its own
	rows.Close()
	w.wantWhere("three", urls["three"])
	if got := open(); !slices.Equal(got, []string{"one", "three"}) {
		t.Errorf("got pools of %v", got)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
	// The one that was unused for longest goes first.
	w.clock.pass(time.Second)
	w.wantWhere("one", urls["one"])
	w.wantWhere("two", urls["two"])
	if got := open(); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("got pools of %v", got)
	}
	for w.connected(urls["three"]) > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the connections of a closed pool stay")
		}
	}
}

// A pool that is forgotten while somebody uses it serves that one to the end.
func TestForgetDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	w.place("own", own)
	err := w.InTx(t.Context(), pg.Scope{Tenant: "own"}, func(tx tenantdb.DBTX) error {
		w.Forget("own")
		if _, pools := w.sizes(); pools != 0 {
			t.Errorf("got %d pools", pools)
		}
		_, err := tx.Exec(t.Context(), "select 1")
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for w.connected(own) > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the connections stay")
		}
	}
	w.wantWhere("own", own)
}

func TestControlPlaneDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	w.place("own", own)
	w.wantWhere("own", own)
	up := w.shared
	w.shared = dbtest.Open(t, "postgres://gh_app:x@127.0.0.1:1/gatehouse?sslmode=disable")
	w.clock.pass(routeLifetime)
	w.wantWhere("own", own)
	if _, err := w.where("acme"); !problem.Is(err, problem.Unavailable) {
		t.Errorf("unknown so far: got %v", err)
	}
	if _, err := w.Find(t.Context(), "own"); !problem.Is(err, problem.Unavailable) {
		t.Errorf("found: %v", err)
	}
	// Not every request finds out anew that it is down.
	w.mu.Lock()
	expires := w.routes["own"].expires
	w.mu.Unlock()
	if left := expires.Sub(w.clock.Now()); left != routeRetry {
		t.Errorf("looked up again after %v, want %v", left, routeRetry)
	}
	w.shared = up
	w.clock.pass(routeRetry)
	w.wantWhere("own", own)
}

func TestRoutesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range maxRoutes + 1 {
		w.keep(fmt.Sprint(i), route{})
	}
	if routes, _ := w.sizes(); routes != 1 {
		t.Errorf("got %d routes", routes)
	}
}

func TestReprovision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	before := w.place("own", own)
	w.wantWhere("own", own)
	serving := func(s Sealed) string {
		u, err := w.sealer.open("own", servingURL, s.ServingURL)
		if err != nil {
			t.Fatal(err)
		}
		return u.Reveal()
	}

	// The same database under another name. The former string goes on working.
	alias := config.Secret(strings.Replace(own.Reveal(), "127.0.0.1", "localhost", 1))
	after, err := w.Reprovision(t.Context(), "own", parse(t, alias), before)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := serving(after), strings.Replace(serving(before), "127.0.0.1", "localhost", 1); got != want {
		t.Error("the serving login has another name or password")
	}
	w.place("other", dbtest.NewDedicated(t))
	w.clock.pass(time.Second)
	w.wantWhere("own", own)

	// Another database, empty or another tenant's, is left alone.
	empty, globex := dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	w.place("globex", globex)
	for _, u := range []config.Secret{empty, globex} {
		if _, err := w.Reprovision(t.Context(), "own", parse(t, u), before); !errors.Is(err, pg.ErrOther) {
			t.Errorf("got %v", err)
		}
	}
	// One that has the tenant but another identity.
	if _, err := w.Provision(t.Context(), "own", parse(t, empty), nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Reprovision(t.Context(), "own", parse(t, empty), before); !errors.Is(err, pg.ErrOther) {
		t.Errorf("got %v", err)
	}

	// After the key was lost the strings can be given anew.
	lost, err := New(Config{Key: otherKey, Pools: 1, PoolConns: 1, OnMain: allow, Local: dbtest.Local(), Connect: 10 * time.Second}, w.main.DB, pg.Config{PoolWait: time.Second}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	if _, err := reached(t, lost, "own"); !errors.Is(err, errSealed) {
		t.Errorf("got %v", err)
	}
	if _, err := lost.Reprovision(t.Context(), "own", parse(t, globex), before); !errors.Is(err, pg.ErrOther) {
		t.Errorf("got %v", err)
	}
	renewed, err := lost.Reprovision(t.Context(), "own", parse(t, own), before)
	if err != nil {
		t.Fatal(err)
	}
	w.route("own", own, renewed)
	lost.Forget("own")
	if name, err := reached(t, lost, "own"); name != database(parse(t, own)) || err != nil {
		t.Errorf("got %q, %v", name, err)
	}
}

// A dedicated database is on a server of its own, unless the setting says
// otherwise: here the server is that of the main one. What is refused is left as
// it was.
func TestNotOnTheMainServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	u := parse(t, own)
	for _, word := range []string{"deny", ""} {
		w.config.OnMain = word
		if _, err := w.Provision(t.Context(), "own", u, nobody); !errors.Is(err, pg.ErrMainServer) {
			t.Errorf("%q: got %v", word, err)
		}
	}
	if dbtest.Value[bool](t, w.main.AdminURL, "select pg_has_role($1, 'gh_owner', 'member') or exists (select from pg_roles where rolname = $2)",
		u.User.Username(), w.sealer.logins("own", u)[0]) {
		t.Error("roles were made or granted")
	}
	if n := dbtest.Value[int](t, own, "select count(*)::int from pg_namespace where nspname in ('app', 'tenant')"); n != 0 {
		t.Error("something was made in it")
	}
	w.config.OnMain = allow
	sealed := w.place("own", own)
	w.config.OnMain = "deny"
	if _, err := w.Reprovision(t.Context(), "own", u, sealed); !errors.Is(err, pg.ErrMainServer) {
		t.Errorf("again: got %v", err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for word, valid := range map[string]bool{"deny": true, "allow": true, "": false, "yes": false} {
		c, m := Config{Key: testKey, Pools: 1, PoolConns: 1, OnMain: word, Connect: time.Second}, &config.Mistakes{}
		if c.Validate(m); (len(m.Names()) == 0) != valid {
			t.Errorf("%q: got %v", word, m.Names())
		}
	}
}

// A tenant leaves its database and takes its login along. Backends that were
// connected as that find no tenant, like all others.
func TestLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	sealed := w.place("own", own)
	other, err := New(w.config, w.main.DB, w.Directory.pool, slog.New(slog.DiscardHandler), w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := reached(t, other, "own"); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'deleted' where id = 'own'")
	for range 2 {
		err := w.Leave(t.Context(), "own", sealed, func(tx tenantdb.DBTX) error {
			var q tenantdb.Queries
			return q.ExpelTenant(t.Context(), tx, "own")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := dbtest.Value[int](t, w.main.AdminURL, "select count(*)::int from pg_roles where rolname = $1", w.sealer.logins("own", parse(t, own))[0]); n != 0 {
		t.Error("the login is still there")
	}
	if _, err := reached(t, other, "own"); !problem.Is(err, problem.Unauthenticated) {
		t.Errorf("got %v", err)
	}
	if err := w.Leave(t.Context(), "acme", sealed, nil); !errors.Is(err, errSealed) {
		t.Errorf("of another tenant: got %v", err)
	}
}

// reached returns the database that a tenant's transactions reach.
func reached(t *testing.T, d *Directory, tenant string) (name string, err error) {
	t.Helper()
	err = d.InTx(t.Context(), pg.Scope{Tenant: tenant}, func(tx tenantdb.DBTX) error {
		return tx.QueryRow(t.Context(), "select current_database()").Scan(&name)
	})
	return name, err
}

func TestProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	sealed := w.place("own", own)
	probe := func() error {
		return w.Probe(t.Context(), "own", sealed.ServingURL, 5*time.Second, func(ctx context.Context, db *pg.DB) error { return db.CheckDedicated(ctx) })
	}
	if err := probe(); err != nil {
		t.Error(err)
	}
	if _, pools := w.sizes(); pools != 0 {
		t.Error("a look has opened a pool")
	}
	for w.connected(own) > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the connection of a look stays")
		}
	}
	w.wantWhere("own", own)
	if err := probe(); err != nil {
		t.Error(err)
	}
	dbtest.Exec(t, w.main.AdminURL, "alter role "+w.sealer.logins("own", parse(t, own))[0]+" password 'Other-Horse-8'")
	if err := probe(); err != nil {
		t.Errorf("the open pool was not used: %v", err)
	}
	w.Forget("own")
	if err := probe(); pg.FaultOf(err) != pg.Refused {
		t.Errorf("got %v", err)
	}
}
