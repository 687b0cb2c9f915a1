package contact

import (
	"context"

	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
)

// HandleList answers GET /address-book.
func (s *Service) HandleList(r *web.Request) error {
	l := r.List(byCreated, byName, byAge)
	f := readFilter(l)
	l.CountExact()
	after := start(l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	return s.Cached.Page(r, l, after, func(ctx context.Context) ([]byte, error) {
		rows, err := s.list(ctx, s.reads(r.Caller), r.Caller.Tenant, l.Sort, l.Desc, after, f, l.Limit+1)
		if err != nil {
			return nil, err
		}
		if err := l.Tally(func() (int64, error) { return s.count(ctx, r.Caller, f) }); err != nil {
			return nil, err
		}
		return web.EncodePage(l, rows, view, positionOf)
	})
}

// HandleCreate answers POST /address-book.
func (s *Service) HandleCreate(r *web.Request) error {
	in, err := input(r)
	if err != nil {
		return err
	}
	err = idempotency.RunOne(r, s.Directory, func(tx tenantdb.DBTX) (web.Answer, error) {
		c, err := s.create(r.Context(), tx, r.Caller.Tenant, in)
		if err != nil {
			return web.Answer{}, err
		}
		a := single(c)
		a.Status, a.Location = 201, "/api/v1/address-book/"+c.ID.String()
		return a, nil
	})
	s.Cached.Wrote(r.Context(), r.Caller, err) // a replay too: the first answer may have got lost half-way
	return err
}

// HandleGet answers GET /address-book/{id}.
func (s *Service) HandleGet(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	return s.Cached.Object(r, id.String(), func(ctx context.Context) (web.Answer, error) {
		c, err := s.get(ctx, r.Caller, id)
		return single(c), err
	})
}

// HandleUpdate answers PUT /address-book/{id}.
func (s *Service) HandleUpdate(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	versions, err := r.IfMatch()
	if err != nil {
		return err
	}
	in, err := input(r)
	if err != nil {
		return err
	}
	c, err := s.update(r.Context(), r.Caller, id, versions, in)
	if err != nil {
		return err
	}
	return r.Answer(single(c))
}

// HandleDelete answers DELETE /address-book/{id}.
func (s *Service) HandleDelete(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	versions, err := r.IfMatch()
	if err != nil {
		return err
	}
	if err := s.delete(r.Context(), r.Caller, id, versions); err != nil {
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

// single is the answer that holds one contact.
func single(c tenantdb.Contact) web.Answer {
	return web.Answer{Message: "ok", Data: view(c), ETag: web.ETag(c.Version)}
}
