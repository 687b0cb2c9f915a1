package placement

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
)

const bothKeys = config.Secret(otherKey + ", " + testKey)

// with is a directory of the world's tenants that has other keys.
func (w *world) withKeys(keys config.Secret) *Directory {
	w.t.Helper()
	c := w.config
	c.Key = keys
	d, err := New(c, w.main.DB, w.Directory.pool, slog.New(slog.DiscardHandler), w.clock.Now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(d.Close)
	return d
}

func (w *world) reseal(keys config.Secret) (report string) {
	w.t.Helper()
	all, err := Resealer{
		Owner: w.main.OwnerURL, Keys: keys, TenantHash: func(tenant string) string { return tenant }, Log: slog.New(slog.DiscardHandler),
	}.Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var words []string
	for _, r := range all {
		words = append(words, fmt.Sprintf("%s:%t:%t", r.Tenant, r.Done, r.Err == nil))
	}
	return strings.Join(words, " ")
}

// stored is the placement of a tenant.
func (w *world) stored(tenant string) Sealed {
	w.t.Helper()
	read := func(column string) []byte {
		return dbtest.Value[[]byte](w.t, w.main.AdminURL, "select "+column+" from control.placements where tenant_id = $1", tenant)
	}
	return Sealed{read("sealed_owner_url"), read("sealed_url")}
}

// A new key is put in front of the old one, everything is sealed anew, and the
// old one is given up; whoever has both keys serves all the time.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, closed := dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	w.place("own", own)
	w.place("closed", closed)
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'deleted' where id = 'closed'")
	dbtest.Exec(t, w.main.AdminURL, "update control.placements set sealed_url = '' where tenant_id = 'closed'")
	broken := w.stored("own")
	broken.OwnerURL = append([]byte{}, broken.OwnerURL...)
	broken.OwnerURL[20] ^= 1
	w.route("broken", named(parse(t, own), "broken"), broken)

	both := w.withKeys(bothKeys)
	served := func(d *Directory) {
		t.Helper()
		if name, err := reached(t, d, "own"); name != database(parse(t, own)) || err != nil {
			t.Errorf("got %q, %v", name, err)
		}
	}
	served(both)
	if _, err := reached(t, w.withKeys(otherKey), "own"); !errors.Is(err, errSealed) {
		t.Errorf("with the new key alone: got %v", err)
	}
	before := w.stored("own")

	if got, want := w.reseal(bothKeys), "broken:false:false closed:true:true own:true:true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := w.reseal(bothKeys), "broken:false:false closed:false:true own:false:true"; got != want {
		t.Errorf("again: got %s, want %s", got, want)
	}
	after := w.stored("own")
	if string(after.OwnerURL) == string(before.OwnerURL) || string(after.ServingURL) == string(before.ServingURL) {
		t.Error("the strings are what they were")
	}
	key := dbtest.Value[[]byte](t, w.main.AdminURL, "select database_key from control.placements where tenant_id = 'own'")
	if want := both.DatabaseKeys(parse(t, own))[0]; string(key) != string(want) {
		t.Error("the database goes by the name that it had under the old key")
	}
	// Routes are looked up anew; the pool that went by the former string is let go.
	w.clock.pass(routeLifetime)
	served(both)
	both.mu.Lock()
	if len(both.pools) != 1 {
		t.Errorf("got %d pools", len(both.pools))
	}
	both.mu.Unlock()

	only := w.withKeys(otherKey)
	served(only)
	if err := only.AsOwner(t.Context(), "closed", w.stored("closed").OwnerURL, func(tenantdb.DBTX) error { return nil }); err != nil {
		t.Errorf("a deleted tenant: got %v", err)
	}
	if _, err := reached(t, w.withKeys(testKey), "own"); !errors.Is(err, errSealed) {
		t.Errorf("with the old key alone: got %v", err)
	}

	// The login keeps the name that it got under the old key.
	login := w.sealer.logins("own", parse(t, own))[0]
	logins := func() string {
		return dbtest.Value[string](t, w.main.AdminURL, `select coalesce(string_agg(r.rolname, ' '), '') from pg_roles r
			where r.rolname = any($1)`, append(both.sealer.logins("own", parse(t, own)), login))
	}
	renewed, err := only.Reprovision(t.Context(), "own", parse(t, own), after)
	if err != nil || logins() != login {
		t.Errorf("got the logins %s, %v", logins(), err)
	}
	w.route("own", own, renewed)
	only.Forget("own")
	served(only)
	leave := func(tx tenantdb.DBTX) error { var q tenantdb.Queries; return q.ExpelTenant(t.Context(), tx, "own") }
	if err := only.Leave(t.Context(), "own", renewed, leave); err != nil || logins() != "" {
		t.Errorf("after it left: got the logins %s, %v", logins(), err)
	}
}

// Nobody changes a tenant's connection string while it is sealed anew.
func TestResealWaitsForAChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	w.place("own", own)
	conn := dbtest.Connect(t, w.main.AdminURL)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select from control.tenants where id = 'own' for update"); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	go func() { done <- w.reseal(bothKeys) }()
	for dbtest.Value[int](t, w.main.AdminURL, "select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0 {
		if t.Context().Err() != nil {
			t.Fatal("it does not wait")
		}
	}
	// Given anew by a backend that still has the old key only.
	again := w.sealer.seal("own", servingURL, "postgres://gh_tenant_x:y@127.0.0.1:1/new?sslmode=disable")
	if _, err := tx.Exec(t.Context(), "update control.placements set sealed_url = $1 where tenant_id = 'own'", again); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != "own:true:true" {
		t.Errorf("got %s", got)
	}
	u, err := newTestSealer(t, otherKey).open("own", servingURL, w.stored("own").ServingURL)
	if err != nil || !strings.Contains(u.Reveal(), "/new") {
		t.Errorf("the change was undone: %v", err)
	}
}

func TestKeysConfig(t *testing.T) {
	t.Parallel()
	for keys, valid := range map[config.Secret]bool{
		testKey: true, bothKeys: true, "": false, testKey + ",": false, testKey + "," + testKey: false, otherKey + ",short": false,
		config.Secret(strings.Repeat(testKey+",", 9)) + otherKey: false,
	} {
		c, m := Config{Key: keys, Pools: 1, PoolConns: 1, OnMain: allow, Connect: time.Second}, &config.Mistakes{}
		if c.Validate(m); (len(m.Names()) == 0) != valid {
			t.Errorf("%q: got %v", keys.Reveal(), m.Names())
		}
		if strings.Contains(m.Error(), testKey) {
			t.Errorf("%q: a key is shown", keys.Reveal())
		}
	}
}
