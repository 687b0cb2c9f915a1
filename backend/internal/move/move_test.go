package move

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/internal/config"
)

// sampled picks of points that are the same but for the table a few.
func sampled(point string) bool {
	what, table, _ := strings.Cut(point, " ")
	return what != "captured" && what != "copied" || slices.Contains([]string{"all", "users", "contacts", "login_failures"}, table)
}

// A tenant that is used all the time is moved there and back. Each process that
// works on it is killed at the first point where none was killed before, and
// another one goes on.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.load()
	for _, to := range []string{Dedicated, Shared} {
		killed := map[string]bool{}
		for !r.move(to, func(point string) bool {
			first := !killed[point] && sampled(point)
			killed[point] = true
			return first
		}) && !t.Failed() {
		}
		if got := r.placed(); got != to+" active" {
			t.Errorf("acme is %s", got)
		}
		for _, point := range []string{"begun", "captured users", "copied contacts", "replayed", "fenced", "compared", "settled", "reopened", "wiped"} {
			if !killed[point] {
				t.Errorf("to %s: nobody was killed at %q", to, point)
			}
		}
	}
	l.check()
}

// A move that was killed anywhere before the tenant has arrived can be undone.
func TestUndoneFromEveryPoint(t *testing.T) {
	t.Parallel()
	for _, to := range []string{Dedicated, Shared} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			from := Shared
			if to == Shared {
				from = Dedicated
				r.move(Dedicated, func(string) bool { return false })
			}
			l := r.load()
			points := slices.DeleteFunc(r.points(to), func(point string) bool { return !sampled(point) })
			r.move(from, func(string) bool { return false })
			arrived := slices.Index(points, "settled")
			if arrived < 7 {
				t.Fatalf("got the points %q", points)
			}
			for _, point := range points[:arrived] {
				r.move(to, func(p string) bool { return p == point })
				if _, err := r.mover.Undo(t.Context(), "acme"); err != nil && point != "replayed" {
					t.Fatalf("undo from %q: %v", point, err)
				}
				if got := r.placed(); got != from+" active" {
					if point == "replayed" && got == to+" active" { // there was nothing to replay
						r.move(from, func(string) bool { return false })
						continue
					}
					t.Fatalf("undone from %q acme is %s", point, got)
				}
			}
			for _, point := range points[arrived:] {
				r.move(to, func(p string) bool { return p == point })
				if _, err := r.mover.Undo(t.Context(), "acme"); !errors.Is(err, ErrArrived) {
					t.Errorf("undo from %q: %v", point, err)
				}
				r.move(to, func(string) bool { return false })
				r.move(from, func(string) bool { return false })
			}
			l.check()
		})
	}
}

// A process that died while writes were refused does not keep them so.
func TestFenceEndsByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.load()
	r.move(Dedicated, func(point string) bool { return point == "fenced" })
	l.end()
	dbtest.Exec(t, r.db.AdminURL, "update app.residents set fenced_at = fenced_at - interval '10 seconds' where tenant_id = 'acme'")
	again := r.load()
	for again.written[0].Load() < 10 && !t.Failed() {
		time.Sleep(time.Millisecond) // until it has written
	}
	r.move(Dedicated, func(string) bool { return false })
	again.end()
	if got := r.placed(); got != "dedicated active" {
		t.Errorf("acme is %s", got)
	}
}

// What was written after the fence had ended by itself is not lost: the move
// notices it.
func TestWritesAfterTheFence(t *testing.T) {
	t.Parallel()
	for _, to := range []string{Dedicated, Shared} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if to == Shared {
				r.move(Dedicated, func(string) bool { return false })
			}
			source := r.db.AdminURL
			if to == Shared {
				u, _ := url.Parse(source.Reveal())
				u.Path = r.own.Path
				source = config.Secret(u.String())
			}
			late := 0
			r.move(to, func(point string) bool {
				if point == "compared" && late < 2 {
					late++
					dbtest.Exec(t, source, "insert into tenant.login_failures (tenant_id, key, failures, since) values ('acme', sha256($1), 1, now())", []byte(fmt.Sprint(late)))
				}
				return false
			})
			if n := len(r.rows(to)["login_failures"]); n != 2 || late != 2 {
				t.Errorf("%d of %d late writes arrived", n, late)
			}
		})
	}
}

// A copy that is not like its original is not taken.
func TestDamagedCopy(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"copied login_failures", "fenced"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			dbtest.Exec(t, r.db.AdminURL, "insert into tenant.login_failures (tenant_id, key, failures, since) select 'acme', sha256(n::text::bytea), 1, now() from generate_series(1, 5) n")
			u, _ := url.Parse(r.db.AdminURL.Reveal())
			u.Path = r.own.Path
			m := *r.mover
			m.at = func(p string) {
				if p == point {
					dbtest.Exec(t, config.Secret(u.String()), "delete from tenant.login_failures where key = sha256('3')")
				}
			}
			_, err := m.Move(t.Context(), "acme", Dedicated, r.ask)
			if err == nil || !strings.Contains(err.Error(), "login_failures") {
				t.Errorf("got %v", err)
			}
			if got := r.placed(); got != "shared moving" {
				t.Errorf("acme is %s", got)
			}
			if _, err := r.mover.Undo(t.Context(), "acme"); err != nil {
				t.Error(err)
			}
			if n := len(r.rows(Shared)["login_failures"]); n != 5 {
				t.Errorf("%d rows are there", n)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dbtest.Exec(t, r.db.AdminURL, "update control.tenants set status = 'suspended' where id = 'globex'")
	wrong := *r.own
	wrong.Host = "127.0.0.1:1"
	refused := func(tenant, to string, u *url.URL, want string) {
		t.Helper()
		_, err := r.mover.Move(t.Context(), tenant, to, func() (*url.URL, error) { return u, nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s to %s: got %v, want %q", tenant, to, err, want)
		}
	}
	refused("nobody", Dedicated, r.own, "no such tenant")
	refused("platform", Dedicated, r.own, "operators")
	refused("globex", Dedicated, r.own, "suspended")
	if m, err := r.mover.Move(t.Context(), "acme", Shared, r.ask); err != nil || !m.Already {
		t.Errorf("acme to where it is: got %+v, %v", m, err)
	}
	refused("acme", Dedicated, &wrong, "cannot be reached")
	if got := r.placed(); got != "shared active" { // as if nothing had been
		t.Errorf("acme is %s", got)
	}
	if _, err := r.mover.Undo(t.Context(), "acme"); !errors.Is(err, ErrNone) {
		t.Errorf("undo: %v", err)
	}
	r.move(Dedicated, func(point string) bool { return point == "begun" })
	other := *r.own
	other.Path = "/elsewhere"
	refused("acme", Dedicated, &other, "another database")
	r.move(Dedicated, func(point string) bool { return point == "captured users" })
	refused("acme", Shared, nil, "on its way")
	dbtest.Exec(t, r.db.AdminURL, "update control.tenants set status = 'active' where id = 'globex'")
	refused("globex", Dedicated, r.own, "used already")

	// Only one process at a time.
	main, err := pg.OpenOwner(t.Context(), r.db.OwnerURL, work("acme"))
	if err != nil {
		t.Fatal(err)
	}
	defer main.Close()
	if _, err := r.mover.Move(t.Context(), "acme", Dedicated, r.ask); !errors.Is(err, pg.ErrBusy) {
		t.Errorf("got %v", err)
	}
}

// A server that dies in the middle of a move, whichever it is, ends it with an
// error, and the tenant is served. Another attempt goes on.
func TestServersDie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.load()
	deaths := 0
	for _, point := range []string{"captured contacts", "copied contacts", "replayed", "fenced", "settled", "released"} {
		for _, database := range []string{r.own.Path[1:], dbtest.Value[string](t, r.db.AdminURL, "select current_database()")} {
			m, died := *r.mover, false
			m.at = func(p string) {
				if p == point && !died {
					died = true
					dbtest.Exec(t, r.db.AdminURL, `select pg_terminate_backend(pid, 5000) from pg_stat_activity
						where datname = $1 and pid in (select pid from pg_locks where locktype = 'advisory' and objsubid = 1 and mode = 'ExclusiveLock')`, database)
				}
			}
			to := Dedicated
			if strings.HasPrefix(r.placed(), Dedicated+" active") || dbtest.Value[bool](t, r.db.AdminURL, "select exists (select from control.tenant_moves where target = 'shared')") {
				to = Shared
			}
			if _, err := m.Move(t.Context(), "acme", to, r.ask); died == (err == nil) {
				t.Errorf("at %q, %s: died %v, got %v", point, database, died, err)
			}
			if died {
				deaths++
				r.move(to, func(string) bool { return false })
			}
		}
	}
	if deaths < 8 {
		t.Errorf("only %d have died", deaths)
	}
	l.check()
}

// A move whose new database is gone for good can be undone.
func TestUndoneWithoutTheTarget(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.load()
	r.move(Dedicated, func(point string) bool { return point == "fenced" })
	name := r.own.Path[1:]
	dbtest.Exec(t, r.db.AdminURL, fmt.Sprintf("alter database %s allow_connections false", name))
	m, err := r.mover.Undo(t.Context(), "acme")
	if err != nil || m.Left == nil {
		t.Errorf("got %+v, %v", m, err)
	}
	dbtest.Exec(t, r.db.AdminURL, fmt.Sprintf("alter database %s allow_connections true", name))
	if got := r.placed(); got != "shared active" {
		t.Errorf("acme is %s", got)
	}
	// It can be made ready again.
	r.move(Dedicated, func(string) bool { return false })
	l.check()
}
