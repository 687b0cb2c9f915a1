package catalogue

import (
	"context"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
)

// Emitters returns those who issue documents, each with its own CNPJ or CPF.
func (s *Service) Emitters() *Kind[nfe.Emitter, tenantdb.NfeEmitter] {
	return &Kind[nfe.Emitter, tenantdb.NfeEmitter]{
		service: s,
		path:    "/api/v1/nfe/emitters",
		actions: [3]trail.Action{trail.EmitterCreate, trail.EmitterUpdate, trail.EmitterDelete},
		check:   func(in *nfe.Emitter) []nfe.Finding { return nfe.ValidateEmitter(in, nfe.Options{}) },
		filter: func(l *web.List) filter {
			return filter{CNPJ: field.Given(l.Text("cnpj", 1, 14)), CPF: field.Given(l.Text("cpf", 1, 11))}
		},
		view:   viewEmitter,
		create: createEmitter,
		get: func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID) (tenantdb.NfeEmitter, error) {
			return queries.GetNfeEmitter(ctx, db, tenantdb.GetNfeEmitterParams{TenantID: tenant, ID: id})
		},
		update: updateEmitter,
		remove: func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64) (int64, error) {
			return queries.DeleteNfeEmitter(ctx, db, tenantdb.DeleteNfeEmitterParams{TenantID: tenant, ID: id, Versions: versions})
		},
		list: func(ctx context.Context, db tenantdb.DBTX, tenant string, desc bool, after position, f filter, limit int32) ([]tenantdb.NfeEmitter, error) {
			p := tenantdb.ListNfeEmittersParams{
				TenantID: tenant, AfterCreatedAt: after.Created, AfterID: after.ID,
				Cnpj: f.CNPJ, Cpf: f.CPF, Q: f.Any, RowLimit: limit,
			}
			if desc {
				return queries.ListNfeEmittersDesc(ctx, db, tenantdb.ListNfeEmittersDescParams(p))
			}
			return queries.ListNfeEmitters(ctx, db, p)
		},
		count: func(ctx context.Context, db tenantdb.DBTX, tenant string, f filter) (int64, error) {
			return queries.CountNfeEmitters(ctx, db, tenantdb.CountNfeEmittersParams{TenantID: tenant, Cnpj: f.CNPJ, Cpf: f.CPF, Q: f.Any})
		},
	}
}

// AddEmitter adds the issuer of a document that is being imported, in that
// transaction. What is wrong with it is told with its path in the document. Where
// there is one with the same CNPJ or CPF that is a conflict.
func (s *Service) AddEmitter(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, in *nfe.Emitter) (uuid.UUID, error) {
	k := s.Emitters()
	if err := refuse("/emitente", k.check(in)); err != nil {
		return uuid.Nil, err
	}
	row, err := k.make(ctx, tx, by, in)
	return row.ID, err
}

func createEmitter(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, in *nfe.Emitter) (tenantdb.NfeEmitter, error) {
	return queries.CreateNfeEmitter(ctx, db, tenantdb.CreateNfeEmitterParams{
		TenantID:                         tenant,
		ID:                               id,
		Cnpj:                             in.CNPJ,
		Cpf:                              in.CPF,
		RazaoSocial:                      in.RazaoSocial,
		NomeFantasia:                     in.NomeFantasia,
		InscricaoEstadual:                in.InscricaoEstadual,
		InscricaoEstadualSubstTributario: in.InscricaoEstadualSubstTributario,
		InscricaoMunicipal:               in.InscricaoMunicipal,
		Cnae:                             in.CNAE,
		RegimeTributario:                 in.RegimeTributario,
		Logradouro:                       in.Logradouro,
		Numero:                           in.Numero,
		Complemento:                      in.Complemento,
		Bairro:                           in.Bairro,
		CodigoMunicipio:                  in.CodigoMunicipio,
		Municipio:                        in.Municipio,
		Uf:                               in.UF,
		Cep:                              in.CEP,
		CodigoPais:                       in.CodigoPais,
		Pais:                             in.Pais,
		Telefone:                         in.Telefone,
		SearchKey:                        field.Fold(in.RazaoSocial + "\n" + in.NomeFantasia),
	})
}

func updateEmitter(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64, in *nfe.Emitter) (tenantdb.NfeEmitter, error) {
	return queries.UpdateNfeEmitter(ctx, db, tenantdb.UpdateNfeEmitterParams{
		TenantID:                         tenant,
		ID:                               id,
		Versions:                         versions,
		Cnpj:                             in.CNPJ,
		Cpf:                              in.CPF,
		RazaoSocial:                      in.RazaoSocial,
		NomeFantasia:                     in.NomeFantasia,
		InscricaoEstadual:                in.InscricaoEstadual,
		InscricaoEstadualSubstTributario: in.InscricaoEstadualSubstTributario,
		InscricaoMunicipal:               in.InscricaoMunicipal,
		Cnae:                             in.CNAE,
		RegimeTributario:                 in.RegimeTributario,
		Logradouro:                       in.Logradouro,
		Numero:                           in.Numero,
		Complemento:                      in.Complemento,
		Bairro:                           in.Bairro,
		CodigoMunicipio:                  in.CodigoMunicipio,
		Municipio:                        in.Municipio,
		Uf:                               in.UF,
		Cep:                              in.CEP,
		CodigoPais:                       in.CodigoPais,
		Pais:                             in.Pais,
		Telefone:                         in.Telefone,
		SearchKey:                        field.Fold(in.RazaoSocial + "\n" + in.NomeFantasia),
	})
}

func viewEmitter(row tenantdb.NfeEmitter) view[nfe.Emitter] {
	return view[nfe.Emitter]{
		ID: row.ID, TenantID: row.TenantID, CreatedAt: web.Time{Time: row.CreatedAt}, UpdatedAt: web.Time{Time: row.UpdatedAt}, version: row.Version,
		Fields: nfe.Emitter{
			CNPJ:                             row.Cnpj,
			CPF:                              row.Cpf,
			RazaoSocial:                      row.RazaoSocial,
			NomeFantasia:                     row.NomeFantasia,
			InscricaoEstadual:                row.InscricaoEstadual,
			InscricaoEstadualSubstTributario: row.InscricaoEstadualSubstTributario,
			InscricaoMunicipal:               row.InscricaoMunicipal,
			CNAE:                             row.Cnae,
			RegimeTributario:                 row.RegimeTributario,
			Address: nfe.Address{
				Logradouro:      row.Logradouro,
				Numero:          row.Numero,
				Complemento:     row.Complemento,
				Bairro:          row.Bairro,
				CodigoMunicipio: row.CodigoMunicipio,
				Municipio:       row.Municipio,
				UF:              row.Uf,
				CEP:             row.Cep,
				CodigoPais:      row.CodigoPais,
				Pais:            row.Pais,
				Telefone:        row.Telefone,
			},
		},
	}
}
