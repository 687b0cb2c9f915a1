package backend

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/field"
)

// Random operations of several tenants, interleaved, leave each tenant with
// just what a model says: nothing of one gets into another, nothing is lost, and
// every answer on the way is the one that the model foresees.
func TestTenantsFollowTheirModels(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	s := newTestServer(t, withRedis(r))
	operator := s.operator("model.operator")
	heard := listenTo(t, r)
	for _, seed := range []uint64{1, 2, 3, newSeed()} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, s, heard, operator.Access, seed)
			for range 250 {
				m.step()
				if t.Failed() {
					t.Fatalf("with seed %d; the last steps: %s", seed, strings.Join(m.trace[max(0, len(m.trace)-10):], ", "))
				}
			}
			for _, tenant := range m.tenants {
				m.compare(tenant)
			}
			if t.Failed() {
				t.Fatalf("with seed %d", seed)
			}
		})
	}
}

// Several clients of each of several tenants at once, each with contacts of its
// own: every tenant ends with what its clients have left together.
func TestTenantsFollowTheirModelsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	s := newTestServer(t, withRedis(r))
	operator := s.operator("model.operator")
	heard := listenTo(t, r)
	m := newModel(t, s, heard, operator.Access, newSeed())
	const clients, steps = 3, 40
	var wait sync.WaitGroup
	parts := map[*modelTenant][]*model{}
	for _, tenant := range m.tenants {
		for range clients {
			// A part has the tenant to itself, as far as it knows.
			part := &model{t: t, s: s, r: numbers(m.r.Uint64()), partial: true}
			own := &modelTenant{id: tenant.id, users: tenant.users, sessions: tenant.sessions}
			part.tenants = []*modelTenant{own}
			parts[tenant] = append(parts[tenant], part)
			wait.Go(func() {
				for range steps {
					part.contactStep(own, own.sessions[0])
				}
			})
		}
	}
	wait.Wait()
	for tenant, list := range parts {
		for _, part := range list {
			tenant.contacts = append(tenant.contacts, part.tenants[0].contacts...)
		}
		m.compare(tenant)
	}
}

// numbers are the same for a seed.
func numbers(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // what is tried is no secret
}

func newSeed() uint64 { return rand.Uint64() } //nolint:gosec // what is tried is no secret

// model is what a client that keeps account of everything expects.
type model struct {
	t       *testing.T
	s       *testServer
	r       *rand.Rand
	tenants []*modelTenant
	trace   []string
	// heard is what is announced to gateways, which an operator can mark.
	heard    *listener
	operator string
	// partial says that others change the tenant's contacts too, so that lists
	// are no use.
	partial bool
}

type modelTenant struct {
	id          string
	single      bool // session_mode
	contacts    []*modelContact
	users       []*modelUser
	sessions    []*modelSession // also those that have ended
	invitations []*modelInvitation
	keys        []*modelKey
}

type modelContact struct {
	ID        string `json:"id"`
	TenantID  string `json:"tenant_id"`
	Name      string `json:"name"`
	Gender    bool   `json:"gender"`
	Age       int    `json:"age"`
	Address   string `json:"address"`
	Phone     string `json:"phone"`
	Email     string `json:"email"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`

	version int
}

// modelKey is a request that had an Idempotency-Key.
type modelKey struct {
	by     *modelUser
	key    string
	body   map[string]any
	answer string
}

func newModel(t *testing.T, s *testServer, heard *listener, operator string, seed uint64) *model {
	t.Helper()
	m := &model{t: t, s: s, r: numbers(seed), heard: heard, operator: operator}
	for i, dedicated := range []bool{false, false, true} {
		tenant := &modelTenant{id: fmt.Sprintf("m%d-%x", i, seed), single: i == 1}
		mode := "multi"
		if tenant.single {
			mode = "single"
		}
		body := map[string]any{"id": tenant.id, "name": "Model", "signup": "invite", "session_mode": mode}
		if dedicated {
			body["db_url"] = dbtest.NewDedicated(t).Reveal()
		}
		s.do("POST", "/api/v1/admin/tenants", operator, body).want(t, 201)
		var invited struct {
			modelInvitation
			Token string
		}
		s.do("POST", "/api/v1/admin/tenants/"+tenant.id+"/invitations", operator, map[string]any{}).want(t, 201).into(t, &invited)
		i := &invited.modelInvitation
		i.token = invited.Token
		tenant.invitations = append(tenant.invitations, i)
		m.tenants = append(m.tenants, tenant)
		m.useInvitation(tenant, i)
		m.login(tenant, tenant.users[0])
	}
	return m
}

// step does one random thing in one of the tenants.
func (m *model) step() {
	tenant := m.tenants[m.r.IntN(len(m.tenants))]
	var live, dead []*modelSession
	for _, s := range tenant.sessions {
		if s.live {
			live = append(live, s)
		} else {
			dead = append(dead, s)
		}
	}
	switch n := m.r.IntN(40); {
	case len(live) == 0:
		m.login(tenant, pick(m.r, tenant.users))
	case n == 0:
		m.compare(tenant)
	case n < 4 && len(dead) > 0:
		m.useDead(pick(m.r, dead))
	case n < 22:
		m.contactStep(tenant, pick(m.r, live))
	default:
		m.userStep(tenant, pick(m.r, live))
	}
}

func (m *model) contactStep(tenant *modelTenant, by *modelSession) {
	steps := []func(*modelTenant, *modelSession){
		m.createContact, m.createContact, m.createContact, m.repeatCreate, m.updateContact, m.updateContact, m.deleteContact, m.getContact,
	}
	if !m.partial {
		steps = append(steps, m.listContacts, m.listContacts)
	}
	steps[m.r.IntN(len(steps))](tenant, by)
}

// do sends a request of a session and notes it.
func (m *model) do(by *modelSession, method, path string, body any, headers ...string) answer {
	m.t.Helper()
	m.trace = append(m.trace, fmt.Sprintf("%s: %s %s", by.user.Username, method, path))
	return m.s.do(method, path, by.Access, body, headers...)
}

// expect fails the test unless the answer is the one foreseen; code is "" for a
// success.
func (m *model) expect(a answer, status int, code string) bool {
	m.t.Helper()
	var p problemBody
	if a.StatusCode >= 400 {
		if err := json.Unmarshal(a.body, &p); err != nil {
			m.t.Errorf("%v: %s", err, a.body)
		}
	}
	if a.StatusCode != status || p.Code != code {
		m.t.Errorf("%s %s: got %d %s, want %d %s: %s", a.Request.Method, a.Request.URL, a.StatusCode, p.Code, status, code, a.body)
		return false
	}
	return status < 300
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

var modelNames = []string{"Ana", "álvaro", "BRUNO", "Zoë", "élise", "Ærø", `100%_\`, "ana", "José", "Ωmega"}

func (m *model) contactBody() map[string]any {
	name := pick(m.r, modelNames)
	return map[string]any{
		"name": name, "gender": m.r.IntN(2) == 0, "age": 20 + m.r.IntN(5), "address": fmt.Sprintf("Street %d", m.r.IntN(100)),
		"phone": fmt.Sprintf("+55 %09d", m.r.IntN(1e9)), "email": fmt.Sprintf("%c%d@Example.com", 'A'+rune(m.r.IntN(26)), m.r.IntN(10)),
	}
}

// holds fails the test unless a contact has what was sent.
func (m *model) holds(c modelContact, tenant *modelTenant, body map[string]any) {
	m.t.Helper()
	got := map[string]any{"name": c.Name, "gender": c.Gender, "age": c.Age, "address": c.Address, "phone": c.Phone, "email": c.Email}
	if diff := gocmp.Diff(body, got); diff != "" || c.TenantID != tenant.id {
		m.t.Errorf("a contact of %q is not as it was sent to %q:\n%s", c.TenantID, tenant.id, diff)
	}
}

func (m *model) createContact(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	body := m.contactBody()
	var headers []string
	key := &modelKey{by: by.user, key: fmt.Sprintf("key-%d", m.r.Uint64()), body: body}
	keyed := m.r.IntN(2) == 0
	if keyed {
		headers = []string{"Idempotency-Key", key.key}
	}
	a := m.do(by, "POST", "/api/v1/address-book", body, headers...)
	if !m.expect(a, 201, "") {
		return
	}
	c := &modelContact{version: 1}
	a.into(m.t, c)
	m.holds(*c, tenant, body)
	if slices.ContainsFunc(m.tenants, func(t *modelTenant) bool { return contactAt(t, c.ID) >= 0 }) {
		m.t.Errorf("the id %s is there already", c.ID)
	}
	tenant.contacts = append(tenant.contacts, c)
	if key.answer = string(a.body); keyed {
		tenant.keys = append(tenant.keys, key)
	}
}

func contactAt(t *modelTenant, id string) int {
	return slices.IndexFunc(t.contacts, func(c *modelContact) bool { return c.ID == id })
}

// repeatCreate uses a key again: by the same user it is a replay, whatever has
// become of the contact; by any other it is a key like any other.
func (m *model) repeatCreate(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	from := pick(m.r, m.tenants)
	if len(from.keys) == 0 {
		return
	}
	k := pick(m.r, from.keys)
	same := k.by == by.user
	if m.r.IntN(3) == 0 && same {
		m.expect(m.do(by, "POST", "/api/v1/address-book", m.contactBody(), "Idempotency-Key", k.key), 422, "idempotency_mismatch")
		return
	}
	a := m.do(by, "POST", "/api/v1/address-book", k.body, "Idempotency-Key", k.key)
	if !m.expect(a, 201, "") {
		return
	}
	replayed := a.Header.Get("Idempotency-Replayed") == "true"
	known := slices.ContainsFunc(tenant.keys, func(other *modelKey) bool { return other.by == by.user && other.key == k.key })
	if replayed != known {
		m.t.Errorf("%s uses the key of %s: replayed is %v", by.user.Username, k.by.Username, replayed)
	}
	if same && string(a.body) != k.answer {
		m.t.Errorf("got %s, want what was answered first: %s", a.body, k.answer)
	}
	if !known {
		c := &modelContact{version: 1}
		a.into(m.t, c)
		m.holds(*c, tenant, k.body)
		tenant.contacts = append(tenant.contacts, c)
		tenant.keys = append(tenant.keys, &modelKey{by: by.user, key: k.key, body: k.body, answer: string(a.body)})
	}
}

// target picks a contact, of another tenant now and then, and an If-Match for
// it; it returns what has to come of it.
func (m *model) target(tenant *modelTenant) (c *modelContact, headers []string, status int, code string) {
	from := tenant
	if m.r.IntN(4) == 0 {
		from = pick(m.r, m.tenants)
	}
	if len(from.contacts) == 0 {
		return nil, nil, 0, ""
	}
	c = pick(m.r, from.contacts)
	fits := true
	switch m.r.IntN(4) {
	case 0:
		headers = []string{"If-Match", fmt.Sprintf(`"%d"`, c.version)}
	case 1:
		headers, fits = []string{"If-Match", fmt.Sprintf(`"%d"`, c.version+1)}, false
	}
	switch {
	case from != tenant:
		return c, headers, 404, "not_found"
	case !fits:
		return c, headers, 412, "precondition_failed"
	}
	return c, headers, 200, ""
}

func (m *model) updateContact(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	c, headers, status, code := m.target(tenant)
	if c == nil {
		return
	}
	body := m.contactBody()
	a := m.do(by, "PUT", "/api/v1/address-book/"+c.ID, body, headers...)
	if !m.expect(a, status, code) {
		return
	}
	updated := modelContact{version: c.version + 1}
	a.into(m.t, &updated)
	m.holds(updated, tenant, body)
	if updated.ID != c.ID || updated.CreatedAt != c.CreatedAt || a.Header.Get("ETag") != fmt.Sprintf(`"%d"`, updated.version) {
		m.t.Errorf("updated %+v: got %+v, ETag %s", c, updated, a.Header.Get("ETag"))
	}
	*c = updated
}

func (m *model) deleteContact(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	c, headers, status, code := m.target(tenant)
	if c != nil && m.expect(m.do(by, "DELETE", "/api/v1/address-book/"+c.ID, nil, headers...), status, code) {
		i := contactAt(tenant, c.ID)
		tenant.contacts = slices.Delete(tenant.contacts, i, i+1)
		m.expect(m.do(by, "DELETE", "/api/v1/address-book/"+c.ID, nil), 404, "not_found")
	}
}

func (m *model) getContact(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	c, _, status, code := m.target(tenant)
	if c == nil {
		return
	}
	if status == 412 {
		status, code = 200, ""
	}
	a := m.do(by, "GET", "/api/v1/address-book/"+c.ID, nil)
	if m.expect(a, status, code) {
		got := modelContact{version: c.version}
		a.into(m.t, &got)
		if got != *c {
			m.t.Errorf("got %+v, want %+v", got, *c)
		}
	}
}

// listContacts reads a list with a random filter and order, page by page.
func (m *model) listContacts(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	q := url.Values{}
	keep := func(*modelContact) bool { return true }
	also := func(name, value string, f func(c *modelContact) bool) {
		before := keep
		q.Set(name, value)
		keep = func(c *modelContact) bool { return before(c) && f(c) }
	}
	has := func(text, part string) bool { return strings.Contains(field.Fold(text), field.Fold(part)) }
	if m.r.IntN(3) == 0 {
		part := pick(m.r, []string{"an", "É", "_", "%", `\`, "ω", "zoe"})
		also("name", part, func(c *modelContact) bool { return has(c.Name, part) })
	}
	if m.r.IntN(4) == 0 {
		part := fmt.Sprintf("%d@example", m.r.IntN(10))
		also("email", part, func(c *modelContact) bool { return has(c.Email, part) })
	}
	if m.r.IntN(4) == 0 {
		part := fmt.Sprint(m.r.IntN(100))
		also("phone", part, func(c *modelContact) bool { return strings.Contains(c.Phone, part) })
	}
	if m.r.IntN(4) == 0 {
		part := fmt.Sprint(m.r.IntN(10))
		also("q", part, func(c *modelContact) bool {
			return has(c.Name, part) || has(c.Email, part) || strings.Contains(c.Phone, part)
		})
	}
	if m.r.IntN(4) == 0 {
		age := 20 + m.r.IntN(5)
		also("age_gte", fmt.Sprint(age), func(c *modelContact) bool { return c.Age >= age })
	}
	if m.r.IntN(4) == 0 {
		also("gender", "male", func(c *modelContact) bool { return c.Gender })
	}
	m.compareContacts(tenant, by, q, keep, pick(m.r, contactOrders))
}

// contactOrders are the orders of the list; all are total.
var contactOrders = []struct {
	name string
	less func(a, b *modelContact) int
}{
	{"created_at", func(a, b *modelContact) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) }},
	{"name", func(a, b *modelContact) int { return cmp.Compare(field.SortKey(a.Name), field.SortKey(b.Name)) }},
	{"age", func(a, b *modelContact) int { return cmp.Compare(a.Age, b.Age) }},
}

func (m *model) compareContacts(tenant *modelTenant, by *modelSession, q url.Values, keep func(*modelContact) bool, order struct {
	name string
	less func(a, b *modelContact) int
}) {
	m.t.Helper()
	var want []modelContact
	for _, c := range tenant.contacts {
		if keep(c) {
			shown := *c
			shown.version = 0
			want = append(want, shown)
		}
	}
	slices.SortFunc(want, func(a, b modelContact) int { return cmp.Or(order.less(&a, &b), cmp.Compare(a.ID, b.ID)) })
	q.Set("sort", order.name)
	if m.r.IntN(2) == 0 {
		slices.Reverse(want)
		q.Set("sort", "-"+order.name)
	}
	q.Set("count", "exact")
	got, total := readAll[modelContact](m, by, "/api/v1/address-book", q)
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(modelContact{})); diff != "" || total != len(want) {
		m.t.Errorf("%s of %s: total %d, want %d (-want +got):\n%s", q.Encode(), tenant.id, total, len(want), diff)
	}
}

// readAll reads a list page by page.
func readAll[T any](m *model, by *modelSession, path string, q url.Values) (all []T, total int) {
	m.t.Helper()
	limit := 1 + m.r.IntN(9)
	q.Set("limit", fmt.Sprint(limit))
	for {
		var page struct {
			Data     []T
			Metadata struct {
				Limit, Count, Total int
				HasMore             bool    `json:"has_more"`
				NextCursor          *string `json:"next_cursor"`
			}
		}
		a := m.do(by, "GET", path+"?"+q.Encode(), nil)
		if !m.expect(a, 200, "") {
			return all, 0
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			m.t.Fatal(err)
		}
		meta := page.Metadata
		if len(page.Data) == 0 && q.Has("cursor") {
			m.t.Errorf("%s?%s: there was said to be more", path, q.Encode())
		}
		if meta.Limit != limit || meta.Count != len(page.Data) || meta.HasMore != (meta.NextCursor != nil) || meta.HasMore && meta.Count != limit {
			m.t.Errorf("%s: a page of %d with %+v", path, len(page.Data), meta)
		}
		all = append(all, page.Data...)
		if meta.NextCursor == nil {
			return all, meta.Total
		}
		q.Set("cursor", *meta.NextCursor)
	}
}
