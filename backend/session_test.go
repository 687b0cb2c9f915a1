package backend

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/token"
)

// sessionBody is a session as the API shows it.
type sessionBody struct {
	ID            string
	CreatedAt     time.Time `json:"created_at"`
	LastRefreshAt time.Time `json:"last_refresh_at"`
	ExpiresAt     time.Time `json:"expires_at"`
	IP            string
	UserAgent     string `json:"user_agent"`
	Current       bool
}

func (s *testServer) sessions(path, bearer string) []sessionBody {
	s.t.Helper()
	var list []sessionBody
	s.do("GET", path, bearer, nil).want(s.t, 200).into(s.t, &list)
	return list
}

// sessionOf returns the id of a token's session.
func (s *testServer) sessionOf(p pair) string {
	s.t.Helper()
	claims, err := s.keys.Verify(p.Access)
	if err != nil {
		s.t.Fatal(err)
	}
	return claims.Session.String()
}

func TestListOwnSessions(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	first := s.signup("acme", "ana")
	s.signup("acme", "bea")
	s.signup("globex", "ana")
	var second pair
	s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "ana", "password": testPassword, "tenant_id": "acme"},
		"X-Forwarded-For", here, "User-Agent", strings.Repeat("é", 300)).want(t, 200).into(t, &second)
	ended, expired := s.login("acme", "ana"), s.login("acme", "ana")
	s.do("POST", "/api/v1/auth/logout", ended.Access, nil).want(t, 200)
	s.exec("update tenant.sessions set expires_at = now() where id = $1", s.sessionOf(expired))

	list := s.sessions("/api/v1/auth/sessions", first.Access)
	if len(list) != 2 || list[0].ID != s.sessionOf(second) || list[1].ID != s.sessionOf(first) {
		t.Fatalf("got %+v, want the second and the first", list)
	}
	got := list[0]
	if got.Current || !list[1].Current || got.IP != here || got.UserAgent != strings.Repeat("é", 255) ||
		got.CreatedAt.IsZero() || got.LastRefreshAt.Before(got.CreatedAt) || got.ExpiresAt.Sub(got.CreatedAt).Round(time.Hour) != 90*24*time.Hour {
		t.Errorf("got %+v", got)
	}
	oldest := s.sessions("/api/v1/auth/sessions?sort=created_at", second.Access)
	if len(oldest) != 2 || oldest[0].ID != list[1].ID || oldest[0].Current || !oldest[1].Current {
		t.Errorf("oldest first: got %+v", oldest)
	}
	// The same through the other path.
	if diff := cmp.Diff(list, s.sessions("/api/v1/users/"+s.userID(first)+"/sessions", first.Access)); diff != "" {
		t.Errorf("(-own +user's):\n%s", diff)
	}
	s.do("GET", "/api/v1/auth/sessions?user=x&sort=ip", first.Access, nil).problem(t, 400, "invalid_query", "sort", "user")
}

func TestSessionPages(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	want := []string{s.sessionOf(p)}
	for range 4 {
		want = append(want, s.sessionOf(s.login("acme", "ana")))
	}
	bea := s.actor("acme", "bea", token.Admin).pair
	list := "/api/v1/users/" + s.userID(p) + "/sessions?sort=created_at&limit=2"
	var got []string
	for next := list; next != ""; {
		var page struct {
			Metadata struct {
				NextCursor string `json:"next_cursor"`
			}
		}
		a := s.do("GET", next, bea.Access, nil).want(t, 200)
		var rows []sessionBody
		if err := json.Unmarshal(a.into(t, &rows).body, &page); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			got = append(got, r.ID)
		}
		next = ""
		if c := page.Metadata.NextCursor; c != "" {
			next = list + "&cursor=" + c
			// A cursor belongs to one user's list.
			s.do("GET", "/api/v1/users/"+s.userID(bea)+"/sessions?sort=created_at&limit=2&cursor="+c, bea.Access, nil).problem(t, 400, "invalid_cursor")
			s.do("GET", "/api/v1/auth/sessions?sort=created_at&limit=2&cursor="+c, bea.Access, nil).problem(t, 400, "invalid_cursor")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEndOwnSession(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	keep, end := s.signup("acme", "ana"), s.login("acme", "ana")
	bea, foreign := s.signup("acme", "bea"), s.signup("globex", "ana")
	path := "/api/v1/auth/sessions/" + s.sessionOf(end)
	for name, id := range map[string]string{
		"another user's": s.sessionOf(bea), "another tenant's": s.sessionOf(foreign), "absent": uuid.NewString(), "malformed": "x",
		"its own user": s.userID(keep),
	} {
		if a := s.do("DELETE", "/api/v1/auth/sessions/"+id, keep.Access, nil); a.StatusCode != 404 {
			t.Errorf("%s: got %d, want 404", name, a.StatusCode)
		}
	}
	s.do("DELETE", path, keep.Access, nil).want(t, 200)
	s.do("DELETE", path, keep.Access, nil).problem(t, 404, "not_found")
	s.do("GET", "/api/v1/auth/me", end.Access, nil).problem(t, 401, "unauthenticated")
	s.refresh(end.Refresh).problem(t, 401, "invalid_refresh_token")
	for _, p := range []pair{keep, bea, foreign} {
		s.do("GET", "/api/v1/auth/me", p.Access, nil).want(t, 200)
	}
	expired := s.login("acme", "ana")
	s.exec("update tenant.sessions set expires_at = now() where id = $1", s.sessionOf(expired))
	s.do("DELETE", "/api/v1/auth/sessions/"+s.sessionOf(expired), keep.Access, nil).problem(t, 404, "not_found")
	// The one in use can be ended too.
	s.do("DELETE", "/api/v1/auth/sessions/"+s.sessionOf(keep), keep.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/auth/me", keep.Access, nil).problem(t, 401, "unauthenticated")

	want := []string{
		fmt.Sprintf(`ana %s {"user": "%s", "reason": "logout"}`, s.sessionOf(end), s.userID(keep)),
		fmt.Sprintf(`ana %s {"user": "%s", "reason": "logout"}`, s.sessionOf(keep), s.userID(keep)),
	}
	if diff := cmp.Diff(want, s.audited("session.end")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if got := s.revokedFor(); got != "logout logout live live live" {
		t.Errorf("got sessions %q", got)
	}
}

func TestLogoutOnceInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	count := parallel(10, func(int) int { return s.do("POST", "/api/v1/auth/logout", p.Access, nil).StatusCode })
	if count[200] != 1 || count[401] != 9 {
		t.Errorf("got %v, want one 200 and 9 401", count)
	}
	if got := s.audited("session.end"); len(got) != 1 {
		t.Errorf("got audit %q, want one row", got)
	}
}

func TestLogoutAll(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	first, second := s.signup("acme", "ana"), s.login("acme", "ana")
	bea, foreign := s.signup("acme", "bea"), s.signup("globex", "ana")
	s.do("POST", "/api/v1/auth/logout-all", first.Access, nil).want(t, 200)
	for _, p := range []pair{first, second} {
		s.do("GET", "/api/v1/auth/me", p.Access, nil).problem(t, 401, "unauthenticated")
		s.refresh(p.Refresh).problem(t, 401, "invalid_refresh_token")
	}
	s.do("POST", "/api/v1/auth/logout-all", second.Access, nil).problem(t, 401, "unauthenticated")
	for _, p := range []pair{bea, foreign} {
		s.do("GET", "/api/v1/auth/me", p.Access, nil).want(t, 200)
	}
	want := fmt.Sprintf(`ana %s {"reason": "logout_all", "sessions": "2"}`, s.userID(first))
	if got := s.audited("session.end_all"); len(got) != 1 || got[0] != want {
		t.Errorf("got audit %q, want %q", got, want)
	}
	if got := s.revokedFor(); got != "logout_all logout_all live live" {
		t.Errorf("got sessions %q", got)
	}
}

func TestSessionsOfOtherUsers(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana := s.signup("acme", "ana")
	boss := s.actor("acme", "boss", token.Admin).pair
	foreign := s.signup("globex", "carla")
	for _, tc := range []struct {
		name   string
		bearer string
		user   string
		status int
		code   string
	}{
		{"member on a colleague", ana.Access, s.userID(boss), 403, "forbidden"},
		{"member on nobody", ana.Access, uuid.NewString(), 403, "forbidden"},
		{"member on another tenant", ana.Access, s.userID(foreign), 403, "forbidden"},
		{"member on nonsense", ana.Access, "x", 404, "not_found"},
		{"admin on nobody", boss.Access, uuid.NewString(), 404, "not_found"},
		{"admin on another tenant", boss.Access, s.userID(foreign), 404, "not_found"},
		{"admin on nonsense", boss.Access, "x", 404, "not_found"},
	} {
		for _, method := range []string{"GET", "DELETE"} {
			t.Run(tc.name+", "+method, func(t *testing.T) {
				s.do(method, "/api/v1/users/"+tc.user+"/sessions", tc.bearer, nil).problem(t, tc.status, tc.code)
			})
		}
	}
	path := "/api/v1/users/" + s.userID(ana) + "/sessions"
	if got := s.sessions(path, boss.Access); len(got) != 1 || got[0].ID != s.sessionOf(ana) || got[0].Current {
		t.Errorf("got %+v", got)
	}
	s.do("DELETE", path, boss.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/auth/me", ana.Access, nil).problem(t, 401, "unauthenticated")
	if got := s.sessions(path, boss.Access); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	// A repeat changes nothing and leaves no trace.
	s.do("DELETE", path, boss.Access, nil).want(t, 200)
	// One's own, with the role or without.
	s.do("DELETE", "/api/v1/users/"+s.userID(boss)+"/sessions", boss.Access, nil).want(t, 200)
	ana = s.login("acme", "ana")
	s.do("DELETE", path, ana.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/auth/me", foreign.Access, nil).want(t, 200)
	want := []string{
		fmt.Sprintf(`boss %s {"reason": "admin", "sessions": "1"}`, s.userID(ana)),
		fmt.Sprintf(`boss %s {"reason": "logout_all", "sessions": "1"}`, s.userID(boss)),
		fmt.Sprintf(`ana %s {"reason": "logout_all", "sessions": "1"}`, s.userID(ana)),
	}
	if diff := cmp.Diff(want, s.audited("session.end_all")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func (s *testServer) changePassword(p pair, current, next string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/password", p.Access, map[string]any{"current_password": current, "new_password": next})
}

const newPassword = "Better-Horse-8"

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	other, p := s.signup("acme", "ana"), s.login("acme", "ana")
	bea := s.signup("acme", "bea")
	s.changePassword(p, testPassword, newPassword).want(t, 200)
	s.do("GET", "/api/v1/auth/me", p.Access, nil).want(t, 200)
	s.refreshed(p.Refresh)
	s.do("GET", "/api/v1/auth/me", other.Access, nil).problem(t, 401, "unauthenticated")
	s.refresh(other.Refresh).problem(t, 401, "invalid_refresh_token")
	s.do("GET", "/api/v1/auth/me", bea.Access, nil).want(t, 200)
	if got := s.revokedFor(); got != "password live live" {
		t.Errorf("got sessions %q", got)
	}
	s.tryLogin("acme", "ana", testPassword, here).problem(t, 401, "invalid_credentials")
	s.tryLogin("acme", "ana", newPassword, here).want(t, 200)
	s.login("acme", "bea")
	want := fmt.Sprintf(`ana %s {}`, s.userID(p))
	if got := s.audited("user.password"); len(got) != 1 || got[0] != want {
		t.Errorf("got audit %q, want %q", got, want)
	}
	if v := dbtest.Value[int](t, s.db.OwnerURL, "select version::int from tenant.users where username = 'ana'"); v != 2 {
		t.Errorf("got version %d, want 2", v)
	}
	if logs := s.logs.String(); strings.Contains(logs, newPassword) || strings.Contains(logs, testPassword) {
		t.Error("a password is in the log")
	}
}

func TestChangePasswordRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	for _, tc := range []struct {
		name, current, next string
		fields              []string
	}{
		{"short", testPassword, "Aa34567", []string{"/new_password"}},
		{"long", testPassword, strings.Repeat("Aa1", 22), []string{"/new_password"}},
		{"simple", testPassword, "alllowercase1", []string{"/new_password"}},
		{"NUL", "Correct\x007", "Correct\x007", []string{"/current_password", "/new_password"}},
		{"empty", "", "", []string{"/current_password", "/new_password", "/new_password"}},
		{"current of 129", strings.Repeat("a", 129), newPassword, []string{"/current_password"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.changePassword(p, tc.current, tc.next).problem(t, 400, "validation_failed", tc.fields...)
		})
	}
	s.do("POST", "/api/v1/auth/password", p.Access, map[string]any{"id": "x"}).
		problem(t, 400, "validation_failed", "/current_password", "/new_password", "/id")
	s.do("POST", "/api/v1/auth/password", "", map[string]any{}).problem(t, 401, "unauthenticated")

	hash := s.hashOf("ana")
	for range 5 {
		refused := s.changePassword(p, "Wrong-Horse-7", newPassword).problem(t, 400, "validation_failed", "/current_password")
		if refused.Errors[0].Code != "incorrect" {
			t.Errorf("got %+v", refused)
		}
	}
	held := func(low, high int) {
		t.Helper()
		a := s.changePassword(p, testPassword, newPassword)
		refused := a.problem(t, 429, "rate_limited")
		wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if err != nil || wait < low || wait > high || !strings.Contains(refused.Message, `"password_change"`) {
			t.Errorf("got Retry-After %q and %q", a.Header.Get("Retry-After"), refused.Message)
		}
	}
	held(800, 900)
	s.changePassword(p, "Wrong-Horse-7", newPassword).problem(t, 429, "rate_limited")
	if s.hashOf("ana") != hash || len(s.audited("user.password")) != 0 {
		t.Error("the password was changed")
	}
	// Signing in, and the sessions there are, are not concerned; nor are others.
	s.login("acme", "ana")
	s.refreshed(p.Refresh)
	s.changePassword(s.signup("acme", "bea"), testPassword, newPassword).want(t, 200)
	s.ageFailures(14*time.Minute + 30*time.Second)
	held(1, 30)
	s.ageFailures(31 * time.Second)
	for range 4 {
		s.changePassword(p, "Wrong-Horse-7", newPassword).problem(t, 400, "validation_failed")
	}
	s.changePassword(p, testPassword, newPassword).want(t, 200)
	// That cleared the counter.
	for range 5 {
		s.changePassword(p, testPassword, newPassword).problem(t, 400, "validation_failed")
	}
	s.changePassword(p, newPassword, testPassword).problem(t, 429, "rate_limited")
}

func TestChangePasswordInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	if count := parallel(30, func(int) int { return s.changePassword(p, "Wrong-Horse-7", newPassword).StatusCode }); count[400] != 5 || count[429] != 25 {
		t.Errorf("wrong: got %v, want 5 400 and 25 429", count)
	}
	s.ageFailures(15 * time.Minute)
	// Of several changes one wins; the others have verified what is no longer.
	if count := parallel(5, func(int) int { return s.changePassword(p, testPassword, newPassword).StatusCode }); count[200] != 1 || count[400] != 4 {
		t.Errorf("right: got %v, want one 200 and 4 400", count)
	}
	if got := s.audited("user.password"); len(got) != 1 {
		t.Errorf("got audit %q, want one row", got)
	}
}

// A login that has verified the old password when it is changed does not get a
// session for it.
func TestLoginWhileThePasswordChanges(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	s.signup("acme", "bea")
	changed := s.hashOf("bea")
	s.exec("update tenant.sessions set revoked_at = now(), revoked_reason = 'password'")

	status := make(chan int, 1)
	s.inOwnerTx(func(exec func(sql string, args ...any)) {
		exec("update tenant.users set password_hash = $1 where username = 'ana'", strings.Replace(changed, "m=8", "m=16", 1))
		go func() { status <- s.tryLogin("acme", "ana", testPassword, here).StatusCode }()
		s.awaitLocks(1)
	})
	if got := <-status; got != 401 {
		t.Errorf("got %d, want 401", got)
	}
	if got := s.revokedFor(); got != "password password" {
		t.Errorf("got sessions %q", got)
	}
	if got, want := s.outcomes(), "bad_password1 ok2"; got != want {
		t.Errorf("got login events %q, want %q", got, want)
	}
}

// A tenant that is suspended while a request is worked on answers like one that
// was suspended before.
func TestSuspendedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	codes := make(chan string, 3)
	s.inOwnerTx(func(exec func(sql string, args ...any)) {
		// Whoever is about to write waits for this.
		exec("select pg_advisory_xact_lock(hashtextextended('gatehouse.fence:acme', 0))")
		for _, request := range []func() answer{
			func() answer { return s.tryLogin("acme", "ana", testPassword, here) },
			func() answer { return s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "bea")) },
			func() answer { return s.refresh(p.Refresh) },
		} {
			go func() {
				var body problemBody
				_ = json.Unmarshal(request().body, &body)
				codes <- body.Code
			}()
		}
		s.awaitLocks(3)
		exec("update app.residents set suspended_at = now() where tenant_id = 'acme'")
	})
	got := []string{<-codes, <-codes, <-codes}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"invalid_credentials", "invalid_refresh_token", "signup_closed"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// inOwnerTx runs fn in a transaction of the owner's, inside acme.
func (s *testServer) inOwnerTx(fn func(exec func(sql string, args ...any))) {
	s.t.Helper()
	err := dbtest.Open(s.t, s.db.OwnerURL).InTx(s.t.Context(), pg.Scope{Tenant: "acme"}, func(tx tenantdb.DBTX) error {
		fn(func(sql string, args ...any) {
			if _, err := tx.Exec(s.t.Context(), sql, args...); err != nil {
				s.t.Error(err)
			}
		})
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// awaitLocks returns when so many wait for locks in the database.
func (s *testServer) awaitLocks(n int) {
	s.t.Helper()
	for dbtest.Value[int](s.t, s.db.AdminURL,
		"select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") < n {
		if s.t.Context().Err() != nil {
			s.t.Fatal("they do not wait")
		}
	}
}
