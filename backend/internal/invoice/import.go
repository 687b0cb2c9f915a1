package invoice

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/nfe/nfexml"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
)

// Imported is what became of a file.
type Imported struct {
	Document *Invoice `json:"document"`
	// Signed says that the signature was kept. Nothing is said about whether it is
	// right.
	Signed bool `json:"signed"`
	// NotKept are the elements and attributes that a document has no place for, at
	// most [nfexml.MaxNotKept].
	NotKept []string `json:"not_kept"`
}

// HandleImport answers POST /nfe/import.
func (s *Service) HandleImport(r *web.Request) error {
	body, _, err := r.Body("application/xml", "text/xml")
	if err != nil {
		return err
	}
	file, err := nfexml.Read(body)
	if err != nil {
		return unreadable(err)
	}
	in, err := s.fromFile(file, r.AcceptLanguage())
	if err != nil {
		return err
	}
	err = idempotency.Run(r, s.Directory, func(tx tenantdb.DBTX) (web.Answer, error) {
		made := *in
		stored, err := s.store(r.Context(), tx, r.Origin(), &made, file.Signature)
		if err != nil {
			return web.Answer{}, err
		}
		a := single(stored, r.AcceptLanguage())
		a.Status, a.Location = 201, "/api/v1/nfe/"+stored.ID
		a.Data = Imported{stored, file.Signature != "", append([]string{}, file.NotKept...)}
		return a, nil
	})
	s.Cached.Wrote(r.Context(), r.Caller, err)
	s.Catalogue.Cached.Wrote(r.Context(), r.Caller, err) // an issuer may have come with it
	return err
}

// unreadable says where a file is no invoice.
func unreadable(err error) error {
	var at *nfexml.Error
	if !errors.As(err, &at) {
		return err
	}
	name := fmt.Sprintf("line %d", at.Line)
	if at.Path != "" {
		name += ": " + at.Path
	}
	p := problem.Newf(problem.ValidationFailed, "The file is no invoice in XML of layout 4.00; nothing was imported.")
	p.Fields = []problem.Field{{Name: name, Code: "malformed_xml", Message: at.Message}}
	return p
}

// fromFile is the document of a file with what the SEFAZ said about it, as it is to
// be stored. Without a key it is a draft, and gets a number when it is issued.
func (s *Service) fromFile(file *nfexml.Invoice, language string) (*Invoice, error) {
	in := &Invoice{Document: *file.Document}
	d := &in.Document
	if d.NfeID == "" {
		drop := func(path, value string) {
			if value != "" {
				file.NotKept = append(file.NotKept, path)
			}
		}
		drop("infNFe/ide/nNF", d.Numero)
		drop("infNFe/ide/cNF", d.CodigoNumerico)
		drop("Signature", file.Signature)
		if file.Protocol != nil {
			drop("protNFe", "protNFe")
		}
		file.Signature = ""
		err := in.check(s.Now(), language)
		in.Findings = s.validate(d)
		return in, err
	}
	nfe.Normalize(d)
	if err := in.fit(s.Now(), language); err != nil {
		return nil, err
	}
	// Its dates were held against the time when it was issued.
	in.Findings = append([]nfe.Finding{}, nfe.Validate(d, nfe.Options{})...)
	if wrong := nfe.Misnumbered(in.Findings); wrong != nil {
		return nil, refused(&nfe.RefusedError{Findings: wrong}, language)
	}
	if err := nfe.Import(d, outcomeOf(file.Protocol)); err != nil {
		return nil, refused(err, language)
	}
	if was, is := file.Protocol, protocolOf(d); was != nil {
		for _, f := range []struct{ name, was, is string }{
			{"tpAmb", was.Ambiente, is.Ambiente}, {"cStat", was.Status, is.Status}, {"xMotivo", was.Reason, is.Reason},
		} {
			if f.was != f.is {
				file.NotKept = append(file.NotKept, "protNFe/infProt/"+f.name)
			}
		}
	}
	return in, nil
}

func outcomeOf(p *nfexml.Protocol) *nfe.Outcome {
	if p == nil {
		return nil
	}
	return &nfe.Outcome{Codigo: p.Status, Protocolo: p.Number, Data: p.At, ChaveAcesso: p.Key}
}

// store writes a document that came as a file, with its parties as they are there.
func (s *Service) store(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, in *Invoice, signature string) (*Invoice, error) {
	tenant := by.Claims.Tenant
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	if err := s.link(ctx, tx, by, &in.Document); err != nil {
		return nil, err
	}
	if in.NfeID != "" {
		if err := s.claim(ctx, tx, tenant, &in.Document); err != nil {
			return nil, err
		}
	}
	if err := s.insert(ctx, tx, tenant, id, in); err != nil {
		return nil, err
	}
	if in.NfeID == "" {
		return s.recorded(ctx, tx, by, trail.NfeImport, id, nil)
	}
	head, err := encodeState(in)
	if err != nil {
		return nil, err
	}
	p := tenantdb.PutNfeImportedParams{TenantID: tenant, ID: id, Head: head, Assinatura: field.Given(signature)}
	if err := s.queries.PutNfeImported(ctx, tx, p); err != nil {
		if pg.Violates(err, "nfe_documents_key_unique") { // of the other environment, so in another series
			return nil, problem.Newf(problem.Conflict, "There is a document with this key already.")
		}
		return nil, err
	}
	return s.recorded(ctx, tx, by, trail.NfeImport, id, map[string]string{"numero": in.Numero, "serie": in.Serie, "nfe_id": in.NfeID})
}

// link names the rows of the parties of a document. An issuer who is not there yet
// is added.
func (s *Service) link(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, d *nfe.Document) error {
	tenant := by.Claims.Tenant
	if e := d.Emitente; e.Issuer() != "" {
		id, err := s.emitter(ctx, tx, by, e)
		if err != nil {
			return err
		}
		d.EmitterID = id.String()
	}
	if r := d.Destinatario; r != nil {
		id, err := s.queries.FindNfeRecipient(ctx, tx, tenantdb.FindNfeRecipientParams{
			TenantID: tenant, Cnpj: r.CNPJ, Cpf: r.CPF, IDEstrangeiro: r.IDEstrangeiro,
		})
		switch {
		case err == nil:
			d.RecipientID = id.String()
		case !problem.Is(err, problem.NotFound):
			return err
		}
	}
	return nil
}

// emitter returns the row of an issuer, and adds it where there is none.
func (s *Service) emitter(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, e *nfe.Emitter) (id uuid.UUID, err error) {
	p := tenantdb.FindNfeEmitterParams{TenantID: by.Claims.Tenant, Cnpj: e.CNPJ, Cpf: e.CPF}
	if id, err = s.queries.FindNfeEmitter(ctx, tx, p); !problem.Is(err, problem.NotFound) {
		return id, err
	}
	err = pg.Nested(tx, func(tx tenantdb.DBTX) (err error) {
		id, err = s.Catalogue.AddEmitter(ctx, tx, by, e)
		return err
	})
	if problem.Is(err, problem.Conflict) { // another import has just added it
		return s.queries.FindNfeEmitter(ctx, tx, p)
	}
	return id, err
}

// claim takes the number of a document that came with one, which nobody else may
// have. The series stays locked, so that the number is not given out meanwhile.
func (s *Service) claim(ctx context.Context, tx tenantdb.DBTX, tenant string, d *nfe.Document) error {
	n := seriesOf(tenant, d.EmitterID, d.Ambiente, d.Modelo, d.Serie, d.TipoEmissao)
	if _, err := s.lock(ctx, tx, n); err != nil {
		return err
	}
	other, err := s.queries.FindNfeByKey(ctx, tx, tenantdb.FindNfeByKeyParams{TenantID: tenant, NfeID: &d.NfeID})
	if err == nil {
		return problem.Newf(problem.Conflict, "The document is there already: it is %s.", other)
	}
	if !problem.Is(err, problem.NotFound) {
		return err
	}
	wanted := number(d.Numero)
	used, err := s.lastUsed(ctx, tx, n, wanted)
	if err != nil {
		return err
	}
	voided, err := s.voidedTo(ctx, tx, n, wanted)
	if err != nil {
		return err
	}
	switch {
	case used == wanted:
		return problem.Newf(problem.Conflict, "Number %d of series %s is another document's.", wanted, d.Serie)
	case voided >= wanted:
		return problem.Newf(problem.Conflict, "Number %d of series %s was voided.", wanted, d.Serie)
	}
	return nil
}
