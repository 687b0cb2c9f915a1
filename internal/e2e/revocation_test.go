package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

const (
	me           = "/api/v1/auth/me"
	explainDemo  = "/api/v1/admin/limits/explain?tenant_id=" + stack.DemoTenant
	revokedCount = `gateway_auth_refused_total{kind="revoked"}`
)

// refusedEverywhere waits until every gateway refuses a token by itself. Until
// then the backend does, so that every answer is the same 401, but for a 429 when
// the session's user has met a limit.
func refusedEverywhere(t *testing.T, gateways []*client, why, access string) {
	t.Helper()
	for i, g := range gateways {
		eventually(t, fmt.Sprintf("%s: gateway %d refuses the token by itself", why, i+1), func() bool {
			a := g.do("GET", me, access, nil)
			if a.StatusCode == http.StatusTooManyRequests {
				return false
			}
			a.problem(401, "unauthenticated")
			// What a backend refuses was counted by tenant before it went there.
			return a.quota("tenant") == ""
		})
	}
}

// admittedEverywhere fails the test unless every gateway lets a token in, at once.
func admittedEverywhere(t *testing.T, gateways []*client, who string, list ...string) {
	t.Helper()
	for _, access := range list {
		for i, g := range gateways {
			if a := g.do("GET", me, access, nil); a.StatusCode != http.StatusOK {
				t.Errorf("%s: gateway %d answers %d: %s", who, i+1, a.StatusCode, a.body)
			}
		}
	}
}

// Whatever ends a session, every gateway refuses its tokens by itself, and lets
// in everybody else.
func TestRevocation(t *testing.T) {
	t.Parallel()
	for _, placement := range []string{"shared", "dedicated"} {
		t.Run(placement, func(t *testing.T) {
			t.Parallel()
			gateways := clients(t, shared)
			a, b := gateways[0], gateways[1]
			before := make([]float64, len(gateways))
			for i, g := range shared.Gateways {
				before[i] = metric(t, g.Ops, revokedCount)
			}
			dbURL := ""
			if placement == "dedicated" {
				dbURL = newDatabase(t)
			}
			operator := a.operator()
			id, adminName, admin := a.newTenant(operator, dbURL)
			_, stranger := b.newUser()
			users := map[string]string{}
			for _, name := range []string{"bystander", "changing"} {
				var user struct{ ID string }
				a.do("POST", "/api/v1/users", admin.Access, map[string]any{
					"username": name, "email": name + "@example.com", "password": password,
				}).want(201).into(&user)
				users[name] = user.ID
			}
			bystander := b.login("bystander", password, id)
			login := func(g *client) string { return g.login("changing", password, id).Access }
			others := func(more ...string) {
				t.Helper()
				admittedEverywhere(t, gateways, "somebody else", append(more, bystander.Access, admin.Access, stranger.Access)...)
			}

			// Logging out ends one session.
			one, two := login(a), login(b)
			admittedEverywhere(t, gateways, "a new session", one, two)
			a.do("POST", "/api/v1/auth/logout", one, nil).want(200)
			refusedEverywhere(t, gateways, "logout", one)
			others(two)

			// Logging out everywhere ends all, and signing in works at once.
			one = login(b)
			b.do("POST", "/api/v1/auth/logout-all", one, nil).want(200)
			three := login(a)
			admittedEverywhere(t, gateways, "a login right after logout-all", three)
			refusedEverywhere(t, gateways, "logout-all", one)
			refusedEverywhere(t, gateways, "logout-all", two)
			others(three)

			// The user ends one of the sessions, the admin the others.
			one = login(a)
			var sessions []struct {
				ID      string
				Current bool
			}
			a.do("GET", "/api/v1/auth/sessions", one, nil).want(200).into(&sessions)
			for _, s := range sessions {
				if !s.Current {
					a.do("DELETE", "/api/v1/auth/sessions/"+s.ID, one, nil).want(200)
				}
			}
			refusedEverywhere(t, gateways, "the end of a session", three)
			others(one)
			two = login(b)
			a.do("DELETE", "/api/v1/users/"+users["changing"]+"/sessions", admin.Access, nil).want(200)
			refusedEverywhere(t, gateways, "the end of the sessions by an admin", one)
			refusedEverywhere(t, gateways, "the end of the sessions by an admin", two)
			others(login(b))

			// A new password ends the other sessions.
			one, two = login(a), login(b)
			a.do("POST", "/api/v1/auth/password", one, map[string]any{"current_password": password, "new_password": "Another-Horse-8"}).want(200)
			refusedEverywhere(t, gateways, "a new password", two)
			others(one)
			a.do("POST", "/api/v1/auth/password", one, map[string]any{"current_password": "Another-Horse-8", "new_password": password}).want(200)

			// The second use of a refresh token.
			stolen := a.login("changing", password, id)
			var next pair
			b.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": stolen.Refresh}).want(200).into(&next)
			a.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": stolen.Refresh}).problem(401, "invalid_refresh_token")
			refusedEverywhere(t, gateways, "a refresh token used twice", stolen.Access)
			refusedEverywhere(t, gateways, "a refresh token used twice", next.Access)
			others(one)

			// A new role, then not active any more, then active again.
			change := func(active bool, role string) {
				t.Helper()
				b.do("PUT", "/api/v1/users/"+users["changing"], admin.Access, map[string]any{
					"username": "changing", "email": "changing@example.com", "active": active, "role": role,
				}).want(200)
			}
			change(true, "admin")
			refusedEverywhere(t, gateways, "a new role", one)
			one = login(a)
			others(one)
			change(false, "admin")
			refusedEverywhere(t, gateways, "deactivation", one)
			others()
			change(true, "member")
			one = login(b)
			others(one)
			a.do("DELETE", "/api/v1/users/"+users["changing"], admin.Access, nil).want(200)
			refusedEverywhere(t, gateways, "deletion", one)
			others()

			// The whole tenant, and back.
			for range 3 {
				b.do("POST", "/api/v1/admin/tenants/"+id+"/suspend", operator, nil).want(200)
				refusedEverywhere(t, gateways, "suspension", admin.Access)
				refusedEverywhere(t, gateways, "suspension", bystander.Access)
				admittedEverywhere(t, gateways, "somebody else", stranger.Access, operator)
				a.do("POST", "/api/v1/admin/tenants/"+id+"/resume", operator, nil).want(200)
				former := admin
				admin = b.login(adminName, password, id)
				admittedEverywhere(t, gateways, "a login right after the resumption", admin.Access)
				bystander = a.login("bystander", password, id)
				refusedEverywhere(t, gateways, "after the resumption", former.Access)
				others()
			}
			a.do("DELETE", "/api/v1/admin/tenants/"+id, operator, nil).want(200)
			refusedEverywhere(t, gateways, "deletion of the tenant", admin.Access)
			refusedEverywhere(t, gateways, "deletion of the tenant", bystander.Access)
			admittedEverywhere(t, gateways, "somebody else", stranger.Access, operator)

			for i, g := range shared.Gateways {
				if n := metric(t, g.Ops, revokedCount) - before[i]; n < 10 {
					t.Errorf("gateway %d counts %v refused tokens", i+1, n)
				}
			}
		})
	}
}

// A Redis that comes back empty is told everything again, so that sessions stay
// revoked; while it is away, each gateway does what it was told to do then.
func TestRedisIsLost(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{
		Gateways: 3, Backends: 2, GatewayEnv: patient,
		Limits: limitsFile(map[string]string{"auth": "60/1m,30"}, nil),
	})
	const local, open, closed = 0, 1, 2
	for i, mode := range map[int]string{open: "open", closed: "closed"} {
		s.Gateways[i].Setenv("RATE_LIMIT_FALLBACK=" + mode)
		if err := s.Gateways[i].Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gateways := clients(t, s)
	c := gateways[local]
	operator := c.operatorOf(s)
	_, ended := c.newUser()
	_, alive := c.newUser()
	var user struct{ ID string }
	c.do("GET", me, alive.Access, nil).want(200).into(&user)
	agreed := c.do("PUT", "/api/v1/admin/tenants/"+stack.DemoTenant+"/limits", operator, overrides(
		override("user", 60, map[string]any{"user_id": user.ID, "burst": 6}),
	)).want(200)
	c.do("POST", "/api/v1/auth/logout", ended.Access, nil).want(200)
	refusedEverywhere(t, gateways, "logout", ended.Access)
	for i, g := range gateways {
		eventually(t, fmt.Sprintf("the override is in force in gateway %d", i+1), func() bool {
			return strings.Contains(string(g.do("GET", explainDemo+"&user_id="+user.ID, operator, nil).want(200).body), `"source":"user"`)
		})
	}
	seeds := func() (n float64) {
		for _, b := range s.Backends {
			n += metric(t, b.Ops, "feed_seeds_total")
		}
		return n
	}
	seeded := seeds()

	if err := s.Redis.Stop(); err != nil {
		t.Fatal(err)
	}
	// ask sends n requests and returns how many had each status.
	ask := func(gateway, n int, send func(*client) answer) map[int]int {
		statuses := map[int]int{}
		for range n {
			a := send(gateways[gateway])
			if statuses[a.StatusCode]++; a.StatusCode >= 429 && a.Header.Get("Retry-After") == "" {
				t.Errorf("a %d without Retry-After", a.StatusCode)
			}
		}
		return statuses
	}
	read := func(c *client) answer { return c.do("GET", me, alive.Access, nil) }
	signIn := func(c *client) answer {
		return c.do("POST", "/api/v1/auth/login", "", map[string]any{
			"username_or_email": stack.DemoUser, "password": s.Secrets.DemoPassword, "tenant_id": stack.DemoTenant,
		})
	}
	if got := ask(local, 12, read); got[200] == 0 || got[200] > 6 || got[200]+got[429] != 12 {
		t.Errorf("fallback local: got %v, want some of the six", got)
	}
	if got := ask(open, 40, read); got[200] != 40 {
		t.Errorf("fallback open: got %v", got)
	}
	if got := ask(closed, 5, read); got[503] != 5 {
		t.Errorf("fallback closed: got %v", got)
	}
	for i, list := range [][]int{local: {200, 429}, open: {200, 429}, closed: {503}} {
		got := ask(i, 50, signIn)
		n := 0
		for _, status := range list {
			n += got[status]
		}
		if n != 50 || got[200] > 30 || i != closed && got[429] == 0 {
			t.Errorf("signing in through gateway %d: got %v", i+1, got)
		}
	}
	for i, g := range s.Gateways {
		if got := metric(t, g.Ops, "gateway_ratelimit_fallback"); got != 1 {
			t.Errorf("gateway %d: gateway_ratelimit_fallback is %v", i+1, got)
		}
	}
	// What a gateway knows of sessions it still knows. What it answers by itself
	// it no longer does: nobody could tell that the operator is still one.
	for _, i := range []int{local, open} {
		if a := gateways[i].do("GET", me, ended.Access, nil).problem(401, "unauthenticated"); a.quota("tenant") != "" {
			t.Errorf("gateway %d lets the session through to the backend", i+1)
		}
		eventually(t, "the feed counts as stale", func() bool {
			return gateways[i].do("GET", explainDemo, operator, nil).StatusCode == http.StatusServiceUnavailable
		})
		gateways[i].do("GET", explainDemo, operator, nil).problem(503, "unavailable")
		gateways[i].do("GET", "/api/v1/admin/limits/shadow", operator, nil).problem(503, "unavailable")
	}

	if err := s.Redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	for i, g := range gateways {
		eventually(t, "the gateway has heard everything again", func() bool {
			return g.do("GET", explainDemo, operator, nil).StatusCode == http.StatusOK
		})
		eventually(t, "the gateway no longer counts alone", func() bool {
			g.do("GET", me, alive.Access, nil)
			return metric(t, s.Gateways[i].Ops, "gateway_ratelimit_fallback") == 0
		})
	}
	t.Logf("everything is there %v after Redis", time.Since(back).Round(10*time.Millisecond))
	eventually(t, "a backend counts that it has told everything again", func() bool { return seeds() > seeded })
	refusedEverywhere(t, gateways, "after the loss of Redis", ended.Access)
	eventually(t, "nobody else is refused", func() bool { return read(gateways[closed]).StatusCode == http.StatusOK })

	// A gateway that was not there knows it, too.
	if err := s.Gateways[local].Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Gateways[local].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	restarted := []*client{newClient(t, s, local)}
	refusedEverywhere(t, restarted, "in a new gateway", ended.Access)
	eventually(t, "the override is in force in a new gateway", func() bool {
		return read(restarted[0]).quota("user") == "60/60"
	})
	if now := c.do("GET", "/api/v1/admin/tenants/"+stack.DemoTenant+"/limits", operator, nil).want(200); string(now.body) != string(agreed.body) {
		t.Errorf("got %s, want %s", now.body, agreed.body)
	}
}
