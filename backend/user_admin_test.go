package backend

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

func TestUserChangesThatEndSessions(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	admin := s.actor("acme", "root", token.Admin)
	reasons := func(a actor) string {
		return dbtest.Value[string](t, s.db.AdminURL,
			"select coalesce(string_agg(coalesce(revoked_reason, 'live'), ' ' order by id), '') from tenant.sessions where user_id = $1", a.ID)
	}
	for i, tc := range []struct {
		change map[string]any
		want   string
		trail  []string
	}{
		{map[string]any{"role": "admin"}, "role role", []string{"user.role root from=member to=admin"}},
		{map[string]any{"active": false}, "deactivated deactivated", []string{"user.deactivate root"}},
		{map[string]any{"active": false, "role": "admin", "email": "z@example.com"}, "deactivated deactivated",
			[]string{"user.role root from=member to=admin", "user.deactivate root", "user.update root fields=email"}},
		{map[string]any{"email": "y@example.com"}, "live live", []string{"user.update root fields=email"}},
		{map[string]any{}, "live live", []string{"user.update root"}},
	} {
		name := fmt.Sprintf("user%d", i)
		first := s.actor("acme", name, token.Member)
		second := s.signedIn("acme", name)
		body := record(name, "member")
		for k, v := range tc.change {
			body[k] = v
		}
		seen := len(s.trail("acme"))
		s.do("PUT", first.path(), admin.Access, body).want(t, 200)
		if got := reasons(first); got != tc.want {
			t.Errorf("%v: got sessions %q, want %q", tc.change, got, tc.want)
		}
		if diff := cmp.Diff(tc.trail, s.trail("acme")[seen:]); diff != "" {
			t.Errorf("%v: trail (-want +got):\n%s", tc.change, diff)
		}
		for _, a := range []actor{first, second} {
			read := s.do("GET", a.path(), a.Access, nil)
			refresh := s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": a.Refresh})
			if tc.want == "live live" {
				read.want(t, 200)
				refresh.want(t, 200)
				continue
			}
			read.problem(t, 401, "unauthenticated")
			refresh.problem(t, 401, "invalid_refresh_token")
		}
		if tc.change["active"] == false {
			s.do("PUT", first.path(), admin.Access, with(body, "active", true)).want(t, 200)
			if reasons(first) != tc.want {
				t.Error("activation brought sessions back")
			}
			if lines := s.trail("acme"); lines[len(lines)-1] != "user.activate root" {
				t.Errorf("got %q", lines[len(lines)-1])
			}
			s.login("acme", name)
		}
	}
	if n := strings.Count(s.logs.String(), `"event":"role_change"`); n != 2 {
		t.Errorf("got %d role_change events, want 2", n)
	}
}

func TestLastAdmin(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	for _, tc := range []struct {
		tenant string
		role   token.Role
		lower  string
	}{{"acme", token.Admin, "member"}, {"platform", token.Operator, ""}} {
		t.Run(tc.tenant, func(t *testing.T) {
			first := s.actor(tc.tenant, "first", tc.role)
			own := record("first", string(tc.role))
			refused := func() {
				t.Helper()
				if tc.lower != "" {
					s.do("PUT", first.path(), first.Access, with(own, "role", tc.lower)).problem(t, 409, "invalid_state")
				}
				s.do("PUT", first.path(), first.Access, with(own, "active", false)).problem(t, 409, "invalid_state")
				s.do("DELETE", first.path(), first.Access, nil).problem(t, 409, "invalid_state")
			}
			refused()
			// Neither an inactive one nor those of other tenants nor members count.
			s.do("POST", "/api/v1/users", first.Access, with(with(newUser("second"), "role", tc.role), "active", false)).want(t, 201)
			s.actor("globex", "other-"+tc.tenant, token.Admin)
			if tc.tenant == "acme" {
				s.actor(tc.tenant, "member", token.Member)
			}
			refused()
			s.do("PUT", first.path(), first.Access, with(own, "email", "new@example.com")).want(t, 200)

			s.do("POST", "/api/v1/users", first.Access, with(newUser("third"), "role", tc.role)).want(t, 201)
			third := s.signedIn(tc.tenant, "third")
			s.do("PUT", first.path(), first.Access, with(own, "active", false)).want(t, 200)
			s.do("DELETE", third.path(), third.Access, nil).problem(t, 409, "invalid_state")
			s.do("PUT", first.path(), third.Access, own).want(t, 200)
			s.do("DELETE", third.path(), third.Access, nil).want(t, 200)
			first = s.signedIn(tc.tenant, "first")
			refused()
		})
	}
}

// Two admins who take each other's role at the same moment: one of them stays.
func TestParallelDemotions(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(s *testServer, by, whom actor, username string) answer{
		"demotion": func(s *testServer, by, whom actor, username string) answer {
			return s.do("PUT", whom.path(), by.Access, record(username, "member"))
		},
		"deactivation": func(s *testServer, by, whom actor, username string) answer {
			return s.do("PUT", whom.path(), by.Access, with(record(username, "admin"), "active", false))
		},
		"deletion": func(s *testServer, by, whom actor, username string) answer {
			return s.do("DELETE", whom.path(), by.Access, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t)
			a, b := s.actor("acme", "first", token.Admin), s.actor("acme", "second", token.Admin)
			// Both get as far as the locks before either of them is let on.
			conn := dbtest.Connect(t, s.db.AdminURL)
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "select from tenant.users for update"); err != nil {
				t.Fatal(err)
			}
			var answers [2]answer
			var wg sync.WaitGroup
			wg.Go(func() { answers[0] = send(s, a, b, "second") })
			wg.Go(func() { answers[1] = send(s, b, a, "first") })
			s.awaitLocks(2)
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			won, lost := answers[0], answers[1]
			if won.StatusCode != 200 {
				won, lost = lost, won
			}
			won.want(t, 200)
			lost.problem(t, 409, "invalid_state")
			if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.users where tenant_id = 'acme' and role = 'admin' and active"); n != 1 {
				t.Errorf("got %d active admins, want 1", n)
			}
		})
	}
}

// Admins who all demote and delete each other end with exactly one, and nobody
// gets a deadlock to see.
func TestManyParallelDemotions(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	var admins []actor
	for i := range 6 {
		admins = append(admins, s.actor("acme", fmt.Sprintf("admin%d", i), token.Admin))
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for i, by := range admins {
		for j, whom := range admins {
			wg.Go(func() {
				var a answer
				if (i+j)%2 == 0 {
					a = s.do("PUT", whom.path(), by.Access, record(fmt.Sprintf("admin%d", j), "member"))
				} else {
					a = s.do("DELETE", whom.path(), by.Access, nil)
				}
				mu.Lock()
				defer mu.Unlock()
				statuses[a.StatusCode]++
			})
		}
	}
	wg.Wait()
	for status := range statuses {
		if !slices.Contains([]int{200, 401, 404, 409}, status) {
			t.Errorf("got %v", statuses)
		}
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from tenant.users where tenant_id = 'acme' and role = 'admin' and active"); n < 1 {
		t.Errorf("got %d active admins, want at least one", n)
	}
}
