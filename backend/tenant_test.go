package backend

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

const tenantsPath = "/api/v1/admin/tenants"

// tenantBody is a tenant as the API shows it.
type tenantBody struct {
	ID, Name, Placement, Status, Plan, Signup string
	SessionMode                               string `json:"session_mode"`
	CreatedAt                                 string `json:"created_at"`
	UpdatedAt                                 string `json:"updated_at"`
}

// newOperator signs an operator in.
func (s *testServer) newOperator() actor {
	s.t.Helper()
	return s.actor(token.PlatformTenant, "oper", token.Operator)
}

// newTenant makes a tenant; with an empty URL it shares the main database.
func (s *testServer) newTenant(operator actor, id, signup string, db config.Secret) tenantBody {
	s.t.Helper()
	body := map[string]any{"id": id, "name": "Tenant " + id, "signup": signup}
	if db != "" {
		body["db_url"] = db.Reveal()
	}
	var made tenantBody
	s.do("POST", tenantsPath, operator.Access, body).want(s.t, 201).into(s.t, &made)
	return made
}

// inBothPlacements runs a test with a tenant in the main database and with one
// in a database of its own, for which db is a connection string.
func inBothPlacements(t *testing.T, test func(t *testing.T, db config.Secret)) {
	for _, placement := range []string{"shared", "dedicated"} {
		t.Run(placement, func(t *testing.T) {
			t.Parallel()
			var db config.Secret
			if placement == "dedicated" {
				db = dbtest.NewDedicated(t)
			}
			test(t, db)
		})
	}
}

// adminURL is the superuser's URL of the database where a tenant's data is.
func (s *testServer) adminURL(db config.Secret) config.Secret {
	s.t.Helper()
	if db == "" {
		return s.db.AdminURL
	}
	return inDatabase(s.t, s.db.AdminURL, db)
}

func TestTenantLifecycle(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()

	var made, read, changed tenantBody
	a := s.do("POST", tenantsPath, operator.Access, map[string]any{"id": "", "name": "  Analytical Engines  "}).want(t, 201).into(t, &made)
	if id, err := uuid.Parse(made.ID); err != nil || id.Version() != 7 {
		t.Errorf("got id %q", made.ID)
	}
	want := tenantBody{ID: made.ID, Name: "Analytical Engines", Placement: "shared", Status: "active", Plan: "standard", Signup: "closed",
		SessionMode: "multi", CreatedAt: made.CreatedAt, UpdatedAt: made.CreatedAt}
	if made != want || made.CreatedAt == "" {
		t.Errorf("got %+v, want %+v", made, want)
	}
	path := tenantsPath + "/" + made.ID
	if a.Header.Get("Location") != path || a.Header.Get("ETag") != `"1"` {
		t.Errorf("got Location %q, ETag %q", a.Header.Get("Location"), a.Header.Get("ETag"))
	}
	if a := s.do("GET", path, operator.Access, nil).want(t, 200).into(t, &read); read != made || a.Header.Get("ETag") != `"1"` {
		t.Errorf("got %+v, ETag %q", read, a.Header.Get("ETag"))
	}

	a = s.do("PUT", path, operator.Access, map[string]any{"name": "Analytical Engines plc", "plan": "premium", "signup": "open", "session_mode": "single"}).
		want(t, 200).into(t, &changed)
	want.Name, want.Plan, want.Signup, want.SessionMode, want.UpdatedAt = "Analytical Engines plc", "premium", "open", "single", changed.UpdatedAt
	if changed != want || a.Header.Get("ETag") != `"2"` {
		t.Errorf("got %+v, ETag %q, want %+v", changed, a.Header.Get("ETag"), want)
	}
	// What is absent stays; the present placement is no change.
	s.do("PUT", path, operator.Access, map[string]any{"plan": "free", "placement": "shared"}).want(t, 200).into(t, &changed)
	if want.Plan, want.UpdatedAt = "free", changed.UpdatedAt; changed != want {
		t.Errorf("got %+v, want %+v", changed, want)
	}

	for _, match := range []string{`"1"`, `"2", W/"3"`, `"x"`} {
		for _, method := range []string{"PUT", "DELETE"} {
			var body any
			if method == "PUT" {
				body = map[string]any{"name": "Other"}
			}
			s.do(method, path, operator.Access, body, "If-Match", match).problem(t, 412, "precondition_failed")
		}
	}
	s.do("PUT", path, operator.Access, map[string]any{"name": "Other"}, "If-Match", "3").problem(t, 400, "validation_failed", "If-Match")
	s.do("DELETE", path, operator.Access, nil, "If-Match", "3").problem(t, 400, "validation_failed", "If-Match")
	if a := s.do("PUT", path, operator.Access, map[string]any{"name": "Other"}, "If-Match", `"2", "3"`).want(t, 200); a.Header.Get("ETag") != `"4"` {
		t.Errorf("got ETag %q", a.Header.Get("ETag"))
	}

	for i, step := range []struct{ action, status, etag string }{
		{"suspend", "suspended", `"5"`}, {"suspend", "suspended", `"5"`}, {"resume", "active", `"6"`}, {"resume", "active", `"6"`},
	} {
		a := s.do("POST", path+"/"+step.action, operator.Access, nil).want(t, 200).into(t, &changed)
		if changed.Status != step.status || a.Header.Get("ETag") != step.etag {
			t.Errorf("step %d: got %s, ETag %q", i, changed.Status, a.Header.Get("ETag"))
		}
	}
	if a := s.do("DELETE", path, operator.Access, nil, "If-Match", `"6"`).want(t, 200); string(a.body) != `{"message":"ok","data":{}}` {
		t.Errorf("got %s", a.body)
	}
	s.do("GET", path, operator.Access, nil).want(t, 200).into(t, &changed)
	if changed.Status != "deleted" {
		t.Errorf("got %+v", changed)
	}
	s.do("PUT", path, operator.Access, map[string]any{"name": "Other"}).problem(t, 409, "invalid_state")
	s.do("DELETE", path, operator.Access, nil).problem(t, 409, "invalid_state")
	s.do("POST", path+"/suspend", operator.Access, nil).problem(t, 409, "invalid_state")
	s.do("POST", path+"/resume", operator.Access, nil).problem(t, 409, "invalid_state")
	s.do("POST", tenantsPath, operator.Access, map[string]any{"id": made.ID, "name": "Again"}).problem(t, 409, "conflict")

	var trail []string
	for _, line := range s.trail(token.PlatformTenant) {
		if strings.HasPrefix(line, "tenant.") {
			trail = append(trail, line)
		}
	}
	if diff := cmp.Diff([]string{
		"tenant.create oper name=Analytical Engines placement=shared plan=standard session_mode=multi signup=closed",
		"tenant.update oper name=Analytical Engines plc plan=premium session_mode=single signup=open",
		"tenant.update oper plan=free", "tenant.update oper name=Other", "tenant.suspend oper", "tenant.resume oper", "tenant.delete oper",
	}, trail); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.audit where action like 'tenant.%' and target = $1", made.ID); n != len(trail) {
		t.Errorf("got %d entries about the tenant, want %d", n, len(trail))
	}
	if n := strings.Count(s.logs.String(), `"event":"operator_action"`); n != len(trail) {
		t.Errorf("got %d security events, want %d", n, len(trail))
	}
}

func TestTenantRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	good := map[string]any{"id": "fine", "name": "Fine"}
	dedicated := with(good, "db_url", "postgres://o:p@127.0.0.1:1/a?sslmode=disable")
	const valid = "validation_failed"
	for name, tc := range map[string]struct {
		body   any
		code   string
		fields []string
	}{
		"no name":                    {without(good, "name"), valid, []string{"/name"}},
		"blank name":                 {with(good, "name", " \u00a0 "), valid, []string{"/name"}},
		"long name":                  {with(good, "name", strings.Repeat("ã", 256)), valid, []string{"/name"}},
		"control character":          {with(good, "name", "a\nb"), valid, []string{"/name"}},
		"unfolding name":             {with(good, "name", strings.Repeat("\ufdfa", 255)), valid, []string{"/name"}},
		"null name":                  {with(good, "name", nil), valid, []string{"/name"}},
		"long id":                    {with(good, "id", strings.Repeat("a", 37)), valid, []string{"/id"}},
		"malformed id":               {with(good, "id", "-a"), valid, []string{"/id"}},
		"NUL in an id":               {with(good, "id", "a\x00"), valid, []string{"/id"}},
		"homoglyph id":               {with(good, "id", "аcme"), valid, []string{"/id"}},
		"unknown words":              {map[string]any{"name": "x", "placement": "moon", "plan": "gold", "signup": "ajar", "session_mode": ""}, valid, []string{"/placement", "/plan", "/signup", "/session_mode"}},
		"a state":                    {with(good, "status", "suspended"), valid, []string{"/status"}},
		"a version":                  {with(good, "version", 7), valid, []string{"/version"}},
		"dedicated without db_url":   {with(good, "placement", "dedicated"), valid, []string{"/db_url"}},
		"shared with db_url":         {with(dedicated, "placement", "shared"), valid, []string{"/db_url"}},
		"empty db_url":               {with(good, "db_url", ""), valid, []string{"/db_url"}},
		"db_url with another scheme": {with(good, "db_url", "mysql://o:p@db/a"), valid, []string{"/db_url"}},
		"db_url with a file":         {with(good, "db_url", "postgres://o:p@db/a?sslrootcert=/etc/passwd"), valid, []string{"/db_url"}},
		"db_url that is a number":    {with(good, "db_url", 1), valid, []string{"/db_url"}},
		"unreachable db_url":         {dedicated, valid, []string{"/db_url"}},
		"a list":                     {[]any{}, valid, []string{""}},
		"nothing":                    {"", "invalid_json", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.do("POST", tenantsPath, operator.Access, tc.body).problem(t, 400, tc.code, tc.fields...)
		})
	}
	for name, tc := range map[string]struct {
		body   map[string]any
		fields []string
	}{
		"nothing":          {map[string]any{}, []string{""}},
		"an id":            {map[string]any{"id": "other"}, []string{"/id"}},
		"a state":          {map[string]any{"status": "deleted"}, []string{"/status"}},
		"blank name":       {map[string]any{"name": ""}, []string{"/name"}},
		"null":             {map[string]any{"plan": nil}, []string{"/plan"}},
		"unknown words":    {map[string]any{"placement": "", "plan": "", "signup": "", "session_mode": ""}, []string{"/placement", "/plan", "/signup", "/session_mode"}},
		"malformed db_url": {map[string]any{"db_url": "acme"}, []string{"/db_url"}},
	} {
		t.Run("change: "+name, func(t *testing.T) {
			s.do("PUT", tenantsPath+"/acme", operator.Access, tc.body).problem(t, 400, valid, tc.fields...)
		})
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from control.tenants where id = 'fine' or version > 1"); n != 0 {
		t.Errorf("%d tenants were made or changed", n)
	}

	// Every name and id within the bounds.
	for i, name := range []string{"x", strings.Repeat("ã", 255), strings.Repeat("\U0001F600", 255)} {
		s.do("POST", tenantsPath, operator.Access, map[string]any{"id": fmt.Sprint("N_-", i), "name": name}).want(t, 201)
	}
	s.do("POST", tenantsPath, operator.Access, map[string]any{"id": strings.Repeat("Z", 36), "name": "x"}).want(t, 201)

	// Ids are unique ignoring case, and nobody becomes a second platform.
	for _, id := range []string{"acme", "ACME", "Acme", "platform", "PLATFORM", strings.Repeat("z", 36)} {
		p := s.do("POST", tenantsPath, operator.Access, map[string]any{"id": id, "name": "Twin"}).problem(t, 409, "conflict")
		if want := "There is a tenant '" + id + "' already."; p.Message != want {
			t.Errorf("got %q, want %q", p.Message, want)
		}
	}
	// Absent ones, and what is no id at all.
	for _, id := range []string{"nowhere", "ACME", "a.b", "%00", "..", strings.Repeat("a", 37)} {
		at := tenantsPath + "/" + id
		for method, at := range map[string]string{"GET": at, "PUT": at, "DELETE": at, "POST": at + "/suspend"} {
			var body any
			if method == "PUT" {
				body = map[string]any{"name": "x"}
			}
			if id == ".." {
				continue // the router's
			}
			s.do(method, at, operator.Access, body).problem(t, 404, "not_found")
		}
		s.do("POST", at+"/resume", operator.Access, nil).problem(t, 404, "not_found")
	}
	if p := s.do("GET", tenantsPath+"/nowhere", operator.Access, nil).problem(t, 404, "not_found"); p.Message != "Tenant not found" {
		t.Errorf("got %q", p.Message)
	}
}

func TestPlatformStaysAsItIs(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	const platform = tenantsPath + "/platform"
	s.do("POST", platform+"/suspend", operator.Access, nil).problem(t, 409, "invalid_state")
	s.do("DELETE", platform, operator.Access, nil).problem(t, 409, "invalid_state")
	for _, body := range []map[string]any{
		{"signup": "open"}, {"signup": "invite"}, {"placement": "dedicated"}, {"db_url": dbtest.NewDedicated(t).Reveal()},
	} {
		s.do("PUT", platform, operator.Access, body).problem(t, 409, "invalid_state")
	}
	s.do("PUT", platform, operator.Access, map[string]any{"name": "Operators", "signup": "closed", "session_mode": "single", "plan": "premium"}).want(t, 200)
	s.do("POST", platform+"/resume", operator.Access, nil).want(t, 200)
	s.do("GET", platform, operator.Access, nil).want(t, 200)
}

// Only operators get to tenants, and only with a session that lives.
func TestTenantsAreForOperators(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator, admin, member := s.newOperator(), s.actor("acme", "root", token.Admin), s.actor("acme", "ana", token.Member)
	calls := map[string]any{
		"GET " + tenantsPath: nil, "POST " + tenantsPath: map[string]any{"id": "mine", "name": "Mine"}, "GET " + tenantsPath + "/acme": nil,
		"PUT " + tenantsPath + "/acme": map[string]any{"name": "Mine"}, "DELETE " + tenantsPath + "/acme": nil,
		"POST " + tenantsPath + "/acme/suspend": nil, "POST " + tenantsPath + "/acme/resume": nil,
		"GET /api/v1/admin/tenant/stats": nil, "GET /api/v1/admin/tenant/health": nil, "GET /api/v1/admin/tenant/status": nil,
	}
	each := func(bearer string, status int, code string) {
		t.Helper()
		for call, body := range calls {
			method, path, _ := strings.Cut(call, " ")
			s.do(method, path, bearer, body).problem(t, status, code)
		}
	}
	each("", 401, "unauthenticated")
	each(member.Access, 403, "forbidden")
	each(admin.Access, 403, "forbidden")
	s.do("GET", "/api/v1/admin/tenant/health", operator.Access, nil).want(t, 200) // an overview is there
	s.do("POST", "/api/v1/auth/logout", operator.Access, nil).want(t, 200)
	each(operator.Access, 401, "unauthenticated")
	if got := dbtest.Value[string](t, s.db.AdminURL, "select name || status || version from control.tenants where id = 'acme'"); got != "acmeactive1" {
		t.Errorf("got %s", got)
	}
	if dbtest.Value[bool](t, s.db.AdminURL, "select exists (select from control.tenants where id = 'mine')") {
		t.Error("a tenant was made")
	}
}

// A tenant made through the API can be used at once: by open sign-up, and by an
// operator's invitation.
func TestNewTenantIsUsable(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, db config.Secret) {
		s := newTestServer(t)
		operator := s.newOperator()
		id := "New-Tenant_1"
		s.newTenant(operator, id, "open", db)
		p := s.signup(id, "ana")
		var contact struct{ ID string }
		s.do("POST", "/api/v1/address-book", p.Access, contactBody()).want(t, 201).into(t, &contact)
		s.do("GET", "/api/v1/address-book/"+contact.ID, p.Access, nil).want(t, 200)
		s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": p.Refresh}).want(t, 200).into(t, &p)
		s.do("GET", "/api/v1/auth/me", p.Access, nil).want(t, 200)
		s.do("POST", "/api/v1/auth/logout", p.Access, nil).want(t, 200)
		s.do("GET", "/api/v1/auth/me", p.Access, nil).problem(t, 401, "unauthenticated")
		// Its rows are where they should be, and nowhere else.
		for where, want := range map[config.Secret]int{s.adminURL(db): 1, s.db.AdminURL: map[bool]int{true: 1, false: 0}[db == ""]} {
			if n := dbtest.Value[int](t, where, "select count(*)::int from tenant.contacts where tenant_id = $1", id); n != want {
				t.Errorf("got %d contacts, want %d", n, want)
			}
		}

		var invited struct{ Token string }
		s.do("PUT", tenantsPath+"/"+id, operator.Access, map[string]any{"signup": "invite", "session_mode": "single"}).want(t, 200)
		s.do("POST", tenantsPath+"/"+id+"/invitations", operator.Access, map[string]any{}).want(t, 201).into(t, &invited)
		s.do("POST", "/api/v1/auth/signup", "", with(newUser("root"), "tenant_id", id)).problem(t, 403, "signup_closed")
		s.do("POST", "/api/v1/auth/signup", "", with(with(newUser("root"), "tenant_id", id), "invite_token", invited.Token)).want(t, 201)
		root := s.login(id, "root")
		s.do("GET", "/api/v1/users", root.Access, nil).want(t, 200)
		again := s.login(id, "root") // by the new session mode
		s.do("GET", "/api/v1/users", root.Access, nil).problem(t, 401, "unauthenticated")
		s.do("GET", "/api/v1/users", again.Access, nil).want(t, 200)
	})
}

func TestSuspendResumeDelete(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, db config.Secret) {
		s := newTestServer(t)
		operator := s.newOperator()
		s.newTenant(operator, "own", "open", db)
		path := tenantsPath + "/own"
		ana, ended := s.signup("own", "ana"), s.login("own", "ana")
		s.do("POST", "/api/v1/auth/logout", ended.Access, nil).want(t, 200)
		bystander := s.signup("acme", "bystander")
		login := map[string]any{"username_or_email": "ana", "password": testPassword, "tenant_id": "own"}
		reasons := func() string {
			return dbtest.Value[string](t, s.adminURL(db), `select string_agg(coalesce(revoked_reason, 'live'), ' ' order by created_at, id)
				from tenant.sessions where tenant_id = 'own'`)
		}
		out := func(p pair) {
			t.Helper()
			s.do("GET", "/api/v1/auth/me", p.Access, nil).problem(t, 401, "unauthenticated")
			s.do("GET", "/api/v1/address-book", p.Access, nil).problem(t, 401, "unauthenticated")
			s.do("POST", "/api/v1/address-book", p.Access, contactBody()).problem(t, 401, "unauthenticated")
			s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": p.Refresh}).problem(t, 401, "invalid_refresh_token")
		}
		closed := func() {
			t.Helper()
			s.do("POST", "/api/v1/auth/login", "", login).problem(t, 401, "invalid_credentials")
			s.do("POST", "/api/v1/auth/signup", "", with(newUser("bruno"), "tenant_id", "own")).problem(t, 403, "signup_closed")
		}

		for range 2 {
			s.do("POST", path+"/suspend", operator.Access, nil).want(t, 200)
			out(ana)
			closed()
		}
		if got := reasons(); got != "suspended logout" {
			t.Errorf("got %s", got)
		}
		// A sign-in that was under way left a session behind; it does not come
		// alive.
		dbtest.Exec(t, s.adminURL(db), `insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, expires_at)
			select tenant_id, gen_random_uuid(), id, '', '', now() + interval '1 day' from tenant.users where tenant_id = 'own'`)
		s.do("POST", path+"/resume", operator.Access, nil).want(t, 200)
		out(ana)
		if got := reasons(); got != "suspended logout suspended" {
			t.Errorf("got %s", got)
		}
		again := s.login("own", "ana")
		s.do("POST", path+"/resume", operator.Access, nil).want(t, 200) // an active one stays as it is
		s.do("POST", "/api/v1/address-book", again.Access, contactBody()).want(t, 201)

		s.do("DELETE", path, operator.Access, nil).want(t, 200)
		out(again)
		closed()
		if got := reasons(); got != "suspended logout suspended deleted" {
			t.Errorf("got %s", got)
		}
		if n := dbtest.Value[int](t, s.adminURL(db), "select count(*)::int from app.residents where tenant_id = 'own'"); n != 0 {
			t.Error("it is still a resident")
		}
		if n := dbtest.Value[int](t, s.adminURL(db), "select count(*)::int from tenant.contacts where tenant_id = 'own'"); n != 1 {
			t.Error("its data is gone")
		}
		s.do("DELETE", path, operator.Access, nil).problem(t, 409, "invalid_state")
		s.do("GET", "/api/v1/address-book", bystander.Access, nil).want(t, 200)
		s.do("GET", path, operator.Access, nil).want(t, 200)
	})
}

// What is being moved is not changed.
func TestMovingTenantIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set status = 'moving' where id = 'acme'")
	const path = tenantsPath + "/acme"
	s.do("PUT", path, operator.Access, map[string]any{"name": "x"}).problem(t, 503, "tenant_moving")
	s.do("DELETE", path, operator.Access, nil).problem(t, 503, "tenant_moving")
	s.do("POST", path+"/suspend", operator.Access, nil).problem(t, 503, "tenant_moving")
	s.do("POST", path+"/resume", operator.Access, nil).problem(t, 503, "tenant_moving")
	s.do("GET", path, operator.Access, nil).want(t, 200)
}

func TestTenantCreationIsIdempotent(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, db config.Secret) {
		s := newTestServer(t)
		operator := s.newOperator()
		body := map[string]any{"name": "Once"}
		if db != "" {
			body["db_url"] = db.Reveal()
		}
		first := s.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k-1").want(t, 201)
		second := s.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k-1").want(t, 201)
		if string(first.body) != string(second.body) || second.Header.Get("Idempotency-Replayed") != "true" || first.Header.Get("Idempotency-Replayed") != "" ||
			first.Header.Get("Location") != second.Header.Get("Location") || second.Header.Get("ETag") != `"1"` {
			t.Errorf("got %s (%v) and %s (%v)", first.body, first.Header, second.body, second.Header)
		}
		s.do("POST", tenantsPath, operator.Access, with(body, "name", "Twice"), "Idempotency-Key", "k-1").problem(t, 422, "idempotency_mismatch")
		s.do("POST", tenantsPath, operator.Access, body, "Idempotency-Key", "k\t1").problem(t, 400, "validation_failed", "Idempotency-Key")
		taken := map[string]any{"id": "acme", "name": "Taken"}
		s.do("POST", tenantsPath, operator.Access, taken, "Idempotency-Key", "k-2").problem(t, 409, "conflict")
		a := s.do("POST", tenantsPath, operator.Access, taken, "Idempotency-Key", "k-2")
		if a.problem(t, 409, "conflict"); a.Header.Get("Idempotency-Replayed") != "true" {
			t.Error("the refusal was not stored")
		}
		if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from control.tenants where name in ('Once', 'Twice')"); n != 1 {
			t.Errorf("got %d tenants, want 1", n)
		}
		if n := strings.Count(s.logs.String(), `"event":"operator_action"`); n != 1 {
			t.Errorf("got %d security events, want 1", n)
		}
	})
}

func TestTenantsOfOneIDAtOnce(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for i := range 6 {
		wg.Go(func() {
			id := []string{"same", "SAME"}[i%2]
			a := s.do("POST", tenantsPath, operator.Access, map[string]any{"id": id, "name": "Same"})
			mu.Lock()
			defer mu.Unlock()
			statuses[a.StatusCode]++
		})
	}
	wg.Wait()
	if want := map[int]int{201: 1, 409: 5}; !maps.Equal(statuses, want) {
		t.Errorf("got %v, want %v", statuses, want)
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from app.residents where lower(tenant_id) = 'same'"); n != 1 {
		t.Errorf("got %d residents", n)
	}
}

func TestTenantList(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	names := []string{"Zürich", "amsterdam", "Bruges 100%", "amsterdam", "C\\D_e", "\U0010FFFF\U0010FFFF"}
	for i, name := range names {
		body := map[string]any{"id": fmt.Sprint("t", i), "name": name, "plan": []string{"free", "standard", "premium"}[i%3]}
		s.do("POST", tenantsPath, operator.Access, body).want(t, 201)
	}
	s.do("POST", tenantsPath+"/t1/suspend", operator.Access, nil).want(t, 200)
	s.do("DELETE", tenantsPath+"/t3", operator.Access, nil).want(t, 200)
	// An order of creation that is the same on every machine.
	dbtest.Exec(t, s.db.AdminURL, `update control.tenants set created_at = timestamptz '2026-01-01' + make_interval(secs =>
		array_position(array['platform', 'acme', 'globex', 'closed', 't0', 't1', 't2', 't3', 't4', 't5'], id))`)
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set created_at = timestamptz '2026-01-01 00:00:07' where id in ('t1', 't2', 't3')")
	byAge := []string{"platform", "acme", "globex", "closed", "t0", "t1", "t2", "t3", "t4", "t5"}
	byName := []string{"acme", "t1", "t3", "t2", "t4", "closed", "globex", "platform", "t0", "t5"}
	for query, want := range map[string][]string{
		"":                                 byAge,
		"limit=2":                          byAge,
		"limit=1&sort=-created_at":         reversed(byAge),
		"sort=-created_at":                 reversed(byAge),
		"sort=name":                        byName,
		"limit=1&sort=name":                byName,
		"limit=3&sort=-name":               reversed(byName),
		"name=AMSTER":                      {"t1", "t3"},
		"name=AMSTER&sort=-name&limit=1":   {"t3", "t1"},
		"name=%25":                         {"t2"},
		"name=_":                           {"t4"},
		"name=%5C":                         {"t4"},
		"name=ZÜRICH":                      {"t0"},
		"name=%F4%8F%BF%BF":                {"t5"},
		"name=nothing":                     {},
		"status=suspended":                 {"t1"},
		"status=deleted":                   {"t3"},
		"status=moving":                    {},
		"status=active&plan=premium":       {"t2", "t5"},
		"plan=free":                        {"t0", "t3"},
		"placement=dedicated":              {},
		"placement=shared&limit=4":         byAge,
		"created_gte=2026-01-01T00:00:08Z": {"t4", "t5"},
		"created_lt=2026-01-01T00:00:03Z":  {"platform", "acme"},
		"created_gte=2026-01-01T00:00:04Z&created_lt=2026-01-01T00:00:07Z&sort=-created_at": {"t0", "closed"},
	} {
		if diff := cmp.Diff(want, s.listedAll(operator.Access, tenantsPath, query, "id")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for query, field := range map[string]string{
		"sort=id": "sort", "sort=--name": "sort", "name=": "name", "name=%20": "name", "name=a%00": "name", "name=" + strings.Repeat("x", 101): "name",
		"status=gone": "status", "plan=": "plan", "placement=moon": "placement", "created_gte=yesterday": "created_gte", "created_lt=": "created_lt",
		"id=acme": "id", "limit=501": "limit", "db_url=x": "db_url", "count=exact": "count",
	} {
		s.do("GET", tenantsPath+"?"+query, operator.Access, nil).problem(t, 400, "invalid_query", field)
	}
	_, cursor := s.listed(operator.Access, tenantsPath, url.Values{"limit": {"1"}, "sort": {"name"}}, "id")
	for _, query := range []string{"", "sort=-name", "sort=name&plan=free", "sort=name&name=a"} {
		s.do("GET", tenantsPath+"?cursor="+*cursor+"&"+query, operator.Access, nil).problem(t, 400, "invalid_cursor")
	}
	if ids := s.listedAll(operator.Access, tenantsPath, "limit=500", "id"); !slices.Contains(ids, "platform") {
		t.Error("the platform is missing")
	}
}
