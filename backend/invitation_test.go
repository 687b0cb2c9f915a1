package backend

import (
	"crypto/sha256"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

type invited struct {
	ID, Status, Role, Token string
	Email                   *string
	CreatedBy               *uuid.UUID `json:"created_by"`
	CreatedAt               time.Time  `json:"created_at"`
	ExpiresAt               time.Time  `json:"expires_at"`
}

func TestInvitationLifecycle(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)

	var plain, particular invited
	a := s.do("POST", "/api/v1/invitations", admin.Access, map[string]any{}).want(t, 201).into(t, &plain)
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(plain.Token) || plain.Role != "member" || plain.Status != "open" || plain.Email != nil {
		t.Errorf("got %s", a.body)
	}
	if plain.CreatedBy == nil || *plain.CreatedBy != admin.ID {
		t.Errorf("got created_by %v, want %v", plain.CreatedBy, admin.ID)
	}
	lasts := func(i invited, want time.Duration) {
		t.Helper()
		if got := i.ExpiresAt.Sub(i.CreatedAt); (got - want).Abs() > time.Minute {
			t.Errorf("expires after %v, want %v", got, want)
		}
	}
	lasts(plain, 7*24*time.Hour)
	a = s.do("POST", "/api/v1/invitations", admin.Access, map[string]any{"role": "admin", "email": " Eve\u0301@Example.com ", "expires_in": 300}).
		want(t, 201).into(t, &particular)
	if particular.Role != "admin" || particular.Email == nil || *particular.Email != "Ev\u00e9@Example.com" || particular.Token == plain.Token {
		t.Errorf("got %s", a.body)
	}
	lasts(particular, 5*time.Minute)

	// Only the hash is kept, and the token is shown once.
	hash := sha256.Sum256([]byte(particular.Token))
	if got := dbtest.Value[string](t, s.db.AdminURL, "select email_key from tenant.invitations where hash = $1", hash[:]); got != "ev\u00e9@example.com" {
		t.Errorf("got %q", got)
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.invitations i where to_jsonb(i)::text like '%' || $1 || '%'", plain.Token); n != 0 {
		t.Error("the token is in the database")
	}
	list := s.do("GET", "/api/v1/invitations", admin.Access, nil).want(t, 200)
	if strings.Contains(string(list.body), `token`) || strings.Contains(string(list.body), "hash") || strings.Contains(s.logs.String(), plain.Token) {
		t.Errorf("got %s", list.body)
	}

	for query, want := range map[string][]string{
		"": {"admin", "member"}, "sort=created_at": {"member", "admin"}, "limit=1": {"admin", "member"}, "limit=1&sort=created_at": {"member", "admin"},
	} {
		if diff := cmp.Diff(want, s.listedAll(admin.Access, "/api/v1/invitations", query, "role")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	dbtest.Exec(t, s.db.AdminURL, "update tenant.invitations set expires_at = now() where role = 'member'")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.invitations set used_at = now(), used_by = created_by, expires_at = now() where role = 'admin'")
	if diff := cmp.Diff([]string{"used", "expired"}, s.listedAll(admin.Access, "/api/v1/invitations", "", "status")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{admin.ID.String(), "<nil>"}, s.listedAll(admin.Access, "/api/v1/invitations", "", "used_by")); diff != "" {
		t.Errorf("used_by (-want +got):\n%s", diff)
	}

	for _, i := range []invited{plain, particular} {
		s.do("DELETE", "/api/v1/invitations/"+i.ID, admin.Access, nil).want(t, 200)
		s.do("DELETE", "/api/v1/invitations/"+i.ID, admin.Access, nil).problem(t, 404, "not_found")
	}
	s.do("DELETE", "/api/v1/invitations/x", admin.Access, nil).problem(t, 404, "not_found")
	want := []string{
		"invitation.create root role=member", "invitation.create root role=admin", "invitation.delete root", "invitation.delete root",
	}
	if diff := cmp.Diff(want, s.trail("acme")[1:]); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
}

func TestInvitationRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin, member := s.actor("acme", "root", token.Admin), s.actor("acme", "ana", token.Member)
	foreign, operator := s.actor("globex", "bob", token.Admin), s.actor("platform", "oper", token.Operator)
	for _, path := range []string{"/api/v1/invitations", "/api/v1/admin/tenants/acme/invitations"} {
		who := admin
		if strings.Contains(path, "admin") {
			who = operator
		}
		for _, tc := range []struct {
			body   any
			fields []string
		}{
			{map[string]any{"role": "operator"}, []string{"/role"}},
			{map[string]any{"role": ""}, []string{"/role"}},
			{map[string]any{"role": nil}, []string{"/role"}},
			{map[string]any{"email": "x"}, []string{"/email"}},
			{map[string]any{"email": ""}, []string{"/email"}},
			{map[string]any{"email": nil}, []string{"/email"}},
			{map[string]any{"email": strings.Repeat("a", 250) + "@b.com"}, []string{"/email"}},
			{map[string]any{"expires_in": 299}, []string{"/expires_in"}},
			{map[string]any{"expires_in": 2592001}, []string{"/expires_in"}},
			{map[string]any{"expires_in": -1}, []string{"/expires_in"}},
			{map[string]any{"expires_in": 300.5}, []string{"/expires_in"}},
			{map[string]any{"expires_in": "300"}, []string{"/expires_in"}},
			{`{"expires_in":1` + strings.Repeat("0", 400) + `}`, []string{"/expires_in"}},
			{map[string]any{"tenant_id": "globex"}, []string{"/tenant_id"}},
			{map[string]any{"token": "x", "created_by": "x", "role": "x"}, []string{"/created_by", "/token"}},
			{map[string]any{"role": "x", "email": "x", "expires_in": 1}, []string{"/role", "/email", "/expires_in"}},
		} {
			s.do("POST", path, who.Access, tc.body).problem(t, 400, "validation_failed", tc.fields...)
		}
		s.do("POST", path, who.Access, map[string]any{"expires_in": 2592000, "role": "member"}).want(t, 201)
		s.do("POST", path, member.Access, map[string]any{}).problem(t, 403, "forbidden")
		s.do("POST", path, "", map[string]any{}).problem(t, 401, "unauthenticated")
	}
	s.do("POST", "/api/v1/invitations", operator.Access, map[string]any{}).problem(t, 403, "forbidden")
	s.do("POST", "/api/v1/admin/tenants/acme/invitations", admin.Access, map[string]any{}).problem(t, 403, "forbidden")
	s.do("GET", "/api/v1/invitations", member.Access, nil).problem(t, 403, "forbidden")
	s.do("GET", "/api/v1/invitations?status=open", admin.Access, nil).problem(t, 400, "invalid_query", "status")

	ids := s.listedAll(admin.Access, "/api/v1/invitations", "", "id")
	if len(ids) != 2 {
		t.Fatalf("got %d invitations, want 2", len(ids))
	}
	s.do("DELETE", "/api/v1/invitations/"+ids[0], member.Access, nil).problem(t, 403, "forbidden")
	for _, who := range []actor{foreign, operator} {
		s.do("DELETE", "/api/v1/invitations/"+ids[0], who.Access, nil).problem(t, 404, "not_found")
		if got := s.listedAll(who.Access, "/api/v1/invitations", "", "id"); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	}
	if got := s.listedAll(admin.Access, "/api/v1/invitations", "", "id"); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestInviteToTenant(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.actor("platform", "oper", token.Operator)
	var made invited
	a := s.do("POST", "/api/v1/admin/tenants/acme/invitations", operator.Access, map[string]any{"email": "ana@example.com"}).want(t, 201).into(t, &made)
	if made.Role != "admin" || made.Status != "open" || made.CreatedBy != nil || len(made.Token) != 43 {
		t.Errorf("got %s", a.body)
	}
	hash := sha256.Sum256([]byte(made.Token))
	if got := dbtest.Value[string](t, s.db.AdminURL, "select tenant_id || ' ' || role from tenant.invitations where hash = $1 and id = $2", hash[:], made.ID); got != "acme admin" {
		t.Errorf("got %q", got)
	}
	// This is how a tenant gets its first admin.
	var ana struct{ ID, Role string }
	s.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": "ana", "email": "ana@example.com", "password": testPassword, "tenant_id": "acme", "invite_token": made.Token,
	}).want(t, 201).into(t, &ana)
	if ana.Role != "admin" {
		t.Errorf("got role %q", ana.Role)
	}
	if got := s.listedAll(s.login("acme", "ana").Access, "/api/v1/invitations", "", "used_by"); len(got) != 1 || got[0] != ana.ID {
		t.Errorf("used_by: got %v, want %s", got, ana.ID)
	}
	// The tenant learns that it was an operator, the platform which one.
	if diff := cmp.Diff([]string{"invitation.create by=operator role=admin"}, s.trail("acme")[:1]); diff != "" {
		t.Errorf("acme's trail (-want +got):\n%s", diff)
	}
	want := []string{"user.create by=command role=operator", "invitation.create oper role=admin tenant_id=acme"}
	if diff := cmp.Diff(want, s.trail("platform")); diff != "" {
		t.Errorf("the platform's trail (-want +got):\n%s", diff)
	}
	if n := strings.Count(s.logs.String(), `"event":"operator_action"`); n != 1 {
		t.Errorf("got %d operator_action events, want 1", n)
	}

	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set status = 'suspended' where id = 'globex'")
	dbtest.Exec(t, s.db.AdminURL, "update control.tenants set status = 'deleted' where id = 'closed'")
	for _, id := range []string{"globex", "closed", "nowhere", "ACME", "acme%20", "..%2facme", strings.Repeat("a", 37), "%00"} {
		s.do("POST", "/api/v1/admin/tenants/"+id+"/invitations", operator.Access, map[string]any{}).problem(t, 404, "not_found")
	}
	s.do("POST", "/api/v1/admin/tenants/platform/invitations", operator.Access, map[string]any{}).problem(t, 403, "forbidden")
	s.do("POST", "/api/v1/auth/logout", operator.Access, nil).want(t, 200)
	for _, id := range []string{"acme", "platform", "nowhere"} {
		s.do("POST", "/api/v1/admin/tenants/"+id+"/invitations", operator.Access, map[string]any{}).problem(t, 401, "unauthenticated")
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.invitations"); n != 1 {
		t.Errorf("got %d invitations, want 1", n)
	}
	told := slices.DeleteFunc(s.trail("platform"), func(l string) bool { return !strings.HasPrefix(l, "invitation.create") })
	if len(told) != 1 || strings.Count(s.logs.String(), `"event":"operator_action"`) != 1 {
		t.Errorf("got %q in the platform's trail, want one line", told)
	}
}

// An invitation to a tenant and the platform's line about it stand or fall
// together.
func TestInviteToTenantIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.actor("platform", "oper", token.Operator)
	before := len(s.trail("platform"))
	dbtest.Exec(t, s.db.AdminURL, "alter table tenant.invitations add check (role = 'none') not valid")
	s.do("POST", "/api/v1/admin/tenants/acme/invitations", operator.Access, map[string]any{}).want(t, 500)
	if n := len(s.trail("platform")) + len(s.trail("acme")); n != before {
		t.Errorf("got %d lines, want %d", n, before)
	}
}

// Who may not invite any more leaves no way back in.
func TestInvitationsEndWithTheRightToInvite(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	invite := func(by actor) string {
		var i invited
		s.do("POST", "/api/v1/invitations", by.Access, map[string]any{"role": "admin"}).want(t, 201).into(t, &i)
		return i.Token
	}
	signup := func(username, invitation string) answer {
		return s.do("POST", "/api/v1/auth/signup", "", map[string]any{
			"username": username, "email": username + "@example.com", "password": testPassword, "tenant_id": "acme", "invite_token": invitation,
		})
	}
	for username, end := range map[string]func(rogue actor){
		"deactivated": func(rogue actor) {
			inactive := record("deactivated", "admin")
			inactive["active"] = false
			s.do("PUT", rogue.path(), admin.Access, inactive).want(t, 200)
		},
		"demoted": func(rogue actor) {
			s.do("PUT", rogue.path(), admin.Access, record("demoted", "member")).want(t, 200)
		},
		"deleted": func(rogue actor) { s.do("DELETE", rogue.path(), admin.Access, nil).want(t, 200) },
	} {
		rogue := s.actor("acme", username, token.Admin)
		invitation := invite(rogue)
		end(rogue)
		signup(username+"2", invitation).problem(t, 403, "signup_closed")
	}
	// A change that takes nothing away leaves them.
	other := s.actor("acme", "other", token.Admin)
	invitation := invite(other)
	s.do("PUT", other.path(), admin.Access, record("other.name", "admin")).want(t, 200)
	signup("invited", invitation).want(t, 201)
}
