package backend

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/token"
)

// listed is a page of any list, its rows by the member that names them.
func (s *testServer) listed(bearer, path string, query url.Values, member string) (values []string, next *string) {
	s.t.Helper()
	a := s.do("GET", path+"?"+query.Encode(), bearer, nil).want(s.t, 200)
	var page struct {
		Data     []map[string]any
		Metadata struct {
			Count      int
			HasMore    bool    `json:"has_more"`
			NextCursor *string `json:"next_cursor"`
		}
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		s.t.Fatal(err)
	}
	if page.Metadata.Count != len(page.Data) || page.Metadata.HasMore != (page.Metadata.NextCursor != nil) {
		s.t.Errorf("got %+v for %d rows", page.Metadata, len(page.Data))
	}
	for _, row := range page.Data {
		values = append(values, fmt.Sprint(row[member]))
	}
	return values, page.Metadata.NextCursor
}

// listedAll follows the cursors to the end.
func (s *testServer) listedAll(bearer, path, query, member string) []string {
	s.t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		s.t.Fatal(err)
	}
	all := []string{}
	for range 100 {
		rows, next := s.listed(bearer, path, values, member)
		all = append(all, rows...)
		if next == nil {
			return all
		}
		values.Set("cursor", *next)
	}
	s.t.Fatal("the list does not end")
	return nil
}

func TestUserList(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	s.actor("globex", "bob", token.Admin)
	names := []string{"Zoe", "ana", "Bruno", "carla_1", "carla-2", "dora.x", "élise"}
	for i, name := range names {
		body := newUser(name)
		body["email"] = fmt.Sprintf("%c%d@%s.example", 'a'+i, i, []string{"north", "south%"}[i%2])
		body["active"] = i != 3
		body["role"] = []string{"member", "admin"}[i%2]
		s.do("POST", "/api/v1/users", admin.Access, body).want(t, 201)
	}
	byAge := append([]string{"root"}, names...)
	byName := []string{"ana", "Bruno", "carla-2", "carla_1", "dora.x", "root", "Zoe", "élise"}
	for query, want := range map[string][]string{
		"":                                byAge,
		"limit=3":                         byAge,
		"limit=3&sort=created_at":         byAge,
		"limit=3&sort=-created_at":        reversed(byAge),
		"limit=1&sort=username":           byName,
		"limit=3&sort=-username":          reversed(byName),
		"limit=500&sort=-username":        reversed(byName),
		"q=CARLA":                         {"carla_1", "carla-2"},
		"q=la_":                           {"carla_1"},
		"q=%25":                           {"ana", "carla_1", "dora.x"}, // in the addresses
		"q=north&sort=username":           {"Bruno", "carla-2", "Zoe", "élise"},
		"q=ÉLISE":                         {"élise"},
		"q=%5C":                           {},
		"q=bob":                           {},
		"role=admin":                      {"root", "ana", "carla_1", "dora.x"},
		"role=operator":                   {},
		"active=false":                    {"carla_1"},
		"active=true&role=admin&limit=1":  {"root", "ana", "dora.x"},
		"q=a&active=true&sort=-username":  {"élise", "Zoe", "root", "dora.x", "carla-2", "Bruno", "ana"},
		"role=member&sort=username&q=o":   {"Bruno", "carla-2", "Zoe", "élise"},
		"role=member&sort=-username&q=o ": {"élise", "Zoe", "carla-2", "Bruno"},
	} {
		if diff := cmp.Diff(want, s.listedAll(admin.Access, "/api/v1/users", query, "username")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for query, field := range map[string]string{
		"sort=email": "sort", "q=": "q", "q=%20": "q", "q=a%00": "q", "q=" + strings.Repeat("x", 101): "q", "role=root": "role", "active=1": "active",
		"active=": "active", "email=x": "email", "tenant_id=globex": "tenant_id", "limit=0": "limit",
	} {
		s.do("GET", "/api/v1/users?"+query, admin.Access, nil).problem(t, 400, "invalid_query", field)
	}
	_, cursor := s.listed(admin.Access, "/api/v1/users", url.Values{"limit": {"1"}, "q": {"a"}}, "id")
	for _, query := range []string{"", "q=b", "q=a&active=true", "q=a&sort=username"} {
		s.do("GET", "/api/v1/users?cursor="+*cursor+"&"+query, admin.Access, nil).problem(t, 400, "invalid_cursor")
	}
}

func reversed(list []string) []string {
	r := slices.Clone(list)
	slices.Reverse(r)
	return r
}

func TestUserLogins(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	ana := s.actor("acme", "ana", token.Member)
	for _, pw := range []string{"Wrong-Horse-7", testPassword, "Wrong-Horse-8"} {
		s.do("POST", "/api/v1/auth/login", "", map[string]any{"username_or_email": "ana", "password": pw, "tenant_id": "acme"}, "User-Agent", "test/1")
	}
	path := ana.path() + "/logins"
	want := []string{"ok", "bad_password", "ok", "bad_password"}
	for _, who := range []actor{ana, admin} {
		for query, want := range map[string][]string{
			"": reversed(want), "limit=1": reversed(want), "sort=created_at&limit=3": want, "sort=-created_at&limit=3": reversed(want),
		} {
			if diff := cmp.Diff(want, s.listedAll(who.Access, path, query, "outcome")); diff != "" {
				t.Errorf("%q (-want +got):\n%s", query, diff)
			}
		}
	}
	var list []map[string]any
	s.do("GET", path+"?limit=1", ana.Access, nil).want(t, 200).into(t, &list)
	if got := list[0]; len(got) != 5 || got["ip"] != "127.0.0.1" || got["user_agent"] != "test/1" {
		t.Errorf("got %v", got)
	}
	// Who never signed in has an empty list.
	var made struct{ ID string }
	s.do("POST", "/api/v1/users", admin.Access, newUser("bob")).want(t, 201).into(t, &made)
	if got := s.listedAll(admin.Access, "/api/v1/users/"+made.ID+"/logins", "", "id"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	s.do("GET", path+"?outcome=ok", ana.Access, nil).problem(t, 400, "invalid_query", "outcome")
	s.do("GET", path+"?sort=outcome", ana.Access, nil).problem(t, 400, "invalid_query", "sort")
	// A cursor is for this list only.
	_, cursor := s.listed(admin.Access, path, url.Values{"limit": {"1"}}, "id")
	s.do("GET", "/api/v1/invitations?cursor="+*cursor, admin.Access, nil).problem(t, 400, "invalid_cursor")
}

// Behind a pooler there are no prepared statements, so values travel by their
// Go types.
func TestUsersThroughAPooler(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Database.Pooler = "transaction" })
	admin, operator := s.actor("acme", "root", token.Admin), s.actor("platform", "oper", token.Operator)
	sameAnswer(t, s.keyedPost(admin, "k", newUser("ana")).want(t, 201), s.keyedPost(admin, "k", newUser("ana")))
	ana := s.signedIn("acme", "ana")
	s.do("PUT", ana.path(), admin.Access, record("anna", "admin")).want(t, 200)
	s.do("POST", "/api/v1/invitations", admin.Access, map[string]any{"email": "x@example.com"}).want(t, 201)
	s.do("POST", "/api/v1/admin/tenants/acme/invitations", operator.Access, map[string]any{}).want(t, 201)
	for path, want := range map[string]int{
		"/api/v1/users": 2, "/api/v1/users?sort=username&q=ann": 1, "/api/v1/users?sort=-username&role=admin&active=true&limit=1": 2,
		"/api/v1/invitations?limit=1": 2, "/api/v1/invitations?sort=created_at": 2,
		ana.path() + "/logins": 1, ana.path() + "/logins?sort=created_at": 1,
		"/api/v1/audit?action=user.role&actor_id=" + admin.ID.String():              1,
		"/api/v1/audit?sort=created_at&limit=2&created_lt=2999-01-01T00:00:00.123Z": 6,
	} {
		path, query, _ := strings.Cut(path, "?")
		if got := s.listedAll(admin.Access, path, query, "id"); len(got) != want {
			t.Errorf("%s?%s: got %d, want %d", path, query, len(got), want)
		}
	}
	for _, query := range []string{"tenant_id=acme", "limit=3", "sort=created_at&tenant_id=acme&limit=3"} {
		if got := s.listedAll(operator.Access, "/api/v1/admin/audit", query, "tenant_id"); len(got) < 6 {
			t.Errorf("%s: got %v", query, got)
		}
	}
	var lines []struct{ Details map[string]string }
	s.do("GET", "/api/v1/audit?action=user.role", admin.Access, nil).want(t, 200).into(t, &lines)
	if diff := cmp.Diff(map[string]string{"from": "member", "to": "admin"}, lines[0].Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	s.do("DELETE", ana.path(), admin.Access, nil, "If-Match", `"2"`).want(t, 200)
}
