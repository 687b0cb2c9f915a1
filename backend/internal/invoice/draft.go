package invoice

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
)

// create stores a new draft and returns it.
func (s *Service) create(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, in *Invoice) (*Invoice, error) {
	tenant := by.Claims.Tenant
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	if err := s.parties(ctx, tx, tenant, &in.Document); err != nil {
		return nil, err
	}
	in.Findings = s.validate(&in.Document)
	if err := s.insert(ctx, tx, tenant, id, in); err != nil {
		return nil, err
	}
	return s.recorded(ctx, tx, by, trail.NfeCreate, id, nil)
}

// insert writes a new document as a draft, with all that belongs to it.
func (s *Service) insert(ctx context.Context, tx tenantdb.DBTX, tenant string, id uuid.UUID, in *Invoice) error {
	head, err := encodeHead(in)
	if err != nil {
		return err
	}
	if err := s.queries.CreateNfe(ctx, tx, tenantdb.CreateNfeParams{TenantID: tenant, ID: id, Head: head}); err != nil {
		return err
	}
	return s.putContent(ctx, tx, tenant, id, &in.Document)
}

// validate returns the findings about a document as of now, none of them nil.
func (s *Service) validate(d *nfe.Document) []nfe.Finding {
	return append([]nfe.Finding{}, nfe.Validate(d, nfe.Options{Reference: s.Now()})...)
}

// recorded writes a change to the trail and returns the document as it is now.
func (s *Service) recorded(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, a trail.Action, id uuid.UUID, details map[string]string) (*Invoice, error) {
	err := trail.Record(ctx, tx, by.Claims.Tenant, by, trail.Entry{Action: a, Target: id.String(), Details: details})
	if err != nil {
		return nil, err
	}
	return s.get(ctx, tx, by.Claims.Tenant, id)
}

// hold locks a document for a step, which its state must allow, and returns its
// head. Versions are those that If-Match allows, any when nil; wanted is the one
// that the caller says it has seen, any when 0.
func (s *Service) hold(ctx context.Context, tx tenantdb.DBTX, tenant string, id uuid.UUID, step nfe.Transition, versions []int64, wanted int64) (*Invoice, error) {
	row, err := s.queries.LockNfe(ctx, tx, tenantdb.LockNfeParams{TenantID: tenant, ID: id})
	if err != nil {
		return nil, err
	}
	if versions != nil && !slices.Contains(versions, row.Version) {
		return nil, problem.New(problem.PreconditionFailed)
	}
	if wanted != 0 && wanted != row.Version {
		return nil, problem.Newf(problem.Conflict, "The document has changed since: it has version %d now.", row.Version)
	}
	in, err := readHead(row.Head)
	if err != nil {
		return nil, err
	}
	return in, refused(in.Can(step), "")
}

// update replaces the whole content of a draft.
func (s *Service) update(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, id uuid.UUID, versions []int64, in *Invoice) (*Invoice, error) {
	tenant := by.Claims.Tenant
	was, err := s.hold(ctx, tx, tenant, id, nfe.ToEdit, versions, in.Version)
	if err != nil {
		return nil, err
	}
	if err := keepsNumbering(&was.Document, &in.Document); err != nil {
		return nil, err
	}
	if err := s.parties(ctx, tx, tenant, &in.Document); err != nil {
		return nil, err
	}
	in.Findings = s.validate(&in.Document)
	head, err := encodeHead(in)
	if err != nil {
		return nil, err
	}
	if err := s.queries.DeleteNfeContent(ctx, tx, tenantdb.DeleteNfeContentParams{TenantID: tenant, DocumentID: id}); err != nil {
		return nil, err
	}
	if err := s.queries.UpdateNfe(ctx, tx, tenantdb.UpdateNfeParams{TenantID: tenant, ID: id, Head: head}); err != nil {
		return nil, err
	}
	if err := s.putContent(ctx, tx, tenant, id, &in.Document); err != nil {
		return nil, err
	}
	return s.recorded(ctx, tx, by, trail.NfeUpdate, id, nil)
}

// keepsNumbering gives a rejected draft the numbering it has. What its number
// belongs to cannot change any more.
func keepsNumbering(was, d *nfe.Document) error {
	if was.Numero == "" {
		return nil
	}
	var fields []problem.Field
	for _, f := range []struct {
		pointer, was, is string
		counts           bool
	}{
		{"/emitter_id", was.EmitterID, d.EmitterID, true},
		{"/ambiente", was.Ambiente, d.Ambiente, true},
		{"/modelo", was.Modelo, d.Modelo, true},
		{"/serie", was.Serie, d.Serie, true},
		{"/tipo_emissao", was.TipoEmissao, d.TipoEmissao, was.Modelo == nfe.ModeloNFCe || d.TipoEmissao == ""},
	} {
		if f.counts && f.was != f.is {
			fields = append(fields, problem.Field{Name: f.pointer, Code: "numbering.kept", Message: "must stay " + f.was + ": the document has a number"})
		}
	}
	if fields != nil {
		return &problem.Error{Code: problem.InvalidState, Fields: fields,
			Detail: "The document keeps its number, and so must keep what the number belongs to."}
	}
	d.Numero, d.CodigoNumerico = was.Numero, was.CodigoNumerico
	return nil
}

// delete removes a draft that never had a number.
func (s *Service) delete(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, id uuid.UUID, versions []int64) error {
	tenant := by.Claims.Tenant
	if _, err := s.hold(ctx, tx, tenant, id, nfe.ToDelete, versions, 0); err != nil {
		return err
	}
	if err := s.queries.DeleteNfe(ctx, tx, tenantdb.DeleteNfeParams{TenantID: tenant, ID: id}); err != nil {
		return err
	}
	return trail.Record(ctx, tx, tenant, by, trail.Entry{Action: trail.NfeDelete, Target: id.String()})
}
