package backend

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/password"
	"gatehouse/internal/token"
)

// actor is a user who is signed in.
type actor struct {
	ID uuid.UUID
	pair
}

// actor makes a user of a role and signs in. Operators belong to the platform.
func (s *testServer) actor(tenant, username string, role token.Role) actor {
	s.t.Helper()
	if tenant == token.PlatformTenant {
		c := AdminConfig{MigrateURL: s.db.OwnerURL, Password: password.Config{MemoryKiB: 8, Time: 1}}
		if err := CreateOperator(s.t.Context(), c, username, username+"@example.com", testPassword); err != nil {
			s.t.Fatal(err)
		}
	} else {
		s.do("POST", "/api/v1/auth/signup", "", map[string]any{
			"username": username, "email": username + "@example.com", "password": testPassword, "tenant_id": tenant,
		}).want(s.t, 201)
		dbtest.Exec(s.t, s.db.AdminURL, "update tenant.users set role = $1 where tenant_id = $2 and username = $3", string(role), tenant, username)
	}
	return s.signedIn(tenant, username)
}

func (s *testServer) signedIn(tenant, username string) actor {
	s.t.Helper()
	p := s.login(tenant, username)
	c, err := s.keys.Verify(p.Access)
	if err != nil {
		s.t.Fatal(err)
	}
	return actor{c.UserID, p}
}

// path is where the user's record is.
func (a actor) path() string { return "/api/v1/users/" + a.ID.String() }

// record is the body of an update that changes nothing.
func record(username, role string) map[string]any {
	return map[string]any{"username": username, "email": username + "@example.com", "active": true, "role": role}
}

func newUser(username string) map[string]any {
	return map[string]any{"username": username, "email": username + "@example.com", "password": testPassword}
}

// with returns the body with one member changed.
func with(body map[string]any, name string, value any) map[string]any {
	changed := map[string]any{}
	for k, v := range body {
		changed[k] = v
	}
	changed[name] = value
	return changed
}

// without returns the body with one member less.
func without(body map[string]any, name string) map[string]any {
	changed := with(body, name, nil)
	delete(changed, name)
	return changed
}

// trail returns a tenant's audit trail, each line with action, actor and details.
func (s *testServer) trail(tenant string) (lines []string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.db.AdminURL.Reveal())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(s.t.Context())
	rows, err := conn.Query(s.t.Context(), `
		select concat_ws(' ', action, actor, (select string_agg(key || '=' || value, ' ' order by key) from jsonb_each_text(details)))
		from tenant.audit where tenant_id = $1 order by created_at, id`, tenant)
	if err != nil {
		s.t.Fatal(err)
	}
	lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

func TestUserLifecycle(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)

	var created, read, updated map[string]any
	a := s.do("POST", "/api/v1/users", admin.Access, newUser("ana")).want(t, 201).into(t, &created)
	path := "/api/v1/users/" + created["id"].(string)
	if a.Header.Get("Location") != path || a.Header.Get("ETag") != `"1"` {
		t.Errorf("got Location %q, ETag %q", a.Header.Get("Location"), a.Header.Get("ETag"))
	}
	want := map[string]any{
		"id": created["id"], "tenant_id": "acme", "username": "ana", "email": "ana@example.com", "role": "member", "active": true,
		"created_at": created["created_at"], "updated_at": created["updated_at"],
	}
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	ana := s.signedIn("acme", "ana")

	if etag := s.do("GET", path, admin.Access, nil).want(t, 200).into(t, &read).Header.Get("ETag"); etag != `"1"` {
		t.Errorf("got ETag %q", etag)
	}
	if diff := cmp.Diff(created, read); diff != "" {
		t.Errorf("read differs from created:\n%s", diff)
	}
	change := map[string]any{"username": " Ana.Lima ", "email": "lima@example.com", "active": true}
	if etag := s.do("PUT", path, admin.Access, change).want(t, 200).into(t, &updated).Header.Get("ETag"); etag != `"2"` {
		t.Errorf("got ETag %q", etag)
	}
	if updated["username"] != "Ana.Lima" || updated["email"] != "lima@example.com" || updated["role"] != "member" ||
		updated["created_at"] != created["created_at"] {
		t.Errorf("got %v", updated)
	}
	s.do("GET", path, ana.Access, nil).want(t, 200) // renaming ends no session
	s.login("acme", "LIMA@example.com")

	s.do("DELETE", path, admin.Access, nil).want(t, 200)
	s.do("GET", path, ana.Access, nil).problem(t, 401, "unauthenticated")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		var body any
		if method == "PUT" {
			body = change
		}
		s.do(method, path, admin.Access, body).problem(t, 404, "not_found")
	}
	s.do("GET", path+"/logins", admin.Access, nil).problem(t, 404, "not_found")

	wantTrail := []string{
		"user.create root role=member", "user.update root fields=username email", "user.delete root role=member username=Ana.Lima",
	}
	if diff := cmp.Diff(wantTrail, s.trail("acme")[1:]); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
}

func TestUserCreateRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	operator := s.actor("platform", "oper", token.Operator)
	count := func() int { return dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.users") }
	before := count()
	body := newUser("ana")
	for _, tc := range []struct {
		name   string
		actor  actor
		body   any
		fields []string
	}{
		{"an operator outside the platform", admin, with(body, "role", "operator"), []string{"/role"}},
		{"a member of the platform", operator, with(body, "role", "member"), []string{"/role"}},
		{"an admin of the platform", operator, with(body, "role", "admin"), []string{"/role"}},
		{"an unknown role", admin, with(body, "role", "root"), []string{"/role"}},
		{"an empty role", admin, with(body, "role", ""), []string{"/role"}},
		{"a role in another case", admin, with(body, "role", "Admin"), []string{"/role"}},
		{"no role", admin, with(body, "role", nil), []string{"/role"}},
		{"a tenant", admin, with(body, "tenant_id", "globex"), []string{"/tenant_id"}},
		{"an id", admin, with(body, "id", uuid.NewString()), []string{"/id"}},
		{"a version", admin, with(body, "version", 7), []string{"/version"}},
		{"active as text", admin, with(body, "active", "true"), []string{"/active"}},
		{"nothing", admin, map[string]any{}, []string{"/username", "/email", "/password"}},
		{"all wrong", admin, map[string]any{"username": "a b", "email": "x", "password": "short", "role": "x"},
			[]string{"/username", "/email", "/password", "/password", "/role"}},
		{"two scripts", admin, with(body, "username", "аna"), []string{"/username"}},
		{"NUL", admin, with(body, "username", "an\x00a"), []string{"/username"}},
		{"a long name", admin, with(body, "username", strings.Repeat("a", 51)), []string{"/username"}},
		{"a short name", admin, with(body, "username", "an"), []string{"/username"}},
		{"a long address", admin, with(body, "email", strings.Repeat("a", 250)+"@b.com"), []string{"/email"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.do("POST", "/api/v1/users", tc.actor.Access, tc.body).problem(t, 400, "validation_failed", tc.fields...)
		})
	}
	s.do("POST", "/api/v1/users?x=1", admin.Access, body).problem(t, 400, "invalid_query", "x")
	s.do("POST", "/api/v1/users", admin.Access, "username=ana", "Content-Type", "application/x-www-form-urlencoded").
		problem(t, 415, "unsupported_media_type")
	if got := count(); got != before {
		t.Errorf("got %d users more", got-before)
	}
}

func TestUserCreateRoles(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	operator := s.actor("platform", "oper", token.Operator)
	for _, tc := range []struct {
		actor      actor
		role, want string
	}{{admin, "", "member"}, {admin, "member", "member"}, {admin, "admin", "admin"}, {operator, "", "operator"}, {operator, "operator", "operator"}} {
		body := newUser("u" + uuid.NewString()[:8])
		if tc.role != "" {
			body["role"] = tc.role
		}
		var got struct {
			Role   string
			Tenant string `json:"tenant_id"`
		}
		s.do("POST", "/api/v1/users", tc.actor.Access, body).want(t, 201).into(t, &got)
		if got.Role != tc.want || (got.Tenant == "platform") != (tc.want == "operator") {
			t.Errorf("%q: got %+v, want %s", tc.role, got, tc.want)
		}
	}
	s.do("POST", "/api/v1/users", admin.Access, with(newUser("asleep"), "active", false)).want(t, 201)
	s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "asleep", "password": testPassword, "tenant_id": "acme"}).
		problem(t, 401, "invalid_credentials")
}

func TestUserOwnRecord(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.actor("acme", "root", token.Admin)
	ana := s.actor("acme", "ana", token.Member)
	s.do("GET", ana.path(), ana.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/users/"+strings.ToUpper(ana.ID.String()), ana.Access, nil).want(t, 200)
	s.do("GET", ana.path()+"/logins", ana.Access, nil).want(t, 200)

	own := record("ana", "member")
	for name, body := range map[string]map[string]any{
		"a higher role": with(own, "role", "admin"),
		"deactivation":  with(own, "active", false),
		"both":          with(with(own, "active", false), "role", "admin"),
		"with a rename": with(with(own, "username", "anna"), "role", "admin"),
	} {
		if p := s.do("PUT", ana.path(), ana.Access, body).problem(t, 403, "forbidden"); p.Code != "forbidden" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, name := range []string{"tenant_id", "id", "password", "password_hash", "version", "created_at", "Role"} {
		s.do("PUT", ana.path(), ana.Access, with(own, name, "x")).problem(t, 400, "validation_failed", "/"+name)
	}
	s.do("PUT", ana.path(), ana.Access, with(own, "role", "operator")).problem(t, 400, "validation_failed", "/role")
	s.do("PUT", ana.path(), ana.Access, without(own, "active")).problem(t, 400, "validation_failed", "/active")
	s.do("DELETE", ana.path(), ana.Access, nil).problem(t, 403, "forbidden")
	s.do("GET", "/api/v1/users", ana.Access, nil).problem(t, 403, "forbidden")
	s.do("POST", "/api/v1/users", ana.Access, newUser("bob")).problem(t, 403, "forbidden")

	var got struct {
		Username, Email, Role string
		Active                bool
	}
	s.do("GET", ana.path(), ana.Access, nil).want(t, 200).into(t, &got)
	if got.Username != "ana" || got.Role != "member" || !got.Active {
		t.Errorf("got %+v", got)
	}
	s.do("PUT", ana.path(), ana.Access, with(own, "username", "ANNA")).want(t, 200).into(t, &got)
	if got.Username != "ANNA" {
		t.Errorf("got %+v", got)
	}
	s.do("PUT", ana.path(), ana.Access, without(with(own, "email", "anna@example.com"), "role")).want(t, 200).into(t, &got)
	if got.Email != "anna@example.com" || got.Role != "member" {
		t.Errorf("got %+v", got)
	}
}

// Who is no admin cannot tell who else there is; an admin cannot tell other
// tenants' users from nobody.
func TestUserOfAnother(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin, ana := s.actor("acme", "root", token.Admin), s.actor("acme", "ana", token.Member)
	foreign := s.actor("globex", "bob", token.Admin)
	operator := s.actor("platform", "oper", token.Operator)
	absent := actor{ID: uuid.New()}
	try := func(who, whom actor, status int, code string) {
		t.Helper()
		for _, match := range []string{`"1"`, `"99"`, "*"} {
			s.do("GET", whom.path(), who.Access, nil).problem(t, status, code)
			s.do("PUT", whom.path(), who.Access, record("eve", "member"), "If-Match", match).problem(t, status, code)
			s.do("DELETE", whom.path(), who.Access, nil, "If-Match", match).problem(t, status, code)
			s.do("GET", whom.path()+"/logins", who.Access, nil).problem(t, status, code)
		}
	}
	for _, whom := range []actor{admin, foreign, operator, absent} {
		try(ana, whom, 403, "forbidden")
	}
	for _, whom := range []actor{foreign, operator, absent} {
		try(admin, whom, 404, "not_found")
	}
	for _, whom := range []actor{admin, ana, foreign, absent} {
		if whom.ID == foreign.ID {
			continue
		}
		try(foreign, whom, 404, "not_found")
	}
	s.do("PUT", ana.path(), operator.Access, record("eve", "operator")).problem(t, 404, "not_found")
	for _, who := range []actor{admin, ana} {
		for _, id := range []string{"x", "me", ana.ID.String()[1:], "{" + ana.ID.String() + "}", strings.ReplaceAll(ana.ID.String(), "-", "")} {
			s.do("GET", "/api/v1/users/"+url.PathEscape(id), who.Access, nil).problem(t, 404, "not_found")
		}
	}
	for _, a := range []actor{admin, ana, foreign, operator} {
		s.do("GET", a.path(), a.Access, nil).want(t, 200)
	}
}

func TestUserConflicts(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	s.actor("acme", "straße", token.Member)
	bob := s.actor("acme", "bob", token.Member)
	s.actor("globex", "ana", token.Member) // another tenant's name is free here
	s.do("POST", "/api/v1/users", admin.Access, newUser("ana")).want(t, 201)
	for name, body := range map[string]map[string]any{
		"the name":               with(newUser("x"), "username", "ana"),
		"in another case":        with(newUser("x"), "username", "ANA"),
		"full width":             with(newUser("x"), "username", "ａｎａ"),
		"folded":                 with(newUser("x"), "username", "STRASSE"),
		"the address":            with(newUser("xyz"), "email", "Ana@Example.COM"),
		"a decomposed cross ref": with(newUser("x"), "username", "stra\u00dfe"),
	} {
		if p := s.do("POST", "/api/v1/users", admin.Access, body).problem(t, 409, "conflict"); !strings.Contains(p.Message, "is already registered") {
			t.Errorf("%s: got %q", name, p.Message)
		}
		update := without(with(body, "active", true), "password")
		s.do("PUT", bob.path(), admin.Access, update).problem(t, 409, "conflict")
		s.do("PUT", bob.path(), bob.Access, update).problem(t, 409, "conflict")
	}
	s.do("PUT", bob.path(), bob.Access, record("BOB", "member")).want(t, 200)
	if got := dbtest.Value[string](t, s.db.AdminURL, "select username from tenant.users where tenant_id = 'acme' and id = $1", bob.ID); got != "BOB" {
		t.Errorf("got %q", got)
	}
}

func TestUserConditionalRequests(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	ana := s.actor("acme", "ana", token.Member)
	body := record("ana", "member")
	put := func(match string) answer { return s.do("PUT", ana.path(), ana.Access, body, "If-Match", match) }
	put(`"1"`).want(t, 200)
	for _, match := range []string{`"1"`, `W/"2"`, `"02"`, `"3"`, `""`, `"x"`, `"1", "3"`} {
		put(match).problem(t, 412, "precondition_failed")
		s.do("DELETE", ana.path(), admin.Access, nil, "If-Match", match).problem(t, 412, "precondition_failed")
	}
	for _, match := range []string{"2", `"2`, `"2" "3"`, "*, *", `"2", *`} {
		put(match).problem(t, 400, "validation_failed", "If-Match")
		s.do("DELETE", ana.path(), admin.Access, nil, "If-Match", match).problem(t, 400, "validation_failed", "If-Match")
	}
	if etag := put(`"7", "2"`).want(t, 200).Header.Get("ETag"); etag != `"3"` {
		t.Errorf("got ETag %s", etag)
	}
	put("*").want(t, 200)
	// A stale version says nothing of the state that would forbid the change.
	s.do("DELETE", admin.path(), admin.Access, nil, "If-Match", `"9"`).problem(t, 412, "precondition_failed")
	s.do("DELETE", ana.path(), admin.Access, nil, "If-Match", `"4"`).want(t, 200)
}

// Everything that may point at a user lets it go: its history of sign-ins and
// its invitations stay.
func TestUserDeleteWithHistory(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	ana := s.actor("acme", "ana", token.Admin)
	s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "ana", "password": "Wrong-Horse-7", "tenant_id": "acme"}).want(t, 401)
	s.do("POST", "/api/v1/invitations", ana.Access, map[string]any{}).want(t, 201)
	s.do("POST", "/api/v1/users", ana.Access, newUser("bob"), "Idempotency-Key", "k").want(t, 201)
	dbtest.Exec(t, s.db.AdminURL, "update tenant.invitations set used_by = created_by, used_at = now()")

	s.do("DELETE", ana.path(), admin.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/users", ana.Access, nil).problem(t, 401, "unauthenticated")
	s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": ana.Refresh}).problem(t, 401, "invalid_refresh_token")
	for sql, want := range map[string]int{
		"select count(*)::int from tenant.login_events where tenant_id = 'acme'":                      3, // root's and both of ana's
		"select count(*)::int from tenant.login_events where user_id is null":                         2,
		"select count(*)::int from tenant.login_events where user_id = $1":                            0,
		"select count(*)::int from tenant.sessions where user_id = $1":                                0,
		"select count(*)::int from tenant.invitations where created_by is null and used_by is null":   1,
		"select count(*)::int from tenant.idempotency_keys":                                           0,
		"select count(*)::int from tenant.audit where actor_id = $1 and action = 'invitation.create'": 1,
	} {
		args := []any{ana.ID}
		if !strings.Contains(sql, "$1") {
			args = nil
		}
		if got := dbtest.Value[int](t, s.db.AdminURL, sql, args...); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
	var list []struct {
		Status    string
		CreatedBy *string `json:"created_by"`
		UsedBy    *string `json:"used_by"`
	}
	s.do("GET", "/api/v1/invitations", admin.Access, nil).want(t, 200).into(t, &list)
	if len(list) != 1 || list[0].Status != "used" || list[0].CreatedBy != nil || list[0].UsedBy != nil {
		t.Errorf("got %+v", list)
	}
}

// A change that fails on its way leaves nothing of itself: here the trail
// refuses the line that goes with it.
func TestUserChangesAreOneTransaction(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	ana := s.actor("acme", "ana", token.Member)
	dbtest.Exec(t, s.db.AdminURL, "alter table tenant.audit add check (action = 'none') not valid")
	s.do("POST", "/api/v1/users", admin.Access, newUser("bob")).want(t, 500)
	s.do("POST", "/api/v1/users", admin.Access, newUser("bob"), "Idempotency-Key", "k").want(t, 500)
	s.do("PUT", ana.path(), admin.Access, record("anna", "admin")).want(t, 500)
	s.do("DELETE", ana.path(), admin.Access, nil).want(t, 500)
	s.do("POST", "/api/v1/invitations", admin.Access, map[string]any{}).want(t, 500)
	s.do("GET", ana.path(), ana.Access, nil).want(t, 200)
	for sql, want := range map[string]int{
		"select count(*)::int from tenant.users where tenant_id = 'acme'":                          2,
		"select count(*)::int from tenant.users where username = 'ana' and role = 'member'":        1,
		"select count(*)::int from tenant.sessions where revoked_at is not null":                   0,
		"select (select count(*) from tenant.invitations)::int":                                    0,
		"select (select count(*) from tenant.idempotency_keys)::int":                               0,
		"select count(*)::int from tenant.users where username = 'ana' and version = 1 and active": 1,
	} {
		if got := dbtest.Value[int](t, s.db.AdminURL, sql); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
}
