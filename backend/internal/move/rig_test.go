package move

import (
	"context"
	"log/slog"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// rig is a main database with the tenant acme, an empty one of its own, and two
// backends, which remember where a tenant is.
type rig struct {
	t        testing.TB
	db       *dbtest.Database
	own      *url.URL
	backends []*placement.Directory
	mover    *Mover
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, db: dbtest.New(t)}
	r.db.AddTenant(t, "acme", "open")
	r.db.AddTenant(t, "globex", "open")
	var err error
	if r.own, err = placement.ParseURL(dbtest.NewDedicated(t).Reveal()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d, err := placement.New(placement.Config{
			Key: "Sealed-And-Delivered-0123456789-abcdef", Pools: 2, PoolConns: 4, OnMain: "allow", Local: dbtest.Local(), Connect: 10 * time.Second,
		}, r.db.DB, pg.Config{PoolWait: 10 * time.Second, Pooler: "session"}, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		r.backends = append(r.backends, d)
	}
	r.mover = &Mover{Main: r.db.OwnerURL, Directory: r.backends[2], Log: slog.New(slog.DiscardHandler)}
	r.backends = r.backends[:2]
	return r
}

func (r *rig) ask() (*url.URL, error) { return r.own, nil }

// move runs a move up to the first of the points that stop says, where it ends as a
// process that is killed does, and reports whether it came to its end.
func (r *rig) move(to string, stop func(point string) bool) (done bool) {
	r.t.Helper()
	m := *r.mover
	m.at = func(point string) {
		if stop(point) {
			runtime.Goexit()
		}
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		_, err := m.Move(r.t.Context(), "acme", to, r.ask)
		if done = err == nil; !done {
			r.t.Errorf("move to %s: %v", to, err)
		}
	})
	wait.Wait()
	return done
}

// points are those that a move goes by, each once.
func (r *rig) points(to string) []string {
	r.t.Helper()
	var points []string
	r.move(to, func(point string) bool {
		if !slices.Contains(points, point) {
			points = append(points, point)
		}
		return false
	})
	return points
}

// placed returns the placement and the status of acme.
func (r *rig) placed() string {
	r.t.Helper()
	return dbtest.Value[string](r.t, r.db.AdminURL, "select placement || ' ' || status from control.tenants where id = 'acme'")
}

// rows returns all that a database has of acme.
func (r *rig) rows(placed string) map[string][]string {
	r.t.Helper()
	u, err := url.Parse(r.db.AdminURL.Reveal())
	if err != nil {
		r.t.Fatal(err)
	}
	if placed == Dedicated {
		u.Path = r.own.Path
	}
	return dbtest.TenantRows(r.t, dbtest.Connect(r.t, config.Secret(u.String())), "acme")
}

// load is a tenant at work: writers of contacts, each with its own, and users that
// come and go under one name.
type load struct {
	*rig
	stop    chan struct{}
	wait    sync.WaitGroup
	written []atomic.Int64 // by writer, the last version that was acknowledged
	ids     []uuid.UUID
	added   atomic.Int64 // rows that are only added
	swapped atomic.Int64
}

const writers = 3

func (r *rig) load() *load {
	r.t.Helper()
	l := &load{rig: r, stop: make(chan struct{}), written: make([]atomic.Int64, writers)}
	for range writers {
		id := uuid.New()
		l.ids = append(l.ids, id)
		l.write(func(tx tenantdb.DBTX) error {
			_, err := tx.Exec(r.t.Context(), `insert into tenant.contacts (tenant_id, id, name, name_sort, gender, age, address, phone, email, name_key, email_key)
				values ('acme', $1, 'n', 'n', true, 1, 'a', '0123456789', 'a@b.c', 'n', 'a@b.c')`, id)
			return err
		}, r.backends[0])
	}
	for i := range writers {
		l.wait.Go(func() { l.loop(func(n int64) { l.count(i, n) }) })
		l.wait.Go(func() { l.loop(func(int64) { l.see(i) }) })
	}
	l.wait.Go(func() { l.loop(func(n int64) { l.swap(n) }) })
	r.t.Cleanup(l.end)
	return l
}

func (l *load) loop(fn func(n int64)) {
	for n := int64(2); ; n++ {
		select {
		case <-l.stop:
			return
		case <-time.After(50 * time.Millisecond): // a tenant at work, not a flood
			fn(n)
		}
	}
}

// end stops the load.
func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wait.Wait()
}

// write runs a transaction until the tenant can be written to.
func (l *load) write(fn func(tx tenantdb.DBTX) error, d *placement.Directory) {
	for {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), 30*time.Second)
		err := d.InTx(ctx, pg.Scope{Tenant: "acme", Write: true}, fn)
		cancel()
		if !problem.Is(err, problem.TenantMoving) {
			if err != nil {
				l.t.Errorf("write: %v", err)
			}
			return
		}
		select {
		case <-l.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// count gives the writer's contact another version, and adds a row.
func (l *load) count(i int, n int64) {
	done := false
	l.write(func(tx tenantdb.DBTX) error {
		ctx := l.t.Context()
		tag, err := tx.Exec(ctx, "update tenant.contacts set version = $1 where tenant_id = 'acme' and id = $2 and version = $1 - 1", n, l.ids[i])
		if err == nil && tag.RowsAffected() != 1 {
			l.t.Errorf("writer %d: the version before %d is not there", i, n)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "insert into tenant.login_failures (tenant_id, key, failures, since) values ('acme', sha256(gen_random_uuid()::text::bytea), 1, now())")
		}
		done = err == nil
		return err
	}, l.backends[n%2])
	if done {
		l.written[i].Store(n)
		l.added.Add(1)
	}
}

// see reads a writer's contact, which must not be older than what was acknowledged.
func (l *load) see(i int) {
	for _, d := range l.backends {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), 30*time.Second)
		before := l.written[i].Load()
		var version int64
		err := d.As(pg.Scope{Tenant: "acme"}).QueryRow(ctx, "select version from tenant.contacts where tenant_id = 'acme' and id = $1", l.ids[i]).Scan(&version)
		cancel()
		if err != nil && !problem.Is(err, problem.TenantMoving) || err == nil && version < before {
			l.t.Errorf("read: got version %d, %v after %d was acknowledged", version, err, before)
		}
	}
}

// swap replaces a user by another one of the same name, whose session goes with it.
func (l *load) swap(n int64) {
	done := false
	l.write(func(tx tenantdb.DBTX) error {
		ctx := l.t.Context()
		_, err := tx.Exec(ctx, "delete from tenant.users where tenant_id = 'acme' and username_key = 'swap'")
		user := uuid.New()
		if err == nil {
			_, err = tx.Exec(ctx, `insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
				values ('acme', $1, 'swap', 'swap', 's@b.c', 's@b.c', 'x', 'member')`, user)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, expires_at)
				values ('acme', gen_random_uuid(), $1, '', '', now() + interval '1 hour')`, user)
		}
		done = err == nil
		return err
	}, l.backends[n%2])
	if done {
		l.swapped.Add(1)
	}
}

// check ends the load and holds what is there against what was acknowledged.
func (l *load) check() {
	l.t.Helper()
	l.end()
	placed, other := Shared, Dedicated
	if strings.HasPrefix(l.placed(), Dedicated) {
		placed, other = Dedicated, Shared
	}
	rows := l.rows(placed)
	for i := range writers {
		if l.written[i].Load() < 3 {
			l.t.Errorf("writer %d has written %d times, so this proves little", i, l.written[i].Load())
		}
	}
	if got := int64(len(rows["login_failures"])); got != l.added.Load() {
		l.t.Errorf("%d rows are there; %d were added", got, l.added.Load())
	}
	if len(rows["users"]) != 1 || len(rows["sessions"]) != 1 || len(rows["contacts"]) != writers {
		l.t.Errorf("got %d users, %d sessions, %d contacts after %d swaps", len(rows["users"]), len(rows["sessions"]), len(rows["contacts"]), l.swapped.Load())
	}
	for table, left := range l.rows(other) {
		if len(left) > 0 {
			l.t.Errorf("%d rows of %s are left where the tenant is not", len(left), table)
		}
	}
	for _, left := range []string{"app.changes", "app.applied_changes", "control.tenant_moves", "pg_trigger where tgname like 'zz!_%' escape '!'"} {
		if n := dbtest.Value[int](l.t, l.db.AdminURL, "select count(*)::int from "+left); n != 0 {
			l.t.Errorf("%d rows are left in %s of the main database", n, left)
		}
	}
}
