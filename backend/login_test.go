package backend

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/password"
)

// tryLogin signs in from an address.
func (s *testServer) tryLogin(tenant, user, password, address string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/login", "", map[string]any{
		"username_or_email": user, "password": password, "tenant_id": tenant,
	}, "X-Forwarded-For", address)
}

// outcomes returns the outcomes of all logins and how often each came.
func (s *testServer) outcomes() string {
	s.t.Helper()
	return dbtest.Value[string](s.t, s.db.OwnerURL,
		`select coalesce(string_agg(outcome || n, ' ' order by outcome), '') from (select outcome, count(*) n from tenant.login_events group by 1) e`)
}

// ageFailures makes every window of failures begin so much earlier.
func (s *testServer) ageFailures(by time.Duration) {
	s.t.Helper()
	s.exec("update tenant.login_failures set since = since - $1::interval", by)
}

const here, elsewhere = "203.0.113.7", "198.51.100.9"

func TestLoginRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "carla")
	s.signup("acme", "gone")
	s.db.AddTenant(t, "initech", "open")
	s.signup("initech", "carla")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.users set active = false where username = 'gone'")
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set status = 'suspended' where id = 'globex'")
	// Suspended where its data is, which holds before every backend has heard.
	dbtest.Exec(t, s.db.AdminURL, "update app.residents set suspended_at = now() where tenant_id = 'initech'")

	var first string
	for _, tc := range []struct{ name, user, password, tenant string }{
		{"wrong password", "carla", "Wrong-Horse-7", "acme"},
		{"unknown user", "nobody", testPassword, "acme"},
		{"unknown tenant", "carla", testPassword, "nowhere"},
		{"another tenant", "carla", testPassword, "closed"},
		{"suspended tenant", "carla", testPassword, "globex"},
		{"tenant suspended this moment", "carla", testPassword, "initech"},
		{"inactive", "gone", testPassword, "acme"},
	} {
		a := s.do("POST", "/api/v1/auth/login", "", map[string]any{
			"username_or_email": tc.user, "password": tc.password, "tenant_id": tc.tenant,
		})
		p := a.problem(t, 401, "invalid_credentials")
		if p.Message != "Wrong username or password, please try again" {
			t.Errorf("%s: got message %q", tc.name, p.Message)
		}
		same := strings.ReplaceAll(string(a.body), p.RequestID, "")
		if first == "" {
			first = same
		}
		if same != first {
			t.Errorf("%s: the answer tells it apart: %s", tc.name, same)
		}
	}
	if got, want := s.outcomes(), "bad_password1 inactive1 ok3 unknown_user2"; got != want {
		t.Errorf("got login events %q, want %q", got, want)
	}
	s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "", "password": "", "tenant_id": ""}).
		problem(t, 400, "validation_failed", "/username_or_email", "/password", "/tenant_id")
}

func TestBackoffByAddress(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Logging.HashKey = testSecret })
	session := s.signup("acme", "ana")
	var wrong string
	for range 5 {
		a := s.tryLogin("acme", "Ana", "Wrong-Horse-7", here)
		wrong = strings.ReplaceAll(string(a.body), a.problem(t, 401, "invalid_credentials").RequestID, "")
	}
	if n := len(s.audited("login.backoff")); n != 1 {
		t.Errorf("got %d audit rows when the limit was reached, want 1", n)
	}
	// Held back, and the answer does not tell.
	a := s.tryLogin("acme", "ana", testPassword, here)
	if got := strings.ReplaceAll(string(a.body), a.problem(t, 401, "invalid_credentials").RequestID, ""); got != wrong || a.Header.Get("Retry-After") != "" {
		t.Errorf("the answer tells it apart: %s, Retry-After %q", got, a.Header.Get("Retry-After"))
	}
	s.tryLogin("acme", "ana", "Wrong-Horse-7", here).want(t, 401)
	if got, want := s.outcomes(), "backoff2 bad_password5 ok1"; got != want {
		t.Errorf("got login events %q, want %q", got, want)
	}
	want := fmt.Sprintf(`- %s {"limit": "identifier_and_address", "failures": "5"}`, s.userID(session))
	if got := s.audited("login.backoff"); len(got) != 1 || got[0] != want {
		t.Errorf("got audit %q, want %q", got, want)
	}
	event := eventLine(s.logs.String(), "login_backoff")
	for _, want := range []string{`"request_id":"`, `"client":"` + here + `"`, `"tenant":"`, `"limit":"identifier_and_address"`} {
		if !strings.Contains(event, want) || strings.Contains(event, `"tenant":""`) {
			t.Errorf("the security event has no %s: %s", want, event)
		}
	}
	if n := strings.Count(s.logs.String(), `"login_backoff"`); n != 1 {
		t.Errorf("got %d security events, want 1", n)
	}

	// Nobody else is kept out: not the session that there is, not another
	// address, not another user.
	s.do("GET", "/api/v1/auth/me", session.Access, nil, "X-Forwarded-For", here).want(t, 200)
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": session.Refresh}, "X-Forwarded-For", here).want(t, 200)
	s.tryLogin("acme", "ana", testPassword, elsewhere).want(t, 200)
	s.tryLogin("acme", "ana", testPassword, here).want(t, 401) // that cleared its own address only
	s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "bea")).want(t, 201)
	s.tryLogin("acme", "bea", testPassword, here).want(t, 200)
	s.do("POST", "/api/v1/auth/signup", "", signupBody("globex", "ana")).want(t, 201)
	s.tryLogin("globex", "ana", testPassword, here).want(t, 200)

	// The window began with the first failure and was not prolonged.
	s.ageFailures(14*time.Minute + 30*time.Second)
	s.tryLogin("acme", "ana", testPassword, here).want(t, 401)
	s.ageFailures(31 * time.Second)
	for range 5 {
		s.tryLogin("acme", "ana", "Wrong-Horse-7", here).want(t, 401)
	}
	s.tryLogin("acme", "ana", testPassword, here).want(t, 401)
	if n := len(s.audited("login.backoff")); n != 2 {
		t.Errorf("got %d audit rows after two windows, want 2", n)
	}
	s.ageFailures(15 * time.Minute)
	s.tryLogin("acme", "ana", testPassword, here).want(t, 200)
}

// eventLine returns the last log line with an event's name.
func eventLine(logs, event string) string {
	found := ""
	for line := range strings.SplitSeq(logs, "\n") {
		if strings.Contains(line, fmt.Sprintf(`"event":%q`, event)) {
			found = line
		}
	}
	return found
}

func TestBackoffByIdentifier(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	for i := range 49 {
		s.tryLogin("acme", "ana", "Wrong-Horse-7", fmt.Sprintf("203.0.113.%d", i/4)).want(t, 401)
	}
	s.tryLogin("acme", "ana", testPassword, elsewhere).want(t, 200)
	// That did not clear the counter of the name.
	s.tryLogin("acme", "ana", "Wrong-Horse-7", "203.0.113.100").want(t, 401)
	s.tryLogin("acme", "ana", testPassword, elsewhere).want(t, 401)
	if got, want := s.outcomes(), "backoff1 bad_password50 ok2"; got != want {
		t.Errorf("got login events %q, want %q", got, want)
	}
	got := s.audited("login.backoff")
	if len(got) != 1 || !strings.Contains(got[0], `{"limit": "identifier", "failures": "50"}`) {
		t.Errorf("got audit %q", got)
	}
	s.ageFailures(15 * time.Minute)
	s.tryLogin("acme", "ana", testPassword, elsewhere).want(t, 200)
}

func TestBackoffKeys(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	s.signup("acme", "gone")
	s.exec("update tenant.users set active = false where username = 'gone'")
	for _, tc := range []struct {
		name     string
		user     string
		password string
		from     func(i int) string
		held     string
		free     string
	}{
		{"by the /64 of IPv6", "ana", "Wrong-Horse-7", func(i int) string { return fmt.Sprintf("2001:db8:1:1:%d::1", i) },
			"2001:db8:1:1:ffff::9", "2001:db8:1:2::1"},
		{"IPv4 in IPv6", "ana", "Wrong-Horse-7", func(int) string { return "::ffff:203.0.113.9" }, "203.0.113.9", "::ffff:203.0.113.10"},
		{"address of an e-mail", "ANA@example.COM", "Wrong-Horse-7", func(int) string { return here }, here, elsewhere},
	} {
		for i := range 5 {
			s.tryLogin("acme", tc.user, tc.password, tc.from(i)).want(t, 401)
		}
		if a := s.tryLogin("acme", tc.user, testPassword, tc.held); a.StatusCode != 401 {
			t.Errorf("%s: got %d, want 401", tc.name, a.StatusCode)
		}
		if a := s.tryLogin("acme", tc.user, testPassword, tc.free); a.StatusCode != 200 {
			t.Errorf("%s: from elsewhere got %d, want 200", tc.name, a.StatusCode)
		}
	}
	// Who does not exist, or may not sign in, is counted in the same way.
	s.exec("delete from tenant.login_events")
	for range 6 {
		s.tryLogin("acme", "nobody", testPassword, here).want(t, 401)
		s.tryLogin("acme", "gone", testPassword, here).want(t, 401)
	}
	if got, want := s.outcomes(), "backoff2 inactive5 unknown_user5"; got != want {
		t.Errorf("got login events %q, want %q", got, want)
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.audit where action = 'login.backoff' and target is null"); n != 1 {
		t.Errorf("got %d audit rows without a user, want 1", n)
	}
}

func TestRightPasswordClearsTheCounter(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	for range 3 {
		for range 4 {
			s.tryLogin("acme", "ana", "Wrong-Horse-7", here).want(t, 401)
		}
		s.tryLogin("acme", "ana", testPassword, here).want(t, 200)
	}
	if got := s.audited("login.backoff"); len(got) != 0 {
		t.Errorf("got audit %q", got)
	}
}

func TestBackoffIsStrictInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	guess := func(password string) map[int]int {
		return parallel(40, func(int) int { return s.tryLogin("acme", "ana", password, here).StatusCode })
	}
	if count := guess("Wrong-Horse-7"); count[401] != 40 {
		t.Errorf("wrong: got %v", count)
	}
	if count := guess(testPassword); count[401] != 40 {
		t.Errorf("right, but held back: got %v", count)
	}
	if got, want := s.outcomes(), "backoff75 bad_password5 ok1"; got != want {
		t.Errorf("got login events %q, want %q", got, want)
	}
	if got := s.audited("login.backoff"); len(got) != 1 {
		t.Errorf("got audit %q, want one row", got)
	}
}

func TestSingleSessionMode(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set session_mode = 'single' where id = 'acme'")
	first := s.signup("acme", "gil")
	second := s.login("acme", "gil")
	s.do("GET", "/api/v1/auth/me", first.Access, nil).problem(t, 401, "unauthenticated")
	s.do("GET", "/api/v1/auth/me", second.Access, nil).want(t, 200)
}

// hashOf returns the stored password hash of a user.
func (s *testServer) hashOf(username string) string {
	s.t.Helper()
	return dbtest.Value[string](s.t, s.db.OwnerURL, "select password_hash from tenant.users where username = $1", username)
}

func TestImportedHashIsReplaced(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	for name, imported := range map[string]string{
		"bcrypt of another cost":   "$2a$05$4dmVsVC3VEIyZkI6vqgq9OXldbsVLjVdRGVCvj1a63z7FJYC2HuxK",
		"argon2id of another cost": "$argon2id$v=19$m=16,t=2,p=1$oO1nPQ7GmYcbR0nj1UBbQw$4nZaTwEiU/fNohUaTzpnP8IhTVP3rx4OhJ8e24pbCpc",
	} {
		s.exec("update tenant.users set password_hash = $1", imported)
		s.tryLogin("acme", "ana", "Wrong-Horse-7", here).want(t, 401)
		if got := s.hashOf("ana"); got != imported {
			t.Errorf("%s: a wrong password replaced it by %s", name, got)
		}
		s.login("acme", "ana")
		replaced := s.hashOf("ana")
		if !strings.HasPrefix(replaced, "$argon2id$v=19$m=8,t=1,p=1$") {
			t.Errorf("%s: got %s after a login", name, replaced)
		}
		s.login("acme", "ana")
		if got := s.hashOf("ana"); got != replaced {
			t.Errorf("%s: a second login replaced it again, by %s", name, got)
		}
	}
	// It is the same password, not another one.
	if v := dbtest.Value[int](t, s.db.OwnerURL, "select version::int from tenant.users"); v != 1 {
		t.Errorf("got version %d, want 1", v)
	}
}

func TestMalformedHash(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	for i, hash := range []string{"", "x", "$argon2id$v=19$m=4194304,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + strings.Repeat("A", 43), "$2b$31$" + strings.Repeat("a", 53)} {
		s.exec("update tenant.users set password_hash = $1", hash)
		s.tryLogin("acme", "ana", testPassword, fmt.Sprintf("203.0.113.%d", i)).problem(t, 401, "invalid_credentials")
		s.changePassword(p, testPassword, "Another-Horse-8").problem(t, 400, "validation_failed", "/current_password")
	}
	if n := strings.Count(s.logs.String(), "stored password hash cannot be read"); n != 8 {
		t.Errorf("got %d log lines, want 8", n)
	}
	if got, want := s.outcomes(), "bad_password4 ok1"; got != want {
		t.Errorf("got login events %q, want %q", got, want)
	}
}

// A flood of sign-ins waits in a short queue; what comes on top is refused, and
// whoever is signed in does not notice. That the queue is full shows too that
// each refusal is preceded by a hash.
func TestLoginFlood(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Password = password.Config{MemoryKiB: 8, Time: 1, Concurrency: 1} })
	s.db.AddTenant(t, "guild", "invite")
	ana := s.signup("acme", "ana")
	s.signup("acme", "odd")
	s.exec("update tenant.users set password_hash = 'x' where username = 'odd'")
	s.signup("acme", "crowd")
	s.signup("acme", "slow")
	// Takes seconds, for which the flood has to wait.
	s.exec("update tenant.users set password_hash = $1 where username = 'slow'",
		"$argon2id$v=19$m=65536,t=32,p=1$AAAAAAAAAAAAAAAAAAAAAA$"+strings.Repeat("A", 43))
	slow := make(chan int, 1)
	go func() { slow <- s.tryLogin("acme", "slow", "Wrong-Horse-7", here).StatusCode }()
	for s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "ana", "password": testPassword, "tenant_id": "acme"},
		"X-Request-Timeout", "100").StatusCode != 503 {
		// Until one has no turn in time, since the slow one is at work.
	}
	stop, full := make(chan struct{}), make(chan struct{}, 1)
	done := make(chan map[int]int)
	go func() {
		done <- parallel(70, func(int) int {
			for {
				status := s.tryLogin("acme", "crowd", "Wrong-Horse-7", here).StatusCode
				if status == 503 {
					select {
					case full <- struct{}{}:
					default:
					}
				}
				select {
				case <-stop:
					return status
				default:
				}
			}
		})
	}()
	<-full
	for name, probe := range map[string]func() answer{
		"right password": func() answer { return s.tryLogin("acme", "ana", testPassword, here) },
		"wrong password": func() answer { return s.tryLogin("acme", "ana", "Wrong-Horse-7", here) },
		"unknown user":   func() answer { return s.tryLogin("acme", "nobody", testPassword, here) },
		"unknown tenant": func() answer { return s.tryLogin("nowhere", "ana", testPassword, here) },
		"malformed hash": func() answer { return s.tryLogin("acme", "odd", testPassword, here) },
		"sign-up":        func() answer { return s.do("POST", "/api/v1/auth/signup", "", signupBody("acme", "bea")) },
		"closed tenant":  func() answer { return s.do("POST", "/api/v1/auth/signup", "", signupBody("closed", "bea")) },
		"no such tenant": func() answer { return s.do("POST", "/api/v1/auth/signup", "", signupBody("nowhere", "bea")) },
		"no invitation":  func() answer { return s.do("POST", "/api/v1/auth/signup", "", signupBody("guild", "bea")) },
		"wrong invitation": func() answer {
			return s.do("POST", "/api/v1/auth/signup", "", signupBody("guild", "bea", strings.Repeat("A", 43)))
		},
		"change of password": func() answer { return s.changePassword(ana, testPassword, "Another-Horse-8") },
	} {
		a := probe()
		if a.StatusCode != 503 || !strings.Contains(string(a.body), `"overloaded"`) || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d, Retry-After %q: %s", name, a.StatusCode, a.Header.Get("Retry-After"), a.body)
		}
	}
	s.do("GET", "/api/v1/auth/me", ana.Access, nil).want(t, 200)
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": ana.Refresh}).want(t, 200)
	close(stop)
	for status := range <-done {
		if status != 401 && status != 503 {
			t.Errorf("got a %d", status)
		}
	}
	if status := <-slow; status != 401 {
		t.Errorf("the slow one: got %d", status)
	}
	// What was refused for want of room was not counted.
	if n := dbtest.Value[int](t, s.db.OwnerURL, `select count(*)::int from tenant.login_events e
		join tenant.users u on u.id = e.user_id where u.username in ('ana', 'odd') and e.outcome <> 'ok'`); n != 0 {
		t.Errorf("got %d login events of refused logins", n)
	}
	s.login("acme", "ana")
}

// A user's name and address are one identifier to guess at.
func TestBackoffKnowsAUserByEitherName(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	for i := range 5 {
		s.tryLogin("acme", []string{"ana", "Ana@Example.com"}[i%2], "Wrong-Horse-7", here).want(t, 401)
	}
	for _, name := range []string{"ana", "ana@example.com"} {
		s.tryLogin("acme", name, testPassword, here).problem(t, 401, "invalid_credentials")
		s.tryLogin("acme", name, testPassword, elsewhere).want(t, 200)
	}
}

// One session is left of sign-ins at once, under whichever name.
func TestSingleSessionOfParallelLogins(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.exec("update control.tenants set session_mode = 'single' where id = 'acme'")
	s.signup("acme", "sam")
	var wg sync.WaitGroup
	s.inOwnerTx(func(exec func(string, ...any)) {
		exec("lock table tenant.sessions in exclusive mode") // both look for older sessions, if they do not take turns
		for _, name := range []string{"sam", "sam@example.com"} {
			wg.Go(func() { s.tryLogin("acme", name, testPassword, here) })
		}
		s.awaitLocks(2)
	})
	wg.Wait()
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.sessions where revoked_at is null"); n != 1 {
		t.Errorf("%d sessions are live, want 1", n)
	}
}
