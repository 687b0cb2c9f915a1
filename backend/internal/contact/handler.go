package contact

import (
	"gatehouse/backend/internal/web"
)

// HandleList answers GET /address-book.
func (s *Service) HandleList(r *web.Request) error {
	l := r.List(byCreated, byName, byAge)
	f := Filter{
		Age:    l.Int("age", 0, 150),
		AgeGte: l.Int("age_gte", 0, 150),
		AgeLte: l.Int("age_lte", 0, 150),
	}
	if gender := l.Choice("gender", "male", "female"); gender != "" {
		male := gender == "male"
		f.Male = &male
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

// HandleCreate answers POST /address-book.
func (s *Service) HandleCreate(r *web.Request) error {
	in, err := input(r)
	if err != nil {
		return err
	}
	c, err := s.create(r.Context(), r.Caller, in)
	if err != nil {
		return err
	}
	return r.Answer(web.Answer{Status: 201, Message: "ok", Location: "/api/v1/address-book/" + c.ID.String(), Data: view(c)})
}

// HandleGet answers GET /address-book/{id}.
func (s *Service) HandleGet(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	c, err := s.get(r.Context(), r.Caller, id)
	if err != nil {
		return err
	}
	return r.OK("ok", view(c))
}

// HandleUpdate answers PUT /address-book/{id}.
func (s *Service) HandleUpdate(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	in, err := input(r)
	if err != nil {
		return err
	}
	c, err := s.update(r.Context(), r.Caller, id, in)
	if err != nil {
		return err
	}
	return r.OK("ok", view(c))
}

// HandleDelete answers DELETE /address-book/{id}.
func (s *Service) HandleDelete(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	if err := s.delete(r.Context(), r.Caller, id); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

func input(r *web.Request) (Input, error) {
	var in Input
	if err := r.Decode(&in); err != nil {
		return in, err
	}
	return in, in.check()
}
