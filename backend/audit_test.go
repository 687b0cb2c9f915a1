package backend

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

func TestAuditOfTenant(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin, member := s.actor("acme", "root", token.Admin), s.actor("acme", "ana", token.Member)
	foreign := s.actor("globex", "bob", token.Admin)
	a := s.do("POST", "/api/v1/users", admin.Access, newUser("eve"), "X-Request-Id", "request-of-eve").want(t, 201)
	var eve struct{ ID string }
	a.into(t, &eve)
	s.do("PUT", member.path(), member.Access, record("anna", "member")).want(t, 200)
	s.do("DELETE", "/api/v1/users/"+eve.ID, admin.Access, nil).want(t, 200)

	all := []string{"user.signup", "user.signup", "user.create", "user.update", "user.delete"}
	for query, want := range map[string][]string{
		"":                                                 reversed(all),
		"limit=1":                                          reversed(all),
		"limit=2&sort=-created_at":                         reversed(all),
		"limit=2&sort=created_at":                          all,
		"action=user.signup":                               {"user.signup", "user.signup"},
		"action=tenant.delete":                             {},
		"actor_id=" + admin.ID.String():                    {"user.delete", "user.create"},
		"actor_id=" + member.ID.String():                   {"user.update"},
		"actor_id=" + foreign.ID.String():                  {},
		"created_gte=2020-01-01T00:00:00Z":                 reversed(all),
		"created_gte=2999-01-01T00:00:00Z":                 {},
		"created_lt=2999-01-01T00:00:00Z":                  reversed(all),
		"created_lt=2020-01-01T00:00:00.5Z":                {},
		"action=user.update&actor_id=" + admin.ID.String(): {},
	} {
		if diff := cmp.Diff(want, s.listedAll(admin.Access, "/api/v1/audit", query, "action")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	var list []map[string]any
	s.do("GET", "/api/v1/audit?action=user.create", admin.Access, nil).want(t, 200).into(t, &list)
	want := map[string]any{
		"id": list[0]["id"], "tenant_id": "acme", "action": "user.create", "actor_id": admin.ID.String(), "actor": "root",
		"target": eve.ID, "ip": "127.0.0.1", "request_id": "request-of-eve", "details": map[string]any{"role": "member"},
		"created_at": list[0]["created_at"],
	}
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	s.do("GET", "/api/v1/audit?action=user.signup&limit=1", admin.Access, nil).want(t, 200).into(t, &list)
	if got := list[0]; got["actor_id"] != nil || got["actor"] != nil {
		t.Errorf("got %v", got)
	}

	s.do("GET", "/api/v1/audit", member.Access, nil).problem(t, 403, "forbidden")
	s.do("GET", "/api/v1/audit", "", nil).problem(t, 401, "unauthenticated")
	s.do("POST", "/api/v1/audit", admin.Access, map[string]any{}).problem(t, 405, "method_not_allowed")
	for query, field := range map[string]string{
		"action=user": "action", "action=": "action", "actor_id=x": "actor_id", "actor_id=": "actor_id", "created_gte=today": "created_gte",
		"created_lt=2020-01-01": "created_lt", "tenant_id=globex": "tenant_id", "sort=action": "sort", "limit=0": "limit",
	} {
		s.do("GET", "/api/v1/audit?"+query, admin.Access, nil).problem(t, 400, "invalid_query", field)
	}
	_, cursor := s.listed(admin.Access, "/api/v1/audit", url.Values{"limit": {"1"}}, "id")
	s.do("GET", "/api/v1/audit?cursor="+*cursor, foreign.Access, nil).problem(t, 400, "invalid_cursor")
	s.do("GET", "/api/v1/audit?sort=created_at&cursor="+*cursor, admin.Access, nil).problem(t, 400, "invalid_cursor")
	s.do("GET", "/api/v1/audit?action=user.create&cursor="+*cursor, admin.Access, nil).problem(t, 400, "invalid_cursor")
}

// Every action that is written can be asked for.
func TestAuditActions(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	for _, action := range trail.Actions() {
		s.do("GET", "/api/v1/audit?action="+action, admin.Access, nil).want(t, 200)
	}
}

// plant writes lines into a trail. Two of consecutive numbers are of one moment,
// so that their ids decide which comes first.
func plant(t *testing.T, url config.Secret, tenant string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		dbtest.Exec(t, url, `insert into tenant.audit (tenant_id, id, action, actor_id, target, ip, request_id, created_at)
			values ($1, gen_random_uuid(), 'user.create', '00000000-0000-4000-8000-000000000001', $2, '', '',
			        timestamptz '2020-01-01 00:00Z' + make_interval(mins => $3::int / 2))`, tenant, fmt.Sprint(tenant, n), n)
	}
}

const planted = "created_gte=2020-01-01T00:00:00Z&created_lt=2020-02-01T00:00:00Z"

func TestAuditOfAllTenants(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator, admin := s.actor("platform", "oper", token.Operator), s.actor("acme", "root", token.Admin)
	plant(t, s.db.AdminURL, "acme", 1, 2, 5)
	plant(t, s.db.AdminURL, "globex", 0, 3, 4)
	plant(t, s.db.AdminURL, "platform", 7)
	list := func(query string) []string {
		return s.listedAll(operator.Access, "/api/v1/admin/audit", query, "target")
	}

	up := list(planted + "&sort=created_at")
	if len(up) != 7 || !slices.Equal(reversed(up), list(planted)) || up[0] != "globex0" && up[0] != "acme1" || up[6] != "platform7" {
		t.Errorf("got %v", up)
	}
	for limit := 1; limit <= 4; limit++ {
		if diff := cmp.Diff(up, list(fmt.Sprintf("%s&sort=created_at&limit=%d", planted, limit))); diff != "" {
			t.Errorf("pages of %d (-one page +pages):\n%s", limit, diff)
		}
	}
	for query, want := range map[string][]string{
		planted + "&tenant_id=globex":                                                            {"globex4", "globex3", "globex0"},
		planted + "&tenant_id=globex&limit=1&sort=created_at":                                    {"globex0", "globex3", "globex4"},
		planted + "&tenant_id=platform":                                                          {"platform7"},
		planted + "&tenant_id=nowhere":                                                           {},
		planted + "&tenant_id=GLOBEX":                                                            {},
		planted + "&action=user.delete":                                                          {},
		planted + "&actor_id=00000000-0000-4000-8000-000000000002":                               {},
		"actor_id=00000000-0000-4000-8000-000000000001&limit=2":                                  reversed(up),
		"created_lt=2020-01-01T00:00:00Z":                                                        {},
		"created_gte=2020-01-01T00:03:00Z&" + planted[len("created_gte=2020-01-01T00:00:00Z&"):]: {"platform7"},
	} {
		if diff := cmp.Diff(want, list(query)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	// A suspended tenant's trail is still there to be read.
	dbtest.Exec(t, s.db.AdminURL, "update app.residents set suspended_at = now() where tenant_id = 'globex'")
	if got := list(planted + "&tenant_id=globex"); len(got) != 3 {
		t.Errorf("got %v", got)
	}

	// An operator's own trail is that of the platform.
	if got := s.listedAll(operator.Access, "/api/v1/audit", planted, "target"); !slices.Equal(got, []string{"platform7"}) {
		t.Errorf("got %v", got)
	}
	s.do("GET", "/api/v1/admin/audit", admin.Access, nil).problem(t, 403, "forbidden")
	s.do("GET", "/api/v1/admin/audit", "", nil).problem(t, 401, "unauthenticated")
	for query, field := range map[string]string{
		"tenant_id=": "tenant_id", "tenant_id=_x": "tenant_id", "tenant_id=" + strings.Repeat("a", 37): "tenant_id", "action=x": "action", "name=x": "name",
	} {
		s.do("GET", "/api/v1/admin/audit?"+query, operator.Access, nil).problem(t, 400, "invalid_query", field)
	}
	_, cursor := s.listed(operator.Access, "/api/v1/admin/audit", url.Values{"limit": {"1"}}, "id")
	s.do("GET", "/api/v1/admin/audit?tenant_id=acme&cursor="+*cursor, operator.Access, nil).problem(t, 400, "invalid_cursor")
	s.do("GET", "/api/v1/audit?cursor="+*cursor, operator.Access, nil).problem(t, 400, "invalid_cursor")
	s.do("POST", "/api/v1/auth/logout", operator.Access, nil).want(t, 200)
	s.do("GET", "/api/v1/admin/audit", operator.Access, nil).problem(t, 401, "unauthenticated")
	s.do("GET", "/api/v1/admin/audit?tenant_id=acme", operator.Access, nil).problem(t, 401, "unauthenticated")
}

// relay stands before a server. When it is blocked it takes connections and
// never says anything.
type relay struct {
	net.Listener
	server  string
	blocked atomic.Bool
	clients sync.Map // of those it serves
}

// cut ends all connections and blocks new ones.
func (r *relay) cut() {
	r.blocked.Store(true)
	r.clients.Range(func(client, _ any) bool {
		_ = client.(net.Conn).Close()
		return true
	})
}

// newRelay returns a relay and the URL that leads through it.
func newRelay(t testing.TB, through config.Secret) (*relay, config.Secret) {
	t.Helper()
	u, err := url.Parse(through.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: listen(t), server: u.Host}
	t.Cleanup(func() { _ = r.Close() })
	go func() {
		for {
			client, err := r.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = client.Close() })
			if !r.blocked.Load() {
				go r.serve(client)
			}
		}
	}()
	u.Host = r.Addr().String()
	return r, config.Secret(u.String())
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	r.clients.Store(client, nil)
	defer r.clients.Delete(client)
	go func() { _, _ = io.Copy(server, client) }()
	_, _ = io.Copy(client, server)
}

// withDedicated makes a tenant with a database of its own and returns the URL of
// its superuser, and the relay through which the backend reaches it.
func (s *testServer) withDedicated(operator actor, id string) (config.Secret, *relay) {
	s.t.Helper()
	owner := dbtest.NewDedicated(s.t)
	r, through := newRelay(s.t, owner)
	s.do("POST", "/api/v1/admin/tenants", operator.Access, map[string]any{"id": id, "name": id, "db_url": through.Reveal()}).want(s.t, 201)
	u, err := url.Parse(s.db.AdminURL.Reveal())
	if err != nil {
		s.t.Fatal(err)
	}
	own, err := url.Parse(owner.Reveal())
	if err != nil {
		s.t.Fatal(err)
	}
	u.Path = own.Path
	return config.Secret(u.String()), r
}

func TestAuditOfDedicatedTenants(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.actor("platform", "oper", token.Operator)
	first, _ := s.withDedicated(operator, "first")
	second, way := s.withDedicated(operator, "second")
	plant(t, s.db.AdminURL, "acme", 0, 4, 9, 11)
	plant(t, first, "first", 1, 5, 8)
	plant(t, second, "second", 2, 3, 7)
	// What the owner of a database writes into it of others is not theirs.
	plant(t, first, "acme", 6)
	plant(t, first, "second", 6)
	dbtest.Exec(t, first, `update tenant.audit set details = '{"n": 1, "s": "x"}' where target = 'first8'`)

	get := func(query string) answer { return s.do("GET", "/api/v1/admin/audit?"+query, operator.Access, nil) }
	list := func(query string) []string {
		return s.listedAll(operator.Access, "/api/v1/admin/audit", query, "target")
	}
	all := list(planted + "&sort=created_at")
	if len(all) != 10 || !slices.Equal(slices.Sorted(slices.Values(all)), []string{
		"acme0", "acme11", "acme4", "acme9", "first1", "first5", "first8", "second2", "second3", "second7",
	}) || !slices.Equal(reversed(all), list(planted)) {
		t.Errorf("got %v", all)
	}
	for limit := 1; limit <= 5; limit++ {
		if diff := cmp.Diff(all, list(fmt.Sprintf("%s&sort=created_at&limit=%d", planted, limit))); diff != "" {
			t.Errorf("pages of %d (-one page +pages):\n%s", limit, diff)
		}
	}
	if got := list(planted + "&tenant_id=first"); !slices.Equal(got, []string{"first8", "first5", "first1"}) {
		t.Errorf("got %v", got)
	}
	a := get(planted+"&tenant_id=first&limit=1").want(t, 200)
	if !strings.Contains(string(a.body), `"details":{}`) || a.Header.Get("X-Incomplete") != "" {
		t.Errorf("got %s", a.body)
	}

	// An invitation by an operator is in both trails.
	s.do("POST", "/api/v1/admin/tenants/first/invitations", operator.Access, map[string]any{}).want(t, 201)
	for tenant, want := range map[string]string{"first": "<nil>", "platform": "oper"} {
		got := s.listedAll(operator.Access, "/api/v1/admin/audit", "action=invitation.create&tenant_id="+tenant, "actor")
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: got %v, want %s", tenant, got, want)
		}
	}
	// A suspended tenant's trail can be read.
	dbtest.Exec(t, first, "update app.residents set suspended_at = now()")
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set status = 'suspended' where id = 'first'")
	if got := list(planted); len(got) != 10 {
		t.Errorf("got %v", got)
	}

	// A database that does not answer is left out, and the answer says so.
	way.blocked.Store(true)
	a = get(planted).want(t, 200)
	if got := a.Header.Get("X-Incomplete"); got != "second" || strings.Contains(string(a.body), "second") || !strings.Contains(string(a.body), "first8") {
		t.Errorf("got X-Incomplete %q and %s", got, a.body)
	}
	if !strings.Contains(s.logs.String(), "audit trail left out of a list") || strings.Contains(s.logs.String(), way.Addr().String()) {
		t.Error("the log does not tell, or tells the database's address")
	}
	if a := get(planted + "&tenant_id=second"); a.StatusCode != 503 && a.StatusCode != 504 {
		t.Errorf("got %d: %s", a.StatusCode, a.body)
	}
	way.blocked.Store(false)
	if a := get(planted).want(t, 200); a.Header.Get("X-Incomplete") != "" || !strings.Contains(string(a.body), "second7") {
		t.Errorf("got X-Incomplete %q and %s", a.Header.Get("X-Incomplete"), a.body)
	}

	// Nor does one that is no more keep the others from being read; a deleted
	// tenant's is not asked.
	_ = way.Close()
	if a := get(planted).want(t, 200); a.Header.Get("X-Incomplete") != "second" {
		t.Errorf("got X-Incomplete %q", a.Header.Get("X-Incomplete"))
	}
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set status = 'deleted' where id = 'second'")
	if a := get(planted).want(t, 200); a.Header.Get("X-Incomplete") != "" {
		t.Errorf("got X-Incomplete %q", a.Header.Get("X-Incomplete"))
	}
}

// The service can add to the trail and read it, and nothing else.
func TestAuditCannotBeRewritten(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	before := s.trail("acme")
	db := s.db.As(pg.Scope{Tenant: "acme", Write: true})
	for _, sql := range []string{
		"update tenant.audit set action = 'user.delete'",
		"update tenant.audit set actor = 'somebody' where tenant_id = 'acme'",
		"delete from tenant.audit",
		"truncate tenant.audit",
		"insert into tenant.audit (tenant_id, id, action, ip, request_id) select tenant_id, id, 'x', '', '' from tenant.audit on conflict (tenant_id, id) do update set action = 'x'",
		"alter table tenant.audit disable row level security",
	} {
		if _, err := db.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: got %v, want it refused", sql, err)
		}
	}
	add := "insert into tenant.audit (tenant_id, id, action, ip, request_id) values ($1, $2, 'user.create', '', '')"
	if _, err := db.Exec(t.Context(), add, "globex", uuid.New()); err == nil {
		t.Error("a line was added to another tenant's trail")
	}
	if diff := cmp.Diff(before, s.trail("acme")); diff != "" {
		t.Errorf("the trail has changed:\n%s", diff)
	}
	if _, err := db.Exec(t.Context(), add, "acme", uuid.New()); err != nil {
		t.Error(err)
	}
	var other int
	if err := s.db.As(pg.Scope{Tenant: "globex"}).QueryRow(t.Context(), "select count(*)::int from tenant.audit").Scan(&other); err != nil || other != 0 {
		t.Errorf("another tenant sees %d lines: %v", other, err)
	}
}
