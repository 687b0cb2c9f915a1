// Package invoice keeps a tenant's NF-e and NFC-e documents: drafts, their issue
// with a number that has no gap, and what the SEFAZ said to them.
//
// What makes a document good, and which step may follow which, is package nfe's.
package invoice

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/cached"
	"gatehouse/backend/internal/catalogue"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
)

// MaxBody is the largest document in bytes: 990 items, each with all its taxes, are
// about 2.5 MiB.
const MaxBody = 4 << 20

// Service keeps documents.
type Service struct {
	Directory *placement.Directory
	Cached    cached.Answers
	// Catalogue has the issuers that documents come with.
	Catalogue *catalogue.Service
	// Windows are for how long documents may be cancelled.
	Windows nfe.Windows
	// Random is where the codes in access keys are drawn from.
	Random io.Reader
	Now    func() time.Time

	queries tenantdb.Queries
}

// Invoice is a document as clients see it. The members before Findings may come
// back in a request; what the server sets is ignored there.
type Invoice struct {
	TenantID string `json:"tenant_id,omitzero"`
	nfe.Document

	// Rejeicao is why the SEFAZ last rejected the document.
	Rejeicao *Rejection `json:"rejeicao,omitzero"`
	// Findings are what the rules said when the document was last written.
	Findings []nfe.Finding `json:"findings,omitzero"`
}

// check brings a document that a client sent into the form that it is stored in,
// and refuses one that does not fit. What the server sets is not taken from it.
func (in *Invoice) check(now time.Time, language string) error {
	d := &in.Document
	nfe.Normalize(d)
	d.ID, d.NfeID, d.Status, d.Numero, d.CodigoNumerico = "", "", "", "", ""
	d.DataAutorizacao, d.DataCancelamento, d.IssuedAt, d.CreatedAt, d.UpdatedAt = "", "", "", "", ""
	d.ProtocoloAutorizacao, d.ProtocoloCancelamento, d.MotivoCancelamento, d.CodigoDenegacao = "", "", "", ""
	d.Versao = cmp.Or(d.Versao, nfe.Layout)
	in.fromRows()
	return in.fit(now, language)
}

// fromRows leaves out what a client said of parties that have rows of their own.
func (in *Invoice) fromRows() {
	if in.EmitterID != "" {
		in.Emitente = nil
	}
	if in.RecipientID != "" {
		in.Destinatario = nil
	}
}

// fit refuses a document that its columns cannot hold, and puts its items in order.
func (in *Invoice) fit(now time.Time, language string) error {
	d := &in.Document
	fields := fieldsOf(nfe.Unstorable(nfe.Validate(d, nfe.Options{Reference: now})), language)
	if len(fields) == 0 {
		fields = append(unfit(d), badIDs(d)...)
	}
	if len(fields) > 0 {
		return &problem.Error{Code: problem.ValidationFailed, Fields: fields[:min(len(fields), maxFields)]}
	}
	slices.SortStableFunc(d.Itens, func(a, b nfe.Item) int { return cmp.Compare(a.NumeroItem, b.NumeroItem) })
	return nil
}

// maxFields bounds an answer about a document full of mistakes.
const maxFields = 200

// badIDs are the ids of other things in a document that are no UUIDs.
func badIDs(d *nfe.Document) (fields []problem.Field) {
	check := func(pointer, id string) {
		if _, err := uuid.Parse(id); id != "" && (err != nil || len(id) != 36) {
			fields = append(fields, problem.Field{Name: pointer, Code: "invalid_format", Message: "must be a UUID"})
		}
	}
	check("/emitter_id", d.EmitterID)
	check("/recipient_id", d.RecipientID)
	for i := range d.Itens {
		check("/itens/"+strconv.Itoa(i)+"/product_id", d.Itens[i].ProductID)
	}
	return fields
}

// fieldsOf turns findings into those of a problem.
func fieldsOf(findings []nfe.Finding, language string) []problem.Field {
	nfe.Localize(findings, language)
	fields := make([]problem.Field, len(findings))
	for i, f := range findings {
		message := f.Message
		if f.Expected != "" {
			message += " (" + f.Expected + ")"
		}
		fields[i] = problem.Field{Name: f.Path, Code: string(f.Rule), Message: message}
	}
	return fields
}
