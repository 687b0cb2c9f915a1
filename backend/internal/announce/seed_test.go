package announce

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/feed"
	"gatehouse/internal/limit"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/revocation"
)

func newAnnouncer(t *testing.T, db *dbtest.Database) *Announcer {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	redis, err := redisconn.Open(redisconn.Config{URL: "redis://127.0.0.1:1/0", Timeout: 10 * time.Millisecond}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	return New(Options{
		Redis: redis, Maint: dbtest.Open(t, db.MaintURL), TenantHash: func(id string) string { return id }, Now: time.Now, Log: log,
	})
}

// seeded returns what a seed tells of.
func seeded(t *testing.T, a *Announcer, full bool) (tenants map[string]limit.Tenant, sessions map[string]time.Time) {
	t.Helper()
	tenants, sessions = map[string]limit.Tenant{}, map[string]time.Time{}
	mine, err := a.seed(t.Context(), full, func(items ...feed.Item) error {
		for _, i := range items {
			if id, expires, ok := revocation.Parse(i); ok {
				sessions[id.String()] = expires
				continue
			}
			state, err := limit.ParseTenant(i.Value)
			if err != nil || i.Kind != feed.Tenant || i.Key != state.ID || i.Version != state.Version {
				t.Errorf("got %+v: %v", i, err)
			}
			tenants[state.ID] = state
		}
		return nil
	})
	if err != nil || !mine {
		t.Fatalf("got %v, %v", mine, err)
	}
	return tenants, sessions
}

// What was deleted long ago, has expired, or is of no token that still is valid
// is not told of; all else is, in however many pages.
func TestSeed(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	exec := func(sql string) { t.Helper(); dbtest.Exec(t, db.AdminURL, sql) }
	exec(`insert into control.tenants (id, name, plan, version, status, updated_at)
		select 't-' || to_char(n, 'FM00000'), 'x', case n % 2 when 0 then 'free' else 'premium' end, n, 'active', now() - interval '1 day'
		from generate_series(1, 2500) n`)
	exec(`update control.tenants set status = 'suspended' where id = 't-00007'`)
	exec(`update control.tenants set status = 'deleted', updated_at = now() - interval '119 minutes' where id = 't-00008'`)
	exec(`update control.tenants set status = 'deleted', updated_at = now() - interval '121 minutes' where id = 't-00009'`)
	exec(`insert into control.limit_overrides (tenant_id, policy, requests, period_seconds, burst, shadow, owner, reason, expires_at) values
		('t-00001', 'user', 1, 1, 10, false, 'o', 'r', null), ('t-00001', 'read', 1, 1, 10, false, 'o', 'r', now()),
		('t-01000', 'user', 2, 1, 10, true, 'o', 'r', now() + interval '1 hour'), ('t-01001', 'tenant', 3, 60, 10, false, 'o', 'r', null),
		('t-00009', 'user', 4, 1, 10, false, 'o', 'r', null), ('t-02500', 'user', 5, 1, 10, false, 'o', 'r', null)`)
	exec(`insert into tenant.users (tenant_id, id, username, username_key, email, email_key, password_hash, role)
		select id, gen_random_uuid(), 'ana', 'ana', 'a@b.c', 'a@b.c', 'x', 'member' from control.tenants where id < 't-00003' and id <> 'platform'`)
	// Most end at one moment, so that pages begin among equals.
	exec(`insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, last_refresh_at, expires_at, revoked_at, revoked_reason)
		select u.tenant_id, gen_random_uuid(), u.id, 'recent', '', now() - interval '60 minutes', now() + interval '1 day',
		       now() - interval '30 minutes' - case when n < 10 then n * interval '1 second' else interval '0' end, 'logout'
		from tenant.users u, generate_series(1, 1250) n`)
	exec(`insert into tenant.sessions (tenant_id, id, user_id, ip, user_agent, last_refresh_at, expires_at, revoked_at, revoked_reason)
		select u.tenant_id, gen_random_uuid(), u.id, v.ip, '', now() - v.refreshed, now() + interval '1 day', now() - v.revoked, case when v.revoked is null then null else 'logout' end
		from tenant.users u, (values
			('live', interval '1 minute', null::interval), ('ended long ago', interval '62 minutes', interval '62 minutes'),
			('refreshed long ago', interval '62 minutes', interval '1 minute')) as v (ip, refreshed, revoked)`)

	a := newAnnouncer(t, db)
	tenants, sessions := seeded(t, a, true)
	if len(tenants) != 2500 { // one was deleted too long ago; the platform is there
		t.Errorf("got %d tenants", len(tenants))
	}
	if _, ok := tenants["t-00009"]; ok {
		t.Error("a tenant that was deleted long ago is told of")
	}
	for id, want := range map[string]string{
		"platform": "1 active standard", "t-00001": "1 active premium user 1/1s,10", "t-00007": "7 suspended premium", "t-00008": "8 deleted free",
		"t-01000": "1000 active free user 2/1s,10 shadow", "t-01001": "1001 active premium tenant 3/1m,10", "t-02500": "2500 active free user 5/1s,10",
	} {
		if got := describe(tenants[id]); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	want := dbtest.Value[[]string](t, db.AdminURL, "select array_agg(id::text order by id) from tenant.sessions where ip = 'recent'")
	if len(sessions) != len(want) || len(want) != 2500 {
		t.Errorf("got %d sessions, want %d", len(sessions), len(want))
	}
	for _, id := range want {
		if left := time.Until(sessions[id]); left < 30*time.Minute || left > 31*time.Minute+time.Second {
			t.Fatalf("session %s matters for %v", id, left)
		}
	}
	tenants, sessions = seeded(t, a, false)
	if len(tenants) != 2500 || len(sessions) != 0 {
		t.Errorf("not in full: got %d tenants and %d sessions", len(tenants), len(sessions))
	}
}

func describe(s limit.Tenant) string {
	text := []string{strconv.FormatInt(s.Version, 10), s.Status, s.Plan}
	for _, o := range s.Overrides {
		text = append(text, o.Policy, o.Limit.String())
		if o.Shadow {
			text = append(text, "shadow")
		}
	}
	return strings.Join(text, " ")
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	a := newAnnouncer(t, dbtest.New(t))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Run(ctx)
	}()
	a.note("own", errors.New("it is down"))
	stop()
	<-done
}

// Of several backends one seeds, and a failure to tell ends the seed.
func TestOneSeedAtATime(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	first, second := newAnnouncer(t, db), newAnnouncer(t, db)
	told := 0
	mine, err := first.seed(t.Context(), true, func(...feed.Item) error {
		told++
		mine, err := second.seed(t.Context(), true, func(...feed.Item) error {
			t.Error("the second tells, too")
			return nil
		})
		if mine || err != nil {
			t.Errorf("got %v, %v", mine, err)
		}
		return nil
	})
	if !mine || err != nil || told == 0 {
		t.Errorf("got %v, %v after %d", mine, err, told)
	}
	if mine, err := second.seed(t.Context(), false, func(...feed.Item) error { return nil }); !mine || err != nil {
		t.Errorf("afterwards: got %v, %v", mine, err)
	}
	broken := errors.New("redis is away")
	if _, err := first.seed(t.Context(), true, func(...feed.Item) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.seed(ended, true, func(...feed.Item) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
