package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/limit"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// patient is for gateways that are expected to hear from Redis also while tests
// leave them little of the machine.
var patient = []string{"REDIS_TIMEOUT=500ms"}

// wide is a limit that no test meets.
const wide = "600000/1m,100000"

// limitsFile is a file of limits that are wide but for those that are given, by
// policy of the client's address and by plan and policy.
func limitsFile(address map[string]string, plans map[string]map[string]string) string {
	policies := func(names []string, given map[string]string) string {
		var list []string
		for _, name := range names {
			text := wide
			if own, ok := given[name]; ok {
				text = own
			}
			list = append(list, fmt.Sprintf("%q: {\"limit\": %q}", name, text))
		}
		return "{" + strings.Join(list, ", ") + "}"
	}
	var list []string
	for _, plan := range limit.Plans() {
		list = append(list, fmt.Sprintf("%q: %s", plan, policies(limit.CallerPolicies(), plans[plan])))
	}
	return fmt.Sprintf(`{"address": %s, "in_flight": {"free": "none", "standard": "none", "premium": "none"}, "plans": {%s}}`, policies(limit.AddressPolicies(), address), strings.Join(list, ", "))
}

// clients returns one client for each gateway.
func clients(t testing.TB, s *stack.Stack) []*client {
	t.Helper()
	list := make([]*client, len(s.Gateways))
	for i := range list {
		list[i] = newClient(t, s, i)
	}
	return list
}

// operatorOf signs the operator of a stack in.
func (c *client) operatorOf(s *stack.Stack) string {
	c.t.Helper()
	return c.login(stack.OperatorUser, s.Secrets.OperatorPassword, token.PlatformTenant).Access
}

// metric reads a metric of a process's ops listener; one that is not there yet
// is zero.
func metric(t testing.TB, ops, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(get(t, ops+"/metrics"))
	if m == nil {
		return 0
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

// quota returns what the answer says of a policy, such as 600/60.
func (a answer) quota(policy string) string {
	m := regexp.MustCompile(`"` + policy + `";q=(\d+);w=(\d+)`).FindStringSubmatch(a.Header.Get("RateLimit-Policy"))
	if m == nil {
		return ""
	}
	return m[1] + "/" + m[2]
}

// refusedBy fails the test unless the answer is a 429 that names the policy.
func (a answer) refusedBy(policy string) answer {
	a.t.Helper()
	a.problem(429, "rate_limited")
	if !strings.Contains(string(a.body), `The limit \"`+policy+`\" is used up`) {
		a.t.Errorf("%s: the answer does not name the policy %s: %s", a.Request.URL, policy, a.body)
	}
	if a.Header.Get("Retry-After") == "" {
		a.t.Errorf("%s: a 429 without Retry-After", a.Request.URL)
	}
	return a
}

// replaceFile puts a file in place by a rename, as editors and Kubernetes do.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A key that a test hammers: its rate, its burst and the tokens that count on it.
type hammered struct {
	name   string
	rate   float64 // per second
	burst  float64
	tokens []string

	mu   sync.Mutex
	seen []span // of requests that were admitted
	sent int
}

// span is when a request began and when its answer was there.
type span struct{ start, end time.Duration }

// Three gateways share every limit, whatever happens to one of them: in any
// interval a key is admitted at most burst + rate × T times.
func TestFleetKeepsTheLimit(t *testing.T) {
	t.Parallel()
	s := ownStack(t, stack.Options{Gateways: 3, GatewayEnv: patient, Limits: limitsFile(nil, map[string]map[string]string{
		"standard": {"user": "1200/1m,100"},   // is leased
		"free":     {"user": "600/1m,20"},     // is not
		"premium":  {"tenant": "3000/1m,150"}, // is, for several users
	})})
	gateways := clients(t, s)
	c := gateways[0]
	operator := c.operatorOf(s)
	_, standard := c.newUser()
	free, _, inFree := c.newTenant(operator, "")
	premium, admin, inPremium := c.newTenant(operator, "")
	for id, plan := range map[string]string{free: "free", premium: "premium"} {
		c.do("PUT", "/api/v1/admin/tenants/"+id, operator, map[string]any{"name": id, "plan": plan}).want(200)
	}
	c.do("POST", "/api/v1/users", inPremium.Access, map[string]any{
		"username": "second", "email": "second@example.com", "password": password,
	}).want(201)
	second := c.login("second", password, premium)
	for _, g := range gateways {
		eventually(t, "the plans are in force", func() bool {
			return g.do("GET", "/api/v1/auth/me", inFree.Access, nil).quota("user") == "600/60" &&
				g.do("GET", "/api/v1/auth/me", inPremium.Access, nil).quota("tenant") == "3000/60"
		})
	}
	keys := []*hammered{
		{name: "a user whose limit is leased", rate: 20, burst: 100, tokens: []string{standard.Access}},
		{name: "a user whose limit is not leased", rate: 10, burst: 20, tokens: []string{inFree.Access}},
		{name: "a tenant", rate: 50, burst: 150, tokens: []string{inPremium.Access, second.Access, c.login(admin, password, premium).Access}},
	}

	ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
	defer cancel()
	begin := time.Now()
	var workers sync.WaitGroup
	for _, k := range keys {
		for i := range 2 * len(gateways) {
			g := *gateways[i%len(gateways)]
			g.unchecked = true
			workers.Go(func() { k.hammer(ctx, &g, k.tokens[i%len(k.tokens)], begin) })
		}
	}
	pause(ctx, time.Second)
	if err := s.Gateways[1].Pause(); err != nil {
		t.Fatal(err)
	}
	pause(ctx, 500*time.Millisecond)
	if err := s.Gateways[2].Kill(); err != nil {
		t.Fatal(err)
	}
	pause(ctx, time.Second)
	if err := s.Gateways[2].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pause(ctx, 500*time.Millisecond)
	if err := s.Gateways[1].Resume(); err != nil {
		t.Fatal(err)
	}
	workers.Wait()
	// The gateway that nothing happened to heard from Redis all the time.
	if n := metric(t, s.Gateways[0].Ops, "gateway_ratelimit_fallback_total"); n > 0 {
		t.Errorf("gateway 1 decided %v times alone", n)
	}
	for _, k := range keys {
		k.check(t, time.Since(begin))
	}
	// A gateway that starts knows what is in force before it lets anybody in.
	for range 3 {
		if err := s.Gateways[2].Kill(); err != nil {
			t.Fatal(err)
		}
		var first answer
		var asking sync.WaitGroup
		asking.Go(func() {
			for err := errors.New("not yet"); err != nil && t.Context().Err() == nil; {
				first, err = gateways[2].try("GET", "/api/v1/auth/me", inFree.Access, nil)
			}
		})
		if err := s.Gateways[2].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		asking.Wait()
		if got := first.quota("user"); got != "600/60" {
			t.Errorf("the first answer of a gateway goes by the limit %q", got)
		}
	}
}

// pause waits; what happens meanwhile is the test.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// hammer asks until ctx is done, far more often than is allowed.
func (k *hammered) hammer(ctx context.Context, c *client, access string, begin time.Time) {
	for ctx.Err() == nil {
		start := time.Since(begin)
		a, err := c.try("GET", "/api/v1/auth/me", access, nil)
		end := time.Since(begin)
		k.mu.Lock()
		k.sent++
		if err == nil && a.StatusCode == http.StatusOK {
			k.seen = append(k.seen, span{start, end})
		}
		k.mu.Unlock()
		if err == nil && a.StatusCode != http.StatusOK && a.StatusCode != http.StatusTooManyRequests {
			c.t.Errorf("%s: got %d: %s", k.name, a.StatusCode, a.body)
		}
		pause(ctx, 12*time.Millisecond)
	}
}

// check holds what was admitted between the start of any request and the end of
// any other against the promise.
func (k *hammered) check(t *testing.T, whole time.Duration) {
	t.Helper()
	slices.SortFunc(k.seen, func(a, b span) int { return int(a.end - b.end) })
	for _, first := range k.seen {
		n := 0
		for _, last := range k.seen {
			if last.start < first.start {
				continue
			}
			n++
			if most := k.burst + k.rate*(last.end-first.start).Seconds(); float64(n) > most {
				t.Fatalf("%s: %d requests were admitted from %v to %v, %.2f are allowed", k.name, n, first.start, last.end, most)
			}
		}
	}
	allowed := k.burst + k.rate*whole.Seconds()
	t.Logf("%s: %d of %d requests were admitted, %.0f were allowed", k.name, len(k.seen), k.sent, allowed)
	if float64(len(k.seen)) < allowed/2 {
		t.Errorf("%s: only %d requests were admitted of %.0f that were allowed", k.name, len(k.seen), allowed)
	}
}

// A refusal says which limit it is and when to come back, and until then costs
// Redis nothing; classes of operations have limits of their own; the file of
// limits is followed.
func TestLimits(t *testing.T) {
	t.Parallel()
	// As Kubernetes mounts it: a link to a file in a folder that is a link.
	dir := t.TempDir()
	file := filepath.Join(dir, "limits.json")
	version := 0
	swap := func(content string) {
		t.Helper()
		version++
		folder := filepath.Join(dir, fmt.Sprintf("..%d", version))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		replaceFile(t, filepath.Join(folder, "limits.json"), content)
		data := filepath.Join(dir, "..data")
		if err := os.Symlink(filepath.Base(folder), data+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(data+".new", data); err != nil {
			t.Fatal(err)
		}
	}
	standard := map[string]string{"user": "30/1m,3", "write": "6/1m,2", "export": "6/1m,1"}
	swap(limitsFile(map[string]string{"auth": "30/1m,12"}, map[string]map[string]string{"standard": standard}))
	if err := os.Symlink(filepath.Join("..data", "limits.json"), file); err != nil {
		t.Fatal(err)
	}
	s := ownStack(t, stack.Options{Gateways: 2, GatewayEnv: append([]string{"RATE_LIMIT_FILE=" + file}, patient...)})
	gateways := clients(t, s)
	c := gateways[0]
	commands := func(gateway int) float64 {
		return metric(t, s.Gateways[gateway].Ops, "gateway_ratelimit_redis_commands_total")
	}

	// Retry-After, by a key of the user's.
	_, tokens := c.newUser()
	_, other := c.newUser()
	for i := range 3 {
		gateways[i%2].do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200)
	}
	asked := time.Now()
	wait := 0
	a := c.do("GET", "/api/v1/auth/me", tokens.Access, nil).refusedBy("user")
	refused := time.Now()
	if wait, _ = strconv.Atoi(a.Header.Get("Retry-After")); wait < 1 || wait > 2 {
		t.Fatalf("Retry-After is %q, want the 2 s from one request to the next, or what is left of them", a.Header.Get("Retry-After"))
	}
	for {
		sent := time.Now()
		a := c.do("GET", "/api/v1/auth/me", tokens.Access, nil)
		if a.StatusCode == http.StatusOK {
			if early := time.Since(asked); early <= time.Duration(wait-1)*time.Second {
				t.Errorf("admitted after %v, though Retry-After was %d s", early, wait)
			}
			break
		}
		a.refusedBy("user")
		if late := sent.Sub(refused); late >= time.Duration(wait)*time.Second {
			t.Fatalf("refused %v after a Retry-After of %d s", late, wait)
		}
		pause(t.Context(), 50*time.Millisecond)
	}

	// Classes: writing and exporting are limited apart from each other and from
	// reading, which the limit of the user would allow.
	standard["user"] = wide
	replaceFile(t, filepath.Join(dir, "..data", "limits.json"),
		limitsFile(map[string]string{"auth": "30/1m,12"}, map[string]map[string]string{"standard": standard}))
	for i, g := range s.Gateways {
		if err := g.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "SIGHUP has the file read again", func() bool {
			return gateways[i].do("GET", "/api/v1/auth/me", other.Access, nil).quota("user") == "600000/60"
		})
	}
	const book = "/api/v1/address-book"
	for i := range 2 {
		a := gateways[i].do("POST", book, other.Access, contactBody()).want(201)
		if a.quota("write") != "6/60" || a.quota("tenant") == "" || a.quota("user") == "" || a.quota("address") == "" {
			t.Errorf("got RateLimit-Policy %q", a.Header.Get("RateLimit-Policy"))
		}
	}
	gateways[0].do("GET", book+"/export?format=csv", other.Access, nil).want(200)
	for _, g := range gateways {
		g.do("POST", book, other.Access, contactBody()).refusedBy("write")
		g.do("GET", book+"/export?format=csv", other.Access, nil).refusedBy("export")
		if a := g.do("GET", book, other.Access, nil).want(200); a.quota("write") != "" || a.quota("export") != "" {
			t.Errorf("reading has RateLimit-Policy %q", a.Header.Get("RateLimit-Policy"))
		}
	}
	var list []any
	if c.do("GET", book, other.Access, nil).want(200).into(&list); len(list) != 2 {
		t.Errorf("%d contacts were written, want 2", len(list))
	}
	c.do("POST", book, tokens.Access, contactBody()).want(201) // another user's limit

	// A flood of refused requests: the commands until a gateway knows that the
	// bucket is empty, and none after that.
	login := map[string]any{"username_or_email": "nobody", "password": "wrong", "tenant_id": stack.DemoTenant}
	for i, g := range gateways {
		for {
			if a := g.do("POST", "/api/v1/auth/login", "", login); a.StatusCode == http.StatusTooManyRequests {
				break
			} else if a.StatusCode != http.StatusUnauthorized {
				t.Fatalf("got %d: %s", a.StatusCode, a.body)
			}
		}
		before, admitted := commands(i), 0
		for range 100 {
			if g.do("POST", "/api/v1/auth/login", "", login).StatusCode != http.StatusTooManyRequests {
				admitted++ // its time had come
			}
		}
		if n := commands(i) - before; n > 2*float64(admitted) {
			t.Errorf("gateway %d: %v commands for 100 requests, of which %d were admitted", i+1, n, admitted)
		}
	}

	// A file with a mistake: refused and counted, the last good one stays.
	const refusals, generation = `config_file_refused_total{file="limits"}`, `config_file_generation{file="limits"}`
	replaceFile(t, filepath.Join(dir, "..data", "limits.json"), `{"plans": {"standard": {"user": {"limit": "0/1m"}}}}`)
	for i, g := range s.Gateways {
		if got := metric(t, g.Ops, generation); got != 2 {
			t.Errorf("gateway %d: generation %v, want 2", i+1, got)
		}
		if err := g.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the mistake is counted", func() bool { return metric(t, g.Ops, refusals) >= 1 })
		if got := gateways[i].do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200).quota("user"); got != "600000/60" {
			t.Errorf("gateway %d: the limit is %s", i+1, got)
		}
		if got := metric(t, g.Ops, generation); got != 2 {
			t.Errorf("gateway %d: generation %v after a file with a mistake, want 2", i+1, got)
		}
	}
	out, code := program(t, s.Gateways[0].Path(), []string{
		"RATE_LIMIT_FILE=" + file, "GATEWAY_TLS_ADDR=off", "GATEWAY_HTTP_ADDR=127.0.0.1:0", "REDIS_URL=redis://127.0.0.1:1/0",
		"BACKENDS=127.0.0.1:1", "JWT_SECRET=" + s.Secrets.JWT,
	}, "check")
	if code != 2 || !strings.Contains(out, "RATE_LIMIT_FILE cannot be used") || !strings.Contains(out, "requests") {
		t.Errorf("gateway check: got exit code %d: %s", code, out)
	}

	// A swapped link is seen without a signal, as soon as it is looked at.
	standard["user"] = "6000/1m,5000"
	swap(limitsFile(nil, map[string]map[string]string{"standard": standard}))
	for i, g := range s.Gateways {
		eventually(t, "the new file is in force", func() bool {
			return gateways[i].do("GET", "/api/v1/auth/me", tokens.Access, nil).want(200).quota("user") == "6000/60"
		})
		if got := metric(t, g.Ops, generation); got != 3 {
			t.Errorf("gateway %d: generation %v, want 3", i+1, got)
		}
	}
}

// overrides is a body for PUT /admin/tenants/{id}/limits.
func overrides(list ...map[string]any) map[string]any {
	if list == nil {
		list = []map[string]any{}
	}
	return map[string]any{"overrides": list}
}

// override is one entry of it, in requests a minute.
func override(policy string, requests int, more map[string]any) map[string]any {
	o := map[string]any{"policy": policy, "requests": requests, "period": 60, "reason": "a test"}
	maps.Copy(o, more)
	return o
}

// What is agreed on with a tenant is in force in every gateway within five
// seconds, the closer agreement before the wider one.
func TestOverrides(t *testing.T) {
	t.Parallel()
	gateways := clients(t, shared)
	c := gateways[0]
	operator := c.operator()
	id, _, admin := c.newTenant(operator, "")
	path := "/api/v1/admin/tenants/" + id + "/limits"
	var user struct{ ID string }
	c.do("POST", "/api/v1/users", admin.Access, map[string]any{
		"username": "member", "email": "member@example.com", "password": password,
	}).want(201).into(&user)
	member := c.login("member", password, id)

	var answered time.Time
	agree := func(body any, headers ...string) answer {
		t.Helper()
		a := c.do("PUT", path, operator, body, headers...).want(200)
		answered = time.Now()
		return a
	}
	// everywhere waits until all gateways say so, five seconds after the answer at
	// most.
	everywhere := func(what string, ok func(g *client) bool) {
		t.Helper()
		deadline := answered.Add(5 * time.Second)
		for i, g := range gateways {
			for !ok(g) {
				if time.Now().After(deadline) {
					t.Fatalf("%s: not in gateway %d within 5 s", what, i+1)
				}
				pause(t.Context(), 10*time.Millisecond)
			}
		}
	}
	userQuota := func(p pair, want string) func(*client) bool {
		return func(g *client) bool { return g.do("GET", "/api/v1/auth/me", p.Access, nil).quota("user") == want }
	}
	type explained struct {
		Plan   string
		Class  *string
		Limits []struct {
			Policy, Source  string
			Requests, Burst int
			Shadow          bool
			Remaining       int
			Owner, Reason   *string
			ExpiresAt       *string `json:"expires_at"`
		}
	}
	explain := func(g *client, query string) (e explained) {
		t.Helper()
		for {
			a := g.do("GET", "/api/v1/admin/limits/explain?tenant_id="+id+query, operator, nil)
			if a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" {
				continue // on a busy machine Redis may take longer than REDIS_TIMEOUT
			}
			a.want(200).into(&e)
			return e
		}
	}

	// The plan.
	tag := c.do("GET", path, operator, nil).want(200).Header.Get("ETag")
	c.do("PUT", "/api/v1/admin/tenants/"+id, operator, map[string]any{"name": id, "plan": "free"}, "If-Match", tag).want(200)
	answered = time.Now()
	everywhere("the new plan", func(g *client) bool { return explain(g, "").Plan == "free" })
	c.do("PUT", path, operator, overrides(), "If-Match", tag).problem(412, "precondition_failed")

	// One for the tenant, one for a user; and one in shadow, that nobody meets.
	tag = c.do("GET", path, operator, nil).want(200).Header.Get("ETag")
	never := map[string]any{"shadow": true, "burst": 1, "period": 86400, "user_id": user.ID}
	changed := agree(overrides(
		override("user", 700, nil), override("user", 800, map[string]any{"user_id": user.ID, "owner": "the owner", "reason": "the reason"}),
		override("tenant", 9000, nil), override("user", 1, never),
	), "If-Match", tag)
	everywhere("the tenant's override", userQuota(admin, "700/60"))
	everywhere("the user's override", userQuota(member, "800/60"))
	if next := changed.Header.Get("ETag"); next == tag || next == "" {
		t.Errorf("the ETag is %q after %q", next, tag)
	}
	var agreed struct {
		TenantID  string `json:"tenant_id"`
		Plan      string
		Overrides []map[string]any
	}
	if c.do("GET", path, operator, nil).want(200).into(&agreed); agreed.TenantID != id || agreed.Plan != "free" || len(agreed.Overrides) != 4 {
		t.Errorf("got %+v", agreed)
	}
	for _, g := range gateways {
		e := explain(g, "&user_id="+user.ID+"&operation=createContact")
		if e.Class == nil || *e.Class != "write" || len(e.Limits) != 4 {
			t.Fatalf("got %+v", e)
		}
		sources := map[string]string{}
		for _, l := range e.Limits {
			if !l.Shadow {
				sources[l.Policy] = l.Source
			}
			if l.Policy == "user" && !l.Shadow && (l.Requests != 800 || *l.Owner != "the owner" || *l.Reason != "the reason" || l.Remaining > l.Burst) {
				t.Errorf("got %+v", l)
			}
		}
		if want := map[string]string{"user": "user", "tenant": "tenant", "write": "plan"}; !maps.Equal(sources, want) {
			t.Errorf("the limits come from %v, want %v", sources, want)
		}
		if last := e.Limits[3]; !last.Shadow || *last.Owner != stack.OperatorUser {
			t.Errorf("the one in shadow is not the last: %+v", e.Limits)
		}
		if e = explain(g, ""); len(e.Limits) != 2 || e.Class != nil {
			t.Errorf("without user and operation: got %+v", e)
		}
	}

	type shadowed struct {
		Policy   string
		TenantID string `json:"tenant_id"`
		Requests int
	}
	// What the one in shadow would have refused is reported by every gateway.
	for range 3 {
		for _, g := range gateways {
			g.do("GET", "/api/v1/auth/me", member.Access, nil).want(200)
		}
	}
	for _, g := range gateways {
		eventually(t, "the report of limits in shadow", func() bool {
			var report struct{ Limits []shadowed }
			g.do("GET", "/api/v1/admin/limits/shadow", operator, nil).want(200).into(&report)
			return slices.ContainsFunc(report.Limits, func(l shadowed) bool {
				return l.Policy == "user" && l.TenantID == id && l.Requests >= 8
			})
		})
	}

	// One that expires makes room for the next by itself.
	soon := time.Now().Add(4 * time.Second).UTC()
	agree(overrides(
		override("user", 710, nil), override("user", 810, map[string]any{"user_id": user.ID, "expires_at": soon.Format(time.RFC3339Nano)}),
	))
	everywhere("the override that expires", userQuota(member, "810/60"))
	everywhere("the override that replaced another", userQuota(admin, "710/60"))
	for _, g := range gateways {
		eventually(t, "the override has expired", func() bool { return userQuota(member, "710/60")(g) })
	}
	if early := time.Until(soon); early > 0 {
		t.Errorf("it expired %v too early", early)
	}
	if c.do("GET", path, operator, nil).want(200).into(&agreed); len(agreed.Overrides) != 1 {
		t.Errorf("after the expiry: got %v", agreed.Overrides)
	}

	// It is enforced, over all gateways together.
	agree(overrides(override("user", 1, map[string]any{"burst": 2, "user_id": user.ID, "period": 3600})))
	everywhere("the tight override", userQuota(member, "1/3600"))
	admitted := 0
	for range 2 {
		for _, g := range gateways {
			if a := g.do("GET", "/api/v1/auth/me", member.Access, nil); a.StatusCode == http.StatusOK {
				admitted++
			} else {
				a.refusedBy("user")
			}
		}
	}
	if admitted > 2 {
		t.Errorf("%d requests were admitted, want 2 at most", admitted)
	}
	c.do("GET", "/api/v1/auth/me", admin.Access, nil).want(200)

	// Nothing is agreed on any more.
	agree(overrides())
	everywhere("the plan again", userQuota(member, "600000/60"))
	everywhere("the plan again", userQuota(admin, "600000/60"))
	var trail []struct {
		Action, Target string
	}
	c.do("GET", "/api/v1/admin/audit?tenant_id=platform&action=limits.update&limit=500", operator, nil).want(200).into(&trail)
	entries := 0
	for _, e := range trail {
		if e.Action == "limits.update" && e.Target == id {
			entries++
		}
	}
	if entries != 4 {
		t.Errorf("%d changes are in the audit trail, want 4: %v", entries, trail)
	}
}

// Wrong input names the field and changes nothing, and only operators ask.
func TestWrongLimits(t *testing.T) {
	t.Parallel()
	gateways := clients(t, shared)
	c := gateways[0]
	operator := c.operator()
	id, admin, tokens := c.newTenant(operator, "")
	path := "/api/v1/admin/tenants/" + id + "/limits"
	good := override("user", 700, nil)
	tag := c.do("PUT", path, operator, overrides(good)).want(200).Header.Get("ETag")
	with := func(member, value string) string {
		fields := map[string]string{"policy": `"user"`, "requests": "1", "period": "60", "reason": `"x"`}
		fields[member] = value
		var list []string
		for name, text := range fields {
			list = append(list, fmt.Sprintf("%q: %s", name, text))
		}
		return `{"overrides": [{` + strings.Join(list, ", ") + `}]}`
	}
	for _, tc := range []struct{ member, value, field string }{
		{"requests", "0", "/overrides/0/requests"},
		{"requests", "-1", "/overrides/0/requests"},
		{"requests", "1.5", "/overrides/0/requests"},
		{"requests", "600001", "/overrides/0/requests"},
		{"requests", "1e30", "/overrides/0/requests"},
		{"requests", "99999999999999999999999", "/overrides/0/requests"},
		{"requests", `"1"`, "/overrides/0/requests"},
		{"requests", "null", "/overrides/0/requests"},
		{"period", "0", "/overrides/0/period"},
		{"period", "-60", "/overrides/0/period"},
		{"period", "86401", "/overrides/0/period"},
		{"period", "0.5", "/overrides/0/period"},
		{"burst", "0", "/overrides/0/burst"},
		{"burst", "-5", "/overrides/0/burst"},
		{"burst", "6048000001", "/overrides/0/burst"},
		{"burst", "9223372036854775808", "/overrides/0/burst"},
		{"policy", `"nobody"`, "/overrides/0/policy"},
		{"policy", `"auth"`, "/overrides/0/policy"},
		{"reason", `""`, "/overrides/0/reason"},
		{"user_id", `"7"`, "/overrides/0/user_id"},
		{"expires_at", `"2020-01-01T00:00:00Z"`, "/overrides/0/expires_at"},
		{"expires_at", `"tomorrow"`, "/overrides/0/expires_at"},
		{"shadow", `"yes"`, "/overrides/0/shadow"},
		{"note", `"x"`, "/overrides/0/note"},
	} {
		c.do("PUT", path, operator, with(tc.member, tc.value)).problem(400, "validation_failed", tc.field)
	}
	c.do("PUT", path, operator, overrides(override("tenant", 1, map[string]any{"user_id": "019aab10-6f3c-7d52-8a41-2f6b7c8d9e01"}))).
		problem(400, "validation_failed", "/overrides/0/user_id")
	if a := c.do("PUT", path, operator, overrides(good, good)).want(400); !strings.Contains(string(a.body), `"/overrides/1`) {
		t.Errorf("the same twice: %s", a.body)
	}
	c.do("PUT", "/api/v1/admin/tenants/nowhere/limits", operator, overrides(good)).problem(404, "not_found")
	c.do("GET", "/api/v1/admin/tenants/nowhere/limits", operator, nil).problem(404, "not_found")
	c.do("PUT", path, operator, overrides(good), "If-Match", "x").problem(400, "validation_failed", "If-Match")
	if now := c.do("GET", path, operator, nil).want(200).Header.Get("ETag"); now != tag {
		t.Errorf("the ETag is %s, want still %s", now, tag)
	}

	const explain, shadow = "/api/v1/admin/limits/explain", "/api/v1/admin/limits/shadow"
	var user struct{ ID string }
	c.do("POST", "/api/v1/users", tokens.Access, map[string]any{
		"username": "member", "email": "member@example.com", "password": password,
	}).want(201).into(&user)
	member := c.login("member", password, id)
	for _, g := range gateways {
		for _, p := range []pair{tokens, member} {
			for _, path := range []string{explain + "?tenant_id=" + id, shadow, path} {
				g.do("GET", path, p.Access, nil).problem(403, "forbidden")
			}
			g.do("PUT", path, p.Access, overrides()).problem(403, "forbidden")
		}
		g.do("GET", shadow, "", nil).problem(401, "unauthenticated")
		eventually(t, "the gateway knows the tenant", func() bool {
			return g.do("GET", explain+"?tenant_id="+id, operator, nil).StatusCode == http.StatusOK
		})
		for query, field := range map[string]string{
			"":                                      "tenant_id",
			"?tenant_id=":                           "tenant_id",
			"?tenant_id=nowhere":                    "tenant_id",
			"?tenant_id=" + id + "&tenant_id=" + id: "tenant_id",
			"?tenant_id=" + id + "&user_id=7":       "user_id",
			"?tenant_id=" + id + "&operation=nothing":  "operation",
			"?tenant_id=" + id + "&class=write":        "class",
			"?tenant_id=" + id + "&user_id=" + admin:   "user_id",
			"?tenant_id=" + id + "&operation=a%20b%00": "operation",
		} {
			g.do("GET", explain+query, operator, nil).problem(400, "invalid_query", field)
		}
		g.do("GET", shadow+"?hours=1", operator, nil).problem(400, "invalid_query", "hours")
		g.do("POST", shadow, operator, map[string]any{}).problem(405, "method_not_allowed")
	}
}
