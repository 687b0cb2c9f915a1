package invoice

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
)

// Voided is a range of numbers that will never be used.
type Voided struct {
	ID       string `json:"id"`
	TenantID string `json:"tenant_id"`
	nfe.VoidRange
}

// HandleVoid answers POST /nfe/void-range.
func (s *Service) HandleVoid(r *web.Request) error {
	var body nfe.VoidRange
	if err := r.DecodeSparse(&body); err != nil {
		return err
	}
	nfe.Normalize(&body)
	fields := fieldsOf(nfe.ValidateVoid(&body), r.AcceptLanguage())
	if _, err := uuid.Parse(body.EmitterID); err != nil || len(body.EmitterID) != 36 {
		fields = append(fields, problem.Field{Name: "/emitter_id", Code: "invalid_format", Message: "must be a UUID"})
	}
	if len(fields) > 0 {
		return &problem.Error{Code: problem.ValidationFailed, Fields: fields}
	}
	err := idempotency.Run(r, s.Directory, func(tx tenantdb.DBTX) (web.Answer, error) {
		v, err := s.void(r.Context(), tx, r.Origin(), body)
		return web.Answer{Status: 201, Message: "ok", Data: v}, err
	})
	s.Cached.Wrote(r.Context(), r.Caller, err)
	return err
}

// void gives up numbers of a series, none of which may have been used or voided
// before.
func (s *Service) void(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, v nfe.VoidRange) (*Voided, error) {
	tenant := by.Claims.Tenant
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	party := nfe.Document{EmitterID: v.EmitterID}
	if err := s.parties(ctx, tx, tenant, &party); err != nil {
		return nil, err
	}
	n := seriesOf(tenant, v.EmitterID, v.Ambiente, v.Modelo, v.Serie, v.TipoEmissao)
	v.TipoEmissao = n.emissao
	if _, err := s.lock(ctx, tx, n); err != nil {
		return nil, err
	}
	first, last := number(v.NumeroInicial), number(v.NumeroFinal)
	used, err := s.lastUsed(ctx, tx, n, last)
	if err != nil {
		return nil, err
	}
	if used >= first {
		return nil, problem.Newf(problem.Conflict, "Number %d is a document's.", used)
	}
	voided, err := s.voidedTo(ctx, tx, n, last)
	if err != nil {
		return nil, err
	}
	if voided >= first {
		return nil, problem.Newf(problem.Conflict, "Numbers of the range have been voided before, the last of them %d.", min(voided, last))
	}
	p := tenantdb.VoidNfeRangeParams{
		TenantID: tenant, EmitterID: n.emitter, Ambiente: n.ambiente, Modelo: n.modelo, Serie: n.serie, TipoEmissao: n.emissao,
		NumeroInicial: first, NumeroFinal: last, ID: id, Justificativa: v.Justificativa,
	}
	if v.Protocolo != "" {
		p.Protocolo = &v.Protocolo
	}
	if err := s.queries.VoidNfeRange(ctx, tx, p); err != nil {
		return nil, err
	}
	err = trail.Record(ctx, tx, tenant, by, trail.Entry{Action: trail.NfeVoid, Target: id.String(), Details: map[string]string{
		"emitter_id": v.EmitterID, "ambiente": v.Ambiente, "modelo": v.Modelo, "serie": v.Serie,
		"numero_inicial": v.NumeroInicial, "numero_final": v.NumeroFinal,
	}})
	return &Voided{id.String(), tenant, v}, err
}

// number reads a number that the rules have passed.
func number(s string) int32 {
	n, _ := strconv.ParseInt(s, 10, 32)
	return int32(n)
}
