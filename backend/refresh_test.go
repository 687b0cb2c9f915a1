package backend

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/config"
)

// refresh spends a refresh token; headers are name, value pairs.
func (s *testServer) refresh(token string, headers ...string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": token}, headers...)
}

// refreshed spends a refresh token and returns what it gave.
func (s *testServer) refreshed(token string, headers ...string) pair {
	s.t.Helper()
	var p pair
	s.refresh(token, headers...).want(s.t, 200).into(s.t, &p)
	return p
}

func (s *testServer) revokedFor() string {
	s.t.Helper()
	return dbtest.Value[string](s.t, s.db.OwnerURL, "select coalesce(string_agg(coalesce(revoked_reason, 'live'), ' ' order by created_at, id), '') from tenant.sessions")
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Logging.HashKey = testSecret })
	first := s.signup("acme", "dora")
	var second pair
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": first.Refresh}).want(t, 200).into(t, &second)
	if second.Refresh == first.Refresh || second.Access == first.Access {
		t.Error("the pair was not rotated")
	}
	s.do("GET", "/api/v1/auth/me", second.Access, nil).want(t, 200)

	// Using the first again ends the session, for both of its tokens.
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": first.Refresh}).problem(t, 401, "invalid_refresh_token")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": second.Refresh}).problem(t, 401, "invalid_refresh_token")
	s.do("GET", "/api/v1/auth/me", second.Access, nil).problem(t, 401, "unauthenticated")
	if reason := dbtest.Value[string](t, s.db.OwnerURL, "select revoked_reason from tenant.sessions"); reason != "reuse" {
		t.Errorf("got reason %q, want reuse", reason)
	}
	event := eventLine(s.logs.String(), "refresh_reuse")
	for _, want := range []string{`"request_id":"`, `"client":"127.0.0.1"`, `"tenant":"`} {
		if !strings.Contains(event, want) || strings.Contains(event, `"tenant":""`) {
			t.Errorf("the security event has no %s: %s", want, event)
		}
	}
	claims, err := s.keys.Verify(first.Access)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`- %s {"user": "%s"}`, claims.Session, claims.UserID)
	if got := s.audited("session.reuse"); len(got) != 1 || got[0] != want {
		t.Errorf("got audit %q, want %q", got, want)
	}
}

func TestRefreshOnceInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "elisa")
	count := parallel(50, func(int) int { return s.refresh(p.Refresh).StatusCode })
	if count[200] != 1 || count[401] != 49 {
		t.Errorf("got %v, want one 200 and 49 401", count)
	}
	if !dbtest.Value[bool](t, s.db.OwnerURL, "select revoked_at is not null from tenant.sessions") {
		t.Error("the session is still live")
	}
	if got := s.audited("session.reuse"); len(got) != 1 {
		t.Errorf("got audit %q, want one row", got)
	}
	if n := strings.Count(s.logs.String(), `"refresh_reuse"`); n != 1 {
		t.Errorf("got %d security events, want 1", n)
	}
}

func TestRefreshRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "fabio")
	secret := strings.TrimPrefix(p.Refresh, "acme.")
	for _, raw := range []string{"", "x", secret, "globex." + secret, "nowhere." + secret, "ACME." + secret, p.Refresh + "x",
		p.Access, strings.Repeat(".", 3000), "acme." + strings.Repeat("A", 43)} {
		s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": raw}).problem(t, 401, "invalid_refresh_token")
	}
	expired := s.login("acme", "fabio")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.refresh_tokens set expires_at = now()")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": expired.Refresh}).problem(t, 401, "invalid_refresh_token")

	dbtest.Exec(t, s.db.AdminURL, "update tenant.refresh_tokens set expires_at = now() + interval '1 day'")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.users set active = false")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": expired.Refresh}).problem(t, 401, "invalid_refresh_token")

	dbtest.Exec(t, s.db.AdminURL, "update tenant.users set active = true")
	for _, change := range []string{
		"update tenant.sessions set expires_at = now()",
		"update control.tenants set status = 'suspended' where id = 'acme'",
		"update control.tenants set status = 'deleted' where id = 'acme'",
		"update app.residents set suspended_at = now() where tenant_id = 'acme'",
	} {
		p := s.login("acme", "fabio")
		s.exec(change)
		s.refresh(p.Refresh).problem(t, 401, "invalid_refresh_token")
		s.exec("update control.tenants set status = 'active' where id = 'acme'")
		s.exec("update app.residents set suspended_at = null")
	}
	if got := s.audited("session.reuse"); len(got) != 0 {
		t.Errorf("got audit %q", got)
	}
}

func TestRefreshLimit(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	other := s.login("acme", "ana")
	// The session is ten minutes old; the window begins with its first refresh.
	s.exec("update tenant.sessions set refreshes_since = now() - interval '10 minutes'")
	for range 30 {
		p = s.refreshed(p.Refresh)
	}
	a := s.refresh(p.Refresh)
	refused := a.problem(t, 429, "rate_limited")
	wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if err != nil || wait < 800 || wait > 900 || !strings.Contains(refused.Message, `"session_refresh"`) {
		t.Errorf("got Retry-After %q and %q", a.Header.Get("Retry-After"), refused.Message)
	}
	s.exec("update tenant.sessions set refreshes_since = refreshes_since - interval '14 minutes 30 seconds'")
	a = s.refresh(p.Refresh)
	a.problem(t, 429, "rate_limited")
	if wait, _ := strconv.Atoi(a.Header.Get("Retry-After")); wait < 1 || wait > 30 {
		t.Errorf("got Retry-After %d near the end", wait)
	}
	// Another session has a limit of its own, and a spent token is no excuse.
	s.refreshed(other.Refresh)
	s.refresh(other.Refresh).problem(t, 401, "invalid_refresh_token")

	// The refused token was not spent.
	s.exec("update tenant.sessions set refreshes_since = refreshes_since - interval '31 seconds'")
	for range 30 {
		p = s.refreshed(p.Refresh)
	}
	s.refresh(p.Refresh).problem(t, 429, "rate_limited")
	if got := s.revokedFor(); got != "live reuse" {
		t.Errorf("got sessions %q", got)
	}
}

func TestRefreshGraceIsBounded(t *testing.T) {
	t.Parallel()
	for grace, want := range map[time.Duration]bool{-1: false, 0: true, 30 * time.Second: true, 30*time.Second + 1: false} {
		c := validConfig(t)
		if c.ReuseGrace != 0 {
			t.Errorf("got %v by default, want 0", c.ReuseGrace)
		}
		c.ReuseGrace = grace
		m := &config.Mistakes{Production: true}
		if c.Validate(m); slices.Contains(m.Names(), "REFRESH_REUSE_GRACE") == want {
			t.Errorf("%v: got %v", grace, m)
		}
	}
}

func graceful(c *Config) { c.ReuseGrace = 30 * time.Second }

func TestRefreshGrace(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, graceful)
	client := []string{"X-Forwarded-For", here, "User-Agent", "app/1"}
	for _, tc := range []struct {
		name string
		// Done after the first refresh, with its pair; then that is repeated.
		between func(next pair)
		repeat  []string
		status  int
	}{
		{"the same client", func(pair) {}, client, 200},
		{"within the grace", func(pair) { s.exec("update tenant.refresh_tokens set spent_at = spent_at - interval '20 seconds'") }, client, 200},
		{"after the grace", func(pair) { s.exec("update tenant.refresh_tokens set spent_at = spent_at - interval '30 seconds'") }, client, 401},
		{"another address", func(pair) {}, []string{"X-Forwarded-For", elsewhere, "User-Agent", "app/1"}, 401},
		{"another user agent", func(pair) {}, []string{"X-Forwarded-For", here, "User-Agent", "app/2"}, 401},
		{"successor spent", func(next pair) { s.refreshed(next.Refresh, client...) }, client, 401},
		{"revoked", func(next pair) { s.do("POST", "/api/v1/auth/logout", next.Access, nil).want(t, 200) }, client, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.exec("delete from tenant.users; delete from tenant.audit")
			first := s.signup("acme", "ana")
			next := s.refreshed(first.Refresh, client...)
			tc.between(next)
			a := s.refresh(first.Refresh, tc.repeat...).want(t, tc.status)
			reuse := tc.status == 401 && tc.name != "revoked"
			if got := len(s.audited("session.reuse")) == 1; got != reuse {
				t.Errorf("reuse was seen: %v", got)
			}
			if tc.status != 200 {
				s.refresh(next.Refresh, client...).want(t, 401)
				return
			}
			// The new successor is good; the earlier one is void, and whoever uses
			// it, the same client too, is a thief.
			var again pair
			a.into(t, &again)
			again = s.refreshed(again.Refresh, client...)
			s.refresh(next.Refresh, client...).problem(t, 401, "invalid_refresh_token")
			s.refresh(again.Refresh, client...).problem(t, 401, "invalid_refresh_token")
			if got := s.revokedFor(); got != "reuse" {
				t.Errorf("got sessions %q", got)
			}
		})
	}
}

// Of many repeats within the grace each gets a pair, up to the limit, and one
// of these is good.
func TestRefreshGraceInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, graceful)
	p := s.signup("acme", "ana")
	count := parallel(40, func(int) int { return s.refresh(p.Refresh).StatusCode })
	if count[200] != 30 || count[429] != 10 {
		t.Errorf("got %v, want 30 200 and 10 429", count)
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.refresh_tokens where spent_at is null"); n != 1 {
		t.Errorf("got %d tokens that can be used, want 1", n)
	}
	if got := s.revokedFor(); got != "live" {
		t.Errorf("got sessions %q", got)
	}
}
