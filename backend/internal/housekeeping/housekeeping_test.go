package housekeeping

import (
	"context"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/internal/config"
)

// world is a main database, and a keeper of it.
type world struct {
	*Keeper
	t  *testing.T
	db *dbtest.Database
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := dbtest.New(t)
	log := slog.New(slog.DiscardHandler)
	directory, err := placement.New(placement.Config{Key: "Vq3xTnB8yKZ5sJ0wRfLm7dHcPe2gUaXoIt9vCb4Q", Pools: 2, PoolConns: 2, OnMain: "allow", Local: dbtest.Local(), Connect: 10 * time.Second},
		db.DB, pg.Config{PoolWait: 5 * time.Second, Pooler: "session"}, log, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(directory.Close)
	return &world{New(Options{
		Config: Config{HistoryDays: 180}, Maint: dbtest.Open(t, db.MaintURL), Directory: directory,
		TenantHash: func(id string) string { return id }, Log: log,
	}), t, db}
}

// place makes a tenant with a database of its own, of which it returns the URL for
// its owner.
func (w *world) place(tenant string) config.Secret {
	w.t.Helper()
	own := dbtest.NewDedicated(w.t)
	u, err := placement.ParseURL(own.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := w.Directory.Provision(w.t.Context(), tenant, u, func(context.Context, string) (bool, error) { return false, nil })
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(w.db.AdminURL, "insert into control.tenants (id, name, placement) values ($1, $1, 'dedicated')", tenant)
	w.exec(w.db.AdminURL, "insert into control.placements (tenant_id, database_key, sealed_owner_url, sealed_url) values ($1, $2, $3, $4)",
		tenant, w.Directory.DatabaseKeys(u)[0], sealed.OwnerURL, sealed.ServingURL)
	return own
}

// admin returns the URL of a superuser for a dedicated database.
func (w *world) admin(own config.Secret) config.Secret {
	w.t.Helper()
	admin, err := url.Parse(w.db.AdminURL.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(own.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	admin.Path = u.Path
	return config.Secret(admin.String())
}

// exec runs SQL of a test as a superuser of a database.
func (w *world) exec(db config.Secret, sql string, args ...any) {
	w.t.Helper()
	dbtest.Exec(w.t, db, sql, args...)
}

// fill gives a tenant rows on both sides of each bound, by a minute. Those that
// are to stay have a name that begins with "stays".
func (w *world) fill(db config.Secret, tenant string) {
	w.t.Helper()
	w.exec(db, `insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
		values ($1, $2, 'ana', 'ana', 'a@b.c', 'a@b.c', 'x', case $1 when 'platform' then 'operator' else 'member' end)`, tenant, user)
	for _, sql := range []string{`
		insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, created_at, last_refresh_at, expires_at, revoked_at, revoked_reason)
		select $1, gen_random_uuid(), $2, '', name, now() - interval '80 days', now() - interval '70 days', now() + expires, now() + revoked,
		       case when revoked is null then null else 'logout' end
		from (values
			('stays: live', interval '1 minute', null::interval),
			('stays: has expired, can be looked up', '-30 days 1 minute', null),
			('goes: has expired', '-30 days -1 minute', null),
			('stays: has just been revoked', '10 days', '-1 second'),
			('stays: has been revoked, can be looked up', '10 days', '-30 days 1 minute'),
			('goes: has been revoked', '10 days', '-30 days -1 minute')) as v (name, expires, revoked)`, `
		insert into tenant.refresh_tokens (tenant_id, hash, session_id, expires_at, spent_at, spent_user_agent)
		select $1, sha256(convert_to(v.name || s.user_agent, 'UTF8')), s.id, now() + v.expires, now() - interval '1 day', v.name
		from tenant.sessions s, (values ('stays: a repeat is noticed', interval '1 minute'), ('goes: has expired', '-1 minute')) as v (name, expires)
		where s.tenant_id = $1 and s.user_id = $2 and s.user_agent = 'stays: live'
		union all select $1, sha256(convert_to(s.user_agent, 'UTF8')), s.id, now() + interval '1 day', null, 'goes: with its session'
		from tenant.sessions s where s.tenant_id = $1 and s.user_id = $2 and s.user_agent = 'goes: has been revoked'`, `
		insert into tenant.idempotency_keys (tenant_id, user_id, route, key, request_hash, status, location, etag, body, expires_at)
		select $1, $2, 'POST /x', name, sha256(''), 201, '', '', '', now() + expires
		from (values ('stays: answers a repeat', interval '1 minute'), ('goes: has expired', '-1 minute')) as v (name, expires)`, `
		insert into tenant.login_events (tenant_id, id, user_id, outcome, ip, user_agent, created_at)
		select $1, gen_random_uuid(), $2::uuid, 'ok', '', name, now() - age
		from (values ('stays: not old enough', interval '180 days -1 minute'), ('goes: old', '180 days 1 minute')) as v (name, age)`, `
		insert into tenant.login_failures (tenant_id, key, failures, since)
		select $1, sha256(convert_to($2::uuid || age::text, 'UTF8')), failures, now() - age
		from (values (1, interval '14 minutes'), (2, '1 day -1 minute'), (100, '1 day 1 minute')) as v (failures, age)`, `
		insert into tenant.invitations (tenant_id, id, hash, role, email, email_key, created_by, expires_at, used_at)
		select $1, gen_random_uuid(), sha256(convert_to(name, 'UTF8')), 'member', name, name, $2::uuid, now() + expires, now() + used
		from (values
			('stays: can be used', interval '1 minute', null::interval),
			('stays: was used', '10 days', '-40 days'),
			('stays: has expired, admins see it', '-30 days 1 minute', null),
			('goes: was used', '-30 days -1 minute', '-40 days'),
			('goes: has expired', '-30 days -1 minute', null)) as v (name, expires, used)`,
	} {
		w.exec(db, sql, tenant, user)
	}
}

var user = uuid.MustParse("01890000-0000-7000-8000-000000000001")

// names lists the rows of a tenant by the names that fill gave them.
func (w *world) names(db config.Secret, tenant string) []string {
	w.t.Helper()
	return dbtest.Value[[]string](w.t, db, `
		select coalesce(array_agg(name order by name collate "C"), '{}') from (
			select 'session ' || user_agent from tenant.sessions where tenant_id = $1
			union all select 'token ' || spent_user_agent from tenant.refresh_tokens where tenant_id = $1
			union all select 'key ' || key from tenant.idempotency_keys where tenant_id = $1
			union all select 'event ' || user_agent from tenant.login_events where tenant_id = $1
			union all select 'failures ' || case when failures < 100 then 'stays: ' else 'goes: ' end || failures from tenant.login_failures where tenant_id = $1
			union all select 'invitation ' || email from tenant.invitations where tenant_id = $1) as v (name)`, tenant)
}

var (
	staying = []string{
		"event stays: not old enough",
		"failures stays: 1", "failures stays: 2",
		"invitation stays: can be used", "invitation stays: has expired, admins see it", "invitation stays: was used",
		"key stays: answers a repeat",
		"session stays: has been revoked, can be looked up", "session stays: has expired, can be looked up",
		"session stays: has just been revoked", "session stays: live",
		"token stays: a repeat is noticed",
	}
	// all is how many rows fill makes, besides the user.
	all = len(staying) + 9
)

func (w *world) round() {
	w.t.Helper()
	if busy, err := w.everywhere(w.t.Context()); busy || err != nil {
		w.t.Fatalf("busy: %v, error: %v", busy, err)
	}
}

// tidied fails the test unless just those rows are left that are to stay.
func (w *world) tidied(db config.Secret, tenant string) {
	w.t.Helper()
	if diff := cmp.Diff(staying, w.names(db, tenant)); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", tenant, diff)
	}
}

// untouched fails the test unless all rows are there.
func (w *world) untouched(db config.Secret, tenant string) {
	w.t.Helper()
	if got := w.names(db, tenant); len(got) != all {
		w.t.Errorf("%s: got %d rows, want %d: %q", tenant, len(got), all, got)
	}
}

// Whatever its status, a tenant of the main database is tidied, unless it moves.
func TestMainDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	main := w.db.AdminURL
	for _, tenant := range []string{"acme", "suspended", "deleted", "moving", "fenced", "held"} {
		w.db.AddTenant(t, tenant, "open")
		w.fill(main, tenant)
	}
	w.fill(main, "platform")
	w.exec(main, "update control.tenants set status = id where id in ('suspended', 'deleted', 'moving')")
	w.exec(main, "update app.residents set suspended_at = now() where tenant_id = 'suspended'")
	w.exec(main, "delete from app.residents where tenant_id = 'deleted'")
	w.exec(main, "update app.residents set fenced_at = now() where tenant_id = 'fenced'")
	move := dbtest.Connect(t, w.db.OwnerURL)
	if _, err := move.Exec(t.Context(), "select pg_advisory_lock(hashtextextended('gatehouse.fence:held', 0))"); err != nil {
		t.Fatal(err)
	}
	before := deletedSessions.Get()

	w.round()

	for _, tenant := range []string{"acme", "suspended", "deleted", "platform"} {
		w.tidied(main, tenant)
	}
	for _, tenant := range []string{"moving", "fenced", "held"} {
		w.untouched(main, tenant)
	}
	if got := deletedSessions.Get() - before; got < 8 {
		t.Errorf("%d sessions counted, want 2 of each of 4 tenants", got)
	}
	w.round()
	w.tidied(main, "acme")
}

// A dead database is counted, and holds up nobody else.
func TestDedicatedDatabases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.db.AddTenant(t, "zulu", "open")
	w.fill(w.db.AdminURL, "zulu")
	own := map[string]config.Secret{}
	for _, tenant := range []string{"own", "suspended", "fenced", "dead"} {
		own[tenant] = w.place(tenant)
		w.fill(w.admin(own[tenant]), tenant)
	}
	w.exec(w.db.AdminURL, "update control.tenants set status = 'suspended' where id = 'suspended'")
	w.exec(w.admin(own["fenced"]), "update app.residents set fenced_at = now()")
	w.exec(w.db.AdminURL, "update control.placements set sealed_url = 'broken' where tenant_id = 'dead'")
	before := ownFailures.Get()

	w.round()

	w.tidied(w.db.AdminURL, "zulu")
	w.tidied(w.admin(own["own"]), "own")
	for _, tenant := range []string{"suspended", "fenced", "dead"} {
		w.untouched(w.admin(own[tenant]), tenant)
	}
	if got := ownFailures.Get() - before; got != 1 {
		t.Errorf("got %d failures", got)
	}
}

// One process at a time tidies a database: what another holds is left alone.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	main := w.db.AdminURL
	w.db.AddTenant(t, "acme", "open")
	w.fill(main, "acme")
	own := w.place("own")
	w.fill(w.admin(own), "own")
	const lock = "begin; select pg_advisory_xact_lock(hashtextextended('gatehouse.housekeeping', 0))"

	other, others := dbtest.Connect(t, w.db.OwnerURL), dbtest.Connect(t, own)
	if _, err := other.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if busy, err := w.everywhere(t.Context()); !busy || err != nil {
		t.Errorf("busy: %v, error: %v", busy, err)
	}
	w.untouched(main, "acme")

	if _, err := others.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	w.round()
	w.tidied(main, "acme")
	w.untouched(w.admin(own), "own")
}

// A transaction deletes a batch of each kind; a row that somebody holds is not
// waited for.
func TestBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.db.AddTenant(t, "acme", "open")
	w.exec(w.db.AdminURL, `insert into tenant.login_events (tenant_id, id, outcome, ip, user_agent, created_at)
		select 'acme', gen_random_uuid(), 'ok', '', case n when 1 then 'held' else '' end, now() - interval '200 days' - n * interval '1 second'
		from generate_series(1, $1) n`, 2*batch+2)
	left := func() int {
		t.Helper()
		return dbtest.Value[int](t, w.db.AdminURL, "select count(*)::int from tenant.login_events")
	}
	holder := dbtest.Connect(t, w.db.OwnerURL)
	if _, err := holder.Exec(t.Context(), "begin; select from tenant.login_events where user_agent = 'held' for update"); err != nil {
		t.Fatal(err)
	}
	again, err := w.tidyOnce(t.Context(), w.inMain, "acme")
	if got, want := left(), batch+2; got != want || !again || err != nil {
		t.Errorf("after one transaction: got %d events, again %v, error %v; want %d", got, again, err, want)
	}
	w.round()
	if got := left(); got != 1 {
		t.Errorf("after a round: got %d events", got)
	}
	if _, err := holder.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	w.round()
	if got := left(); got != 0 {
		t.Errorf("afterwards: got %d events", got)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Run(t.Context()) // has no interval, so it returns

	w.db.AddTenant(t, "acme", "open")
	w.fill(w.db.AdminURL, "acme")
	w.Config.Interval = 2 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	for deadline := time.Now().Add(20 * time.Second); len(w.names(w.db.AdminURL, "acme")) > len(staying) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	w.tidied(w.db.AdminURL, "acme")
	stop()
	<-done
}

func TestRoundCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	failed, done := roundsFailed.Get(), roundsDone.Get()
	w.Round(t.Context())
	if roundsDone.Get() == done {
		t.Error("a round that is done is not counted")
	}
	w.Maint = dbtest.Open(t, "postgres://gh_maint@127.0.0.1:1/none?connect_timeout=1")
	w.Round(t.Context())
	if roundsFailed.Get() == failed {
		t.Error("a round that failed is not counted")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		c    Config
		want int
	}{
		{Config{time.Hour, 180}, 0},
		{Config{0, 1}, 0},
		{Config{time.Minute, 3650}, 0},
		{Config{24 * time.Hour, 180}, 0},
		{Config{time.Minute - 1, 180}, 1},
		{Config{24*time.Hour + 1, 3651}, 2},
		{Config{-time.Hour, 0}, 2},
	} {
		var m config.Mistakes
		tc.c.Validate(&m)
		if got := len(m.Names()); got != tc.want {
			t.Errorf("%+v: got %d mistakes, want %d", tc.c, got, tc.want)
		}
	}
}
