package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/feed"
	"gatehouse/internal/limit"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/revocation"
	"gatehouse/internal/token"
)

// publisher is what a backend is to the feed: it seeds the tenants given.
func (r *rig) publisher(t testing.TB, tenants ...limit.Tenant) *feed.Publisher {
	t.Helper()
	client, err := redisconn.Open(redisconn.Config{URL: config.Secret("redis://" + r.redis.Addr()), Timeout: time.Second}, r.log)
	if err != nil {
		t.Fatal(err)
	}
	p := feed.NewPublisher(feed.Options{
		Client: client, Log: r.log, Now: time.Now,
		Seed: func(_ context.Context, _ bool, add func(...feed.Item) error) (bool, error) {
			for _, tenant := range tenants {
				if err := add(tenantItem(t, tenant)); err != nil {
					return true, err
				}
			}
			return true, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = client.Close()
	})
	eventually(t, "the feed is fresh", r.follows.fresh)
	return p
}

func tenantItem(t testing.TB, tenant limit.Tenant) feed.Item {
	t.Helper()
	text, err := tenant.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return feed.Item{Kind: feed.Tenant, Key: tenant.ID, Version: tenant.Version, Value: text}
}

func perMinute(requests int) limit.Limit {
	return limit.Limit{Requests: requests, Period: time.Minute, Burst: 10}
}

// policies asks for something and returns the RateLimit-Policy of the answer.
func (r *rig) policies(t testing.TB, header map[string]string) string {
	t.Helper()
	return r.do(t, "GET", "/things/7", header, "").header.Get("Ratelimit-Policy")
}

func TestLimitsFollowTheTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "address=600000/1m,9", "free.tenant=60/1m", "free.user=30/1m", "standard.tenant=120/1m", "standard.user=60/1m"))
	user, other := uuid.New(), uuid.New()
	header := func(user uuid.UUID) map[string]string {
		return map[string]string{"Authorization": "Bearer " + sign(t, r.keys, "acme", user)}
	}
	want := func(what string, user uuid.UUID, tenant, ofUser int) {
		t.Helper()
		want := fmt.Sprintf(`"address";q=600000;w=60, "tenant";q=%d;w=60, "user";q=%d;w=60`, tenant, ofUser)
		got := ""
		for deadline := time.Now().Add(10 * time.Second); got != want && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			r.redis.FlushDB() // no limit of the test itself; the feed comes again
			got = r.policies(t, header(user))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	want("nothing is known of the tenant", user, 120, 60)

	state := limit.Tenant{ID: "acme", Version: 1, Status: "active", Plan: "free"}
	p := r.publisher(t, state)
	want("its plan", user, 60, 30)
	state.Version, state.Overrides = 2, []limit.Override{
		{Policy: limit.PerTenant, Limit: perMinute(600), Owner: "o", Reason: "r"},
		{Policy: limit.PerUser, User: user, Limit: perMinute(300), Owner: "o", Reason: "r"},
		{Policy: limit.PerUser, Limit: perMinute(200), Owner: "o", Reason: "r"},
		{Policy: limit.PerTenant, Limit: perMinute(1), Shadow: true, Owner: "o", Reason: "r"},
	}
	p.Publish(t.Context(), tenantItem(t, state))
	eventually(t, "the overrides arrive", func() bool { s := r.follows.tenants.Get("acme"); return s != nil && s.Version == 2 })
	for what, c := range map[string]struct {
		user   uuid.UUID
		ofUser int
	}{"the user's own": {user, 300}, "the tenant's": {other, 200}} {
		if got, want := r.policies(t, header(c.user)), fmt.Sprintf(`"address";q=600000;w=60, "tenant";q=600;w=60, "user";q=%d;w=60`, c.ofUser); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
}

func TestRevokedTokensAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	p := r.publisher(t, limit.Tenant{ID: "acme", Version: 3, Status: "active", Plan: "free"})
	session := uuid.New()
	bearer := func(session uuid.UUID, tenant string) map[string]string {
		signed, err := r.keys.Sign(token.Claims{
			UserID: uuid.New(), Tenant: tenant, Username: "demo", Session: session, Role: token.Member,
		}, 15*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"Authorization": "Bearer " + signed}
	}
	ended, alive, ofAcme := bearer(session, "tenant1"), bearer(uuid.New(), "tenant1"), bearer(uuid.New(), "acme")
	status := func(header map[string]string) int { return r.do(t, "GET", "/things/7", header, "").status }
	for range 2 { // the second time it is in the cache of tokens
		if got := status(ended); got != 200 {
			t.Fatalf("before: %d", got)
		}
	}

	p.Publish(t.Context(), revocation.Item(session, time.Now().Add(time.Hour)))
	eventually(t, "the session is refused", func() bool { return status(ended) == 401 })
	_, asked := r.backend.last()
	r.do(t, "GET", "/things/7", ended, "").problem(t, 401, "unauthenticated")
	r.do(t, "GET", "/things/7", bearer(session, "tenant1"), "").problem(t, 401, "unauthenticated") // another token of it
	if _, now := r.backend.last(); now != asked {
		t.Error("the backend was asked about a session that is known to have ended")
	}
	if got := status(alive); got != 200 {
		t.Errorf("another session = %d", got)
	}
	if a := r.do(t, "POST", "/login", map[string]string{"Content-Type": "application/json"}, "{}"); a.status != 200 {
		t.Errorf("signing in = %d", a.status)
	}

	if got := status(ofAcme); got != 200 {
		t.Fatalf("before the suspension: %d", got)
	}
	p.Publish(t.Context(), tenantItem(t, limit.Tenant{ID: "acme", Version: 4, Status: "suspended", Plan: "free"}))
	eventually(t, "the tenant is refused", func() bool { return status(ofAcme) == 401 })
	p.Publish(t.Context(), tenantItem(t, limit.Tenant{ID: "acme", Version: 5, Status: "active", Plan: "free"}))
	eventually(t, "the tenant is admitted again", func() bool { return status(ofAcme) == 200 })
	if got := status(ended); got != 401 {
		t.Errorf("the session that has ended = %d after that", got)
	}
}

func TestWhatOnlyAFreshGatewayAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil) // nobody has made the feed
	operator := r.as(t, token.Operator)
	for _, path := range []string{"/limits/explain?tenant_id=acme", "/limits/shadow"} {
		if got := r.do(t, "GET", path, operator, ""); got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("GET %s without a feed = %d", path, got.status)
		}
		r.do(t, "GET", path, r.as(t, token.Admin), "").problem(t, 403, "forbidden")
		r.do(t, "GET", path, nil, "").problem(t, 401, "unauthenticated")
	}
	if code, body := r.ops(t, "/health/ready"); code != 200 || !strings.Contains(body, `"feed":{"status":"degraded"`) {
		t.Errorf("/health/ready = %d %s, want ready and degraded by the feed", code, body)
	}
	r.publisher(t)
	r.do(t, "GET", "/limits/explain?tenant_id=acme", operator, "").problem(t, 400, "invalid_query")
	if a := r.do(t, "GET", "/limits/shadow", operator, ""); a.status != 200 {
		t.Errorf("GET /limits/shadow with a feed = %d %s", a.status, a.body)
	}
}

func TestExplainRequestsInFlight(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "free.in_flight=3"))
	r.publisher(t, limit.Tenant{ID: "acme", Version: 1, Status: "active", Plan: "free", Overrides: []limit.Override{
		{Policy: limit.InFlight, Limit: limit.InFlightLimit(7), Owner: "ops", Reason: "launch"},
	}}, limit.Tenant{ID: "beta", Version: 1, Status: "active", Plan: "free"})
	release := held(t, r)
	var read sync.WaitGroup
	read.Go(func() {
		r.do(t, "GET", "/things", map[string]string{"Authorization": "Bearer " + r.token(t, "acme")}, "")
	})
	eventually(t, "a read at the backend", func() bool { return r.asked() == 1 })
	for tenant, want := range map[string]map[string]any{
		"acme": {"requests": 7.0, "source": "tenant", "remaining": 6.0, "owner": "ops", "reason": "launch"},
		"beta": {"requests": 3.0, "source": "plan", "remaining": 3.0, "owner": nil, "reason": nil},
	} {
		a := r.do(t, "GET", "/limits/explain?tenant_id="+tenant, r.as(t, token.Operator), "")
		var body struct {
			Data struct{ Limits []map[string]any }
		}
		if err := json.Unmarshal([]byte(a.body), &body); a.status != 200 || err != nil || len(body.Data.Limits) == 0 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		got := body.Data.Limits[0] // the tightest
		if got["policy"] != limit.InFlight {
			t.Fatalf("%s: %v", tenant, body.Data.Limits)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s = %v, want %v", tenant, name, got[name], value)
			}
		}
	}
	release()
	read.Wait()
}

func TestExplain(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "free.tenant=60/1m,20", "free.user=60/1m,10 shadow 6/1m,10", "free.write=6/1m,5"))
	user := uuid.MustParse("019aab10-6f3c-7d52-8a41-2f6b7c8d9e01")
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	r.publisher(t, limit.Tenant{ID: "acme", Version: 1, Status: "active", Plan: "free", Overrides: []limit.Override{
		{Policy: limit.PerTenant, Limit: perMinute(600), Owner: "ops", Reason: "launch", ExpiresAt: expires},
		{Policy: limit.Write, User: user, Limit: perMinute(12), Owner: "eve", Reason: "ticket"},
	}}, limit.Tenant{ID: "gone", Version: 1, Status: "deleted", Plan: "free"})
	operator := r.as(t, token.Operator)
	header := map[string]string{"Authorization": "Bearer " + sign(t, r.keys, "acme", user), "Content-Type": "application/json"}
	for range 2 {
		if a := r.do(t, "POST", "/things", header, "{}"); a.status != 200 {
			t.Fatalf("POST /things = %d %s", a.status, a.body)
		}
	}

	explain := func(query string) map[string]any {
		t.Helper()
		a := r.do(t, "GET", "/limits/explain?"+query, operator, "")
		var body struct{ Data map[string]any }
		if err := json.Unmarshal([]byte(a.body), &body); a.status != 200 || err != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return body.Data
	}
	full := "tenant_id=acme&user_id=" + user.String() + "&operation=createThing"
	explain(full)
	got := explain(full) // asking consumes nothing
	var limits []string
	for _, l := range got["limits"].([]any) {
		l := l.(map[string]any)
		limits = append(limits, fmt.Sprint(l["policy"], " ", l["requests"], "/", l["period"], ",", l["burst"], " ", l["source"], " shadow ", l["shadow"],
			" left ", l["remaining"], " owner ", l["owner"], " ", l["reason"], " ", l["expires_at"]))
	}
	delete(got, "limits")
	want := []string{
		"write 12/60,10 user shadow false left 8 owner eve ticket <nil>",
		"user 60/60,10 plan shadow false left 8 owner <nil> <nil> <nil>",
		"tenant 600/60,10 tenant shadow false left 8 owner ops launch " + expires.Format("2006-01-02T15:04:05.000Z"),
		"user 6/60,10 plan shadow true left 8 owner <nil> <nil> <nil>",
	}
	// The tenant's and the user's buckets may have refilled by now.
	for i := range limits {
		for _, n := range []string{"9", "10"} {
			limits[i] = strings.Replace(limits[i], "left "+n+" ", "left 8 ", 1)
		}
	}
	if diff := cmp.Diff(want, limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"tenant_id": "acme", "plan": "free", "user_id": user.String(), "operation": "createThing", "class": "write"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := explain("tenant_id=acme"); got["user_id"] != nil || got["operation"] != nil || len(got["limits"].([]any)) != 3 {
		t.Errorf("for the tenant alone: %v", got)
	}

	for query, fields := range map[string]string{
		"":                                  "tenant_id required",
		"tenant_id=":                        "tenant_id required",
		"tenant_id=nobody":                  "tenant_id invalid_value",
		"tenant_id=gone":                    "tenant_id invalid_value",
		"tenant_id=acme&user_id=7":          "user_id invalid_format",
		"tenant_id=acme&operation=fly":      "operation invalid_value",
		"tenant_id=acme&tenant_id=acme":     "tenant_id repeated",
		"tenant_id=acme&class=write&user=x": "class unknown_parameter, user unknown_parameter",
		"tenant_id=nobody&user_id=x&operation=x&a=b": "a unknown_parameter, tenant_id invalid_value, user_id invalid_format, operation invalid_value",
		"tenant_id=a;b": " invalid_format, tenant_id required",
	} {
		p := r.do(t, "GET", "/limits/explain?"+query, operator, "").problem(t, 400, "invalid_query")
		var got []string
		for _, f := range p["errors"].([]any) {
			f := f.(map[string]any)
			got = append(got, fmt.Sprint(f["field"], " ", f["code"]))
		}
		if got := strings.Join(got, ", "); got != fields {
			t.Errorf("%s: %s, want %s", query, got, fields)
		}
	}
}

func TestShadowLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "standard.user=600/1m,100 shadow 1/1h,1", "refresh=600/1m,100 shadow 1/1h,1"))
	r.publisher(t)
	header := map[string]string{"Authorization": "Bearer " + r.token(t, "acme")}
	for range 4 {
		a := r.do(t, "GET", "/things/7", header, "")
		if got := a.header.Get("Ratelimit-Policy"); a.status != 200 || strings.Count(got, `"user"`) != 1 || !strings.Contains(got, `"user";q=600;w=60`) {
			t.Errorf("status %d, RateLimit-Policy %s; want the limit that is enforced alone", a.status, got)
		}
	}
	for range 3 {
		r.do(t, "POST", "/refresh", map[string]string{"Content-Type": "application/json"}, "{}")
	}
	r.follows.shadow.Flush(t.Context())
	a := r.do(t, "GET", "/limits/shadow", r.as(t, token.Operator), "")
	var report struct {
		Data struct {
			Complete bool
			Limits   []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(a.body), &report); a.status != 200 || err != nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want := []map[string]any{
		{"policy": "user", "tenant_id": "acme", "requests": 3.0},
		{"policy": "refresh", "tenant_id": nil, "requests": 2.0},
	}
	if diff := cmp.Diff(want, report.Data.Limits); diff != "" || !report.Data.Complete {
		t.Errorf("report %s (-want +got):\n%s", a.body, diff)
	}
	r.do(t, "GET", "/limits/shadow?hours=3", r.as(t, token.Operator), "").problem(t, 400, "invalid_query")
}

func TestFileOfLimitsIsFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "limits.json")
	writeLimits(t, path, "standard.user=60/1m,10")
	r := newRig(t, func(c *Config) { c.Limits.File = path })
	user := r.bearer(t)
	has := func(policy string) {
		t.Helper()
		if got := r.policies(t, user); !strings.Contains(got, policy) {
			t.Errorf("RateLimit-Policy = %s, want %s", got, policy)
		}
	}
	has(`"user";q=60;w=60`)
	writeLimits(t, path, "standard.user=30/1m,10")
	r.Reload()
	has(`"user";q=30;w=60`)
	if err := os.WriteFile(path, []byte(`{"plans": {"standard": {"user": {"limit": "0/1m"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Reload()
	has(`"user";q=30;w=60`)
	lines := r.logs.lines(t, "a watched file is refused; its last good content stays in force")
	if len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["cause"]), "/plans/standard/user/limit: requests is 0") {
		t.Errorf("log = %v", lines)
	}
	writeLimits(t, path, "standard.user=20/1m,10")
	r.Reload()
	has(`"user";q=20;w=60`)
}

func TestClassesHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, limits(t, "standard.write=1/1h,1", "standard.user=1/1h,3"))
	header := map[string]string{"Authorization": "Bearer " + r.token(t, "acme"), "Content-Type": "application/json"}
	if a := r.do(t, "POST", "/things", header, "{}"); a.status != 200 || !strings.HasSuffix(a.header.Get("Ratelimit-Policy"), `"user";q=1;w=3600, "write";q=1;w=3600`) {
		t.Errorf("the first write = %d, RateLimit-Policy %s", a.status, a.header.Get("Ratelimit-Policy"))
	}
	for range 3 {
		r.do(t, "POST", "/things", header, "{}").problem(t, 429, "rate_limited")
	}
	for range 2 { // the user had 3, and the refusals cost it none
		if a := r.do(t, "GET", "/things/7", header, ""); a.status != 200 {
			t.Errorf("a read = %d", a.status)
		}
	}
	r.do(t, "GET", "/things/7", header, "").problem(t, 429, "rate_limited")
}
