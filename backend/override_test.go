package backend

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

func limitsPath(tenant string) string { return tenantsPath + "/" + tenant + "/limits" }

// overrideBody is an override as the API shows it.
type overrideBody struct {
	Policy    string  `json:"policy"`
	UserID    *string `json:"user_id"`
	Requests  int     `json:"requests"`
	Period    int     `json:"period"`
	Burst     int     `json:"burst"`
	Shadow    bool    `json:"shadow"`
	Owner     string  `json:"owner"`
	Reason    string  `json:"reason"`
	ExpiresAt *string `json:"expires_at"`
}

type limitsBody struct {
	TenantID  string         `json:"tenant_id"`
	Plan      string         `json:"plan"`
	Overrides []overrideBody `json:"overrides"`
}

const someUser = "019aab10-6f3c-7d52-8a41-2f6b7c8d9e01"

func TestLimitsOfATenant(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	path := limitsPath("acme")
	read := func(etag string) (got limitsBody) {
		t.Helper()
		a := s.do("GET", path, operator.Access, nil).want(t, 200).into(t, &got)
		if a.Header.Get("ETag") != etag {
			t.Errorf("got ETag %s, want %s", a.Header.Get("ETag"), etag)
		}
		return got
	}
	want := limitsBody{TenantID: "acme", Plan: "standard", Overrides: []overrideBody{}}
	if diff := cmp.Diff(want, read(`"1"`)); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}

	// Everything given, and nothing but what must be.
	later := time.Now().Add(time.Hour).UTC()
	user, expires := someUser, later.Format("2006-01-02T15:04:05.000Z")
	put := []map[string]any{
		{"policy": "write", "user_id": strings.ToUpper(user), "requests": 7, "period": 3600, "burst": 3, "shadow": true, "owner": "  Ana  ",
			"reason": "  A  trial ", "expires_at": later.Format(time.RFC3339Nano)},
		{"policy": "write", "user_id": nil, "requests": 864_000_000, "period": 86400, "burst": 6_000_000_000, "reason": "Much", "expires_at": nil},
		{"policy": "tenant", "requests": 1200, "period": 60, "reason": "x"},
		{"policy": "tenant", "requests": 600, "period": 60, "shadow": true, "reason": "x"}, // beside the one that is enforced
		{"policy": "user", "requests": 1, "period": 3600, "reason": strings.Repeat("é", 1000)},
	}
	want.Overrides = []overrideBody{
		{"tenant", nil, 1200, 60, 200, false, "oper", "x", nil},
		{"tenant", nil, 600, 60, 100, true, "oper", "x", nil},
		{"user", nil, 1, 3600, 10, false, "oper", strings.Repeat("é", 1000), nil},
		{"write", nil, 864_000_000, 86400, 6_000_000_000, false, "oper", "Much", nil},
		{"write", &user, 7, 3600, 3, true, "Ana", "A  trial", &expires},
	}
	var got limitsBody
	a := s.do("PUT", path, operator.Access, map[string]any{"overrides": put}).want(t, 200).into(t, &got)
	if diff := cmp.Diff(want, got); diff != "" || a.Header.Get("ETag") != `"2"` {
		t.Errorf("ETag %s (-want +got):\n%s", a.Header.Get("ETag"), diff)
	}
	if diff := cmp.Diff(want, read(`"2"`)); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	// It is a change of the tenant.
	if a := s.do("GET", tenantsPath+"/acme", operator.Access, nil); a.Header.Get("ETag") != `"2"` {
		t.Errorf("got ETag %s", a.Header.Get("ETag"))
	}
	s.do("PUT", tenantsPath+"/acme", operator.Access, map[string]any{"plan": "free"}, "If-Match", `"1"`).problem(t, 412, "precondition_failed")

	// What is put takes the place of all that was.
	one := map[string]any{"overrides": []any{map[string]any{"policy": "admin", "requests": 5, "period": 1, "burst": 1, "reason": "y"}}}
	for _, match := range []string{`"1"`, `"3"`, `W/"2"`, `"x"`} {
		s.do("PUT", path, operator.Access, one, "If-Match", match).problem(t, 412, "precondition_failed")
	}
	s.do("PUT", path, operator.Access, one, "If-Match", "2").problem(t, 400, "validation_failed", "If-Match")
	if diff := cmp.Diff(want, read(`"2"`)); diff != "" {
		t.Errorf("refused, and changed (-want +got):\n%s", diff)
	}
	want.Overrides = []overrideBody{{"admin", nil, 5, 1, 1, false, "oper", "y", nil}}
	s.do("PUT", path, operator.Access, one, "If-Match", `"1", "2"`).want(t, 200).into(t, &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.do("PUT", path, operator.Access, one, "If-Match", "*").want(t, 200)

	// Other tenants have their own.
	s.do("GET", limitsPath("globex"), operator.Access, nil).want(t, 200).into(t, &got)
	if len(got.Overrides) != 0 {
		t.Errorf("got %+v", got)
	}
	trail := s.trail("platform")
	if diff := cmp.Diff([]string{
		"limits.update oper overrides=5 tenant=1200/1m,200 tenant_shadow=600/1m,100 user=1/1h,10 users=1 write=864000000/24h,6000000000",
		"limits.update oper admin=5/1s,1 overrides=1", "limits.update oper admin=5/1s,1 overrides=1",
	}, trail[len(trail)-3:]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.audited("limits.update"); !strings.HasPrefix(got[0], "oper acme ") {
		t.Errorf("got %v", got)
	}
	if got := s.trail("acme"); slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "limits") }) {
		t.Errorf("got %v", got)
	}
	if !strings.Contains(s.logs.String(), `"action":"limits.update"`) {
		t.Error("the security log does not tell of it")
	}
}

func TestExpiredOverridesAreLeftOut(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	list := []map[string]any{}
	for i, policy := range []string{"tenant", "user", "read"} {
		list = append(list, map[string]any{"policy": policy, "requests": 1 + i, "period": 1, "reason": "x", "expires_at": "2999-01-01T00:00:00Z"})
	}
	s.do("PUT", limitsPath("acme"), operator.Access, map[string]any{"overrides": list}).want(t, 200)
	s.exec("update control.limit_overrides set expires_at = now() where policy = 'user'")
	var got limitsBody
	s.do("GET", limitsPath("acme"), operator.Access, nil).want(t, 200).into(t, &got)
	if len(got.Overrides) != 2 || got.Overrides[0].Policy != "read" || got.Overrides[1].Policy != "tenant" {
		t.Errorf("got %+v", got)
	}
	// One that has expired is in nobody's way.
	s.do("PUT", limitsPath("acme"), operator.Access, map[string]any{"overrides": list}).want(t, 200).into(t, &got)
	if len(got.Overrides) != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestLimitsOfWhichTenant(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	none := map[string]any{"overrides": []any{}}
	one := map[string]any{"overrides": []any{map[string]any{"policy": "tenant", "requests": 1, "period": 1, "reason": "x"}}}
	for _, id := range []string{"nobody", "ACME", "a%20b", strings.Repeat("a", 37), "-"} {
		s.do("GET", limitsPath(id), operator.Access, nil).problem(t, 404, "not_found")
		s.do("PUT", limitsPath(id), operator.Access, none).problem(t, 404, "not_found")
	}
	// An override of the operators' own could keep them from undoing it.
	s.do("PUT", limitsPath(token.PlatformTenant), operator.Access, one).problem(t, 409, "invalid_state")
	s.do("GET", limitsPath(token.PlatformTenant), operator.Access, nil).want(t, 200)
	// Suspended is not gone.
	s.do("PUT", limitsPath("acme"), operator.Access, one).want(t, 200)
	s.do("POST", tenantsPath+"/acme/suspend", operator.Access, nil).want(t, 200)
	s.do("PUT", limitsPath("acme"), operator.Access, one).want(t, 200)
	s.do("DELETE", tenantsPath+"/acme", operator.Access, nil).want(t, 200)
	s.do("PUT", limitsPath("acme"), operator.Access, none).problem(t, 409, "invalid_state")
	var got limitsBody
	s.do("GET", limitsPath("acme"), operator.Access, nil).want(t, 200).into(t, &got)
	if len(got.Overrides) != 0 || dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from control.limit_overrides where tenant_id = 'acme'") != 0 {
		t.Errorf("got %+v", got)
	}
	for _, role := range []token.Role{token.Member, token.Admin} {
		who := s.actor("globex", string(role)+"1", role)
		s.do("GET", limitsPath("globex"), who.Access, nil).problem(t, 403, "forbidden")
		s.do("PUT", limitsPath("globex"), who.Access, none).problem(t, 403, "forbidden")
	}
	// A session that has ended is refused.
	s.do("POST", "/api/v1/auth/logout", operator.Access, nil).want(t, 200)
	s.do("GET", limitsPath("globex"), operator.Access, nil).problem(t, 401, "unauthenticated")
	s.do("PUT", limitsPath("globex"), operator.Access, none).problem(t, 401, "unauthenticated")
}

func TestWrongOverrides(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	operator := s.newOperator()
	// Each is one override with some members changed.
	valid := map[string]string{"policy": `"user"`, "requests": "60", "period": "60", "burst": "10", "reason": `"x"`}
	object := func(changes map[string]string) string {
		members := []string{}
		for name, raw := range valid {
			if changed, ok := changes[name]; ok {
				raw = changed
			}
			if raw != "" {
				members = append(members, fmt.Sprintf("%q:%s", name, raw))
			}
		}
		for name, raw := range changes {
			if _, ok := valid[name]; !ok {
				members = append(members, fmt.Sprintf("%q:%s", name, raw))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	type m = map[string]string
	past := time.Now().Add(-time.Second).UTC().Format(time.RFC3339Nano)
	for _, tc := range []struct {
		change m
		want   string // pointers below /overrides/0 and codes
	}{
		{m{"requests": "0"}, "/requests out_of_range"},
		{m{"requests": "-1"}, "/requests out_of_range"},
		{m{"requests": "600001"}, "/requests out_of_range"},
		{m{"requests": "9223372036854775807"}, "/requests out_of_range"},
		{m{"requests": "9223372036854775808"}, "/requests invalid_type"},
		{m{"requests": "1e400"}, "/requests invalid_type"},
		{m{"requests": "0.5"}, "/requests invalid_type"},
		{m{"requests": "60.0"}, "/requests invalid_type"},
		{m{"requests": `"60"`}, "/requests invalid_type"},
		{m{"requests": "null"}, "/requests invalid_type"},
		{m{"requests": ""}, "/requests required"},
		{m{"period": "0"}, "/period out_of_range"},
		{m{"period": "-60"}, "/period out_of_range"},
		{m{"period": "86401"}, "/period out_of_range"},
		{m{"period": "9223372036854775807"}, "/period out_of_range"},
		{m{"period": "-9223372036854775808"}, "/period out_of_range"},
		{m{"period": "36028797018964028"}, "/period out_of_range"}, // as a number of nanoseconds in 64 bits both are a minute
		{m{"period": "-36028797018963908"}, "/period out_of_range"},
		{m{"period": "1.5"}, "/period invalid_type"},
		{m{"period": `"1m"`}, "/period invalid_type"},
		{m{"period": ""}, "/period required"},
		{m{"burst": "0"}, "/burst out_of_range"},
		{m{"burst": "-5"}, "/burst out_of_range"},
		{m{"burst": "604801"}, "/burst out_of_range"}, // at one a second more than 7 days
		{m{"burst": "9223372036854775807"}, "/burst out_of_range"},
		{m{"burst": "1e3"}, "/burst invalid_type"},
		{m{"burst": "null"}, "/burst invalid_type"},
		{m{"requests": "1", "period": "86400", "burst": "8"}, "/burst out_of_range"}, // 8 take 8 days
		{m{"requests": "0", "burst": "0"}, "/requests out_of_range /burst out_of_range"},
		{m{"requests": "0", "period": "0", "burst": "-1"}, "/period out_of_range /requests out_of_range /burst out_of_range"},
		{m{"policy": `"nothing"`}, "/policy invalid_value"},
		{m{"policy": `"public"`}, "/policy invalid_value"}, // by address: not of a tenant
		{m{"policy": `"auth"`}, "/policy invalid_value"},
		{m{"policy": `"User"`}, "/policy invalid_value"},
		{m{"policy": `""`}, "/policy invalid_value"},
		{m{"policy": "1"}, "/policy invalid_type"},
		{m{"policy": ""}, "/policy required"},
		{m{"policy": `"tenant"`, "user_id": `"` + someUser + `"`}, "/user_id invalid_value"},
		{m{"policy": `"in_flight"`, "burst": "", "period": "1", "user_id": `"` + someUser + `"`}, "/user_id invalid_value"},
		{m{"policy": `"in_flight"`, "burst": "", "period": "1", "shadow": "true"}, "/shadow invalid_value"},
		{m{"policy": `"in_flight"`, "burst": "", "period": "60"}, "/period invalid_value"},
		{m{"policy": `"in_flight"`, "burst": "", "period": "1", "requests": "10001"}, "/requests out_of_range"},
		{m{"user_id": `"me"`}, "/user_id invalid_format"},
		{m{"user_id": `""`}, "/user_id invalid_format"},
		{m{"user_id": `"` + strings.ReplaceAll(someUser, "-", "") + `"`}, "/user_id invalid_format"},
		{m{"user_id": `"{` + someUser + `}"`}, "/user_id invalid_format"},
		{m{"user_id": `"00000000-0000-0000-0000-000000000000"`}, "/user_id invalid_format"},
		{m{"user_id": "7"}, "/user_id invalid_type"},
		{m{"shadow": `"true"`}, "/shadow invalid_type"},
		{m{"shadow": "null"}, "/shadow invalid_type"},
		{m{"owner": `" "`}, "/owner blank"},
		{m{"owner": `"` + strings.Repeat("o", 256) + `"`}, "/owner too_long"},
		{m{"owner": `"a\nb"`}, "/owner control_character"},
		{m{"reason": `""`}, "/reason blank"},
		{m{"reason": `"` + strings.Repeat("é", 1001) + `"`}, "/reason too_long"},
		{m{"reason": `"a\u0000"`}, "/reason control_character"},
		{m{"reason": ""}, "/reason required"},
		{m{"expires_at": `"` + past + `"`}, "/expires_at out_of_range"},
		{m{"expires_at": `"0000-01-01T00:00:00Z"`}, "/expires_at out_of_range"},
		{m{"expires_at": `"2999-02-30T00:00:00Z"`}, "/expires_at invalid_format"},
		{m{"expires_at": `"2999-01-01T00:00:00+01:00"`}, "/expires_at invalid_format"},
		{m{"expires_at": `"2999-01-01T00:00:00,5Z"`}, "/expires_at invalid_format"},
		{m{"expires_at": `"2999-01-01t00:00:00Z"`}, "/expires_at invalid_format"},
		{m{"expires_at": `"2999-01-01"`}, "/expires_at invalid_format"},
		{m{"expires_at": `"99999-01-01T00:00:00Z"`}, "/expires_at invalid_format"},
		{m{"expires_at": `""`}, "/expires_at invalid_format"},
		{m{"expires_at": "32503680000"}, "/expires_at invalid_type"},
		{m{"created_at": `"2999-01-01T00:00:00Z"`}, "/created_at unknown_field"},
		{m{"tenant_id": `"globex"`}, "/tenant_id unknown_field"},
		{m{"limit": `"60/1m"`}, "/limit unknown_field"},
	} {
		body := `{"overrides":[` + object(tc.change) + `]}`
		var p problemBody
		a := s.do("PUT", limitsPath("acme"), operator.Access, body)
		if err := json.Unmarshal(a.body, &p); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range p.Errors {
			got = append(got, strings.TrimPrefix(e.Field, "/overrides/0")+" "+e.Code)
		}
		if a.StatusCode != 400 || p.Code != "validation_failed" || strings.Join(got, " ") != tc.want {
			t.Errorf("%.200s: got %d %q, want %q: %.500s", body, a.StatusCode, strings.Join(got, " "), tc.want, a.body)
		}
	}
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = object(m{"user_id": fmt.Sprintf(`"019aab10-6f3c-7d52-8a41-%012x"`, i)})
		}
		return `{"overrides":[` + strings.Join(list, ",") + `]}`
	}
	twice := object(m{"user_id": `"` + someUser + `"`})
	upper := object(m{"user_id": `"` + strings.ToUpper(someUser) + `"`, "requests": "1"})
	for _, tc := range []struct {
		body string
		want string
	}{
		{many(201), "/overrides too_many"},
		{`{"overrides":[` + object(nil) + "," + object(m{"requests": "7"}) + "]}", "/overrides/1 repeated"},
		{`{"overrides":[` + twice + "," + object(nil) + "," + upper + "," + twice + "]}", "/overrides/2 repeated /overrides/3 repeated"},
		{`{"overrides":[` + object(m{"requests": "0"}) + "," + object(m{"policy": `"read"`, "reason": `""`}) + "]}", "/overrides/0/requests out_of_range /overrides/1/reason blank"},
		{`{"overrides":{}}`, "/overrides invalid_type"},
		{`{"overrides":null}`, "/overrides invalid_type"},
		{`{"overrides":[null]}`, "/overrides/0 invalid_type"},
		{`{"overrides":[[]]}`, "/overrides/0 invalid_type"},
		{`{}`, "/overrides required"},
		{`{"overrides":[],"plan":"premium"}`, "/plan unknown_field"},
	} {
		a := s.do("PUT", limitsPath("acme"), operator.Access, tc.body)
		p := a.problem(t, 400, "validation_failed")
		var got []string
		for _, e := range p.Errors {
			got = append(got, e.Field+" "+e.Code)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%.200s: got %q, want %q", tc.body, got, tc.want)
		}
	}
	// However much is wrong, the answer has bounds.
	wrong := `{"overrides":[` + strings.TrimSuffix(strings.Repeat(object(m{"requests": "0", "policy": `"x"`, "reason": `""`})+",", 200), ",") + `]}`
	if p := s.do("PUT", limitsPath("acme"), operator.Access, wrong).problem(t, 400, "validation_failed"); len(p.Errors) < 50 || len(p.Errors) > 60 {
		t.Errorf("got %d findings", len(p.Errors))
	}
	if n := dbtest.Value[int](t, s.db.AdminURL, "select count(*)::int from control.limit_overrides"); n != 0 {
		t.Errorf("%d overrides are stored", n)
	}
	if a := s.do("GET", limitsPath("acme"), operator.Access, nil); a.Header.Get("ETag") != `"1"` {
		t.Errorf("got ETag %s", a.Header.Get("ETag"))
	}
	// As many as there may be.
	var got limitsBody
	full := many(201)
	full = full[:strings.LastIndex(full, ",{")] + "]}"
	s.do("PUT", limitsPath("acme"), operator.Access, full).want(t, 200).into(t, &got)
	if len(got.Overrides) != 200 {
		t.Errorf("got %d overrides", len(got.Overrides))
	}
}
