package backend

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
)

func TestContactLifecycle(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access

	var created, read, updated map[string]any
	a := s.do("POST", "/api/v1/address-book", token, contactBody()).want(t, 201).into(t, &created)
	path := "/api/v1/address-book/" + created["id"].(string)
	if a.Header.Get("Location") != path || created["tenant_id"] != "acme" || created["name"] != "Ana Souza" {
		t.Errorf("got %s, Location %q", a.body, a.Header.Get("Location"))
	}
	s.do("GET", path, token, nil).want(t, 200).into(t, &read)
	if diff := cmp.Diff(created, read); diff != "" {
		t.Errorf("read differs from created (-created +read):\n%s", diff)
	}
	change := contactBody()
	change["name"], change["age"] = "  Ana Lima  ", 35
	s.do("PUT", path, token, change).want(t, 200).into(t, &updated)
	if updated["name"] != "Ana Lima" || updated["age"] != 35.0 || updated["created_at"] != created["created_at"] {
		t.Errorf("got %v", updated)
	}
	s.do("DELETE", path, token, nil).want(t, 200)
	s.do("GET", path, token, nil).problem(t, 404, "not_found")
	s.do("DELETE", path, token, nil).problem(t, 404, "not_found")
	s.do("PUT", path, token, change).problem(t, 404, "not_found")
}

func TestContactOfAnotherTenant(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	owner, other := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	var created struct{ ID string }
	s.do("POST", "/api/v1/address-book", owner, contactBody()).want(t, 201).into(t, &created)
	path := "/api/v1/address-book/" + created.ID
	s.do("GET", path, other, nil).problem(t, 404, "not_found")
	s.do("PUT", path, other, contactBody()).problem(t, 404, "not_found")
	s.do("DELETE", path, other, nil).problem(t, 404, "not_found")
	var list []any
	s.do("GET", "/api/v1/address-book", other, nil).want(t, 200).into(t, &list)
	if len(list) != 0 {
		t.Errorf("got %v", list)
	}
	s.do("GET", path, owner, nil).want(t, 200)
}

func TestContactRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	with := func(name string, value any) map[string]any {
		b := contactBody()
		b[name] = value
		return b
	}
	without := func(name string) map[string]any {
		b := contactBody()
		delete(b, name)
		return b
	}
	encoded, _ := json.Marshal(contactBody())
	valid := string(encoded)
	for _, tc := range []struct {
		name   string
		body   any
		code   string
		fields []string
	}{
		{"empty body", "", "invalid_json", nil},
		{"truncated", valid[:20], "invalid_json", nil},
		{"trailing data", valid + "{}", "invalid_json", nil},
		{"duplicate", `{"name":"a","name":"b"}`, "invalid_json", []string{"/name"}},
		{"array", "[]", "validation_failed", []string{""}},
		{"null", "null", "validation_failed", []string{""}},
		{"invalid UTF-8", "{\"name\":\"\xff\"}", "invalid_json", []string{"/name"}},
		{"deep", `{"name":` + strings.Repeat("[", 5000), "invalid_json", nil},
		{"empty object", "{}", "validation_failed", []string{"/name", "/gender", "/age", "/address", "/phone", "/email"}},
		{"unknown fields", with("nickname", "x"), "validation_failed", []string{"/nickname"}},
		{"an id", with("id", uuid.NewString()), "validation_failed", []string{"/id"}},
		{"a tenant", with("tenant_id", "globex"), "validation_failed", []string{"/tenant_id"}},
		{"other case", with("Name", "x"), "validation_failed", []string{"/Name"}},
		{"missing", without("phone"), "validation_failed", []string{"/phone"}},
		{"null name", with("name", nil), "validation_failed", []string{"/name"}},
		{"number name", with("name", 7), "validation_failed", []string{"/name"}},
		{"text age", with("age", "34"), "validation_failed", []string{"/age"}},
		{"fraction", with("age", 3.5), "validation_failed", []string{"/age"}},
		{"huge number", with("age", json.RawMessage("1"+strings.Repeat("0", 400))), "validation_failed", []string{"/age"}},
		{"old", with("age", 151), "validation_failed", []string{"/age"}},
		{"unborn", with("age", -1), "validation_failed", []string{"/age"}},
		{"blank name", with("name", " \t "), "validation_failed", []string{"/name"}},
		{"NUL", with("name", "a\x00b"), "validation_failed", []string{"/name"}},
		{"line break in a name", with("name", "a\nb"), "validation_failed", []string{"/name"}},
		{"long name", with("name", strings.Repeat("ã", 101)), "validation_failed", []string{"/name"}},
		{"long address", with("address", strings.Repeat("x", 501)), "validation_failed", []string{"/address"}},
		{"short phone", with("phone", "123456789"), "validation_failed", []string{"/phone"}},
		{"long phone", with("phone", strings.Repeat("1", 21)), "validation_failed", []string{"/phone"}},
		{"letters in a phone", with("phone", "1234567890x"), "validation_failed", []string{"/phone"}},
		{"no address", with("email", "ana.example.com"), "validation_failed", []string{"/email"}},
		{"all at once", `{"name":"","gender":0,"age":"x","address":null,"nope":1}`, "validation_failed",
			[]string{"/gender", "/age", "/address", "/phone", "/email", "/nope"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.do("POST", "/api/v1/address-book", token, tc.body).problem(t, 400, tc.code, tc.fields...)
		})
	}
	s.do("POST", "/api/v1/address-book", token, valid, "Content-Type", "text/plain").problem(t, 415, "unsupported_media_type")
	s.do("POST", "/api/v1/address-book?x=1", token, valid).problem(t, 400, "invalid_query", "x")
	for _, id := range []string{"x", "1", strings.ToUpper(uuid.NewString()) + "0", "{" + uuid.NewString() + "}"} {
		s.do("GET", "/api/v1/address-book/"+url.PathEscape(id), token, nil).problem(t, 404, "not_found")
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.contacts"); n != 0 {
		t.Errorf("got %d contacts, want none", n)
	}
}

// At their bounds values are accepted, and longest ones come back whole.
func TestContactBounds(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	body := map[string]any{
		"name": strings.Repeat("\U0001F600", 100), "gender": true, "age": 150, "address": strings.Repeat("\ufdfa", 500),
		"phone": "+55 (11) 91234-56789", "email": strings.Repeat("a", 249) + "@b.com",
	}
	var got map[string]any
	s.do("POST", "/api/v1/address-book", token, body).want(t, 201).into(t, &got)
	for name, want := range body {
		if fmt.Sprint(got[name]) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	// The two forms of é are one.
	body["name"] = "Jose\u0301"
	s.do("POST", "/api/v1/address-book", token, body).want(t, 201).into(t, &got)
	if got["name"] != "José" {
		t.Errorf("got %q, want NFC", got["name"])
	}
}

type page struct {
	Data []struct {
		ID, Name, Email, Phone string
		Age                    int
		Gender                 bool
	}
	Metadata struct {
		Limit, Count int
		HasMore      bool    `json:"has_more"`
		NextCursor   *string `json:"next_cursor"`
		Total        *int
	}
}

func (s *testServer) page(token string, query url.Values) page {
	s.t.Helper()
	a := s.do("GET", "/api/v1/address-book?"+query.Encode(), token, nil).want(s.t, 200)
	var p page
	if err := json.Unmarshal(a.body, &p); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func TestContactList(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	names := []string{"Zoé", "álvaro", "Bruno", "Alvaro", "bruno", "Élise", "carla", "Dora", "Ana", "ana", "\U0010FFFDx"}
	for i, name := range names {
		b := contactBody()
		b["name"], b["age"], b["gender"] = name, i%4*50, i%2 == 0
		s.do("POST", "/api/v1/address-book", token, b).want(t, 201)
	}
	all := func(query url.Values) (got []string) {
		for range len(names) + 1 {
			p := s.page(token, query)
			if p.Metadata.Count != len(p.Data) || p.Metadata.HasMore != (p.Metadata.NextCursor != nil) {
				t.Errorf("got metadata %+v for %d rows", p.Metadata, len(p.Data))
			}
			for _, c := range p.Data {
				got = append(got, c.Name)
			}
			if p.Metadata.NextCursor == nil {
				return got
			}
			query.Set("cursor", *p.Metadata.NextCursor)
		}
		t.Fatal("the list does not end")
		return nil
	}
	for _, sort := range []string{"created_at", "name", "age"} {
		up := all(url.Values{"sort": {sort}, "limit": {"3"}})
		if len(up) != len(names) {
			t.Errorf("%s: got %d rows, want %d", sort, len(up), len(names))
		}
		down := all(url.Values{"sort": {"-" + sort}, "limit": {"4"}})
		slices.Reverse(down)
		if diff := cmp.Diff(up, down); diff != "" {
			t.Errorf("%s: descending is not the reverse of ascending:\n%s", sort, diff)
		}
		if diff := cmp.Diff(up, all(url.Values{"sort": {sort}, "limit": {"500"}})); diff != "" {
			t.Errorf("%s: pages differ from one large page:\n%s", sort, diff)
		}
	}
	if diff := cmp.Diff(names, all(url.Values{})); diff != "" {
		t.Errorf("default order is not that of creation:\n%s", diff)
	}
	sorted := all(url.Values{"sort": {"name"}})
	want := []string{"Ana", "ana", "álvaro", "Alvaro", "Bruno", "bruno", "carla", "Dora", "Élise", "Zoé", "\U0010FFFDx"}
	want[0], want[1], want[2], want[3] = "álvaro", "Alvaro", "Ana", "ana"
	if diff := cmp.Diff(want, sorted); diff != "" {
		t.Errorf("by name:\n%s", diff)
	}
	for query, want := range map[string]int{
		"age=50": 3, "age_gte=100": 5, "age_lte=0": 3, "age_gte=50&age_lte=100": 6, "gender=male": 6,
		"gender=female&age=150": 2, "age=1": 0,
	} {
		values, _ := url.ParseQuery(query + "&limit=2&sort=-age")
		if got := all(values); len(got) != want {
			t.Errorf("%s: got %d, want %d", query, len(got), want)
		}
	}
}

func TestContactListRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	for range 3 {
		s.do("POST", "/api/v1/address-book", ana, contactBody()).want(t, 201)
		s.do("POST", "/api/v1/address-book", bob, contactBody()).want(t, 201)
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "limit=": "limit", "limit=01": "limit", "limit=1&limit=2": "limit",
		"sort=phone": "sort", "sort=": "sort", "age=151": "age", "age=-1": "age", "gender=other": "gender", "page=2": "page",
		"Limit=5": "Limit", "age_gte=1e2": "age_gte", "%ff=1": "\uFFFD",
	} {
		s.do("GET", "/api/v1/address-book?"+query, ana, nil).problem(t, 400, "invalid_query", field)
	}
	s.do("GET", "/api/v1/address-book?limit=0&sort=x&nope=1", ana, nil).problem(t, 400, "invalid_query", "limit", "sort", "nope")

	cursor := *s.page(ana, url.Values{"limit": {"1"}, "sort": {"name"}, "gender": {"female"}}).Metadata.NextCursor
	get := func(token, c string, query string) answer {
		return s.do("GET", "/api/v1/address-book?cursor="+url.QueryEscape(c)+"&"+query, token, nil)
	}
	get(ana, cursor, "limit=2&sort=name&gender=female").want(t, 200) // another limit is fine
	for name, a := range map[string]answer{
		"tampered":       get(ana, cursor[:len(cursor)-2]+"AA", "sort=name&gender=female"),
		"cut":            get(ana, cursor[:20], "sort=name&gender=female"),
		"another tenant": get(bob, cursor, "sort=name&gender=female"),
		"another sort":   get(ana, cursor, "sort=-name&gender=female"),
		"another filter": get(ana, cursor, "sort=name&gender=male"),
		"no filter":      get(ana, cursor, "sort=name"),
		"garbage":        get(ana, "not base64!", "sort=name&gender=female"),
		"empty":          get(ana, "", "sort=name&gender=female"),
		"huge":           get(ana, strings.Repeat("A", 3000), "sort=name&gender=female"),
	} {
		if p := a.problem(t, 400, "invalid_cursor"); p.Code != "invalid_cursor" {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

// Texts are looked for anywhere and in any case; nothing in them is a wildcard.
func TestContactSearch(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	for _, c := range []struct{ name, email, phone string }{
		{"José Ünal", "jose@Example.com", "+55 11 91234-5678"},
		{"100% Ana", "a_b@example.com", "(11) 1234-0000"},
		{"STRASSE", `back\slash@example.org`, "0000000000"},
		{"x\U0001F600y", "'or''1@example.org", "1111111111"},
	} {
		b := contactBody()
		b["name"], b["email"], b["phone"] = c.name, c.email, c.phone
		s.do("POST", "/api/v1/address-book", token, b).want(t, 201)
	}
	for _, tc := range []struct{ param, text, want string }{
		{"name", "jose\u0301", "José Ünal"},
		{"name", "ÉÜ", ""},
		{"name", "É Ü", "José Ünal"},
		{"name", "jose", ""},
		{"name", "%", "100% Ana"},
		{"name", "_", ""},
		{"name", "0%_a", ""},
		{"name", "straße", "STRASSE"},
		{"name", "ｓｔｒ", "STRASSE"},
		{"name", "\U0001F600", "x\U0001F600y"},
		{"name", "A", "100% Ana STRASSE José Ünal"},
		{"name", "'", ""},
		{"email", "_", "100% Ana"},
		{"email", `\`, "STRASSE"},
		{"email", `\s`, "STRASSE"},
		{"email", "EXAMPLE.COM", "José Ünal 100% Ana"},
		{"email", "or''1", "x\U0001F600y"},
		{"email", "%", ""},
		{"phone", "+55 11", "José Ünal"},
		{"phone", "(11) ", "100% Ana"},
		{"phone", "0000", "100% Ana STRASSE"},
		{"phone", "%", ""},
		{"q", "0000", "100% Ana STRASSE"},
		{"q", "example.ORG", "STRASSE x\U0001F600y"},
		{"q", "ana", "100% Ana"},
		{"q", "%", "100% Ana"},
		{"q", "nobody", ""},
	} {
		var got []string
		p := s.page(token, url.Values{tc.param: {tc.text}, "count": {"exact"}})
		for _, c := range p.Data {
			got = append(got, c.Name)
		}
		slices.Sort(got)
		want := []string{}
		for _, name := range []string{"100% Ana", "José Ünal", "STRASSE", "x\U0001F600y"} {
			if strings.Contains(tc.want, name) {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) || p.Metadata.Total == nil || *p.Metadata.Total != len(want) {
			t.Errorf("%s=%s: got %q, total %v, want %q", tc.param, tc.text, got, p.Metadata.Total, want)
		}
	}
	if got := s.page(token, url.Values{"name": {"a"}, "email": {"example"}, "phone": {"0000"}, "q": {"slash"}, "gender": {"female"}}); len(got.Data) != 1 {
		t.Errorf("all at once: got %+v", got.Data)
	}
	for _, name := range []string{"name", "email", "phone", "q"} {
		for _, value := range []string{"", "%20", "%00", "a%0Ab", "%ff", strings.Repeat("a", 101)} {
			s.do("GET", "/api/v1/address-book?"+name+"="+value, token, nil).problem(t, 400, "invalid_query", name)
		}
		s.do("GET", "/api/v1/address-book?"+name+"=a&"+name+"=a", token, nil).problem(t, 400, "invalid_query", name)
		s.do("GET", "/api/v1/address-book?"+name+"="+strings.Repeat("%C3%A3", 100), token, nil).want(t, 200)
	}
}

func TestContactCount(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	for i := range 5 {
		b := contactBody()
		b["age"] = i
		s.do("POST", "/api/v1/address-book", ana, b).want(t, 201)
	}
	s.do("POST", "/api/v1/address-book", bob, contactBody()).want(t, 201)

	first := s.page(ana, url.Values{"limit": {"2"}, "age_gte": {"1"}})
	if first.Metadata.Total != nil {
		t.Errorf("got a total that nobody asked for: %d", *first.Metadata.Total)
	}
	// It may be asked for on any page, and stays the same.
	second := s.page(ana, url.Values{"limit": {"2"}, "age_gte": {"1"}, "cursor": {*first.Metadata.NextCursor}, "count": {"exact"}})
	if second.Metadata.Total == nil || *second.Metadata.Total != 4 || len(second.Data) != 2 {
		t.Errorf("got %+v", second)
	}
	for _, value := range []string{"", "true", "Exact"} {
		s.do("GET", "/api/v1/address-book?count="+value, ana, nil).problem(t, 400, "invalid_query", "count")
	}
}

func TestContactVersions(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	a := s.do("POST", "/api/v1/address-book", ana, contactBody()).want(t, 201)
	path := a.Header.Get("Location")
	tag := func(a answer, want string) {
		t.Helper()
		if got := a.Header.Get("ETag"); got != want {
			t.Errorf("got ETag %s, want %s", got, want)
		}
	}
	put := func(match string) answer {
		t.Helper()
		return s.do("PUT", path, ana, contactBody(), "If-Match", match)
	}
	tag(a, `"1"`)
	tag(s.do("GET", path, ana, nil), `"1"`)
	tag(s.do("HEAD", path, ana, nil), `"1"`)
	tag(put(`"1"`).want(t, 200), `"2"`)
	tag(put(`"7", "2", "other"`).want(t, 200), `"3"`)
	tag(put(`*`).want(t, 200), `"4"`)
	tag(s.do("PUT", path, ana, contactBody()).want(t, 200), `"5"`)
	for _, match := range []string{`"4"`, `W/"5"`, `"05"`, `"5x"`, `""`, `"4", W/"5"`} {
		put(match).problem(t, 412, "precondition_failed")
		s.do("DELETE", path, ana, nil, "If-Match", match).problem(t, 412, "precondition_failed")
	}
	for _, match := range []string{"5", `"5`, `*, "5"`, ","} {
		put(match).problem(t, 400, "validation_failed", "If-Match")
		s.do("DELETE", path, ana, nil, "If-Match", match).problem(t, 400, "validation_failed", "If-Match")
	}
	// What is wrong with the body comes first; what does not exist, or is
	// another tenant's, has no version that could be the wrong one.
	s.do("PUT", path, ana, "{}", "If-Match", `"4"`).problem(t, 400, "validation_failed")
	for _, match := range []string{`"5"`, `"4"`, "*"} {
		s.do("PUT", path, bob, contactBody(), "If-Match", match).problem(t, 404, "not_found")
		s.do("DELETE", path, bob, nil, "If-Match", match).problem(t, 404, "not_found")
		absent := "/api/v1/address-book/" + uuid.NewString()
		s.do("PUT", absent, ana, contactBody(), "If-Match", match).problem(t, 404, "not_found")
		s.do("DELETE", absent, ana, nil, "If-Match", match).problem(t, 404, "not_found")
	}
	tag(s.do("GET", path, ana, nil), `"5"`)
	s.do("DELETE", path, ana, nil, "If-Match", `"5"`).want(t, 200)
	s.do("DELETE", path, ana, nil, "If-Match", `"5"`).problem(t, 404, "not_found")
}

// Of many that change the same version at once, one does.
func TestContactConcurrentChanges(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	path := s.do("POST", "/api/v1/address-book", token, contactBody()).want(t, 201).Header.Get("Location")
	statuses := make(chan int)
	const clients = 12
	for range clients {
		go func() { statuses <- s.do("PUT", path, token, contactBody(), "If-Match", `"1"`).StatusCode }()
	}
	count := map[int]int{}
	for range clients {
		count[<-statuses]++
	}
	if count[200] != 1 || count[412] != clients-1 {
		t.Errorf("got %v", count)
	}
}

func TestContactIdempotency(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, eve, bob := s.signup("acme", "ana").Access, s.signup("acme", "eve").Access, s.signup("globex", "bob").Access
	const path, key = "/api/v1/address-book", "key-1"
	post := func(path, token string, body any, key string) answer {
		t.Helper()
		return s.do("POST", path, token, body, "Idempotency-Key", key)
	}
	// A refusal by validation is not kept.
	post(path, ana, "{}", key).problem(t, 400, "validation_failed")
	first := post(path, ana, contactBody(), key).want(t, 201)
	if first.Header.Get("Idempotency-Replayed") != "" {
		t.Error("the first was replayed")
	}
	for _, p := range []string{path, "/api/address-book"} {
		again := post(p, ana, contactBody(), key).want(t, 201)
		if string(again.body) != string(first.body) || again.Header.Get("Idempotency-Replayed") != "true" ||
			again.Header.Get("Location") != first.Header.Get("Location") || again.Header.Get("ETag") != `"1"` ||
			again.Header.Get("Content-Type") != first.Header.Get("Content-Type") {
			t.Errorf("%s: got %v %s, want %s", p, again.Header, again.body, first.body)
		}
	}
	other := contactBody()
	other["age"] = 35
	post(path, ana, other, key).problem(t, 422, "idempotency_mismatch")
	for name, token := range map[string]string{"another user": eve, "another tenant": bob} {
		if a := post(path, token, contactBody(), key).want(t, 201); a.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: replayed", name)
		}
	}
	for _, bad := range []string{"", "a b", "é", strings.Repeat("k", 256)} {
		post(path, ana, contactBody(), bad).problem(t, 400, "validation_failed", "Idempotency-Key")
	}
	// Keys mean nothing to what can be repeated anyway.
	s.do("PUT", first.Header.Get("Location"), ana, other, "Idempotency-Key", key).want(t, 200)

	const clients = 8
	answers := make(chan answer)
	for range clients {
		go func() { answers <- post(path, ana, contactBody(), "key-2") }()
	}
	for range clients {
		if a := <-answers; a.StatusCode != 201 {
			a.problem(t, 409, "idempotency_in_progress")
		}
	}
	if n := dbtest.Value[int](t, s.db.OwnerURL, "select count(*)::int from tenant.contacts"); n != 4 {
		t.Errorf("got %d contacts, want 4", n)
	}
}

// With the session end all ways to change contacts, whatever else is wrong.
func TestContactAfterLogout(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	path := s.do("POST", "/api/v1/address-book", token, contactBody()).want(t, 201).Header.Get("Location")
	s.do("POST", "/api/v1/address-book", token, contactBody(), "Idempotency-Key", "a").want(t, 201)
	s.do("POST", "/api/v1/auth/logout", token, nil).want(t, 200)
	for _, a := range []answer{
		s.do("POST", "/api/v1/address-book", token, contactBody()),
		s.do("POST", "/api/v1/address-book", token, contactBody(), "Idempotency-Key", "a"),
		s.do("POST", "/api/v1/address-book", token, contactBody(), "Idempotency-Key", "b"),
		s.do("PUT", path, token, contactBody(), "If-Match", `"9"`),
		s.do("DELETE", path, token, nil, "If-Match", `"9"`),
		s.do("GET", path, token, nil),
		s.do("GET", "/api/v1/address-book?count=exact", token, nil),
	} {
		a.problem(t, 401, "unauthenticated")
	}
	if n := s.contacts("acme"); n != 2 {
		t.Errorf("got %d contacts, want 2", n)
	}
}
