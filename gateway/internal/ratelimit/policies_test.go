package ratelimit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/limit"
)

func parse(t *testing.T, content string) *Policies {
	t.Helper()
	p, err := ParsePolicies([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// text is a pair as docs/limits.md writes it.
func text(p Pair) string {
	write := func(p *Policy) string {
		if p == nil {
			return "none"
		}
		return p.Limit.String()
	}
	if p.Shadow == nil {
		return write(p.Enforced)
	}
	return write(p.Enforced) + " shadow " + write(p.Shadow)
}

// TestBuiltInPolicies holds the table of docs/limits.md.
func TestBuiltInPolicies(t *testing.T) {
	t.Parallel()
	p, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		limit.Public: "60/1m,20", limit.Auth: "60/1m,20", limit.Refresh: "60/1m,20", limit.Address: "6000/1m,1000",
	} {
		if got := text(p.ByAddress(name)); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
		if strict := p.ByAddress(name).Enforced.Strict; strict != (name == limit.Auth || name == limit.Refresh) {
			t.Errorf("%s: strict = %v", name, strict)
		}
	}
	for plan, want := range map[string]string{
		"free":     "600/1m,100 120/1m,20 60/1m,10 10/1m,10 none none",
		"standard": "6000/1m,1000 600/1m,100 300/1m,50 60/1m,10 none none",
		"premium":  "60000/1m,10000 1200/1m,200 600/1m,100 240/1m,40 none none",
		"unknown":  "6000/1m,1000 600/1m,100 300/1m,50 60/1m,10 none none",
	} {
		var got []string
		for _, name := range []string{limit.PerTenant, limit.PerUser, limit.Write, limit.Export, limit.Read, limit.Admin} {
			got = append(got, text(p.Plan(plan).Policy(name)))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s = %s, want %s", plan, got, want)
		}
	}
}

func TestFileOfPolicies(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"address": {"auth": {"limit": "30/1m,10"}}, "plans": {
		"free": {"user": {"limit": "60/1m"}, "read": {"shadow": "30/1m"}, "write": {"shadow": "30/1m"}, "export": {"limit": "none", "shadow": "6/1m"}},
		"premium": {"write": {"limit": "600/1m", "shadow": "300/1m"}}}}`)
	for got, want := range map[string]string{
		text(p.ByAddress("auth")):               "30/1m,10",
		text(p.Plan("free").Policy("user")):     "60/1m,10",
		text(p.Plan("free").Policy("read")):     "none shadow 30/1m,10",
		text(p.Plan("premium").Policy("write")): "600/1m,100 shadow 300/1m,50",
		text(p.Plan("free").Policy("write")):    "60/1m,10 shadow 30/1m,10", // the built-in one stays
		text(p.Plan("free").Policy("export")):   "none shadow 6/1m,10",
		text(p.Plan("standard").Policy("user")): "600/1m,100", // as built in
		text(p.ByAddress("refresh")):            "60/1m,20",
		text(parse(t, "{}").ByAddress("auth")):  "60/1m,20",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMistakesInTheFile(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{`:            "unexpected EOF",
		`[]`:           "a JSON [ is not what belongs here",
		`{"plan": {}}`: "/plan: unknown object member name",
		`{"address": {"login": {"limit": "1/1s"}, "x": {"limit": "1/1s"}}}`: "not understood: address.login, address.x",
		`{"plans": {"gold": {}}}`:                                                      "not understood: plans.gold",
		`{"plans": {"free": {"auth": {"limit": "1/1s"}}}}`:                             "not understood: plans.free.auth",
		`{"plans": {"free": {"user": {}}}}`:                                            "not understood: plans.free.user without a limit",
		`{"plans": {"free": {"user": {"limit": "0/1s"}}}}`:                             "/plans/free/user/limit: requests is 0",
		`{"plans": {"free": {"user": {"limit": "60/1m", "burst": 1}}}}`:                "/plans/free/user/burst: unknown object member name",
		`{"plans": {"free": {"user": {"limit": 60}}}}`:                                 "/plans/free/user/limit",
		`{"plans": {"free": {"user": {"limit": "60/1m"}, "user": {"limit": "1/1m"}}}}`: "duplicate",
		`{} {}`:             "after top-level value",
		``:                  "EOF",
		` `:                 "EOF",
		`null`:              `"": null is not`,
		`{"address": null}`: `"/address": null is not`,
		`{"plans": {"free": {"user": {"limit": null}}}}`:   `"/plans/free/user/limit": null is not`,
		`{"plans": {"free": {"user": {"limit": "None"}}}}`: "/plans/free/user/limit: there is no /",
	} {
		p, err := ParsePolicies([]byte(content))
		if err == nil || !strings.Contains(err.Error(), want) || p != nil {
			t.Errorf("%s: %v, want %q", content, err, want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", content, err)
		}
	}
}

func FuzzPolicies(f *testing.F) {
	f.Add([]byte(`{"plans": {"free": {"user": {"limit": "60/1m", "shadow": "1/1m"}}}}`))
	f.Add(builtIn)
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := ParsePolicies(content)
		if err != nil {
			return
		}
		// Whatever a file says, each name of the built-in policies means something.
		for _, name := range limit.AddressPolicies() {
			if pair := p.ByAddress(name); pair == (Pair{}) {
				t.Errorf("%s leaves no policy %s", content, name)
			}
		}
	})
}

func TestOverridesWinByUserThenTenant(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	user, other := uuid.New(), uuid.New()
	of := func(requests int) limit.Limit { return limit.Limit{Requests: requests, Period: time.Minute, Burst: 10} }
	tenant := &limit.Tenant{ID: "acme", Version: 1, Overrides: []limit.Override{
		{Policy: limit.PerUser, Limit: of(1)},
		{Policy: limit.PerUser, User: user, Limit: of(2), ExpiresAt: now},
		{Policy: limit.Write, User: user, Limit: of(3), Shadow: true},
	}}
	var o Overrides
	find := func(t *limit.Tenant, user uuid.UUID, policy string, shadow bool, at time.Time) int {
		if a := o.Find(t, user, policy, shadow, at); a != nil {
			return a.Policy.Limit.Requests
		}
		return 0
	}
	for _, c := range []struct {
		name   string
		user   uuid.UUID
		policy string
		shadow bool
		at     time.Time
		want   int
	}{
		{"the user's own", user, limit.PerUser, false, now.Add(-time.Second), 2},
		{"the tenant's when the user's own has expired", user, limit.PerUser, false, now, 1},
		{"the tenant's for another user", other, limit.PerUser, false, now.Add(-time.Second), 1},
		{"the tenant's for nobody in particular", uuid.Nil, limit.PerUser, false, now, 1},
		{"none in shadow", user, limit.PerUser, true, now, 0},
		{"one in shadow", user, limit.Write, true, now, 3},
		{"none that is enforced beside it", user, limit.Write, false, now, 0},
		{"none of another policy", user, limit.PerTenant, false, now, 0},
	} {
		if got := find(tenant, c.user, c.policy, c.shadow, c.at); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if !o.Find(tenant, user, limit.Write, true, now).Policy.Shadow {
		t.Error("an override in shadow is enforced")
	}
	if find(nil, user, limit.PerUser, false, now) != 0 {
		t.Error("an unknown tenant has an override")
	}

	// A later state replaces the former one, also for a request that comes late
	// with the former.
	later := &limit.Tenant{ID: "acme", Version: 2, Overrides: []limit.Override{{Policy: limit.PerUser, Limit: of(9)}}}
	if find(later, user, limit.PerUser, false, now) != 9 || find(tenant, user, limit.PerUser, false, now) != 1 || find(later, user, limit.PerUser, false, now) != 9 {
		t.Error("states are mixed up")
	}
	kept := 0
	o.states.Range(func(any, any) bool { kept++; return true })
	if kept != 1 {
		t.Errorf("%d states are kept, want the latest alone", kept)
	}
}

func TestOverridesAllocateNothing(t *testing.T) {
	user := uuid.New()
	tenant := &limit.Tenant{ID: "acme", Version: 1, Overrides: []limit.Override{
		{Policy: limit.PerUser, User: user, Limit: limit.Limit{Requests: 1, Period: time.Minute, Burst: 10}},
	}}
	var o Overrides
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { o.Find(tenant, user, limit.PerUser, false, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
