package audit

import (
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
)

// HandleList answers GET /audit.
func (s *Service) HandleList(r *web.Request) error {
	l := r.List("-created_at")
	p, err := page(l)
	if err != nil {
		return err
	}
	rows, err := s.list(r.Context(), s.Directory.As(pg.Caller(r.Caller, false)), r.Caller.Tenant, p)
	if err != nil {
		return err
	}
	return web.Page(l, rows, view, positionOf)
}

// HandleListAll answers GET /admin/audit.
func (s *Service) HandleListAll(r *web.Request) error {
	l := r.List("-created_at")
	tenant := field.Given(l.Text("tenant_id", 1, 36))
	p, err := page(l)
	if err != nil {
		return err
	}
	if tenant != nil && !field.ValidTenantID(*tenant) {
		return &problem.Error{Code: problem.InvalidQuery,
			Fields: []problem.Field{{Name: "tenant_id", Code: "invalid_format", Message: "must be a tenant's id"}}}
	}
	rows, missing, err := s.ListAll(r.Context(), r.Caller, tenant, p)
	if err != nil {
		return err
	}
	r.Incomplete(missing)
	return web.Page(l, rows, view, positionOf)
}

// page reads the filters that both lists have, and the cursor.
func page(l *web.List) (Page, error) {
	p := Page{From: earliest, Before: latest, Desc: l.Desc, Limit: l.Limit + 1, Position: start(l.Desc)}
	p.Action = field.Given(l.Choice("action", trail.Actions()...))
	p.ActorID = l.UUID("actor_id")
	if from := l.Time("created_gte"); from != nil {
		p.From = *from
	}
	if before := l.Time("created_lt"); before != nil {
		p.Before = *before
	}
	return p, l.Start(&p.Position)
}
