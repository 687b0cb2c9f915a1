package invoice

import (
	"cmp"
	"regexp"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
)

// Rejection is what the SEFAZ said when it did not take a document.
type Rejection struct {
	Codigo string        `json:"codigo,omitzero"` // its number, 3 or 4 digits
	Motivo string        `json:"motivo,omitzero"` // its text, 1 to 255 characters
	Data   nfe.Timestamp `json:"data,omitzero"`
}

var rejectionCode = regexp.MustCompile(`^[0-9]{3,4}$`)

func (n *Rejection) check() error {
	var c field.Checker
	if !rejectionCode.MatchString(n.Codigo) {
		c.Add("/codigo", "invalid_format", "must be 3 or 4 digits, such as 539")
	}
	c.Line("/motivo", &n.Motivo, 1, 255)
	if _, ok := n.Data.Time(); !ok {
		c.Add("/data", "invalid_format", "must be a moment such as 2026-11-22T09:30:00-03:00 (RFC 3339)")
	}
	return c.Err()
}

// transition answers a step of the document in the path: it reads body, whose
// version the document must have, and carries out work. Check says what is wrong
// with the body by itself.
func (s *Service) transition(r *web.Request, body any, version *int64, check func() error, work func(tx tenantdb.DBTX, id uuid.UUID) (*Invoice, error)) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	if err := r.DecodeSparse(body); err != nil {
		return err
	}
	if *version < 1 {
		return needVersion()
	}
	nfe.Normalize(body)
	if err := malformed(check(), r.AcceptLanguage()); err != nil {
		return err
	}
	err = idempotency.Run(r, s.Directory, func(tx tenantdb.DBTX) (web.Answer, error) {
		in, err := work(tx, id)
		if err != nil {
			return web.Answer{}, err
		}
		return single(in, r.AcceptLanguage()), nil
	})
	s.Cached.Wrote(r.Context(), r.Caller, err)
	return err
}

// HandleIssue answers POST /nfe/{id}/issue.
func (s *Service) HandleIssue(r *web.Request) error {
	var body struct {
		Version int64 `json:"version"`
	}
	return s.transition(r, &body, &body.Version, func() error { return nil }, func(tx tenantdb.DBTX, id uuid.UUID) (*Invoice, error) {
		return s.issue(r.Context(), tx, r.Origin(), id, body.Version, r.AcceptLanguage())
	})
}

// HandleAuthorize answers POST /nfe/{id}/authorize.
func (s *Service) HandleAuthorize(r *web.Request) error {
	var body struct {
		Version int64 `json:"version"`
		nfe.Authorization
	}
	check := func() error {
		return nfe.Authorize(&nfe.Document{NfeID: cmp.Or(body.ChaveAcesso, "issued")}, body.Authorization)
	}
	return s.transition(r, &body, &body.Version, check, func(tx tenantdb.DBTX, id uuid.UUID) (*Invoice, error) {
		return s.outcome(r.Context(), tx, r.Origin(), id, body.Version, step{
			to: nfe.ToAuthorize, action: trail.NfeAuthorize, details: map[string]string{"protocolo": body.Protocolo},
			take: func(in *Invoice) error {
				in.Rejeicao = nil
				return nfe.Authorize(&in.Document, body.Authorization)
			},
		}, r.AcceptLanguage())
	})
}

// HandleReject answers POST /nfe/{id}/reject.
func (s *Service) HandleReject(r *web.Request) error {
	var body struct {
		Version int64 `json:"version"`
		Rejection
	}
	return s.transition(r, &body, &body.Version, body.check, func(tx tenantdb.DBTX, id uuid.UUID) (*Invoice, error) {
		return s.outcome(r.Context(), tx, r.Origin(), id, body.Version, step{
			to: nfe.ToReject, action: trail.NfeReject, details: map[string]string{"codigo": body.Codigo},
			take: func(in *Invoice) error {
				in.Rejeicao = &body.Rejection
				return nfe.Reject(&in.Document)
			},
		}, r.AcceptLanguage())
	})
}

// HandleDeny answers POST /nfe/{id}/deny.
func (s *Service) HandleDeny(r *web.Request) error {
	var body struct {
		Version int64 `json:"version"`
		nfe.Denial
	}
	check := func() error { return nfe.Deny(&nfe.Document{NfeID: "issued"}, body.Denial) }
	return s.transition(r, &body, &body.Version, check, func(tx tenantdb.DBTX, id uuid.UUID) (*Invoice, error) {
		return s.outcome(r.Context(), tx, r.Origin(), id, body.Version, step{
			to: nfe.ToDeny, action: trail.NfeDeny, details: map[string]string{"codigo": body.Codigo, "protocolo": body.Protocolo},
			take: func(in *Invoice) error { return nfe.Deny(&in.Document, body.Denial) },
		}, r.AcceptLanguage())
	})
}

// HandleCancel answers POST /nfe/{id}/cancel.
func (s *Service) HandleCancel(r *web.Request) error {
	var body struct {
		Version int64 `json:"version"`
		nfe.Cancellation
	}
	check := func() error { return nfe.Cancel(&nfe.Document{Status: nfe.Authorized}, body.Cancellation, s.Windows) }
	return s.transition(r, &body, &body.Version, check, func(tx tenantdb.DBTX, id uuid.UUID) (*Invoice, error) {
		return s.outcome(r.Context(), tx, r.Origin(), id, body.Version, step{
			to: nfe.ToCancel, action: trail.NfeCancel, details: map[string]string{"protocolo": body.Protocolo},
			take: func(in *Invoice) error { return nfe.Cancel(&in.Document, body.Cancellation, s.Windows) },
		}, r.AcceptLanguage())
	})
}
