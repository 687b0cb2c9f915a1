package backend

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/internal/feed"
)

type modelUser struct {
	ID        string `json:"id"`
	Username  string `json:"username"`
	Email     string `json:"email"`
	TenantID  string `json:"tenant_id"`
	Role      string `json:"role"`
	Active    bool   `json:"active"`
	CreatedAt string `json:"created_at"`

	version int
	logins  []string // outcomes, the oldest first
}

type modelSession struct {
	pair
	user *modelUser
	id   string
	live bool
	// spent is a refresh token that was used.
	spent string
}

type modelInvitation struct {
	ID        string
	Status    string
	Role      string
	CreatedBy *string `json:"created_by"`
	UsedBy    *string `json:"used_by"`

	token string
}

func (m *model) userStep(tenant *modelTenant, by *modelSession) {
	steps := []func(*modelTenant, *modelSession){
		m.createUser, m.createUser, m.createUser, m.updateUser, m.updateUser, m.deleteUser, m.listUsers,
		m.signIn, m.signIn, m.signIn, m.failLogin, m.refresh, m.refresh, m.logout, m.endSession, m.endSessions,
		m.invite, m.invite, m.accept, m.accept, m.uninvite,
	}
	steps[m.r.IntN(len(steps))](tenant, by)
}

// name makes a user name that others are likely to choose too.
func (m *model) name() string {
	return pick(m.r, []string{"ana", "Bruno", "carla", "DORA"}) + fmt.Sprint(m.r.IntN(8))
}

// taken reports whether somebody else has the name or, with it, the address.
func (t *modelTenant) taken(name string, but *modelUser) bool {
	return slices.ContainsFunc(t.users, func(u *modelUser) bool { return u != but && strings.EqualFold(u.Username, name) })
}

// address goes with a name, so that both are taken at once.
func address(name string) string { return name + "@example.com" }

func (t *modelTenant) end(u *modelUser, but *modelSession) {
	for _, s := range t.sessions {
		if s.user == u && s != but {
			s.live = false
		}
	}
}

// void takes back what somebody has invited to.
func (t *modelTenant) void(u *modelUser) {
	t.invitations = slices.DeleteFunc(t.invitations, func(i *modelInvitation) bool {
		return i.Status == "open" && i.CreatedBy != nil && *i.CreatedBy == u.ID
	})
}

func (t *modelTenant) admins(but *modelUser) (n int) {
	for _, u := range t.users {
		if u != but && u.Role == "admin" && u.Active {
			n++
		}
	}
	return n
}

func (m *model) createUser(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	name := m.name()
	body := map[string]any{"username": name, "email": address(name), "password": testPassword, "role": pick(m.r, []string{"member", "admin"})}
	if m.r.IntN(4) == 0 {
		body["active"] = false
	}
	a := m.do(by, "POST", "/api/v1/users", body)
	switch {
	case by.user.Role != "admin":
		m.expect(a, 403, "forbidden")
	case tenant.taken(name, nil):
		m.expect(a, 409, "conflict")
	case m.expect(a, 201, ""):
		u := &modelUser{version: 1}
		a.into(m.t, u)
		if u.Username != name || u.Email != address(name) || u.TenantID != tenant.id || u.Role != body["role"] || u.Active != (body["active"] == nil) {
			m.t.Errorf("sent %v, got %+v", body, u)
		}
		tenant.users = append(tenant.users, u)
	}
}

// someone picks a user, of another tenant now and then.
func (m *model) someone(tenant *modelTenant) (u *modelUser, own bool) {
	if m.r.IntN(6) == 0 {
		other := pick(m.r, m.tenants)
		return pick(m.r, other.users), other == tenant
	}
	return pick(m.r, tenant.users), true
}

func (m *model) updateUser(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	u, own := m.someone(tenant)
	name, role, active := u.Username, u.Role, u.Active
	switch m.r.IntN(4) {
	case 0:
		name = m.name()
	case 1:
		role = pick(m.r, []string{"member", "admin"})
	case 2:
		active = !active
	}
	var headers []string
	stale := m.r.IntN(5) == 0
	if stale {
		headers = []string{"If-Match", `"999"`}
	}
	a := m.do(by, "PUT", "/api/v1/users/"+u.ID, map[string]any{"username": name, "email": address(name), "role": role, "active": active}, headers...)
	admin := by.user.Role == "admin"
	loses := u.Role == "admin" && u.Active && (role != "admin" || !active)
	switch {
	case !admin && u != by.user:
		m.expect(a, 403, "forbidden")
	case !own:
		m.expect(a, 404, "not_found")
	case stale:
		m.expect(a, 412, "precondition_failed")
	case loses && tenant.admins(u) == 0:
		m.expect(a, 409, "invalid_state")
	case !admin && (role != u.Role || active != u.Active):
		m.expect(a, 403, "forbidden")
	case tenant.taken(name, u):
		m.expect(a, 409, "conflict")
	case m.expect(a, 200, ""):
		if role != u.Role || !active && u.Active {
			tenant.end(u, nil)
		}
		if loses {
			tenant.void(u)
		}
		u.Username, u.Email, u.Role, u.Active = name, address(name), role, active
		u.version++
		if got, want := a.Header.Get("ETag"), fmt.Sprintf(`"%d"`, u.version); got != want {
			m.t.Errorf("got ETag %s, want %s", got, want)
		}
	}
}

func (m *model) deleteUser(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	u, own := m.someone(tenant)
	a := m.do(by, "DELETE", "/api/v1/users/"+u.ID, nil)
	switch {
	case by.user.Role != "admin":
		m.expect(a, 403, "forbidden")
	case !own:
		m.expect(a, 404, "not_found")
	case u.Role == "admin" && u.Active && tenant.admins(u) == 0:
		m.expect(a, 409, "invalid_state")
	case m.expect(a, 200, ""):
		tenant.end(u, nil)
		tenant.void(u)
		tenant.users = slices.DeleteFunc(tenant.users, func(other *modelUser) bool { return other == u })
		tenant.keys = slices.DeleteFunc(tenant.keys, func(k *modelKey) bool { return k.by == u })
		for _, i := range tenant.invitations { // whose they were is forgotten
			if i.CreatedBy != nil && *i.CreatedBy == u.ID {
				i.CreatedBy = nil
			}
			if i.UsedBy != nil && *i.UsedBy == u.ID {
				i.UsedBy = nil
			}
		}
	}
}

// login signs a user in, if it can, and starts a session.
func (m *model) login(tenant *modelTenant, u *modelUser) *modelSession {
	m.t.Helper()
	identifier := pick(m.r, []string{u.Username, strings.ToUpper(u.Username), u.Email})
	a := m.s.do("POST", "/api/v1/auth/login", "", map[string]any{
		"username_or_email": identifier, "password": testPassword, "tenant_id": tenant.id,
	}, "X-Forwarded-For", m.ip())
	m.trace = append(m.trace, "login of "+u.Username)
	if !u.Active {
		u.logins = append(u.logins, "inactive")
		m.expect(a, 401, "invalid_credentials")
		return nil
	}
	if !m.expect(a, 200, "") {
		return nil
	}
	u.logins = append(u.logins, "ok")
	s := &modelSession{user: u, live: true}
	a.into(m.t, &s.pair)
	s.id = m.s.session(s.Access)
	if tenant.single {
		tenant.end(u, nil)
	}
	tenant.sessions = append(tenant.sessions, s)
	return s
}

// ip is an address that has not failed to sign in before.
func (m *model) ip() string {
	return fmt.Sprintf("10.%d.%d.%d", m.r.IntN(256), m.r.IntN(256), m.r.IntN(256))
}

func (m *model) signIn(tenant *modelTenant, _ *modelSession) {
	m.t.Helper()
	m.login(tenant, pick(m.r, tenant.users))
}

// failLogin tries a wrong password, or the right one in another tenant.
func (m *model) failLogin(tenant *modelTenant, _ *modelSession) {
	m.t.Helper()
	u, pw, in := pick(m.r, tenant.users), "Wrong-Horse-7", tenant
	if m.r.IntN(2) == 0 {
		in = pick(m.r, m.tenants)
	}
	a := m.s.do("POST", "/api/v1/auth/login", "", map[string]any{
		"username_or_email": u.Username, "password": pw, "tenant_id": in.id,
	}, "X-Forwarded-For", m.ip())
	m.trace = append(m.trace, "failed login of "+u.Username)
	m.expect(a, 401, "invalid_credentials")
	for _, hit := range in.users {
		if strings.EqualFold(hit.Username, u.Username) {
			hit.logins = append(hit.logins, "bad_password")
		}
	}
}

// refresh trades a refresh token, or repeats one that was spent, which ends the
// session.
func (m *model) refresh(_ *modelTenant, by *modelSession) {
	m.t.Helper()
	send := func(token string) answer {
		m.trace = append(m.trace, "refresh of "+by.user.Username)
		return m.s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": token})
	}
	if by.spent != "" && m.r.IntN(3) == 0 {
		m.expect(send(by.spent), 401, "invalid_refresh_token")
		by.live = false
		return
	}
	old := by.Refresh
	if a := send(old); m.expect(a, 200, "") {
		a.into(m.t, &by.pair)
		by.spent = old
	}
}

// useDead uses a session that has ended.
func (m *model) useDead(by *modelSession) {
	m.t.Helper()
	switch m.r.IntN(3) {
	case 0:
		m.expect(m.do(by, "GET", "/api/v1/address-book", nil), 401, "unauthenticated")
	case 1:
		m.expect(m.do(by, "POST", "/api/v1/address-book", m.contactBody()), 401, "unauthenticated")
	default:
		m.expect(m.s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": by.Refresh}), 401, "invalid_refresh_token")
	}
}

func (m *model) logout(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	path := "/api/v1/auth/logout"
	if m.r.IntN(3) == 0 {
		path = "/api/v1/auth/logout-all"
		tenant.end(by.user, by)
	}
	m.expect(m.do(by, "POST", path, nil), 200, "")
	by.live = false
}

// endSession ends one session: one's own, or nobody's.
func (m *model) endSession(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	from := tenant
	if m.r.IntN(4) == 0 {
		from = pick(m.r, m.tenants)
	}
	victim := pick(m.r, from.sessions)
	a := m.do(by, "DELETE", "/api/v1/auth/sessions/"+victim.id, nil)
	if victim.user != by.user || !victim.live {
		m.expect(a, 404, "not_found")
	} else if m.expect(a, 200, "") {
		victim.live = false
	}
}

// endSessions ends all sessions of a user.
func (m *model) endSessions(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	u, own := m.someone(tenant)
	a := m.do(by, "DELETE", "/api/v1/users/"+u.ID+"/sessions", nil)
	switch {
	case by.user.Role != "admin" && u != by.user:
		m.expect(a, 403, "forbidden")
	case !own:
		m.expect(a, 404, "not_found")
	case m.expect(a, 200, ""):
		tenant.end(u, nil)
	}
}

func (m *model) invite(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	role := pick(m.r, []string{"member", "admin"})
	a := m.do(by, "POST", "/api/v1/invitations", map[string]any{"role": role})
	if by.user.Role != "admin" {
		m.expect(a, 403, "forbidden")
		return
	}
	if !m.expect(a, 201, "") {
		return
	}
	var made struct {
		modelInvitation
		Token string
	}
	a.into(m.t, &made)
	if made.Status != "open" || made.Role != role || made.CreatedBy == nil || *made.CreatedBy != by.user.ID {
		m.t.Errorf("got %+v", made)
	}
	i := made.modelInvitation
	i.token = made.Token
	tenant.invitations = append(tenant.invitations, &i)
}

// accept signs up with an invitation, of another tenant now and then.
func (m *model) accept(tenant *modelTenant, _ *modelSession) {
	m.t.Helper()
	from := tenant
	if m.r.IntN(3) == 0 {
		from = pick(m.r, m.tenants)
	}
	if len(from.invitations) == 0 {
		return
	}
	i := pick(m.r, from.invitations)
	if from == tenant {
		m.useInvitation(tenant, i)
		return
	}
	name := m.name()
	m.expect(m.s.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": name, "email": address(name), "password": testPassword, "tenant_id": tenant.id, "invite_token": i.token,
	}), 403, "signup_closed")
}

func (m *model) useInvitation(tenant *modelTenant, i *modelInvitation) {
	m.t.Helper()
	name := m.name()
	a := m.s.do("POST", "/api/v1/auth/signup", "", map[string]any{
		"username": name, "email": address(name), "password": testPassword, "tenant_id": tenant.id, "invite_token": i.token,
	})
	m.trace = append(m.trace, "sign-up of "+name)
	switch {
	case i.Status != "open":
		m.expect(a, 403, "signup_closed")
	case tenant.taken(name, nil):
		m.expect(a, 409, "conflict")
	case m.expect(a, 201, ""):
		u := &modelUser{version: 1}
		a.into(m.t, u)
		if u.Role != i.Role || u.TenantID != tenant.id || u.Username != name {
			m.t.Errorf("invited as %s, got %+v", i.Role, u)
		}
		tenant.users = append(tenant.users, u)
		i.Status, i.UsedBy = "used", &u.ID
	}
}

func (m *model) uninvite(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	from := tenant
	if m.r.IntN(4) == 0 {
		from = pick(m.r, m.tenants)
	}
	if len(from.invitations) == 0 {
		return
	}
	i := pick(m.r, from.invitations)
	a := m.do(by, "DELETE", "/api/v1/invitations/"+i.ID, nil)
	switch {
	case by.user.Role != "admin":
		m.expect(a, 403, "forbidden")
	case from != tenant:
		m.expect(a, 404, "not_found")
	case m.expect(a, 200, ""):
		tenant.invitations = slices.DeleteFunc(tenant.invitations, func(other *modelInvitation) bool { return other == i })
	}
}

// listUsers reads the list of users with a random filter and order.
func (m *model) listUsers(tenant *modelTenant, by *modelSession) {
	m.t.Helper()
	if by.user.Role != "admin" {
		m.expect(m.do(by, "GET", "/api/v1/users", nil), 403, "forbidden")
		return
	}
	q := url.Values{}
	keep := func(*modelUser) bool { return true }
	switch m.r.IntN(4) {
	case 0:
		q.Set("q", "AN")
		keep = func(u *modelUser) bool { return strings.Contains(strings.ToLower(u.Username), "an") }
	case 1:
		q.Set("role", "member")
		keep = func(u *modelUser) bool { return u.Role == "member" }
	case 2:
		q.Set("active", "false")
		keep = func(u *modelUser) bool { return !u.Active }
	}
	m.compareUsers(tenant, by, q, keep)
}

func (m *model) compareUsers(tenant *modelTenant, by *modelSession, q url.Values, keep func(*modelUser) bool) {
	m.t.Helper()
	var want []modelUser
	for _, u := range tenant.users {
		if keep(u) {
			shown := *u
			shown.version, shown.logins = 0, nil
			want = append(want, shown)
		}
	}
	sort := pick(m.r, []string{"created_at", "username"})
	slices.SortFunc(want, func(a, b modelUser) int {
		if sort == "username" {
			return cmp.Compare(strings.ToLower(a.Username), strings.ToLower(b.Username))
		}
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	if q.Set("sort", sort); m.r.IntN(2) == 0 {
		q.Set("sort", "-"+sort)
		slices.Reverse(want)
	}
	got, _ := readAll[modelUser](m, by, "/api/v1/users", q)
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(modelUser{})); diff != "" {
		m.t.Errorf("%s of %s (-want +got):\n%s", q.Encode(), tenant.id, diff)
	}
}

// compare holds everything that a tenant has against the model.
func (m *model) compare(tenant *modelTenant) {
	m.t.Helper()
	i := slices.IndexFunc(tenant.users, func(u *modelUser) bool { return u.Role == "admin" && u.Active })
	by := m.login(tenant, tenant.users[i]) // there always is one
	if by == nil {
		return
	}
	for _, order := range contactOrders {
		m.compareContacts(tenant, by, url.Values{}, func(*modelContact) bool { return true }, order)
	}
	m.compareUsers(tenant, by, url.Values{}, func(*modelUser) bool { return true })
	for _, u := range tenant.users {
		m.compareHistory(tenant, by, u)
	}
	var want []modelInvitation
	for _, i := range tenant.invitations {
		shown := *i
		shown.token = ""
		want = append(want, shown)
	}
	got, _ := readAll[modelInvitation](m, by, "/api/v1/invitations", url.Values{"sort": {"created_at"}})
	byID := func(a, b modelInvitation) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(want, byID)
	slices.SortFunc(got, byID)
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(modelInvitation{})); diff != "" {
		m.t.Errorf("invitations of %s (-want +got):\n%s", tenant.id, diff)
	}
	m.compareAnnounced(tenant)
}

// compareAnnounced holds what was announced against the model: each session that
// has ended, once, and no other one.
func (m *model) compareAnnounced(tenant *modelTenant) {
	m.t.Helper()
	times := map[string]int{}
	for _, i := range m.heard.all(m.t, m.s, m.operator) {
		if i.Kind == feed.Session {
			times[i.Key]++
		}
	}
	for _, s := range tenant.sessions {
		want := 1
		if s.live {
			want = 0
		}
		if times[s.id] != want {
			m.t.Errorf("session %s of %s in %s, live is %v, was announced %d times", s.id, s.user.Username, tenant.id, s.live, times[s.id])
		}
	}
}

// compareHistory holds the sessions and sign-ins of a user against the model.
func (m *model) compareHistory(tenant *modelTenant, by *modelSession, u *modelUser) {
	m.t.Helper()
	var want []string
	for _, s := range tenant.sessions {
		if s.user == u && s.live {
			want = append(want, s.id)
		}
	}
	var got []string
	sessions, _ := readAll[struct {
		ID      string
		Current bool
	}](m, by, "/api/v1/users/"+u.ID+"/sessions", url.Values{})
	for _, s := range sessions {
		got = append(got, s.ID)
		if s.Current != (s.ID == by.id) {
			m.t.Errorf("session %s is the current one: %v", s.ID, s.Current)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		m.t.Errorf("sessions of %s in %s (-want +got):\n%s", u.Username, tenant.id, diff)
	}
	logins, _ := readAll[struct{ Outcome string }](m, by, "/api/v1/users/"+u.ID+"/logins", url.Values{"sort": {"created_at"}})
	var outcomes []string
	for _, l := range logins {
		outcomes = append(outcomes, l.Outcome)
	}
	if diff := gocmp.Diff(u.logins, outcomes); diff != "" {
		m.t.Errorf("sign-ins of %s in %s (-want +got):\n%s", u.Username, tenant.id, diff)
	}
}
