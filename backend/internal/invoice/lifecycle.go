package invoice

import (
	"context"

	"github.com/google/uuid"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
)

// issue gives a draft its number, cNF and key, and freezes it with its parties as
// they are now.
func (s *Service) issue(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, id uuid.UUID, version int64, language string) (*Invoice, error) {
	tenant := by.Claims.Tenant
	if _, err := s.hold(ctx, tx, tenant, id, nfe.ToIssue, nil, version); err != nil {
		return nil, err
	}
	in, err := s.get(ctx, tx, tenant, id)
	if err != nil {
		return nil, err
	}
	if err := s.parties(ctx, tx, tenant, &in.Document); err != nil {
		return nil, err
	}
	if in.Findings, err = s.issuable(&in.Document); err != nil {
		return nil, refused(err, language)
	}
	n := nfe.Numbering{Serie: in.Serie, Numero: in.Numero, CodigoNumerico: in.CodigoNumerico}
	if n.Numero == "" {
		n.Numero, err = s.allocate(ctx, tx, seriesOf(tenant, in.EmitterID, in.Ambiente, in.Modelo, in.Serie, in.TipoEmissao))
		if err != nil {
			return nil, err
		}
		if n.CodigoNumerico, err = nfe.DrawCode(s.Random, n.Numero); err != nil {
			return nil, err
		}
	}
	if err := nfe.Issue(&in.Document, n, s.Now()); err != nil {
		return nil, refused(err, language)
	}
	if err := s.putState(ctx, tx, tenant, in); err != nil {
		return nil, err
	}
	return s.recorded(ctx, tx, by, trail.NfeIssue, id, map[string]string{"numero": in.Numero, "serie": in.Serie, "nfe_id": in.NfeID})
}

// issuable returns the findings about a draft that is to be issued. Beside the
// rules it needs what it is numbered by.
func (s *Service) issuable(d *nfe.Document) ([]nfe.Finding, error) {
	findings, err := nfe.CheckIssue(d, nfe.Options{Reference: s.Now()})
	var missing []nfe.Finding
	for _, f := range []struct{ path, value string }{{"/emitter_id", d.EmitterID}, {"/serie", d.Serie}} {
		if f.value == "" {
			missing = append(missing, nfe.Finding{Path: f.path, Rule: "required", Severity: nfe.Error})
		}
	}
	if missing != nil {
		return nil, &nfe.RefusedError{Findings: append(missing, findings...)}
	}
	return append([]nfe.Finding{}, findings...), err
}

// step is a step in a document's life that records what the SEFAZ said.
type step struct {
	to     nfe.Transition
	action trail.Action
	take   func(in *Invoice) error
	// details are what the trail tells of it.
	details map[string]string
}

// outcome carries a step out.
func (s *Service) outcome(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, id uuid.UUID, version int64, p step, language string) (*Invoice, error) {
	in, err := s.hold(ctx, tx, by.Claims.Tenant, id, p.to, nil, version)
	if err != nil {
		return nil, err
	}
	if err := p.take(in); err != nil {
		return nil, refused(err, language)
	}
	if err := s.putState(ctx, tx, by.Claims.Tenant, in); err != nil {
		return nil, err
	}
	return s.recorded(ctx, tx, by, p.action, id, p.details)
}
