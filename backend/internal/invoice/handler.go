package invoice

import (
	"context"

	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
)

// HandleValidate answers POST /nfe/validate, which stores nothing.
func (s *Service) HandleValidate(r *web.Request) error {
	var in Invoice
	if err := r.DecodeSparse(&in); err != nil {
		return err
	}
	d := &in.Document
	nfe.Normalize(d)
	in.fromRows()
	if fields := badIDs(d); fields != nil {
		return &problem.Error{Code: problem.ValidationFailed, Fields: fields[:min(len(fields), maxFields)]}
	}
	if err := s.Cached.Admit(r.Context(), r.Caller); err != nil {
		return err
	}
	if err := s.parties(r.Context(), s.reads(r.Caller), r.Caller.Tenant, d); err != nil {
		return err
	}
	findings := s.validate(d)
	nfe.Localize(findings, r.AcceptLanguage())
	return r.OK("ok", struct {
		Valid    bool          `json:"valid"`
		Findings []nfe.Finding `json:"findings"`
	}{!nfe.Blocked(findings), findings})
}

// HandleList answers GET /nfe.
func (s *Service) HandleList(r *web.Request) error {
	l := r.List(byCreated, byIssued, byTotal)
	f := readFilter(l)
	l.CountExact()
	after := start(l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	return s.Cached.Page(r, l, after, func(ctx context.Context) ([]byte, error) {
		return s.page(ctx, s.reads(r.Caller), r.Caller.Tenant, l, after, f)
	})
}

// HandleCreate answers POST /nfe.
func (s *Service) HandleCreate(r *web.Request) error {
	in, err := s.input(r)
	if err != nil {
		return err
	}
	err = idempotency.Run(r, s.Directory, func(tx tenantdb.DBTX) (web.Answer, error) {
		made := *in
		stored, err := s.create(r.Context(), tx, r.Origin(), &made)
		if err != nil {
			return web.Answer{}, err
		}
		a := single(stored, r.AcceptLanguage())
		a.Status, a.Location = 201, "/api/v1/nfe/"+stored.ID
		return a, nil
	})
	s.Cached.Wrote(r.Context(), r.Caller, err)
	return err
}

// HandleGet answers GET /nfe/{id}.
func (s *Service) HandleGet(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	accept := r.AcceptLanguage()
	return s.Cached.Object(r, id.String()+"."+languageOf(accept), func(ctx context.Context) (web.Answer, error) {
		in, err := s.get(ctx, s.reads(r.Caller), r.Caller.Tenant, id)
		if err != nil {
			return web.Answer{}, err
		}
		return single(in, accept), nil
	})
}

// HandleUpdate answers PUT /nfe/{id}.
func (s *Service) HandleUpdate(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	versions, err := r.IfMatch()
	if err != nil {
		return err
	}
	in, err := s.input(r)
	if err != nil {
		return err
	}
	if in.Version < 1 {
		return needVersion()
	}
	var stored *Invoice
	err = s.Directory.InTx(r.Context(), pg.Caller(r.Caller, true), func(tx tenantdb.DBTX) (err error) {
		changed := *in
		stored, err = s.update(r.Context(), tx, r.Origin(), id, versions, &changed)
		return err
	})
	s.Cached.Wrote(r.Context(), r.Caller, err)
	if err != nil {
		return err
	}
	return r.Answer(single(stored, r.AcceptLanguage()))
}

// HandleDelete answers DELETE /nfe/{id}.
func (s *Service) HandleDelete(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	versions, err := r.IfMatch()
	if err != nil {
		return err
	}
	err = s.Directory.InTx(r.Context(), pg.Caller(r.Caller, true), func(tx tenantdb.DBTX) error {
		return s.delete(r.Context(), tx, r.Origin(), id, versions)
	})
	s.Cached.Wrote(r.Context(), r.Caller, err)
	if err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

func (s *Service) input(r *web.Request) (*Invoice, error) {
	var in Invoice
	if err := r.DecodeSparse(&in); err != nil {
		return nil, err
	}
	return &in, in.check(s.Now(), r.AcceptLanguage())
}

func needVersion() error {
	return &problem.Error{Code: problem.ValidationFailed,
		Fields: []problem.Field{{Name: "/version", Code: "required", Message: "must be the version that is to be changed"}}}
}

// single is the answer that holds one document.
func single(in *Invoice, accept string) web.Answer {
	nfe.Localize(in.Findings, accept)
	return web.Answer{Message: "ok", Data: in, ETag: web.ETag(in.Version)}
}

// languageOf is the language in which findings are shown to who sends an
// Accept-Language header.
func languageOf(accept string) string { return nfe.Localize(nil, accept) }
