package backend

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/internal/config"
)

// alias is another connection string of the same database.
func alias(db config.Secret) config.Secret {
	return config.Secret(strings.Replace(db.Reveal(), "127.0.0.1", "localhost", 1))
}

func (s *testServer) directory(key config.Secret) *placement.Directory {
	s.t.Helper()
	d, err := placement.New(placement.Config{Key: key, Pools: 1, PoolConns: 1, OnMain: "allow", Local: dbtest.Local(), Connect: 10 * time.Second}, s.db.DB, pg.Config{PoolWait: time.Second},
		slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(d.Close)
	return d
}

func parsed(t *testing.T, u config.Secret) *url.URL {
	t.Helper()
	p, err := url.Parse(u.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDedicatedRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	s.newTenant(operator, "own", "open", db)
	other := dbtest.NewDedicated(t)
	owner := parsed(t, other).User.Username()
	change := func(f func(*url.URL)) string {
		u := parsed(t, other)
		f(u)
		return u.String()
	}
	create := func(u string) answer {
		return s.do("POST", tenantsPath, operator.Access, map[string]any{"id": "another", "name": "Another", "db_url": u})
	}
	// Taken, by whatever name.
	for _, u := range []config.Secret{db, config.Secret(strings.Replace(db.Reveal(), "postgres://", "postgresql://", 1)), alias(db),
		s.db.OwnerURL, s.db.AdminURL} {
		p := create(u.Reveal()).problem(t, 409, "conflict")
		if p.Message != "The database is used by another tenant already." {
			t.Errorf("got %q", p.Message)
		}
	}
	// Out of reach, or of no use.
	silent := listen(t)
	t.Cleanup(func() { _ = silent.Close() })
	for name, tc := range map[string]struct {
		url, code, word string
	}{
		"nothing listens":  {change(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "unreachable", "does not answer"},
		"silence":          {change(func(u *url.URL) { u.Host = silent.Addr().String() }), "unreachable", "does not answer"},
		"wrong password":   {change(func(u *url.URL) { u.User = url.UserPassword(owner, "wrong") }), "unreachable", "refuses"},
		"no such database": {change(func(u *url.URL) { u.Path = "/nowhere" }), "unreachable", "refuses"},
		"no TLS there":     {change(func(u *url.URL) { u.RawQuery = "sslmode=require" }), "unreachable", "does not answer"},
		"another tenant's": {change(func(u *url.URL) { u.User = parsed(t, db).User }), "unsuitable", "owns the database"},
		"not its owner":    {change(func(u *url.URL) { u.Path = "/postgres" }), "unsuitable", "owns the database"},
	} {
		p := create(tc.url).problem(t, 400, "validation_failed", "/db_url")
		if len(p.Errors) != 1 || p.Errors[0].Code != tc.code || !strings.Contains(p.Errors[0].Message, tc.word) {
			t.Errorf("%s: got %+v", name, p.Errors)
		}
	}
	dbtest.Exec(t, s.db.AdminURL, "alter role "+owner+" nocreaterole")
	if p := create(other.Reveal()).problem(t, 400, "validation_failed", "/db_url"); p.Errors[0].Code != "unsuitable" {
		t.Errorf("got %+v", p.Errors)
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from control.tenants t left join control.placements p on p.tenant_id = t.id where t.id = 'another' or p.tenant_id = 'another'"); n != 0 {
		t.Error("something of it stayed")
	}
	// What was refused can be mended.
	dbtest.Exec(t, s.db.AdminURL, "alter role "+owner+" createrole")
	create(other.Reveal()).want(t, 201)
	s.signup("own", "ana")
}

// The owner of a database on the main server could read every tenant there. What
// is refused leaves nothing.
func TestDedicatedIsOnAnotherServer(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Tenants.OnMain = "deny" })
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	p := s.do("POST", tenantsPath, operator.Access, map[string]any{"id": "own", "name": "Own", "db_url": db.Reveal()}).
		problem(t, 400, "validation_failed", "/db_url")
	if e := p.Errors[0]; e.Code != "unsuitable" || !strings.Contains(e.Message, "another server") {
		t.Errorf("got %+v", e)
	}
	s.do("GET", tenantsPath+"/own", operator.Access, nil).problem(t, 404, "not_found")
	if dbtest.Value[bool](t, s.db.AdminURL, "select pg_has_role($1, 'gh_owner', 'member')", parsed(t, db).User.Username()) {
		t.Error("its owner may be gh_owner")
	}
	if dbtest.Value[bool](t, s.adminURL(db), "select to_regnamespace('app') is not null") {
		t.Error("something was made in it")
	}
}

// A connection string is not a way to reach what is near the backend.
func TestDedicatedIsNotOnThisMachine(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Tenants.Local = nil })
	operator := s.newOperator()
	for _, host := range []string{"127.0.0.1", "localhost:1", "169.254.169.254:80", "[fd00:ec2::254]:80", "[::1]"} {
		p := s.do("POST", tenantsPath, operator.Access, map[string]any{"id": "own", "name": "Own", "db_url": "postgres://o:p@" + host + "/own"}).
			problem(t, 400, "validation_failed", "/db_url")
		if e := p.Errors[0]; e.Code != "forbidden" || !strings.Contains(e.Message, "loopback") {
			t.Errorf("%s: got %+v", host, e)
		}
	}
	s.do("GET", tenantsPath+"/own", operator.Access, nil).problem(t, 404, "not_found")
}

// Both connection strings are secrets: nothing tells them, and what is stored
// opens with the key only, for its tenant only.
func TestConnectionStringsAreSecret(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db, second := dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	// A password that is nothing else's, so that it can be looked for.
	const password = "Owner-%41-Horse 7/#"
	secret := func(db config.Secret) config.Secret {
		u := parsed(t, db)
		dbtest.Exec(t, s.db.AdminURL, "alter role "+u.User.Username()+" password '"+password+"'")
		u.User = url.UserPassword(u.User.Username(), password)
		return config.Secret(u.String())
	}
	r, through := newRelay(t, secret(db))
	u := parsed(t, through)
	body := map[string]any{"id": "own", "name": "Own", "db_url": through.Reveal(), "signup": "open"}
	answers := []answer{
		s.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k").want(t, 201),
		s.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k").want(t, 201),
		s.do("POST", tenantsPath, operator.Access, with(body, "id", "twin")).want(t, 409),
		s.do("PUT", tenantsPath+"/own", operator.Access, map[string]any{"db_url": through.Reveal()}).want(t, 200),
		s.do("PUT", tenantsPath+"/own", operator.Access, map[string]any{"db_url": secret(second).Reveal()}).want(t, 409),
		s.do("PUT", tenantsPath+"/own", operator.Access, map[string]any{"db_url": through.Reveal() + "&host=x"}).want(t, 400),
	}
	ana := s.signup("own", "ana")
	everything := func() {
		t.Helper()
		for _, path := range []string{tenantsPath, tenantsPath + "/own", "/api/v1/admin/tenant/stats", "/api/v1/admin/tenant/health",
			"/api/v1/admin/tenant/status", "/api/v1/admin/audit", "/api/v1/audit"} {
			answers = append(answers, s.do("GET", path, operator.Access, nil))
		}
		answers = append(answers,
			s.do("GET", "/api/v1/address-book", ana.Access, nil),
			s.do("POST", "/api/v1/address-book", ana.Access, contactBody()),
			s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "ana", "password": testPassword, "tenant_id": "own"}),
			s.do("POST", tenantsPath, operator.Access, with(body, "id", "third")),
			s.do("PUT", tenantsPath+"/own", operator.Access, map[string]any{"db_url": through.Reveal()}),
			s.do("POST", tenantsPath+"/own/suspend", operator.Access, nil),
			s.do("POST", tenantsPath+"/own/resume", operator.Access, nil),
		)
	}
	everything()

	d := s.directory(testSecret)
	conn := dbtest.Connect(t, s.db.AdminURL)
	var sealedOwner, sealedServing, key []byte
	if err := conn.QueryRow(t.Context(), "select sealed_owner_url, sealed_url, database_key from control.placements where tenant_id = 'own'").
		Scan(&sealedOwner, &sealedServing, &key); err != nil {
		t.Fatal(err)
	}
	serving := parsed(t, config.Secret(unseal(t, "serving\x00own", sealedServing)))
	login := serving.User.Username()
	generated, _ := serving.User.Password()
	if !strings.HasPrefix(login, "gh_tenant_") || len(generated) < 20 {
		t.Errorf("got the login %q with a password of %d characters", login, len(generated))
	}
	sealed := string(sealedOwner) + string(sealedServing) + string(key)
	for _, part := range []string{"postgres", "127.0.0.1", u.Host, u.User.Username(), u.Path[1:], password, "Owner", "Horse", "sslmode", login, generated} {
		if strings.Contains(sealed, part) {
			t.Errorf("%q is in the rows", part)
		}
	}
	// Rows that are swapped between tenants do not open.
	fn := func(ctx context.Context, db *pg.DB) error { return db.CheckDedicated(ctx) }
	if err := d.Probe(t.Context(), "own", sealedServing, time.Second, fn); err != nil {
		t.Errorf("got %v", err)
	}
	if err := d.Probe(t.Context(), "other", sealedServing, time.Second, fn); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("another tenant: got %v", err)
	}
	if err := d.Probe(t.Context(), "own", sealedOwner, time.Second, fn); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("another purpose: got %v", err)
	}
	if err := s.directory(testSecret+"x").Probe(t.Context(), "own", sealedServing, time.Second, fn); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("another key: got %v", err)
	}
	// The role that serves reads what it needs only.
	for sql, want := range map[string]bool{
		"select sealed_url from control.placements": true, "select sealed_owner_url from control.placements": false,
		"select * from control.placements": false, "select database_key from control.placements": false,
		"update control.placements set sealed_url = ''": false, "delete from control.placements": false,
		"update control.tenants set status = 'active'": false,
	} {
		app := dbtest.Connect(t, s.db.URL)
		if _, err := app.Exec(t.Context(), sql); (err == nil) != want {
			t.Errorf("%s: got %v", sql, err)
		}
	}

	// Once more while the database is silent, and when it is gone.
	r.blocked.Store(true)
	d.Forget("own")
	dbtest.Exec(t, s.db.AdminURL, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename like 'gh_tenant_%'", u.Path[1:])
	everything()
	_ = r.Close()
	everything()

	told := s.logs.String()
	for _, a := range answers {
		told += "\n" + string(a.body)
		for name, values := range a.Header {
			told += "\n" + name + ": " + strings.Join(values, " ")
		}
	}
	for _, part := range []string{password, url.PathEscape(password), "Owner-", u.Host, u.User.Username(), u.Path[1:], login, generated} {
		if i := strings.Index(told, part); part == "" || i >= 0 {
			t.Errorf("%q is told: %q", part, told[max(i-200, 0):min(max(i, 0)+200, len(told))])
		}
	}
}

// unseal opens what was sealed under testSecret, as the documentation says it
// is: AES-256-GCM, the nonce first, a key by HKDF.
func unseal(t *testing.T, bound string, sealed []byte) string {
	t.Helper()
	key, err := hkdf.Key(sha256.New, []byte(testSecret), nil, "gatehouse tenant database seal v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := aead.Open(nil, sealed[:12], sealed[12:], []byte(bound))
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestAnotherConnectionString(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	s.newTenant(operator, "own", "open", db)
	ana := s.signup("own", "ana")
	put := func(body map[string]any) answer { return s.do("PUT", tenantsPath+"/own", operator.Access, body) }

	// To the same database: whoever is signed in goes on, on new connections too.
	if a := put(map[string]any{"db_url": alias(db).Reveal(), "name": "Renamed"}).want(t, 200); a.Header.Get("ETag") != `"2"` {
		t.Errorf("got ETag %q", a.Header.Get("ETag"))
	}
	s.do("POST", "/api/v1/address-book", ana.Access, contactBody()).want(t, 201)
	if got := s.trail("platform"); got[len(got)-1] != "tenant.update oper db_url=replaced name=Renamed" {
		t.Errorf("got %v", got)
	}
	// The former name is free again, but not for anybody else.
	s.do("POST", tenantsPath, operator.Access, map[string]any{"name": "Other", "db_url": db.Reveal()}).problem(t, 409, "conflict")
	put(map[string]any{"db_url": db.Reveal(), "placement": "dedicated"}).want(t, 200)

	// To another: refused, and nothing is made there.
	empty, globex := dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	s.newTenant(operator, "globex2", "open", globex)
	for u, message := range map[config.Secret]string{
		empty:         "The connection string leads to another database than the one with the tenant's data.",
		alias(globex): "The connection string leads to another database than the one with the tenant's data.",
		globex:        "The database is used by another tenant already.",
		s.db.AdminURL: "The database is used by another tenant already.",
	} {
		if p := put(map[string]any{"db_url": u.Reveal()}).problem(t, 409, "conflict"); p.Message != message {
			t.Errorf("got %q, want %q", p.Message, message)
		}
	}
	if dbtest.Value[bool](t, inDatabase(t, s.db.AdminURL, empty), "select to_regnamespace('app') is not null") {
		t.Error("something was made in the other database")
	}
	put(map[string]any{"db_url": "postgres://o:p@127.0.0.1:1/a"}).problem(t, 400, "validation_failed", "/db_url")
	put(map[string]any{"placement": "shared"}).problem(t, 409, "invalid_state")
	s.do("PUT", tenantsPath+"/acme", operator.Access, map[string]any{"db_url": empty.Reveal()}).problem(t, 409, "invalid_state")
	s.do("PUT", tenantsPath+"/acme", operator.Access, map[string]any{"placement": "dedicated", "db_url": empty.Reveal()}).problem(t, 409, "invalid_state")
	s.do("GET", "/api/v1/address-book", ana.Access, nil).want(t, 200)

	// The server has moved: the former address is dead, the identity is known.
	r, through := newRelay(t, db)
	put(map[string]any{"db_url": through.Reveal()}).want(t, 200)
	_ = r.Close()
	put(map[string]any{"db_url": db.Reveal()}).want(t, 200)
	dbtest.Exec(t, s.db.AdminURL, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename like 'gh_tenant_%'",
		parsed(t, db).Path[1:])
	s.do("GET", "/api/v1/address-book", ana.Access, nil).want(t, 200)
	put(map[string]any{"db_url": empty.Reveal()}).problem(t, 409, "conflict")
	// A suspended tenant stays suspended.
	s.do("POST", tenantsPath+"/own/suspend", operator.Access, nil).want(t, 200)
	put(map[string]any{"db_url": alias(db).Reveal()}).want(t, 200)
	if !dbtest.Value[bool](t, s.adminURL(db), "select suspended_at is not null from app.residents") {
		t.Error("it is not suspended any more")
	}
}

// When the transaction fails after the database was made ready, the tenant is
// taken out of it again.
func TestFailedCreationIsTidiedUp(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	residents := func() string {
		return dbtest.Value[string](t, s.adminURL(db), "select coalesce(string_agg(tenant_id, ' '), '') from app.residents")
	}
	dbtest.Exec(t, s.db.AdminURL, "revoke insert on tenant.audit from gh_maint")
	s.do("POST", tenantsPath, operator.Access, map[string]any{"id": "own", "name": "Own", "db_url": db.Reveal()}, "Idempotency-Key", "k").
		problem(t, 500, "internal")
	if got := residents(); got != "" {
		t.Errorf("got residents %q", got)
	}
	dbtest.Exec(t, s.db.AdminURL, "grant insert on tenant.audit to gh_maint")
	s.do("POST", tenantsPath, operator.Access, map[string]any{"name": "Other", "db_url": db.Reveal(), "signup": "open"}, "Idempotency-Key", "k").want(t, 201)
	if n := strings.Count(s.logs.String(), `"event":"operator_action"`); n != 1 {
		t.Errorf("got %d security events, want 1", n)
	}
}

// A process that ends in the middle leaves a database that has a tenant which
// the control plane does not know. It can be given to any.
func TestCreationAfterACrash(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	nobody := func(context.Context, string) (bool, error) { return false, nil }
	for left, id := range map[string]string{"left": "left", "other": ""} {
		db := dbtest.NewDedicated(t)
		if _, err := s.directory(testSecret).Provision(t.Context(), left, parsed(t, db), nobody); err != nil {
			t.Fatal(err)
		}
		var made tenantBody
		s.do("POST", tenantsPath, operator.Access, map[string]any{"id": id, "name": "Again", "db_url": db.Reveal(), "signup": "open"}).
			want(t, 201).into(t, &made)
		s.signup(made.ID, "ana")
		// But not any more now.
		dbtest.Exec(t, s.db.AdminURL, "delete from control.placements where tenant_id = $1", made.ID)
		s.do("POST", tenantsPath, operator.Access, map[string]any{"name": "Thief", "db_url": db.Reveal()}).problem(t, 409, "conflict")
	}
	// One that is being made by somebody else at this moment is not abandoned.
	busy := dbtest.NewDedicated(t)
	if _, err := s.directory(testSecret).Provision(t.Context(), "busy", parsed(t, busy), nobody); err != nil {
		t.Fatal(err)
	}
	tx, err := dbtest.Connect(t, s.db.AdminURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select pg_advisory_xact_lock(hashtextextended('gatehouse.tenant:busy', 0))"); err != nil {
		t.Fatal(err)
	}
	taker := map[string]any{"name": "Taker", "db_url": busy.Reveal()}
	s.do("POST", tenantsPath, operator.Access, taker).problem(t, 409, "conflict")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.do("POST", tenantsPath, operator.Access, taker).want(t, 201)
	// What another installation left is not ours to take.
	db := dbtest.NewDedicated(t)
	if _, err := s.directory(testSecret+"x").Provision(t.Context(), "theirs", parsed(t, db), nobody); err != nil {
		t.Fatal(err)
	}
	s.do("POST", tenantsPath, operator.Access, map[string]any{"name": "Ours", "db_url": db.Reveal()}).problem(t, 409, "conflict")
}

func TestOneDatabaseForTwoAtOnce(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	var wg sync.WaitGroup
	answers := make([]answer, 4)
	for i := range answers {
		wg.Go(func() {
			u := []config.Secret{db, alias(db)}[i%2]
			answers[i] = s.do("POST", tenantsPath, operator.Access, map[string]any{"name": "One", "db_url": u.Reveal()})
		})
	}
	wg.Wait()
	made := 0
	for _, a := range answers {
		if a.StatusCode == 201 {
			made++
		} else {
			a.problem(t, 409, "conflict")
		}
	}
	living := dbtest.Value[string](t, s.db.AdminURL, "select coalesce(string_agg(id, ' '), '') from control.tenants where placement = 'dedicated'")
	if residents := dbtest.Value[string](t, s.adminURL(db), "select string_agg(tenant_id, ' ') from app.residents"); made != 1 || residents != living {
		t.Errorf("%d were made; %q is in the control plane and %q in the database", made, living, residents)
	}
}

// The database of a tenant does not answer while the tenant is suspended,
// resumed or deleted. The answer says so, and a repeat finishes it.
func TestDedicatedDatabaseIsToldLater(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	db := dbtest.NewDedicated(t)
	r, through := newRelay(t, db)
	s.newTenant(operator, "own", "open", through)
	ana := s.signup("own", "ana")
	const path = tenantsPath + "/own"
	status := func() string {
		var got tenantBody
		s.do("GET", path, operator.Access, nil).want(t, 200).into(t, &got)
		return got.Status
	}
	events := func() int { return strings.Count(s.logs.String(), `"event":"operator_action"`) }
	login := map[string]any{"username_or_email": "ana", "password": testPassword, "tenant_id": "own"}

	r.blocked.Store(true)
	for range 2 {
		a := s.do("POST", path+"/suspend", operator.Access, nil)
		if p := a.problem(t, 503, "unavailable"); !strings.Contains(p.Message, "repeat") || a.Header.Get("Retry-After") == "" {
			t.Errorf("got %q", p.Message)
		}
	}
	if got := status(); got != "suspended" {
		t.Errorf("got %s", got)
	}
	s.do("POST", "/api/v1/auth/login", "", login).problem(t, 401, "invalid_credentials")
	r.blocked.Store(false)
	s.do("POST", path+"/suspend", operator.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/auth/me", ana.Access, nil).problem(t, 401, "unauthenticated")

	r.blocked.Store(true)
	s.do("POST", path+"/resume", operator.Access, nil).problem(t, 503, "unavailable")
	if got := status(); got != "suspended" {
		t.Errorf("got %s", got)
	}
	r.blocked.Store(false)
	s.do("POST", path+"/resume", operator.Access, nil).want(t, 200)
	ana = s.login("own", "ana")
	s.do("GET", "/api/v1/auth/me", ana.Access, nil).want(t, 200)

	r.blocked.Store(true)
	for range 2 {
		s.do("DELETE", path, operator.Access, nil).problem(t, 503, "unavailable")
	}
	if got := status(); got != "deleted" {
		t.Errorf("got %s", got)
	}
	// Nothing leads to its database any more, which does not know yet.
	s.do("GET", "/api/v1/auth/me", ana.Access, nil).problem(t, 401, "unauthenticated")
	if n := dbtest.Value[int](t, s.adminURL(db), "select count(*)::int from app.residents"); n != 1 {
		t.Errorf("got %d residents", n)
	}
	r.blocked.Store(false)
	s.do("DELETE", path, operator.Access, nil).want(t, 200)
	if n := dbtest.Value[int](t, s.adminURL(db), "select count(*)::int from app.residents"); n != 0 {
		t.Errorf("got %d residents", n)
	}
	s.do("DELETE", path, operator.Access, nil).problem(t, 409, "invalid_state")
	s.do("PUT", path, operator.Access, map[string]any{"db_url": db.Reveal()}).problem(t, 409, "invalid_state")
	if got := dbtest.Value[int](t, s.db.AdminURL, "select length(sealed_url) from control.placements"); got != 0 {
		t.Error("the serving connection string is kept")
	}
	// Its data stays, so the database is not free.
	for _, u := range []config.Secret{through, db} {
		s.do("POST", tenantsPath, operator.Access, map[string]any{"name": "Other", "db_url": u.Reveal()}).problem(t, 409, "conflict")
	}
	if got, want := events(), 4; got != want { // create, suspend, resume, delete
		t.Errorf("got %d security events, want %d", got, want)
	}
}
