package backend

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/config"
	"gatehouse/internal/feed"
	"gatehouse/internal/limit"
)

// announcing is a backend whose announcements are heard.
type announcing struct {
	*testServer
	*listener
	operator actor
}

func newAnnouncing(t *testing.T) announcing {
	t.Helper()
	r := newRedis(t)
	a := announcing{testServer: newTestServer(t, withRedis(r))}
	a.operator = a.newOperator()
	a.listener = listenTo(t, r)
	return a
}

func (a announcing) drain(t *testing.T) []feed.Item {
	t.Helper()
	return a.listener.drain(t, a.testServer, a.operator.Access)
}

// after fails the test unless just these sessions are announced by what is done,
// each of them once.
func (a announcing) after(t *testing.T, what string, do func(), want ...pair) {
	t.Helper()
	a.drain(t)
	do()
	ids := []string{}
	for _, p := range want {
		ids = append(ids, a.sessionOf(p))
	}
	slices.Sort(ids)
	if diff := cmp.Diff(ids, sessionsOf(a.drain(t))); diff != "" {
		t.Errorf("%s (-want +announced):\n%s", what, diff)
	}
}

// Whatever ends sessions announces just these, and once, wherever the tenant
// lives.
func TestEndedSessionsAreAnnounced(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, db config.Secret) {
		a := newAnnouncing(t)
		s := a.testServer.in(t)
		s.newTenant(a.operator, "own", "open", db)
		signUp := func(name, role string) actor {
			t.Helper()
			s.do("POST", "/api/v1/auth/signup", "", signupBody("own", name)).want(t, 201)
			dbtest.Exec(t, s.adminURL(db), "update tenant.users set role = $1 where tenant_id = 'own' and username = $2", role, name)
			return s.signedIn("own", name)
		}
		admin := signUp("admin", "admin")
		login := func(name string) pair { t.Helper(); return s.login("own", name) }
		send := func(status int, method, path string, by pair, body any) func() {
			return func() { t.Helper(); s.do(method, path, by.Access, body).want(t, status) }
		}

		ana := signUp("ana", "member")
		second, third := login("ana"), login("ana")
		a.after(t, "logout", send(200, "POST", "/api/v1/auth/logout", second, nil), second)
		a.after(t, "logout again", send(401, "POST", "/api/v1/auth/logout", second, nil))
		a.after(t, "another's session", send(404, "DELETE", "/api/v1/auth/sessions/"+s.sessionOf(admin.pair), third, nil))
		a.after(t, "end of one's own session", send(200, "DELETE", "/api/v1/auth/sessions/"+s.sessionOf(third), ana.pair, nil), third)
		second, third = login("ana"), login("ana")
		a.after(t, "logout of all", send(200, "POST", "/api/v1/auth/logout-all", third, nil), ana.pair, second, third)
		second, third = login("ana"), login("ana")
		a.after(t, "end by an admin", send(200, "DELETE", ana.path()+"/sessions", admin.pair, nil), second, third)
		a.after(t, "end of none", send(200, "DELETE", ana.path()+"/sessions", admin.pair, nil))

		second, third = login("ana"), login("ana")
		wrong := map[string]any{"current_password": "Wrong-Horse-7", "new_password": "Another-Horse-8"}
		a.after(t, "a wrong password", send(400, "POST", "/api/v1/auth/password", third, wrong))
		right := map[string]any{"current_password": testPassword, "new_password": testPassword}
		a.after(t, "another password", send(200, "POST", "/api/v1/auth/password", third, right), second)

		update := func(status int, body map[string]any, headers ...string) func() {
			return func() { t.Helper(); s.do("PUT", ana.path(), admin.Access, body, headers...).want(t, status) }
		}
		a.after(t, "an update", update(200, record("ana", "member")))
		a.after(t, "a role that is refused", update(412, record("ana", "admin"), "If-Match", `"1"`))
		a.after(t, "another role", update(200, record("ana", "admin")), third)
		third = login("ana")
		a.after(t, "deactivation", update(200, with(record("ana", "admin"), "active", false)), third)
		a.after(t, "activation", update(200, record("ana", "member")))
		second, third = login("ana"), login("ana")
		a.after(t, "a deletion that is refused", func() {
			s.do("DELETE", ana.path(), admin.Access, nil, "If-Match", `"1"`).want(t, 412)
		})
		a.after(t, "deletion", send(200, "DELETE", ana.path(), admin.pair, nil), second, third)

		bea := signUp("bea", "member")
		next := s.refreshed(bea.Refresh)
		a.after(t, "a refresh", func() { next = s.refreshed(next.Refresh) })
		a.after(t, "reuse", func() { s.refresh(bea.Refresh).want(t, 401) }, bea.pair)
		a.after(t, "reuse again", func() { s.refresh(bea.Refresh).want(t, 401) })

		first := login("bea")
		s.do("PUT", tenantsPath+"/own", a.operator.Access, map[string]any{"session_mode": "single"}).want(t, 200)
		a.after(t, "a login that fails", func() { s.tryLogin("own", "bea", "Wrong-Horse-7", here).want(t, 401) })
		a.after(t, "a login in place of another", func() { second = login("bea") }, first)

		// Sessions whose tokens have expired need no telling.
		dbtest.Exec(t, s.adminURL(db), "update tenant.sessions set last_refresh_at = now() - interval '62 minutes' where id = $1", s.sessionOf(second))
		a.after(t, "logout of an old session", send(200, "POST", "/api/v1/auth/logout", second, nil))
		second = login("bea")
		dbtest.Exec(t, s.adminURL(db), "update tenant.sessions set last_refresh_at = now() - interval '60 minutes' where id = $1", s.sessionOf(second))
		a.after(t, "logout of a session that is not that old", send(200, "POST", "/api/v1/auth/logout", second, nil), second)
		second = login("bea")
		dbtest.Exec(t, s.adminURL(db), "update tenant.sessions set last_refresh_at = now() - interval '62 minutes' where id = $1", s.sessionOf(second))
		a.after(t, "the end of an old session among others", send(200, "POST", "/api/v1/auth/logout-all", second, nil))
	})
}

// stumble makes the database fail the first n insertions of audit entries with a
// SQLSTATE, and every one when n is negative.
func (s *testServer) stumble(n int, state string) {
	s.t.Helper()
	s.exec(fmt.Sprintf(`
		create sequence public.stumbles;
		create function public.stumble() returns trigger language plpgsql security definer as $$
		begin
			if %[1]d < 0 or nextval('public.stumbles') <= %[1]d then
				raise exception using errcode = '%[2]s';
			end if;
			return new;
		end $$;
		create trigger stumble before insert on tenant.audit for each row when (new.tenant_id <> 'platform') execute function public.stumble()`, n, state))
}

// A transaction that is run again announces once, and one that is rolled back
// nothing.
func TestOnlyWhatIsCommittedIsAnnounced(t *testing.T) {
	t.Parallel()
	a := newAnnouncing(t)
	s := a.testServer
	first, second := s.signup("acme", "ana"), s.login("acme", "ana")
	s.stumble(2, "40001")
	a.after(t, "two lost races", func() { s.do("POST", "/api/v1/auth/logout-all", first.Access, nil).want(t, 200) }, first, second)

	s.exec("drop trigger stumble on tenant.audit; drop function public.stumble; drop sequence public.stumbles")
	s.stumble(-1, "XX000")
	ana := s.signedIn("acme", "ana")
	s.exec("update tenant.users set role = 'admin' where username = 'ana'")
	admin := s.signedIn("acme", "ana")
	a.after(t, "what fails", func() {
		for _, r := range []struct {
			method, path string
			body         any
		}{
			{"POST", "/api/v1/auth/logout", nil},
			{"POST", "/api/v1/auth/logout-all", nil},
			{"DELETE", "/api/v1/auth/sessions/" + s.sessionOf(ana.pair), nil},
			{"DELETE", ana.path() + "/sessions", nil},
			{"POST", "/api/v1/auth/password", map[string]any{"current_password": testPassword, "new_password": "Another-Horse-8"}},
		} {
			s.do(r.method, r.path, admin.Access, r.body).want(t, 500)
		}
	})
	s.do("GET", "/api/v1/auth/me", ana.Access, nil).want(t, 200)

	// Of a tenant, too.
	s.exec("drop trigger stumble on tenant.audit; create trigger stumble before insert on tenant.audit for each row when (new.action <> 'limits.update') execute function public.stumble()")
	a.drain(t)
	for _, r := range []struct {
		method, path string
		body         any
	}{
		{"POST", tenantsPath, map[string]any{"id": "new", "name": "New"}},
		{"PUT", tenantsPath + "/acme", map[string]any{"plan": "free"}},
		{"POST", tenantsPath + "/acme/suspend", nil},
		{"DELETE", tenantsPath + "/acme", nil},
	} {
		s.do(r.method, r.path, a.operator.Access, r.body).want(t, 500)
	}
	if got := a.drain(t); len(got) > 0 {
		t.Errorf("announced: %+v", got)
	}
}

// What the edge must know of a tenant is announced at each change, with what is
// in force then; a tenant is let in again after its sessions are known.
func TestTenantsAreAnnounced(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, db config.Secret) {
		a := newAnnouncing(t)
		s := a.testServer.in(t)
		path := tenantsPath + "/own"
		// state returns what one request announced, and fails the test unless that
		// was one state.
		state := func(what string, do func()) limit.Tenant {
			t.Helper()
			a.drain(t)
			do()
			items := a.drain(t)
			list := tenantStates(t, items, "own")
			if len(list) != 1 || len(items) != 1 {
				t.Fatalf("%s announced %+v", what, items)
			}
			return list[0]
		}
		send := func(method, path string, body any) func() {
			return func() {
				t.Helper()
				if got := s.do(method, path, a.operator.Access, body); got.StatusCode >= 300 {
					t.Fatalf("got %d: %s", got.StatusCode, got.body)
				}
			}
		}
		want := limit.Tenant{ID: "own", Version: 1, Status: "active", Plan: "premium"}
		check := func(what string, got limit.Tenant) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +announced):\n%s", what, diff)
			}
			want.Version++
		}
		body := map[string]any{"id": "own", "name": "Own", "plan": "premium", "signup": "open"}
		if db != "" {
			body["db_url"] = db.Reveal()
		}
		a.drain(t)
		s.do("POST", tenantsPath, a.operator.Access, body, "Idempotency-Key", "k").want(t, 201)
		s.do("POST", tenantsPath, a.operator.Access, body, "Idempotency-Key", "k").want(t, 201) // a replay
		made := a.drain(t)
		if len(made) != 1 {
			t.Errorf("announced: %+v", made)
		}
		check("creation", tenantStates(t, made, "own")[0])

		want.Plan = "free"
		check("another plan", state("another plan", send("PUT", path, map[string]any{"plan": "free"})))
		limits := map[string]any{"overrides": []any{
			map[string]any{"policy": "write", "user_id": someUser, "requests": 5, "period": 1, "shadow": true, "reason": "x", "expires_at": "2999-01-01T00:00:00Z"},
			map[string]any{"policy": "tenant", "requests": 50, "period": 60, "burst": 7, "reason": "y", "owner": "ana"},
		}}
		got := state("limits", send("PUT", path+"/limits", limits))
		if len(got.Overrides) != 2 || got.Overrides[1].ExpiresAt.UTC().Format("2006-01-02") != "2999-01-01" || got.Overrides[1].User.String() != someUser ||
			got.Overrides[1].Limit.String() != "5/1s,50" || !got.Overrides[1].Shadow || got.Overrides[1].Owner != "oper" || got.Overrides[1].Reason != "x" ||
			got.Overrides[0].Limit.String() != "50/1m,7" || got.Overrides[0].Shadow || got.Overrides[0].Owner != "ana" || !got.Overrides[0].ExpiresAt.IsZero() {
			t.Errorf("got %+v", got.Overrides)
		}
		want.Overrides = got.Overrides
		check("limits", got)
		check("another name", state("another name", send("PUT", path, map[string]any{"name": "Owned"})))
		// What has expired is in force no more.
		s.exec("update control.limit_overrides set expires_at = now() where policy = 'write'")
		want.Overrides = want.Overrides[:1]
		check("an expired override", state("an expired override", send("PUT", path, map[string]any{"name": "Owns"})))

		ana, old := s.signup("own", "ana"), s.login("own", "ana")
		gone := s.login("own", "ana")
		dbtest.Exec(t, s.adminURL(db), "update tenant.sessions set last_refresh_at = now() - interval '2 hours' where id = $1", s.sessionOf(old))
		s.do("POST", "/api/v1/auth/logout", gone.Access, nil).want(t, 200)
		want.Status = "suspended"
		check("suspension", state("suspension", send("POST", path+"/suspend", nil)))
		s.do("POST", path+"/suspend", a.operator.Access, nil).want(t, 200)
		s.do("PUT", path+"/limits", a.operator.Access, map[string]any{"overrides": []any{}}).want(t, 200)
		want.Overrides = nil
		want.Version++

		a.drain(t)
		s.do("POST", path+"/resume", a.operator.Access, nil).want(t, 200)
		items := a.drain(t)
		var order []string
		for _, i := range items {
			order = append(order, i.Kind+" "+i.Key)
		}
		// In the order in which they ended.
		if diff := cmp.Diff([]string{"session " + s.sessionOf(gone), "session " + s.sessionOf(ana), "tenant own"}, order); diff != "" {
			t.Errorf("resumption (-want +announced):\n%s", diff)
		}
		want.Status = "active"
		check("resumption", tenantStates(t, items, "own")[0])
		a.after(t, "resumption of an active tenant", send("POST", path+"/resume", nil))

		want.Status = "deleted"
		check("deletion", state("deletion", send("DELETE", path, nil)))
	})
}

// While Redis is silent, gone, or empty again, requests are answered as ever, and
// what they did is heard of once it is back.
func TestAnnouncementsSurviveRedis(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	s := newTestServer(t, withRedis(r), func(c *Config) { c.Redis.Timeout = 10 * time.Millisecond })
	operator := s.newOperator()
	l := listenTo(t, r)
	var ended []string
	logout := func() {
		t.Helper()
		p := s.login("acme", "ana")
		ended = append(ended, s.sessionOf(p))
		s.do("POST", "/api/v1/auth/logout", p.Access, nil).want(t, 200)
	}
	heard := func(what string) {
		t.Helper()
		l.await(t, what, func(items []feed.Item) bool {
			return !slices.ContainsFunc(ended, func(id string) bool {
				return !slices.ContainsFunc(items, func(i feed.Item) bool { return i.Kind == feed.Session && i.Key == id })
			})
		})
	}
	s.signup("acme", "ana")
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	logout()
	logout()
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	heard("what happened while it hung")

	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	logout()
	s.do("PUT", tenantsPath+"/globex", operator.Access, map[string]any{"plan": "premium"}).want(t, 200)
	s.do("POST", tenantsPath+"/closed/suspend", operator.Access, nil).want(t, 200)
	l.forget(len(l.await(t, "anything", func([]feed.Item) bool { return true })))
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	heard("everything after it came back empty")
	logout()
	heard("what happened since")
	states := map[string]string{}
	for _, i := range l.await(t, "all tenants", func(items []feed.Item) bool { return len(tenantIDs(items)) == 4 }) {
		if i.Kind == feed.Tenant {
			state := tenantStates(t, []feed.Item{i}, i.Key)[0]
			states[i.Key] = state.Status + " " + state.Plan
		}
	}
	if diff := cmp.Diff(map[string]string{
		"platform": "active standard", "acme": "active standard", "globex": "active premium", "closed": "suspended standard",
	}, states); diff != "" {
		t.Errorf("(-want +announced):\n%s", diff)
	}
}

func tenantIDs(items []feed.Item) []string {
	var ids []string
	for _, i := range items {
		if i.Kind == feed.Tenant && !slices.Contains(ids, i.Key) {
			ids = append(ids, i.Key)
		}
	}
	return ids
}

// After Redis has lost everything, the sessions of dedicated tenants are told of,
// too, and a database that does not answer holds up nobody else.
func TestSeedOfDedicatedTenants(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	s := newTestServer(t, withRedis(r))
	operator := s.newOperator()
	direct, owner := dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	way, through := newRelay(t, owner)
	s.newTenant(operator, "answers", "open", direct)
	s.newTenant(operator, "silent", "open", through)
	s.newTenant(operator, "suspended", "open", "")
	l := listenTo(t, r)
	end := func(tenant string) string {
		t.Helper()
		p := s.signup(tenant, "ana")
		s.login(tenant, "ana") // goes on
		s.do("POST", "/api/v1/auth/logout", p.Access, nil).want(t, 200)
		return s.sessionOf(p)
	}
	shared, own, silent := end("acme"), end("answers"), end("silent")
	heard := func(ids ...string) func([]feed.Item) bool {
		return func(items []feed.Item) bool {
			var got []string
			for _, i := range items {
				if i.Kind == feed.Session && !slices.Contains(got, i.Key) {
					got = append(got, i.Key)
				}
			}
			slices.Sort(got)
			slices.Sort(ids)
			return slices.Equal(got, ids)
		}
	}
	l.await(t, "the three", heard(shared, own, silent))

	way.blocked.Store(true)
	dbtest.Exec(t, s.db.AdminURL, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename like 'gh_tenant_%'", parsed(t, owner).Path[1:])
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	l.forget(len(l.await(t, "anything", func([]feed.Item) bool { return true })))
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.await(t, "those of the databases that answer", heard(shared, own))
	for !l.follower.Fresh(time.Second) {
		if t.Context().Err() != nil {
			t.Fatal("the feed was never seeded")
		}
		time.Sleep(time.Millisecond)
	}
	way.blocked.Store(false)
	l.await(t, "those of the one that was silent", heard(shared, own, silent))
	for !strings.Contains(s.logs.String(), "sessions of a dedicated database announced") {
		if t.Context().Err() != nil {
			t.Fatal("it was not logged")
		}
		time.Sleep(time.Millisecond)
	}
}
