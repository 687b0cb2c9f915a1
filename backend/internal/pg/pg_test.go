package pg_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
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
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var queries = tenantdb.New()

// addContact stores a contact of a tenant and returns its id.
func addContact(t *testing.T, db *dbtest.Database, tenant string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := queries.CreateContact(t.Context(), db.As(pg.Scope{Tenant: tenant, Write: true}), tenantdb.CreateContactParams{
		TenantID: tenant, ID: id, Name: "Ana", NameSort: "ana", Age: 30, Address: "x", Phone: "1234567890", Email: "a@b.c",
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// count runs a query that counts, inside a scope.
func count(t *testing.T, db tenantdb.DBTX, sql string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRowLevelSecurityWithoutCondition(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	db.AddTenant(t, "globex", "open")
	addContact(t, db, "acme")
	acme, globex := db.As(pg.Scope{Tenant: "acme", Write: true}), db.As(pg.Scope{Tenant: "globex", Write: true})

	// None of these names its tenant.
	if n := count(t, globex, "select count(*) from tenant.contacts"); n != 0 {
		t.Errorf("globex reads %d contacts of acme", n)
	}
	for _, sql := range []string{"update tenant.contacts set name = 'x'", "delete from tenant.contacts"} {
		tag, err := globex.Exec(t.Context(), sql)
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("%s: changed %d rows of acme, error %v", sql, tag.RowsAffected(), err)
		}
	}
	_, err := queries.CreateContact(t.Context(), globex, tenantdb.CreateContactParams{
		TenantID: "acme", ID: uuid.New(), Name: "x", Address: "x", Phone: "1234567890", Email: "a@b.c",
	})
	if err == nil {
		t.Error("globex could insert a row of acme")
	}
	if _, err := acme.Exec(t.Context(), "update tenant.contacts set tenant_id = 'globex'"); err == nil {
		t.Error("acme could give a row to globex")
	}
	if n := count(t, acme, "select count(*) from tenant.contacts where name = 'Ana'"); n != 1 {
		t.Errorf("acme has %d contacts, want 1", n)
	}
}

func TestNoTenantNoRows(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	addContact(t, db, "acme")
	// One connection, so that what a scope left behind would be seen.
	one, err := pg.Open(pg.Config{URL: db.URL, MaxConns: 1, PoolWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	outside := one.Control()
	before := count(t, outside, "select count(*) from tenant.contacts")
	if inside := count(t, one.As(pg.Scope{Tenant: "acme"}), "select count(*) from tenant.contacts"); inside != 1 {
		t.Errorf("inside the tenant got %d rows, want 1", inside)
	}
	after := count(t, outside, "select count(*) from tenant.contacts")
	if before != 0 || after != 0 {
		t.Errorf("outside any tenant got %d rows before and %d after a scope, want none", before, after)
	}
}

func TestEnter(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	read := func(tenant string) error {
		_, err := db.As(pg.Scope{Tenant: tenant}).Exec(t.Context(), "select 1")
		return err
	}
	write := func(tenant string) error {
		return db.InTx(t.Context(), pg.Scope{Tenant: tenant, Write: true}, func(tenantdb.DBTX) error { return nil })
	}
	if err := errors.Join(read("acme"), write("acme")); err != nil {
		t.Error(err)
	}
	if err := read("nowhere"); !problem.Is(err, problem.Unauthenticated) {
		t.Errorf("absent tenant: got %v", err)
	}
	dbtest.Exec(t, db.OwnerURL, "update app.residents set fenced_at = now() where tenant_id = 'acme'")
	if err := read("acme"); err != nil {
		t.Errorf("reading while writes are paused: got %v", err)
	}
	if err := write("acme"); !problem.Is(err, problem.TenantMoving) {
		t.Errorf("writing while writes are paused: got %v", err)
	}
}

func TestRequireSession(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	db.AddTenant(t, "globex", "open")
	user, session := uuid.New(), uuid.New()
	acme := db.As(pg.Scope{Tenant: "acme", Write: true})
	_, err := queries.CreateUser(t.Context(), acme, tenantdb.CreateUserParams{
		TenantID: "acme", ID: user, Username: "ana", UsernameKey: "ana", Email: "a@b.c", EmailKey: "a@b.c", PasswordHash: "x", Role: "member",
	})
	if err != nil {
		t.Fatal(err)
	}
	err = queries.CreateSession(t.Context(), acme, tenantdb.CreateSessionParams{
		TenantID: "acme", ID: session, UserID: user, ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	enter := func(s pg.Scope) error {
		_, err := db.As(s).Exec(t.Context(), "select 1")
		return err
	}
	live := pg.Scope{Tenant: "acme", Session: session, User: user}
	if err := enter(live); err != nil {
		t.Errorf("live session: got %v", err)
	}
	for name, s := range map[string]pg.Scope{
		"another tenant": {Tenant: "globex", Session: session, User: user},
		"another user":   {Tenant: "acme", Session: session, User: uuid.New()},
		"no session":     {Tenant: "acme", Session: uuid.New(), User: user},
	} {
		if err := enter(s); !problem.Is(err, problem.Unauthenticated) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	dbtest.Exec(t, db.AdminURL, "update tenant.sessions set expires_at = now()")
	if err := enter(live); !problem.Is(err, problem.Unauthenticated) {
		t.Errorf("expired: got %v", err)
	}
	dbtest.Exec(t, db.AdminURL, "update tenant.sessions set expires_at = now() + interval '1 hour', revoked_at = now(), revoked_reason = 'logout'")
	if err := enter(live); !problem.Is(err, problem.Unauthenticated) {
		t.Errorf("revoked: got %v", err)
	}
}

// What fails only at commit must not be taken for success.
func TestFailedCommitIsReported(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	dbtest.Exec(t, db.AdminURL, `
		create function tenant.refuse() returns trigger language plpgsql as $$ begin raise exception 'refused at commit'; end $$;
		create constraint trigger refuse after insert on tenant.contacts deferrable initially deferred
			for each row execute function tenant.refuse()`)
	params := tenantdb.CreateContactParams{
		TenantID: "acme", ID: uuid.New(), Name: "Ana", Age: 1, Address: "x", Phone: "1234567890", Email: "a@b.c",
	}
	scope := pg.Scope{Tenant: "acme", Write: true}
	if _, err := queries.CreateContact(t.Context(), db.As(scope), params); err == nil {
		t.Error("one row: the failed commit looks like success")
	}
	if _, err := db.As(scope).Exec(t.Context(), tenantdb.CreateContact, "acme", uuid.New(), "Ana", "ana", true, 1, "x", "1234567890", "a@b.c"); err == nil {
		t.Error("exec: the failed commit looks like success")
	}
	err := db.InTx(t.Context(), scope, func(tx tenantdb.DBTX) error {
		_, err := queries.CreateContact(t.Context(), tx, params)
		return err
	})
	if err == nil {
		t.Error("transaction: the failed commit looks like success")
	}
}

func TestInTxRollsBack(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	failure := errors.New("no")
	scope := pg.Scope{Tenant: "acme", Write: true}
	err := db.InTx(t.Context(), scope, func(tx tenantdb.DBTX) error {
		_, err := tx.Exec(t.Context(), tenantdb.CreateContact, "acme", uuid.New(), "Ana", "ana", true, 1, "x", "1234567890", "a@b.c")
		return errors.Join(err, failure)
	})
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if n := count(t, db.As(scope), "select count(*) from tenant.contacts"); n != 0 {
		t.Errorf("got %d rows after a rollback", n)
	}
}

func TestInTxRetriesLostRaces(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	a, b := addContact(t, db, "acme"), addContact(t, db, "acme")
	const touch = "update tenant.contacts set age = age + 1 where id = $1"
	// Two transactions lock the same rows in opposite order, which ends in a
	// deadlock; the barrier holds on the first try only.
	barrier := make(chan struct{}, 2)
	met := make(chan struct{})
	go func() {
		<-barrier
		<-barrier
		close(met)
	}()
	run := func(first, second uuid.UUID) error {
		try := 0
		return db.InTx(t.Context(), pg.Scope{Tenant: "acme", Write: true}, func(tx tenantdb.DBTX) error {
			if _, err := tx.Exec(t.Context(), touch, first); err != nil {
				return err
			}
			if try++; try == 1 {
				barrier <- struct{}{}
				<-met
			}
			_, err := tx.Exec(t.Context(), touch, second)
			return err
		})
	}
	var wg sync.WaitGroup
	var err1, err2 error
	wg.Go(func() { err1 = run(a, b) })
	wg.Go(func() { err2 = run(b, a) })
	wg.Wait()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db.As(pg.Scope{Tenant: "acme"}), "select min(age)::int from tenant.contacts"); n != 32 {
		t.Errorf("got age %d, want both transactions' changes", n)
	}
}

// A statement that outlives the request's deadline is ended by PostgreSQL, and
// the connection stays usable.
func TestDeadline(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	one, err := pg.Open(pg.Config{URL: db.URL, MaxConns: 1, PoolWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	scoped := one.As(pg.Scope{Tenant: "acme"})
	pid := count(t, scoped, "select pg_backend_pid()")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := scoped.Exec(ctx, "select pg_sleep(60)"); !problem.Is(err, problem.Timeout) {
		t.Errorf("got %v", err)
	}
	if again := count(t, scoped, "select pg_backend_pid()"); again != pid {
		t.Error("the connection was lost")
	}
}

func TestPoolBusy(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	one, err := pg.Open(pg.Config{URL: db.URL, MaxConns: 1, PoolWait: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	err = one.InTx(t.Context(), pg.Scope{Tenant: "acme"}, func(tenantdb.DBTX) error {
		_, err := one.As(pg.Scope{Tenant: "acme"}).Exec(t.Context(), "select 1")
		return err
	})
	if !problem.Is(err, problem.Overloaded) {
		t.Errorf("got %v", err)
	}
}

// A server that accepts and says nothing is no overload of ours.
func TestSilentServerIsUnavailable(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	db, err := pg.Open(pg.Config{
		URL:      config.Secret("postgres://gh_app:x@" + silent.Addr().String() + "/gatehouse?sslmode=disable"),
		MaxConns: 2, PoolWait: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.As(pg.Scope{Tenant: "acme"}).Exec(t.Context(), "select 1"); !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// Errors are logged, and what a client has sent is not.
func TestErrorsDoNotQuoteValues(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	db.AddTenant(t, "acme", "open")
	acme := db.As(pg.Scope{Tenant: "acme", Write: true})
	const secret = "Wrong-Horse-7"
	for _, sql := range []string{
		"select $1::text::uuid", "select $1::text::int", "select $1::text::jsonb", "select $1::text::timestamptz", "select to_date($1, 'YYYY')",
	} {
		_, err := acme.Exec(t.Context(), sql, secret)
		if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "SQLSTATE 22") {
			t.Errorf("%s: got %v", sql, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, "postgres://gh_app:x@127.0.0.1:1/gatehouse?sslmode=disable")
	if _, err := db.As(pg.Scope{Tenant: "acme"}).Exec(t.Context(), "select 1"); !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
	if err := db.Check(t.Context()); err == nil {
		t.Error("check passed")
	}
}

func TestMigrateAndBootstrapRepeatedly(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	dbtest.Exec(t, db.OwnerURL, "drop schema control cascade")
	dbtest.Exec(t, db.OwnerURL, "drop schema tenant cascade")
	dbtest.Exec(t, db.OwnerURL, "drop schema app cascade")
	if err := db.Check(t.Context()); err == nil {
		t.Error("check passed without migrations")
	}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = pg.Migration{Log: slog.New(slog.DiscardHandler)}.Main(t.Context(), db.OwnerURL) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	maint := config.Secret(strings.Replace(db.URL.Reveal(), pg.AppRole, pg.MaintRole, 1))
	for range 2 {
		if err := pg.Bootstrap(t.Context(), db.AdminURL, db.OwnerURL, db.URL, maint); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever comes second waits for the first, but no longer than it may.
func TestAlone(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	nothing := func(context.Context) error { return nil }
	err := pg.Alone(t.Context(), db.OwnerURL, "work", func(ctx context.Context) error {
		if err := pg.Alone(ctx, db.OwnerURL, "other work", nothing); err != nil {
			t.Errorf("other work: got %v", err)
		}
		impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := pg.Alone(impatient, db.OwnerURL, "work", nothing); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("twice at once: got %v", err)
		}
		return errors.ErrUnsupported
	})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if err := pg.Alone(t.Context(), db.OwnerURL, "work", nothing); err != nil {
		t.Errorf("afterwards: got %v", err)
	}
}
