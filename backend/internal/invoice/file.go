package invoice

import (
	"cmp"

	"github.com/google/uuid"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/nfe/danfe"
	"gatehouse/backend/internal/nfe/nfexml"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
)

// HandleXML answers GET /nfe/{id}/xml.
func (s *Service) HandleXML(r *web.Request) error {
	d, err := s.whole(r)
	if err != nil {
		return err
	}
	signature, err := s.queries.GetNfeSignature(r.Context(), s.reads(r.Caller), tenantdb.GetNfeSignatureParams{
		TenantID: r.Caller.Tenant, ID: uuid.MustParse(d.ID),
	})
	if err != nil {
		return err
	}
	r.File("application/xml", "NFe"+nameOf(d)+".xml", nfexml.Write(&nfexml.Invoice{Document: d, Signature: signature, Protocol: protocolOf(d)}))
	return nil
}

// HandleDANFE answers GET /nfe/{id}/danfe.pdf.
func (s *Service) HandleDANFE(r *web.Request) error {
	d, err := s.whole(r)
	if err != nil {
		return err
	}
	pdf, err := danfe.Render(d)
	if err != nil {
		return err
	}
	r.File("application/pdf", "DANFE"+nameOf(d)+".pdf", pdf)
	return nil
}

func (s *Service) whole(r *web.Request) (*nfe.Document, error) {
	id, err := r.PathUUID("id")
	if err != nil {
		return nil, err
	}
	in, err := s.get(r.Context(), s.reads(r.Caller), r.Caller.Tenant, id)
	if err != nil {
		return nil, err
	}
	return &in.Document, nil
}

// nameOf is what a document is called in file names: its key, once it has one.
func nameOf(d *nfe.Document) string { return cmp.Or(d.NfeID, d.ID) }

// protocolOf is what the SEFAZ answered as XML has it, or nil before it did. That a
// document was cancelled later is told by an event, which is a file of its own.
func protocolOf(d *nfe.Document) *nfexml.Protocol {
	p := &nfexml.Protocol{Ambiente: d.Ambiente, Key: d.NfeID, At: d.DataAutorizacao, Number: d.ProtocoloAutorizacao}
	switch d.Status {
	case nfe.Authorized, nfe.Cancelled:
		p.Status, p.Reason = "100", "Autorizado o uso da NF-e"
	case nfe.Denied:
		p.Status, p.Reason = d.CodigoDenegacao, "Uso denegado"
	default:
		return nil
	}
	return p
}
