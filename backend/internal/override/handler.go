package override

import (
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/web"
)

// tenant returns the tenant's id of the path. What has not the form of one names
// nothing, so it is not found.
func tenant(r *web.Request) (string, error) {
	id := r.Path("id")
	if !field.ValidTenantID(id) {
		return "", errNotFound
	}
	return id, nil
}

// HandleGet answers GET /admin/tenants/{id}/limits.
func (s *Service) HandleGet(r *web.Request) error {
	id, err := tenant(r)
	if err != nil {
		return err
	}
	a, err := s.get(r.Context(), r.Caller, id)
	if err != nil {
		return err
	}
	return r.Answer(a.answer())
}

// HandleSet answers PUT /admin/tenants/{id}/limits.
func (s *Service) HandleSet(r *web.Request) error {
	id, err := tenant(r)
	if err != nil {
		return err
	}
	match, err := r.IfMatch()
	if err != nil {
		return err
	}
	var in Change
	if err := r.Decode(&in); err != nil {
		return err
	}
	rows, err := in.check(id, r.Caller.Username, s.Now())
	if err != nil {
		return err
	}
	a, err := s.set(r.Context(), r.Origin(), id, match, rows)
	if err != nil {
		return err
	}
	return r.Answer(a.answer())
}
