package tenant

import (
	"strings"
	"time"
	"unicode"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
)

// Sort orders of the list, the default first.
const (
	byCreated = "created_at"
	byName    = "name"
)

// position is where a page ends: the last row's sort value and id.
type position struct {
	Created time.Time `json:"c"`
	Name    string    `json:"n"`
	ID      string    `json:"i"`
}

// start is the position before the first row of a list.
func start(desc bool) position {
	if desc {
		// Longer than any name's key, of the greatest code point.
		return position{Created: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Name: strings.Repeat(string(unicode.MaxRune), maxNameKey)}
	}
	return position{Created: time.Unix(0, 0).UTC()}
}

func positionOf(t controldb.Tenant) any {
	return position{Created: t.CreatedAt, Name: t.NameKey, ID: t.ID}
}

// id returns the tenant's id of the path. What has not the form of one names
// nothing, so it is not found.
func id(r *web.Request) (string, error) {
	text := r.Path("id")
	if !field.ValidTenantID(text) {
		return "", errNotFound
	}
	return text, nil
}

// HandleList answers GET /admin/tenants.
func (s *Service) HandleList(r *web.Request) error {
	l := r.List(byCreated, byName)
	f := Filter{
		Pattern:    field.Containing(l.Text("name", 1, 100)),
		Status:     field.Given(l.Choice("status", statuses...)),
		Plan:       field.Given(l.Choice("plan", plans...)),
		Placement:  field.Given(l.Choice("placement", placements...)),
		CreatedGte: l.Time("created_gte"),
		CreatedLt:  l.Time("created_lt"),
	}
	after := start(l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	rows, err := s.list(r.Context(), r.Caller, l.Sort, l.Desc, after, f, l.Limit+1)
	if err != nil {
		return err
	}
	return web.Page(l, rows, view, positionOf)
}

// HandleCreate answers POST /admin/tenants.
func (s *Service) HandleCreate(r *web.Request) error {
	c := creation{Service: s, by: r.Origin()}
	err := r.Decode(&c.in)
	if err == nil {
		c.url, err = c.in.check()
	}
	if err != nil {
		return err
	}
	if c.url != nil {
		release, err := s.turn(r.Context())
		if err != nil {
			return err
		}
		defer release()
	}
	err = idempotency.Run(r, s.Maint, func(tx tenantdb.DBTX) (web.Answer, error) {
		t, err := c.work(r.Context(), tx)
		a := answer(201, t)
		a.Location = "/api/v1/admin/tenants/" + t.ID
		return a, err
	})
	c.done(r.Context(), err)
	return err
}

// HandleGet answers GET /admin/tenants/{id}.
func (s *Service) HandleGet(r *web.Request) error {
	id, err := id(r)
	if err != nil {
		return err
	}
	t, err := s.get(r.Context(), r.Caller, id)
	if err != nil {
		return err
	}
	return r.Answer(answer(200, t))
}

// HandleUpdate answers PUT /admin/tenants/{id}.
func (s *Service) HandleUpdate(r *web.Request) error {
	id, err := id(r)
	if err != nil {
		return err
	}
	match, err := r.IfMatch()
	if err != nil {
		return err
	}
	var in Changes
	if err := r.Decode(&in); err != nil {
		return err
	}
	u, err := in.check()
	if err != nil {
		return err
	}
	if u != nil {
		release, err := s.turn(r.Context())
		if err != nil {
			return err
		}
		defer release()
	}
	t, err := s.update(r.Context(), r.Origin(), id, match, in, u)
	if err != nil {
		return err
	}
	return r.Answer(answer(200, t))
}

// HandleDelete answers DELETE /admin/tenants/{id}.
func (s *Service) HandleDelete(r *web.Request) error {
	id, err := id(r)
	if err != nil {
		return err
	}
	match, err := r.IfMatch()
	if err != nil {
		return err
	}
	if err := s.delete(r.Context(), r.Origin(), id, match); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

// HandleSuspend answers POST /admin/tenants/{id}/suspend.
func (s *Service) HandleSuspend(r *web.Request) error {
	id, err := id(r)
	if err != nil {
		return err
	}
	t, err := s.suspend(r.Context(), r.Origin(), id)
	if err != nil {
		return err
	}
	return r.Answer(answer(200, t))
}

// HandleResume answers POST /admin/tenants/{id}/resume.
func (s *Service) HandleResume(r *web.Request) error {
	id, err := id(r)
	if err != nil {
		return err
	}
	t, err := s.resume(r.Context(), r.Origin(), id)
	if err != nil {
		return err
	}
	return r.Answer(answer(200, t))
}

// Stats is how many tenants and users there are.
type Stats struct {
	TotalTenants  int        `json:"total_tenants"`
	ActiveTenants int        `json:"active_tenants"`
	TotalUsers    int64      `json:"total_users"`
	LoggedInUsers int64      `json:"logged_in_users"`
	AsOf          web.Time   `json:"as_of"`
	Tenants       []Activity `json:"tenants"`
}

// Activity is whether a tenant is active and its database answers.
type Activity struct {
	TenantID string `json:"tenant_id"`
	Name     string `json:"name"`
	Status   string `json:"status"` // active or inactive
}

// HandleStats answers GET /admin/tenant/stats.
func (s *Service) HandleStats(r *web.Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	stats := Stats{TotalTenants: len(o.Tenants), AsOf: web.Time{Time: o.AsOf}, Tenants: make([]Activity, 0, len(o.Tenants))}
	for _, t := range o.Tenants {
		a := Activity{t.ID, t.Name, "inactive"}
		if t.Status == active && t.Fault == "" {
			a.Status = active
			stats.ActiveTenants++
		}
		stats.TotalUsers += t.Users
		stats.LoggedInUsers += t.SignedIn
		stats.Tenants = append(stats.Tenants, a)
	}
	return r.OK("ok", stats)
}

// Health is whether a tenant's database answers, and in one word why not.
type Health struct {
	TenantID string  `json:"tenant_id"`
	Name     string  `json:"name"`
	Healthy  bool    `json:"healthy"`
	Error    *string `json:"error"`
}

// HandleHealth answers GET /admin/tenant/health.
func (s *Service) HandleHealth(r *web.Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	list := make([]Health, 0, len(o.Tenants))
	for _, t := range o.Tenants {
		h := Health{TenantID: t.ID, Name: t.Name, Healthy: t.Fault == ""}
		if !h.Healthy {
			word := string(t.Fault)
			h.Error = &word
		}
		list = append(list, h)
	}
	return r.OK("ok", list)
}

// HandleStatus answers GET /admin/tenant/status.
func (s *Service) HandleStatus(r *web.Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	answers := make(map[string]bool, len(o.Tenants))
	for _, t := range o.Tenants {
		answers[t.ID] = t.Fault == ""
	}
	return r.OK("ok", answers)
}

func (s *Service) overview(r *web.Request) (Overview, error) {
	if err := s.checkSession(r.Context(), r.Caller); err != nil {
		return Overview{}, err
	}
	return s.Prober.Ask(r.Context())
}
