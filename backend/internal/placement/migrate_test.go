package placement

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/internal/config"
)

// migrator is for the databases of the world.
func (w *world) migrator() Migrator {
	return Migrator{
		Owner: w.main.OwnerURL, Key: testKey, Local: dbtest.Local(), Timeout: time.Minute,
		TenantHash: func(tenant string) string { return tenant }, Log: slog.New(slog.DiscardHandler),
	}
}

// admin is the superuser's connection string of a dedicated database.
func (w *world) admin(u config.Secret) config.Secret {
	w.t.Helper()
	admin := parse(w.t, u)
	admin.User = parse(w.t, w.main.AdminURL).User
	return config.Secret(admin.String())
}

// named is a connection string of another database of the server.
func named(u *url.URL, name string) config.Secret {
	other := *u
	other.Path = "/" + name
	return config.Secret(other.String())
}

// report is what a migration says, in a line for each database.
func report(all []Migrated) string {
	var lines []string
	for _, m := range all {
		line := m.Tenant + ":"
		for _, c := range m.Changes {
			line += fmt.Sprintf(" %s %d-%d", c.Plane, c.From, c.To)
		}
		if m.Err != nil {
			line += " failed"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (w *world) version(u config.Secret) int64 {
	w.t.Helper()
	return dbtest.Value[int64](w.t, w.admin(u), "select max(version_id) from app.schema_version where is_applied")
}

func TestMigrateAllPlacements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	behind, current, dropped := dbtest.NewDedicated(t), dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	w.place("behind", behind)
	w.place("current", current)
	w.place("suspended", dropped)
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'suspended' where id = 'suspended'")
	newest := w.version(current)
	for _, u := range []config.Secret{behind, dropped} {
		dbtest.Downgrade(t, w.admin(u), newest-2)
	}
	// Out of reach, of another tenant, and not to be opened; one that is deleted is
	// left alone.
	gone := parse(t, current)
	gone.Host = "127.0.0.1:1"
	for _, tenant := range []string{"gone", "deleted"} {
		w.route(tenant, named(gone, tenant), Sealed{w.sealer.sealOwner(tenant, config.Secret(gone.String()), [16]byte{1}), []byte{}})
	}
	dbtest.Exec(t, w.main.AdminURL, "update control.tenants set status = 'deleted' where id = 'deleted'")
	w.route("other", named(gone, "x"), Sealed{w.sealer.sealOwner("other", behind, [16]byte{1}), []byte{}})
	w.route("unsealed", named(gone, "y"), Sealed{[]byte("x"), []byte{}})

	control := dbtest.Value[int64](t, w.main.AdminURL, "select max(version_id) from control.schema_version where is_applied")
	main := fmt.Sprintf(": control %d-%d tenant %d-%d", control, control, newest, newest)
	lines := func(of string) string {
		return strings.Join([]string{
			main, "behind: tenant " + of, fmt.Sprintf("current: tenant %d-%d", newest, newest), "gone: failed", "other: failed", "suspended: tenant " + of, "unsealed: failed",
		}, "\n")
	}
	from := fmt.Sprintf("%d-%d", newest-2, newest)
	for _, step := range []struct {
		name  string
		dry   bool
		want  string
		after int64
	}{
		{"dry run", true, lines(from), newest - 2}, {"run", false, lines(from), newest}, {"again", false, lines(fmt.Sprintf("%d-%d", newest, newest)), newest},
	} {
		m := w.migrator()
		m.DryRun = step.dry
		all, err := m.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, report(all)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", step.name, diff)
		}
		if got := w.version(behind); got != step.after {
			t.Errorf("%s: the database is at version %d, want %d", step.name, got, step.after)
		}
		for i, want := range map[int]error{3: pg.Unreachable, 4: pg.ErrOther, 6: errSealed} {
			if !errors.Is(all[i].Err, want) {
				t.Errorf("%s: %s: got %v, want %v", step.name, all[i].Tenant, all[i].Err, want)
			}
			if text := all[i].Err.Error(); strings.Contains(text, "127.0.0.1") || strings.Contains(text, gone.User.Username()) {
				t.Errorf("the error tells how the database is reached: %s", text)
			}
		}
	}
	// What was made belongs to gh_owner, and the tenant is served.
	if owners := dbtest.Value[string](t, w.admin(behind), `select string_agg(distinct pg_get_userbyid(relowner), ' ') from pg_class c
		join pg_namespace n on n.oid = c.relnamespace where nspname in ('app', 'tenant')`); owners != pg.OwnerRole {
		t.Errorf("owned by %s", owners)
	}
	w.wantWhere("behind", behind)

	m := w.migrator()
	m.MainOnly = true
	if all, err := m.Run(t.Context()); err != nil || report(all) != main {
		t.Errorf("main only: got %s, %v", report(all), err)
	}
	m.MainOnly, m.Key = false, ""
	all, err := m.Run(t.Context())
	if err != nil || !errors.Is(all[1].Err, errNoKey) || all[0].Err != nil {
		t.Errorf("without the key: got %s, %v", report(all), err)
	}
}

// A dry run says what it would do with a database that has nothing yet, and
// leaves it so.
func TestDryRunOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dbtest.Exec(t, w.main.AdminURL, "drop schema control, tenant, app cascade")
	m := w.migrator()
	m.DryRun = true
	all, err := m.Run(t.Context())
	if err != nil || len(all) != 1 || all[0].Err != nil || len(all[0].Changes) != 2 || all[0].Changes[0].From != 0 || all[0].Changes[1].To == 0 {
		t.Errorf("got %s, %v", report(all), err)
	}
	if n := dbtest.Value[int](t, w.main.AdminURL, "select count(*)::int from pg_namespace where nspname in ('control', 'app', 'tenant')"); n != 0 {
		t.Errorf("made %d schemas", n)
	}
}

// Several processes start at once, as the replicas of a deployment do: each
// database is migrated by one of them.
func TestMigrateOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	w.place("own", own)
	newest := w.version(own)
	dbtest.Downgrade(t, w.admin(own), newest-1)
	var wg sync.WaitGroup
	did := make([]int64, 3)
	for i := range did {
		wg.Go(func() {
			all, err := w.migrator().Run(t.Context())
			if err != nil || len(all) != 2 || all[1].Err != nil {
				t.Errorf("got %s, %v", report(all), err)
				return
			}
			did[i] = all[1].Changes[0].To - all[1].Changes[0].From
		})
	}
	wg.Wait()
	if did[0]+did[1]+did[2] != 1 {
		t.Errorf("migrated %v times", did)
	}
}

// A migration that fails leaves its database at the version before it, and is
// reported with what the server said; a server that takes connections and says
// nothing is given up on. Others are migrated all the same.
func TestMigrateFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad, silent, good := dbtest.NewDedicated(t), dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	w.place("bad", bad)
	newest := w.version(bad)
	w.place("good", good)
	for _, u := range []config.Secret{bad, good} {
		dbtest.Downgrade(t, w.admin(u), 7)
	}
	dbtest.Exec(t, w.admin(bad), "create table tenant.sessions_revoked ()") // as an index of migration 9

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	mute := parse(t, silent)
	mute.Host = ln.Addr().String()
	w.route("mute", config.Secret(mute.String()), Sealed{w.sealer.sealOwner("mute", config.Secret(mute.String()), [16]byte{1}), []byte{}})

	all, err := w.migrator().Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%s\nbad: tenant 7-8 failed\ngood: tenant 7-%d\nmute: failed", report(all[:1]), newest)
	if diff := cmp.Diff(want, report(all)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if text := all[1].Err.Error(); !strings.Contains(text, "42P07") {
		t.Errorf("got %s", text)
	}
	if fault := pg.FaultOf(all[3].Err); fault != pg.TimedOut {
		t.Errorf("got %v", all[3].Err)
	}
}
