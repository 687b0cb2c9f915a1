package backend

import (
	"log/slog"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// What a backend has acknowledged holds for the cached answers that it gives, also
// while the feed is silent.
func TestOwnEndsHoldWithoutTheFeed(t *testing.T) {
	t.Parallel()
	server := startRedis(t, stack.RedisOptions{})
	s := newTestServer(t, cacheIn(server))
	operator := s.newOperator()
	// The cache works, and nothing can be announced or heard of.
	client, err := redisconn.Open(redisconn.Config{URL: config.Secret(server.URL()), Timeout: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Do(t.Context(), "ACL", "SETUSER", "default", "-@stream").Err(); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(admin, user actor) answer{
		"logout": func(_, user actor) answer { return s.do("POST", "/api/v1/auth/logout", user.Access, nil) },
		"all sessions": func(admin, user actor) answer {
			return s.do("DELETE", "/api/v1/users/"+user.ID.String()+"/sessions", admin.Access, nil)
		},
		"the user": func(admin, user actor) answer {
			return s.do("DELETE", "/api/v1/users/"+user.ID.String(), admin.Access, nil)
		},
		"the tenant": func(admin, _ actor) answer { return suspend(s, &cacheWorld{admin: admin, operator: operator}) },
	} {
		tenant := "ends-" + name[len(name)-4:]
		s.newTenant(operator, tenant, "open", "")
		admin, user := s.actor(tenant, "admin", token.Admin), s.actor(tenant, "user", token.Member)
		const list = "/api/v1/address-book"
		for range 2 { // the second comes from the cache and leaves a verdict
			s.do("GET", list, user.Access, nil).want(t, 200)
		}
		if a := end(admin, user); a.StatusCode/100 != 2 {
			t.Errorf("%s: got %d: %s", name, a.StatusCode, a.body)
		}
		if a := s.do("GET", list, user.Access, nil); a.StatusCode/100 != 4 {
			t.Errorf("after the end of %s: got %d: %s", name, a.StatusCode, a.body)
		}
	}
}
