package pg_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
	"gatehouse/internal/stack"
)

// dedicatedTo is a database that is to be a tenant's own.
func dedicatedTo(tenant string, owner config.Secret) pg.Dedicated {
	return pg.Dedicated{
		OwnerURL: owner, Tenant: tenant, Reach: pg.Reach{Local: dbtest.Local()}, Password: "Serving-Horse-7",
		Login: "gh_tenant_" + strings.ToLower(strings.ReplaceAll(uuid.NewString(), "-", "")),
	}
}

func provision(t *testing.T, d pg.Dedicated) (uuid.UUID, error) {
	t.Helper()
	return pg.Provision(t.Context(), d, slog.New(slog.DiscardHandler))
}

func retire(ctx context.Context, d pg.Dedicated) error {
	return pg.Retire(ctx, d, func(tx tenantdb.DBTX) error {
		var q tenantdb.Queries
		return q.ExpelTenant(ctx, tx, d.Tenant)
	})
}

// changed returns a connection string with another part.
func changed(t *testing.T, u config.Secret, change func(*url.URL)) config.Secret {
	t.Helper()
	parsed, err := url.Parse(u.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	change(parsed)
	return config.Secret(parsed.String())
}

// superuser is the URL of the superuser in the same database.
func superuser(t *testing.T, of config.Secret) config.Secret {
	t.Helper()
	admin, err := url.Parse(dbtest.New(t).AdminURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return changed(t, of, func(u *url.URL) { u.User = admin.User })
}

// wantServed fails the test unless the tenant can be served by its login, and
// nobody else can.
func wantServed(t *testing.T, d pg.Dedicated) *pg.DB {
	t.Helper()
	serving, err := d.ServingURL()
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.Open(t, serving)
	if err := db.CheckDedicated(t.Context()); err != nil {
		t.Errorf("not migrated: %v", err)
	}
	for tenant, want := range map[string]bool{d.Tenant: true, "platform": false, "other": false} {
		err := db.InTx(t.Context(), pg.Scope{Tenant: tenant, Write: true}, func(tenantdb.DBTX) error { return nil })
		if (err == nil) != want || !want && !pg.NotResident(err) {
			t.Errorf("%s: got %v", tenant, err)
		}
	}
	if n := count(t, db.As(pg.Scope{Tenant: d.Tenant}), "select count(*) from tenant.users"); n != 0 {
		t.Errorf("got %d users", n)
	}
	for _, sql := range []string{
		"insert into app.residents (tenant_id) values ('x')", "select tenant_id from app.residents", "set role gh_owner", "set role gh_maint",
		"alter table tenant.users no force row level security", "create table tenant.x ()", "create schema x", "create role x",
	} {
		if _, err := db.Control().Exec(t.Context(), sql); err == nil {
			t.Errorf("the serving login may: %s", sql)
		}
	}
	return db
}

// On a server of its own nothing of Gatehouse is there, and nobody but an
// ordinary owner makes it.
func TestProvisionOnAForeignServer(t *testing.T) {
	t.Parallel()
	server, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	admin := config.Secret(server.AdminURL())
	for _, attributes := range []string{"createrole", "createrole noinherit", "superuser"} {
		name := "owner_" + strings.ReplaceAll(attributes, " ", "_")
		dbtest.Exec(t, admin, "create role "+name+" login password 'x' "+attributes)
		dbtest.Exec(t, admin, "create database "+name+" owner "+name)
		d := dedicatedTo("acme", config.Secret(server.URL(name, "x", name)))
		first, err := provision(t, d)
		if err != nil {
			t.Fatalf("%s: %v", attributes, err)
		}
		wantServed(t, d)
		// Again, as after a crash, with another password.
		d.Password = "Other-Horse-8"
		if second, err := provision(t, d); err != nil || second != first {
			t.Errorf("%s: again: got %v, %v, want %v", attributes, second, err, first)
		}
		wantServed(t, d)
	}
	if roles := dbtest.Value[string](t, admin, `select string_agg(rolname, ' ' order by rolname) from pg_roles
		where rolname in ('gh_owner', 'gh_app', 'gh_maint') and not rolcanlogin and not rolsuper and not rolbypassrls and not rolcreaterole`); roles != "gh_app gh_maint gh_owner" {
		t.Errorf("without a login or powers: %q", roles)
	}
	if n := dbtest.Value[int](t, admin, "select count(*)::int from pg_roles where rolname like 'gh\\_tenant\\_%' and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)"); n != 0 {
		t.Errorf("%d serving logins with powers", n)
	}
}

// Where the main database's roles are, they keep their passwords and settings.
func TestProvisionLeavesTheRolesOfTheServer(t *testing.T) {
	t.Parallel()
	main := dbtest.New(t)
	// But for others' memberships: tests that run beside this one add some.
	const roles = `select string_agg(r::text, ' ' order by oid) from pg_authid r where rolname in ('gh_owner', 'gh_app', 'gh_maint')`
	const settings = `select coalesce(string_agg(s::text, ' ' order by s.setrole), '') from pg_db_role_setting s
		join pg_roles r on r.oid = s.setrole where rolname in ('gh_owner', 'gh_app', 'gh_maint')`
	before, set := dbtest.Value[string](t, main.AdminURL, roles), dbtest.Value[string](t, main.AdminURL, settings)
	d := dedicatedTo("acme", dbtest.NewDedicated(t))
	if _, err := provision(t, d); err != nil {
		t.Fatal(err)
	}
	wantServed(t, d)
	if after := dbtest.Value[string](t, main.AdminURL, roles); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
	if after := dbtest.Value[string](t, main.AdminURL, settings); after != set {
		t.Errorf("got %s, want %s", after, set)
	}
	if err := dbtest.Open(t, main.URL).Check(t.Context()); err != nil {
		t.Errorf("gh_app: %v", err)
	}
	// Retired, the tenant is out, and may come again.
	if err := retire(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if n := dbtest.Value[int](t, main.AdminURL, "select count(*)::int from pg_roles where rolname = $1", d.Login); n != 0 {
		t.Error("the login is still there")
	}
	if _, err := provision(t, d); err != nil {
		t.Fatal(err)
	}
	wantServed(t, d)
}

func TestProvisionRefusals(t *testing.T) {
	t.Parallel()
	main := dbtest.New(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	with := func(change func(u *url.URL)) func(config.Secret) config.Secret {
		return func(u config.Secret) config.Secret { return changed(t, u, change) }
	}
	same := func(u config.Secret) config.Secret { return u }
	exec := func(sql string) func(config.Secret) config.Secret {
		return func(u config.Secret) config.Secret {
			dbtest.Exec(t, superuser(t, u), sql)
			return u
		}
	}
	owner := func(u config.Secret) string { parsed, _ := url.Parse(u.Reveal()); return parsed.User.Username() }
	for name, tc := range map[string]struct {
		url  func(config.Secret) config.Secret
		want error
	}{
		"nothing listens":  {with(func(u *url.URL) { u.Host = "127.0.0.1:1" }), pg.ErrUnreachable},
		"silence":          {with(func(u *url.URL) { u.Host = silent.Addr().String() }), pg.ErrUnreachable},
		"no such host":     {with(func(u *url.URL) { u.Host = "no-such-host.invalid" }), pg.ErrUnreachable},
		"wrong password":   {with(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wrong") }), pg.ErrUnreachable},
		"no such user":     {with(func(u *url.URL) { u.User = url.UserPassword("nobody", "x") }), pg.ErrUnreachable},
		"no such database": {with(func(u *url.URL) { u.Path = "/nowhere" }), pg.ErrUnreachable},
		"may not create roles": {func(u config.Secret) config.Secret {
			dbtest.Exec(t, superuser(t, u), "alter role "+owner(u)+" nocreaterole")
			return u
		}, pg.ErrUnsuitable},
		"does not own it": {func(u config.Secret) config.Secret {
			dbtest.Exec(t, superuser(t, u), "alter database "+owner(u)+" owner to postgres")
			return u
		}, pg.ErrUnsuitable},
		"a schema of somebody's": {exec("create schema app; create table app.schema_version ()"), pg.ErrUnsuitable},
		"another encoding": {func(u config.Secret) config.Secret {
			name := owner(u)
			dbtest.Exec(t, main.AdminURL, "drop database "+name)
			dbtest.Exec(t, main.AdminURL, "create database "+name+" owner "+name+" encoding 'LATIN1' locale 'C' template template0")
			return u
		}, pg.ErrUnsuitable},
		"the main database":          {func(config.Secret) config.Secret { return main.OwnerURL }, pg.ErrUsed},
		"the main one, as superuser": {func(config.Secret) config.Secret { return main.AdminURL }, pg.ErrUsed},
		"the main one, as an outsider": {func(u config.Secret) config.Secret {
			database, _ := url.Parse(main.OwnerURL.Reveal())
			return changed(t, u, func(u *url.URL) { u.Path = database.Path })
		}, pg.ErrUsed},
		"another tenant's": {func(u config.Secret) config.Secret {
			if _, err := provision(t, dedicatedTo("globex", u)); err != nil {
				t.Error(err)
			}
			return u
		}, pg.ErrUsed},
		"empty": {same, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := tc.url(dbtest.NewDedicated(t))
			d := dedicatedTo("acme", u)
			_, err := provision(t, d)
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if tc.want == nil {
				return
			}
			parsed, _ := url.Parse(u.Reveal())
			password, _ := parsed.User.Password()
			for _, secret := range []string{password, parsed.Host, parsed.User.Username(), parsed.Path[1:], d.Login, d.Password} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in %q", secret, err)
				}
			}
			if n := dbtest.Value[int](t, main.AdminURL, "select count(*)::int from pg_roles where rolname = $1", d.Login); n != 0 {
				t.Error("the login is left over")
			}
		})
	}
}

// An attempt that failed after the tenant was admitted does not keep the
// database from the next, whatever tenant that is for.
func TestProvisionTakesOverWhatIsAbandoned(t *testing.T) {
	t.Parallel()
	u := dbtest.NewDedicated(t)
	left := dedicatedTo("left", u)
	if _, err := provision(t, left); err != nil {
		t.Fatal(err)
	}
	next := dedicatedTo("next", u)
	attempt := func(login string, err error) error {
		next.Abandoned = func(_ context.Context, tenant string) ([]string, error) {
			if tenant != "left" {
				t.Errorf("asked for %q", tenant)
			}
			return []string{"gh_tenant_under_another_key", login}, err
		}
		_, err = provision(t, next)
		return err
	}
	if err := attempt("", nil); !errors.Is(err, pg.ErrUsed) {
		t.Errorf("a tenant that exists: got %v", err)
	}
	if err := attempt("gh_tenant_of_another_installation", nil); !errors.Is(err, pg.ErrUsed) {
		t.Errorf("not of our making: got %v", err)
	}
	down := problem.New(problem.Unavailable)
	if err := attempt(left.Login, down); !errors.Is(err, down) {
		t.Errorf("nobody knows: got %v", err)
	}
	admin := superuser(t, u)
	dbtest.Exec(t, admin, `insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
		values ('left', gen_random_uuid(), 'ana', 'ana', 'a@b.c', 'a@b.c', 'x', 'member')`)
	if err := attempt(left.Login, nil); !errors.Is(err, pg.ErrUsed) {
		t.Errorf("it has a user: got %v", err)
	}
	dbtest.Exec(t, admin, "delete from tenant.users")
	if err := attempt(left.Login, nil); err != nil {
		t.Fatal(err)
	}
	wantServed(t, next)
}

func TestProvisionExpects(t *testing.T) {
	t.Parallel()
	u := dbtest.NewDedicated(t)
	d := dedicatedTo("acme", u)
	whichever, other := uuid.Nil, uuid.New()
	d.Expected = &whichever
	if _, err := provision(t, d); !errors.Is(err, pg.ErrOther) {
		t.Errorf("an empty database: got %v", err)
	}
	if dbtest.Value[bool](t, superuser(t, u), "select to_regclass('app.residents') is not null") {
		t.Error("something was made in it")
	}
	d.Expected = nil
	id, err := provision(t, d)
	if err != nil {
		t.Fatal(err)
	}
	for expected, want := range map[uuid.UUID]error{id: nil, uuid.Nil: nil, other: pg.ErrOther} {
		d.Expected = &expected
		if _, err := provision(t, d); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if err := retire(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	d.Expected = &id
	if _, err := provision(t, d); !errors.Is(err, pg.ErrOther) {
		t.Errorf("the tenant is out: got %v", err)
	}
}

// Retiring does not get in between the steps of an attempt to provision.
func TestRetireWaitsForProvision(t *testing.T) {
	t.Parallel()
	d := dedicatedTo("acme", dbtest.NewDedicated(t))
	if _, err := provision(t, d); err != nil {
		t.Fatal(err)
	}
	conn := dbtest.Connect(t, d.OwnerURL)
	for _, step := range []struct {
		sql  string
		want bool
	}{{"select pg_advisory_lock(hashtextextended('gatehouse.provision', 0))", false}, {"select pg_advisory_unlock_all()", true}} {
		if _, err := conn.Exec(t.Context(), step.sql); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- retire(ctx, d) }()
		var err error
		for ended := false; !ended; {
			select {
			case err = <-done:
				ended = true
			default:
				if dbtest.Value[bool](t, d.OwnerURL, "select exists (select from pg_locks l join pg_database d on d.oid = l.database where datname = current_database() and locktype = 'advisory' and not granted)") {
					cancel()
				}
			}
		}
		cancel()
		if (err == nil) != step.want {
			t.Errorf("%s: got %v", step.sql, err)
		}
		if n := dbtest.Value[int](t, superuser(t, d.OwnerURL), "select count(*)::int from app.residents"); (n == 0) != step.want {
			t.Errorf("%s: got %d residents", step.sql, n)
		}
	}
}

// One database has many names, so two tenants may come for it at once.
func TestProvisionForTwoAtOnce(t *testing.T) {
	t.Parallel()
	u := dbtest.NewDedicated(t)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, tenant := range []string{"acme", "globex"} {
		wg.Go(func() {
			_, errs[i] = pg.Provision(t.Context(), dedicatedTo(tenant, u), slog.New(slog.DiscardHandler))
		})
	}
	wg.Wait()
	if n := dbtest.Value[int](t, superuser(t, u), "select count(*)::int from app.residents"); n != 1 {
		t.Errorf("got %d residents of %v, want 1", n, errs)
	}
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("got %v", errs)
	}
}

// A server that falls silent in the middle keeps nobody longer than the time
// that is given.
func TestProvisionEnds(t *testing.T) {
	t.Parallel()
	u := dbtest.NewDedicated(t)
	if _, err := provision(t, dedicatedTo("acme", u)); err != nil {
		t.Fatal(err)
	}
	admin := dbtest.Connect(t, superuser(t, u))
	tx, err := admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "lock table app.residents in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = pg.Provision(ctx, dedicatedTo("acme", u), slog.New(slog.DiscardHandler))
	if !errors.Is(err, pg.ErrUnreachable) || pg.FaultOf(err) != pg.TimedOut {
		t.Errorf("got %v", err)
	}
	err = pg.AsOwner(ctx, pg.Reach{Local: dbtest.Local()}, u, func(tenantdb.DBTX) error { return nil })
	if !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestConceal(t *testing.T) {
	t.Parallel()
	u := config.Secret("postgres://owner:Secret-Horse-7@127.0.0.1:1/acme?sslmode=disable")
	db := dbtest.Open(t, u)
	_, err := db.Control().Exec(t.Context(), "select 1")
	if !problem.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatalf("got %v", err)
	}
	told := pg.Conceal(err)
	if !problem.Is(told, problem.Unavailable) || told.Error() != "unavailable: database: unreachable" || pg.FaultOf(told) != pg.Unreachable {
		t.Errorf("got %v", told)
	}
	other := problem.New(problem.Conflict)
	if got := pg.Conceal(other); !errors.Is(got, other) || pg.Conceal(nil) != nil {
		t.Errorf("got %v", got)
	}
}
