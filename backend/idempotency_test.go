package backend

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

// keyedPost sends a user to be made with an Idempotency-Key.
func (s *testServer) keyedPost(by actor, key string, body any) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/users", by.Access, body, "Idempotency-Key", key)
}

// sameAnswer fails the test unless the second answer repeats the first.
func sameAnswer(t *testing.T, first, second answer) {
	t.Helper()
	if first.Header.Get("Idempotency-Replayed") != "" || second.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got Idempotency-Replayed %q, then %q", first.Header.Get("Idempotency-Replayed"), second.Header.Get("Idempotency-Replayed"))
	}
	if first.StatusCode != second.StatusCode || string(first.body) != string(second.body) {
		t.Errorf("got %d %s, then %d %s", first.StatusCode, first.body, second.StatusCode, second.body)
	}
	for _, name := range []string{"Location", "ETag", "Content-Type"} {
		if diff := cmp.Diff(first.Header.Values(name), second.Header.Values(name)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func (s *testServer) users(tenant string) int {
	s.t.Helper()
	return dbtest.Value[int](s.t, s.db.AdminURL, "select count(*)::int from tenant.users where tenant_id = $1", tenant)
}

func TestIdempotentReplay(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	const key = "!k~1"
	first := s.keyedPost(admin, key, newUser("ana")).want(t, 201)
	if first.Header.Get("Location") == "" || first.Header.Get("ETag") != `"1"` {
		t.Errorf("got %v", first.Header)
	}
	second := s.keyedPost(admin, key, newUser("ana"))
	sameAnswer(t, first, second)
	if first.Header.Get("X-Request-Id") == second.Header.Get("X-Request-Id") {
		t.Error("both answers have one request ID")
	}
	sameAnswer(t, first, s.do("POST", "/api/users", admin.Access, newUser("ana"), "Idempotency-Key", key))
	// It is the answer of then, also when the user has changed since, and in
	// another session.
	dbtest.Exec(t, s.db.AdminURL, "update tenant.users set username = 'anna', username_key = 'anna', version = 7 where username = 'ana'")
	sameAnswer(t, first, s.keyedPost(s.signedIn("acme", "root"), key, newUser("ana")))
	if n := s.users("acme"); n != 2 {
		t.Errorf("got %d users, want 2", n)
	}

	// Without a key nothing is remembered.
	s.do("POST", "/api/v1/users", admin.Access, newUser("bob")).want(t, 201)
	s.do("POST", "/api/v1/users", admin.Access, newUser("bob")).problem(t, 409, "conflict")

	// Another body, even one that means the same.
	for name, body := range map[string]string{
		"another user":   encoded(t, newUser("bob")),
		"another order":  `{"password":"` + testPassword + `","username":"ana","email":"ana@example.com"}`,
		"one more space": encoded(t, newUser("ana")) + " ",
	} {
		if p := s.keyedPost(admin, key, body).problem(t, 422, "idempotency_mismatch"); p.Code == "" {
			t.Error(name)
		}
	}
	// An unversioned first request is the same operation.
	alias := s.do("POST", "/api/users", admin.Access, newUser("eve"), "Idempotency-Key", "k2").want(t, 201)
	sameAnswer(t, alias, s.keyedPost(admin, "k2", newUser("eve")))
	if !strings.HasPrefix(alias.Header.Get("Location"), "/api/v1/users/") {
		t.Errorf("got Location %q", alias.Header.Get("Location"))
	}
	lines := slices.DeleteFunc(s.trail("acme"), func(l string) bool { return !strings.HasPrefix(l, "user.create") })
	if len(lines) != 3 {
		t.Errorf("got %q, want three lines of three users", lines)
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestIdempotentRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	member := s.actor("acme", "ana", token.Member)
	keys := func() int {
		return dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.idempotency_keys")
	}

	// A conflict depends on what is stored and would come again: it is kept, even
	// when the name has become free.
	first := s.keyedPost(admin, "taken", newUser("ana"))
	p := first.problem(t, 409, "conflict")
	s.do("DELETE", member.path(), admin.Access, nil).want(t, 200)
	second := s.keyedPost(admin, "taken", newUser("ana"))
	if again := second.problem(t, 409, "conflict"); again.Message != p.Message || again.RequestID == p.RequestID {
		t.Errorf("got %+v, then %+v", p, again)
	}
	if first.Header.Get("Idempotency-Replayed") != "" || second.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("the conflict is not marked as replayed")
	}
	s.keyedPost(admin, "taken", newUser("bob")).problem(t, 422, "idempotency_mismatch")
	if n := keys(); n != 1 {
		t.Errorf("got %d keys, want 1", n)
	}

	// What is wrong with the request, or with who sends it, is not kept.
	s.keyedPost(admin, "form", with(newUser("eve"), "role", "root")).problem(t, 400, "validation_failed", "/role")
	s.keyedPost(admin, "form", "{").problem(t, 400, "invalid_json")
	eve := s.actor("acme", "eve", token.Member)
	s.keyedPost(eve, "form", newUser("fay")).problem(t, 403, "forbidden")
	s.keyedPost(actor{pair: pair{Access: "x"}}, "form", newUser("fay")).problem(t, 401, "unauthenticated")
	other := s.signedIn("acme", "root")
	s.do("POST", "/api/v1/auth/logout", other.Access, nil).want(t, 200)
	s.keyedPost(other, "form", newUser("fay")).problem(t, 401, "unauthenticated")
	s.keyedPost(other, "taken", newUser("ana")).problem(t, 401, "unauthenticated")
	if n := keys(); n != 1 {
		t.Errorf("got %d keys, want 1", n)
	}
	if a := s.keyedPost(admin, "form", newUser("fay")).want(t, 201); a.Header.Get("Idempotency-Replayed") != "" {
		t.Error("the answer was replayed")
	}
}

func TestIdempotencyKeyForm(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	for _, key := range []string{strings.Repeat("k", 256), "a b", "k\u00e9", "", "a\tb"} {
		a := s.keyedPost(admin, key, newUser("ana"))
		if p := a.problem(t, 400, "validation_failed", "Idempotency-Key"); len(p.Errors) != 1 || p.Errors[0].Code != "malformed_header" {
			t.Errorf("%q: got %+v", key, p)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/v1/users", strings.NewReader(encoded(t, newUser("ana"))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + admin.Access}, "Content-Type": {"application/json"}, "Idempotency-Key": {"one", "two"},
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("two keys: got %d", resp.StatusCode)
	}
	if n := s.users("acme"); n != 1 {
		t.Errorf("got %d users, want 1", n)
	}
	s.keyedPost(admin, strings.Repeat("~", 255), newUser("ana")).want(t, 201)
}

// A key is its user's: the same one of somebody else is another.
func TestIdempotencyKeysAreApart(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	first, second := s.actor("acme", "first", token.Admin), s.actor("acme", "second", token.Admin)
	foreign := s.actor("globex", "first", token.Admin)
	a := s.keyedPost(first, "k", newUser("ana")).want(t, 201)
	s.keyedPost(second, "k", newUser("ana")).problem(t, 409, "conflict")
	b := s.keyedPost(foreign, "k", newUser("ana")).want(t, 201)
	if b.Header.Get("Idempotency-Replayed") != "" || a.Header.Get("Location") == b.Header.Get("Location") {
		t.Errorf("got %s for both tenants", a.Header.Get("Location"))
	}
	s.keyedPost(foreign, "k", newUser("bob")).problem(t, 422, "idempotency_mismatch")
	sameAnswer(t, a, s.keyedPost(first, "k", newUser("ana")))
}

func TestIdempotencyKeyExpires(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	s.keyedPost(admin, "k", newUser("ana")).want(t, 201)
	if !dbtest.Value[bool](t, s.db.AdminURL, `select expires_at between now() + interval '23 hours' and now() + interval '24 hours 1 minute'
		from tenant.idempotency_keys`) {
		t.Error("the key is not kept 24 hours")
	}
	dbtest.Exec(t, s.db.AdminURL, "update tenant.idempotency_keys set expires_at = now()")
	fresh := s.keyedPost(admin, "k", newUser("bob")).want(t, 201)
	sameAnswer(t, fresh, s.keyedPost(admin, "k", newUser("bob")))
}

// hold starts a transaction that has made a user of this name, so that whoever
// makes another one waits for it.
func (s *testServer) hold(tenant, username string) pgx.Tx {
	s.t.Helper()
	tx, err := dbtest.Connect(s.t, s.db.AdminURL).Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = tx.Exec(s.t.Context(), `insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
		values ($1, gen_random_uuid(), $2, $2, 'x@y.z', 'x@y.z', 'x', 'member')`, tenant, username)
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

func TestIdempotentRequestStillRunning(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin, other := s.actor("acme", "root", token.Admin), s.actor("acme", "other", token.Admin)
	tx := s.hold("acme", "ana")
	var first answer
	var wg sync.WaitGroup
	wg.Go(func() { first = s.keyedPost(admin, "k", newUser("ana")) })
	s.awaitLocks(1)

	s.keyedPost(admin, "k", newUser("ana")).problem(t, 409, "idempotency_in_progress")
	s.keyedPost(admin, "k", newUser("bob")).problem(t, 409, "idempotency_in_progress")
	s.do("POST", "/api/users", admin.Access, newUser("ana"), "Idempotency-Key", "k").problem(t, 409, "idempotency_in_progress")
	// Other keys and other people's are not held up.
	s.keyedPost(admin, "k2", newUser("bob")).want(t, 201)
	s.keyedPost(other, "k", newUser("eve")).want(t, 201)

	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	first.want(t, 201)
	sameAnswer(t, first, s.keyedPost(admin, "k", newUser("ana")))
}

// Of many requests with one key one does the work; the others are told so or
// get its answer.
func TestIdempotentStorm(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	answers := make([]answer, 30)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.keyedPost(admin, "k", newUser("ana")) })
	}
	wg.Wait()
	made, locations := 0, map[string]bool{}
	for _, a := range answers {
		switch {
		case a.StatusCode == 201 && a.Header.Get("Idempotency-Replayed") == "":
			made++
			locations[a.Header.Get("Location")] = true
		case a.StatusCode == 201:
			locations[a.Header.Get("Location")] = true
		default:
			a.problem(t, 409, "idempotency_in_progress")
		}
	}
	if made != 1 || len(locations) != 1 || s.users("acme") != 2 {
		t.Errorf("made %d times, at %v", made, locations)
	}
}

// A connection that breaks in the middle leaves nothing that a repeat stumbles
// over.
func TestIdempotentCrash(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	tx := s.hold("acme", "ana")
	var first answer
	var wg sync.WaitGroup
	wg.Go(func() { first = s.keyedPost(admin, "k", newUser("ana")) })
	s.awaitLocks(1)
	dbtest.Exec(t, s.db.AdminURL, `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and wait_event_type = 'Lock'`)
	wg.Wait()
	first.problem(t, 503, "unavailable")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.idempotency_keys"); n != 0 || s.users("acme") != 1 {
		t.Errorf("got %d keys and %d users", n, s.users("acme"))
	}
	if a := s.keyedPost(admin, "k", newUser("ana")).want(t, 201); a.Header.Get("Idempotency-Replayed") != "" {
		t.Error("the answer was replayed")
	}
}

// Who is deleted while its request is under way has made nothing.
func TestIdempotentRequestOfSomebodyDeleted(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	tx := s.hold("acme", "ana")
	var first answer
	var wg sync.WaitGroup
	wg.Go(func() { first = s.keyedPost(admin, "k", newUser("ana")) })
	s.awaitLocks(1)
	dbtest.Exec(t, s.db.AdminURL, "delete from tenant.users where username = 'root'")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	first.problem(t, 401, "unauthenticated")
	if n := s.users("acme"); n != 0 {
		t.Errorf("got %d users, want none", n)
	}
}

// A body may hold a password, so the hash that tells bodies apart must not be
// one that anybody with the table could try passwords against.
func TestIdempotencyHashIsKeyed(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	body := `{"username":"bea","email":"bea@example.com","password":"` + testPassword + `"}`
	s.keyedPost(admin, "k", body).want(t, 201)
	stored := dbtest.Value[[]byte](t, s.db.OwnerURL, "select request_hash from tenant.idempotency_keys")
	for _, text := range []string{body, "/api/v1/users\x00" + body} {
		if sum := sha256.Sum256([]byte(text)); bytes.Equal(stored, sum[:]) {
			t.Error("the stored hash is a plain one")
		}
	}
}
