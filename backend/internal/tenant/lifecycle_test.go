package tenant

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/token"
)

// world is a service with the tenant own, which has a database for itself.
type world struct {
	*Service
	t     *testing.T
	clock *clock
	main  *dbtest.Database
	own   config.Secret // its owner's connection string
	admin config.Secret // the superuser's
	by    trail.Origin
}

func newWorld(t *testing.T) *world {
	t.Helper()
	main, own := dbtest.New(t), dbtest.NewDedicated(t)
	p, c := newTestProber(t, main)
	log, hash := slog.New(slog.DiscardHandler), func(tenant string) string { return tenant }
	redis, err := redisconn.Open(redisconn.Config{URL: "redis://127.0.0.1:1/0", Timeout: time.Millisecond}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	w := &world{
		Service: New(Service{
			Maint: p.maint, Directory: p.directory, Prober: p, Log: log, TenantHash: hash,
			Announcer: announce.New(announce.Options{
				Redis: redis, Maint: p.maint, Directory: p.directory, TenantHash: hash, Now: time.Now, Log: log,
			}),
		}),
		t: t, clock: c, main: main, own: own,
		by: trail.Origin{Claims: token.Claims{Tenant: token.PlatformTenant, UserID: uuid.New(), Username: "oper", Role: token.Operator}},
	}
	u, err := url.Parse(main.AdminURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = w.url().Path
	w.admin = config.Secret(u.String())
	made := w.creation("own")
	err = w.Maint.InTx(t.Context(), pg.Scope{Tenant: token.PlatformTenant, Write: true}, func(tx tenantdb.DBTX) error {
		_, err := made.work(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) url() *url.URL {
	w.t.Helper()
	u, err := placement.ParseURL(w.own.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// creation is an attempt to make a tenant with the dedicated database.
func (w *world) creation(id string) *creation {
	w.t.Helper()
	c := &creation{Service: w.Service, by: w.by, in: Creation{ID: id, Name: id, DatabaseURL: &w.own}}
	var err error
	if c.url, err = c.in.check(); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// status is what the control plane says, and resident what the tenant's own
// database does.
func (w *world) status() string {
	w.t.Helper()
	return dbtest.Value[string](w.t, w.main.AdminURL, "select status from control.tenants where id = 'own'")
}

func (w *world) resident() string {
	w.t.Helper()
	return dbtest.Value[string](w.t, w.admin, `select coalesce(string_agg(case when suspended_at is null then 'active' else 'suspended' end, ' '), 'gone')
		from app.residents where tenant_id = 'own'`)
}

func (w *world) want(what, status, resident string) {
	w.t.Helper()
	if got, there := w.status(), w.resident(); got != status || there != resident {
		w.t.Errorf("%s: got %s, and %s in its own database, want %s and %s", what, got, there, status, resident)
	}
}

// until looks again and again until yes is true in the database. It reports
// false when that does not come about before done has ended.
func until[T any](t *testing.T, db config.Secret, yes string, done <-chan T) bool {
	t.Helper()
	conn := dbtest.Connect(t, db)
	for {
		ended := len(done) > 0
		var is bool
		if err := conn.QueryRow(t.Context(), yes).Scan(&is); err != nil {
			t.Fatal(err)
		}
		if is || ended {
			return is
		}
	}
}

// begin runs fn beside the test. What it returns is kept in the channel.
func begin(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

const waitsForLock = `select exists (select from pg_locks l join pg_database d on d.oid = l.database
	where d.datname = current_database() and not l.granted)`

// takeTurns holds every turn until the function that it returns is called.
func (w *world) takeTurns() (release func()) {
	w.t.Helper()
	if err := w.turns.Acquire(w.t.Context(), maxTurns); err != nil {
		w.t.Fatal(err)
	}
	return func() { w.turns.Release(maxTurns) }
}

// An attempt that has failed tidies up while another one at the same tenant, with
// the same database, is about to succeed.
func TestTidyingUpLeavesAnotherAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.forget()
	failed, other := w.creation("own"), w.creation("own")
	failed.provisioned = true
	var tidied <-chan error
	err := w.Maint.InTx(t.Context(), pg.Scope{Tenant: token.PlatformTenant, Write: true}, func(tx tenantdb.DBTX) error {
		if _, err := other.work(t.Context(), tx); err != nil {
			return err
		}
		tidied = begin(func() error { failed.retire(); return nil })
		until(t, w.main.AdminURL, waitsForLock, tidied)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-tidied; err != nil {
		t.Fatal(err)
	}
	w.want("the other succeeded", active, active)
	if n := dbtest.Value[int](t, w.admin, "select count(*)::int from pg_roles where rolname = $1", w.login()); n != 1 {
		t.Error("its login is gone")
	}
	// Where none has, there is something to tidy up.
	w.forget()
	failed.retire()
	if got := w.resident(); got != "gone" {
		t.Errorf("got %s", got)
	}
}

// forget takes the tenant out of the control plane.
func (w *world) forget() {
	w.t.Helper()
	dbtest.Exec(w.t, w.main.AdminURL, "delete from control.placements where tenant_id = 'own'")
	dbtest.Exec(w.t, w.main.AdminURL, "delete from control.tenants where id = 'own'")
}

// login is the role that serves the tenant, or was.
func (w *world) login() string {
	w.t.Helper()
	sealed := dbtest.Value[[]byte](w.t, w.main.AdminURL, "select sealed_url from control.placements where tenant_id = 'own'")
	login := ""
	err := w.Directory.Probe(w.t.Context(), "own", sealed, 10*time.Second, func(ctx context.Context, db *pg.DB) error {
		return db.Control().QueryRow(ctx, "select session_user").Scan(&login)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return login
}

// The tenant cannot be resumed while its database is being told that it is
// suspended or deleted.
func TestTheTenantIsLockedWhileItsDatabaseIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, step := range []struct {
		status, resident string
		run              func() error
	}{
		{suspended, suspended, func() error { _, err := w.suspend(t.Context(), w.by, "own"); return err }},
		{deleted, "gone", func() error { return w.delete(t.Context(), w.by, "own", nil) }},
	} {
		tx, err := dbtest.Connect(t, w.admin).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "lock table app.residents in share mode"); err != nil {
			t.Fatal(err)
		}
		done := begin(step.run)
		if !until(t, w.admin, waitsForLock, done) {
			t.Errorf("%s: its database was not told: %v", step.status, <-done)
			return
		}
		var free int
		if err := dbtest.Connect(t, w.main.AdminURL).QueryRow(t.Context(), `select count(*) from (
			select from control.tenants where id = 'own' for update skip locked) t`).Scan(&free); err != nil || free != 0 {
			t.Errorf("%s: not locked, %v", step.status, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", step.status, err)
		}
		w.want(step.status, step.status, step.resident)
	}
}

// A resumption that comes between the two parts of a suspension is the last
// word.
func TestResumedBeforeItsDatabaseWasTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.takeTurns()
	done := begin(func() error { _, err := w.suspend(t.Context(), w.by, "own"); return err })
	if !until(t, w.main.AdminURL, "select status = 'suspended' from control.tenants where id = 'own'", done) {
		t.Fatal(<-done)
	}
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'active' where id = 'own'")
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.want("resumed", active, active)
}

// A database that takes an active tenant for suspended is put right, and one
// that does not is left as it is: nobody is signed out.
func TestResumeOfAnActiveTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dbtest.Exec(t, w.admin, `insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
		values ('own', gen_random_uuid(), 'ana', 'ana', 'a@b.c', 'a@b.c', 'x', 'member')`)
	dbtest.Exec(t, w.admin, `insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, expires_at)
		select tenant_id, gen_random_uuid(), id, '', '', now() + interval '1 day' from tenant.users where tenant_id = 'own'`)
	for _, sql := range []string{"update app.residents set suspended_at = now()", "select 1"} {
		dbtest.Exec(t, w.admin, sql)
		if got, err := w.resume(t.Context(), w.by, "own"); err != nil || got.Version != 1 {
			t.Errorf("got version %d, %v", got.Version, err)
		}
		w.want(sql, active, active)
		if n := dbtest.Value[int](t, w.admin, "select count(*)::int from tenant.sessions where revoked_at is null"); n != 1 {
			t.Errorf("%s: got %d live sessions, want 1", sql, n)
		}
	}
	if n := dbtest.Value[int](t, w.main.AdminURL, "select count(*)::int from tenant.audit where action = 'tenant.resume'"); n != 0 {
		t.Errorf("got %d entries in the trail", n)
	}
	// Of a suspended one, whatever session is left ends.
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'suspended' where id = 'own'")
	if _, err := w.resume(t.Context(), w.by, "own"); err != nil {
		t.Error(err)
	}
	if n := dbtest.Value[int](t, w.admin, "select count(*)::int from tenant.sessions where revoked_at is null"); n != 0 {
		t.Errorf("got %d live sessions, want none", n)
	}
}

// While as many dedicated databases are worked on as may be, others wait, and
// nobody does in the main database.
func TestDatabasesAreToldInTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	release := w.takeTurns()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := w.resume(ctx, w.by, "own"); !problem.Is(err, problem.Overloaded) {
		t.Errorf("resume: got %v", err)
	}
	for status, run := range map[string]func(context.Context) error{
		suspended: func(ctx context.Context) error { _, err := w.suspend(ctx, w.by, "own"); return err },
		deleted:   func(ctx context.Context) error { return w.delete(ctx, w.by, "own", nil) },
	} {
		dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'active' where id = 'own'")
		ctx, cancel := context.WithCancel(t.Context())
		done := begin(func() error { return run(ctx) })
		if until(t, w.main.AdminURL, "select status = '"+status+"' from control.tenants where id = 'own'", done) {
			w.want(status, status, active)
		}
		cancel()
		if err := <-done; !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "repeat") {
			t.Errorf("%s: got %v", status, err)
		}
		w.want(status, status, active)
	}
	release()
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'active' where id = 'own'")
	if _, err := w.suspend(t.Context(), w.by, "own"); err != nil {
		t.Error(err)
	}
	w.want("in turn", suspended, suspended)
}

// A deleted tenant is not served any more, but its trail is still read.
func TestDeleteDropsTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	login := w.login()
	if err := w.delete(t.Context(), w.by, "own", nil); err != nil {
		t.Fatal(err)
	}
	w.want("deleted", deleted, "gone")
	if n := dbtest.Value[int](t, w.admin, "select count(*)::int from pg_roles where rolname = $1", login); n != 0 {
		t.Error("the login is still there")
	}
	var q controldb.Queries
	own, err := q.GetPlacement(t.Context(), w.Maint.Control(), "own")
	if err != nil {
		t.Fatal(err)
	}
	if len(own.SealedURL) != 0 {
		t.Error("its connection string is kept")
	}
	err = w.Directory.AsOwner(t.Context(), "own", own.SealedOwnerURL, func(tx tenantdb.DBTX) error {
		_, err := tx.Exec(t.Context(), "select from tenant.audit")
		return err
	})
	if err != nil {
		t.Errorf("its trail: %v", err)
	}
}

// One database that is silent does not make every answer an old one.
func TestOverviewWithASilentDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx, err := dbtest.Connect(t, w.admin).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table app.schema_version in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	const patience = 10 // on a machine that is busy, an answer may come too early
	for range patience {
		w.clock.pass(overviewLifetime)
		o, err := w.Prober.Ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		own := o.Tenants[slices.IndexFunc(o.Tenants, func(s State) bool { return s.ID == "own" })]
		if own.Fault == pg.TimedOut && o.AsOf.Equal(w.clock.Now()) {
			return
		}
	}
	t.Error("every answer was an old one")
}
