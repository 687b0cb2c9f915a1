package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
)

// When all connections of a pool are held, what comes is refused at once with a
// 503 and leaves nothing behind; other databases are served meanwhile.
func TestFullPool(t *testing.T) {
	t.Parallel()
	for _, dedicated := range []bool{false, true} {
		t.Run(fmt.Sprint("dedicated=", dedicated), func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, func(c *Config) {
				c.Database.MaxConns, c.Tenants.PoolConns, c.Database.PoolWait = 2, 2, 500*time.Millisecond
				if !dedicated {
					c.Database.MaxConns = 1
				} else {
					c.Tenants.PoolConns = 1
				}
			})
			operator := credentials{pair: s.operator("fault.operator")}
			busy, other := newParty(s, &operator, dedicated), newParty(s, &operator, !dedicated)
			contacts := func() int {
				return len(dbtest.TenantRows(t, busy.data, busy.tenant)["contacts"])
			}
			before := contacts()
			late := map[string]any{"username": "late", "email": "late@example.com", "password": testPassword}

			// The only connection waits for a lock that somebody else has.
			hold, err := busy.data.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := hold.Exec(t.Context(), "lock table tenant.contacts in access exclusive mode"); err != nil {
				t.Fatal(err)
			}
			waiting := make(chan answer, 1)
			go func() { waiting <- s.do("POST", "/api/v1/address-book", busy.member.Access, contactBody()) }()
			for dbtest.Value[int](t, s.db.AdminURL, `select count(*)::int from pg_stat_activity a join pg_locks l using (pid)
				where not l.granted and l.database = (select d.oid from pg_database d join pg_stat_activity me on me.datid = d.oid where me.pid = $1)`,
				int(busy.data.PgConn().PID())) == 0 {
				if t.Context().Err() != nil {
					t.Fatal("nobody waits for the lock")
				}
			}

			requests := []func() answer{
				func() answer { return s.do("GET", "/api/v1/address-book", busy.member.Access, nil) },
				func() answer { return s.do("GET", "/api/v1/auth/me", busy.member.Access, nil) },
				func() answer {
					return s.do("POST", "/api/v1/address-book", busy.member.Access, contactBody(), "Idempotency-Key", "again")
				},
				func() answer {
					return s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": busy.member.Refresh})
				},
				func() answer { return s.do("POST", "/api/v1/auth/logout", busy.admin.Access, nil) },
				func() answer { return s.do("POST", "/api/v1/users", busy.admin.Access, late) },
			}
			var wait sync.WaitGroup
			for _, request := range requests {
				wait.Go(func() {
					a := request()
					if a.StatusCode != 503 || !strings.Contains(string(a.body), `"code":"overloaded"`) || a.Header.Get("Retry-After") == "" {
						t.Errorf("%s: got %d: %s", a.Request.URL.Path, a.StatusCode, a.body)
					}
				})
			}
			wait.Wait()
			if dedicated { // the main database has nothing to do with it
				s.do("GET", "/api/v1/address-book", other.member.Access, nil).want(t, 200)
			}

			if err := hold.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			(<-waiting).want(t, 201)
			if got := contacts(); got != before+1 {
				t.Errorf("got %d contacts, want %d", got, before+1)
			}
			a := s.do("POST", "/api/v1/address-book", busy.member.Access, contactBody(), "Idempotency-Key", "again").want(t, 201)
			if a.Header.Get("Idempotency-Replayed") != "" {
				t.Error("the refused request left an answer behind")
			}
			s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": busy.member.Refresh}).want(t, 200)
			s.do("GET", "/api/v1/auth/me", busy.admin.Access, nil).want(t, 200)
			s.do("POST", "/api/v1/users", busy.admin.Access, late).want(t, 201)
		})
	}
}

// Connections that are lost at any moment cost a 503 and never half a change: a
// request that is repeated with its key happens once, and what belongs together
// is there together.
func TestConnectionsAreLostUnderLoad(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Database.MaxConns, c.Tenants.PoolConns = 4, 4 })
	operator := credentials{pair: s.operator("fault.operator")}
	parties := []*party{newParty(s, &operator, false), newParty(s, &operator, true)}
	before := make([]map[string][]string, len(parties))
	for i, p := range parties {
		before[i] = dbtest.TenantRows(t, p.data, p.tenant)
	}
	const clients, each = 3, 12
	done := make(chan struct{}) // one for each answer
	var killer, load sync.WaitGroup
	lost := 0
	killer.Go(func() { lost = endConnections(t, parties, done) })
	for _, p := range parties {
		for client := range clients {
			load.Go(func() {
				for i := range each {
					key := fmt.Sprintf("%d-%d", client, i)
					insist(s, done, func() answer {
						return s.do("POST", "/api/v1/address-book", p.member.Access, contactBody(), "Idempotency-Key", key)
					}, 201)
					insist(s, done, func() answer {
						return s.do("POST", "/api/v1/users", p.admin.Access, map[string]any{
							"username": "user." + key, "email": "user." + key + "@example.com", "password": testPassword,
						}, "Idempotency-Key", key)
					}, 201)
					insist(s, done, func() answer {
						return s.do("POST", "/api/v1/auth/login", "", map[string]any{
							"username_or_email": "user." + key, "password": testPassword, "tenant_id": p.tenant,
						})
					}, 200)
				}
			})
		}
	}
	load.Wait()
	close(done)
	killer.Wait()
	if lost < 10 {
		t.Errorf("only %d connections were ended", lost)
	}
	for i, p := range parties {
		after := dbtest.TenantRows(t, p.data, p.tenant)
		grown := func(table string) int { return len(after[table]) - len(before[i][table]) }
		const wanted = clients * each
		if grown("contacts") != wanted || grown("users") != wanted || grown("idempotency_keys") != 2*wanted {
			t.Errorf("of %d each there are %d contacts, %d users, %d keys", wanted, grown("contacts"), grown("users"), grown("idempotency_keys"))
		}
		if grown("audit") != grown("users") {
			t.Errorf("%d users have %d entries of the audit trail", grown("users"), grown("audit"))
		}
		// A login whose answer was lost may have happened.
		if n := grown("sessions"); n < wanted || n != grown("refresh_tokens") || n != grown("login_events") {
			t.Errorf("%d logins left %d sessions, %d tokens, %d events", wanted, n, grown("refresh_tokens"), grown("login_events"))
		}
	}
}

// insist repeats a request until it succeeds; until then it may only be told to
// come back.
func insist(s *testServer, done chan<- struct{}, request func() answer, status int) {
	s.t.Helper()
	for {
		a := request()
		done <- struct{}{}
		if a.StatusCode == status {
			return
		}
		var p problemBody
		retry := json.Unmarshal(a.body, &p) == nil &&
			(a.StatusCode == 503 && p.Code == "unavailable" && a.Header.Get("Retry-After") != "" ||
				p.Code == "idempotency_in_progress") // the server has not noticed yet that the connection is gone
		if !retry {
			s.t.Errorf("%s: got %d: %s", a.Request.URL.Path, a.StatusCode, a.body)
			return
		}
	}
}

// endConnections ends one of the service's connections whenever a few requests
// more are done, mostly in the middle of a transaction. It returns how many.
func endConnections(t *testing.T, parties []*party, done <-chan struct{}) (lost int) {
	var databases []string
	for _, p := range parties {
		databases = append(databases, p.data.Config().Database)
	}
	conn := parties[0].data
	left := 1
	for n := 0; ; n++ {
		if _, more := <-done; !more {
			return lost
		}
		if left--; left > 0 {
			continue
		}
		left = 1 + n%4
		var ended int
		if err := conn.QueryRow(context.WithoutCancel(t.Context()), `
			select count(*) filter (where pg_terminate_backend(pid)) from (
				select pid from pg_stat_activity
				where datname = any($1) and application_name = 'gatehouse-backend'
				order by state <> 'idle' desc, random() limit 1) a`, databases).Scan(&ended); err != nil {
			t.Error(err)
		}
		lost += ended
	}
}
