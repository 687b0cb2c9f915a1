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

// Recipients returns those who get documents, each with its own CNPJ, CPF or number
// abroad.
func (s *Service) Recipients() *Kind[nfe.Recipient, tenantdb.NfeRecipient] {
	return &Kind[nfe.Recipient, tenantdb.NfeRecipient]{
		service: s,
		path:    "/api/v1/nfe/recipients",
		actions: [3]trail.Action{trail.RecipientCreate, trail.RecipientUpdate, trail.RecipientDelete},
		check:   func(in *nfe.Recipient) []nfe.Finding { return nfe.ValidateRecipient(in, nfe.Options{}) },
		filter: func(l *web.List) filter {
			return filter{
				CNPJ: field.Given(l.Text("cnpj", 1, 14)), CPF: field.Given(l.Text("cpf", 1, 11)),
				IDEstrangeiro: field.Given(l.Text("id_estrangeiro", 1, 20)),
			}
		},
		view:   viewRecipient,
		create: createRecipient,
		get: func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID) (tenantdb.NfeRecipient, error) {
			return queries.GetNfeRecipient(ctx, db, tenantdb.GetNfeRecipientParams{TenantID: tenant, ID: id})
		},
		update: updateRecipient,
		remove: func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64) (int64, error) {
			return queries.DeleteNfeRecipient(ctx, db, tenantdb.DeleteNfeRecipientParams{TenantID: tenant, ID: id, Versions: versions})
		},
		list: func(ctx context.Context, db tenantdb.DBTX, tenant string, desc bool, after position, f filter, limit int32) ([]tenantdb.NfeRecipient, error) {
			p := tenantdb.ListNfeRecipientsParams{
				TenantID: tenant, AfterCreatedAt: after.Created, AfterID: after.ID,
				Cnpj: f.CNPJ, Cpf: f.CPF, IDEstrangeiro: f.IDEstrangeiro, Q: f.Any, RowLimit: limit,
			}
			if desc {
				return queries.ListNfeRecipientsDesc(ctx, db, tenantdb.ListNfeRecipientsDescParams(p))
			}
			return queries.ListNfeRecipients(ctx, db, p)
		},
		count: func(ctx context.Context, db tenantdb.DBTX, tenant string, f filter) (int64, error) {
			return queries.CountNfeRecipients(ctx, db, tenantdb.CountNfeRecipientsParams{TenantID: tenant, Cnpj: f.CNPJ, Cpf: f.CPF, IDEstrangeiro: f.IDEstrangeiro, Q: f.Any})
		},
	}
}

func createRecipient(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, in *nfe.Recipient) (tenantdb.NfeRecipient, error) {
	return queries.CreateNfeRecipient(ctx, db, tenantdb.CreateNfeRecipientParams{
		TenantID:           tenant,
		ID:                 id,
		TipoPessoa:         in.TipoPessoa,
		Cnpj:               in.CNPJ,
		Cpf:                in.CPF,
		IDEstrangeiro:      in.IDEstrangeiro,
		RazaoSocial:        in.RazaoSocial,
		NomeFantasia:       in.NomeFantasia,
		InscricaoEstadual:  in.InscricaoEstadual,
		InscricaoMunicipal: in.InscricaoMunicipal,
		InscricaoSuframa:   in.InscricaoSuframa,
		IndicadorIe:        in.IndicadorIE,
		Email:              in.Email,
		Logradouro:         in.Logradouro,
		Numero:             in.Numero,
		Complemento:        in.Complemento,
		Bairro:             in.Bairro,
		CodigoMunicipio:    in.CodigoMunicipio,
		Municipio:          in.Municipio,
		Uf:                 in.UF,
		Cep:                in.CEP,
		CodigoPais:         in.CodigoPais,
		Pais:               in.Pais,
		Telefone:           in.Telefone,
		SearchKey:          field.Fold(in.RazaoSocial + "\n" + in.NomeFantasia + "\n" + in.Email),
	})
}

func updateRecipient(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64, in *nfe.Recipient) (tenantdb.NfeRecipient, error) {
	return queries.UpdateNfeRecipient(ctx, db, tenantdb.UpdateNfeRecipientParams{
		TenantID:           tenant,
		ID:                 id,
		Versions:           versions,
		TipoPessoa:         in.TipoPessoa,
		Cnpj:               in.CNPJ,
		Cpf:                in.CPF,
		IDEstrangeiro:      in.IDEstrangeiro,
		RazaoSocial:        in.RazaoSocial,
		NomeFantasia:       in.NomeFantasia,
		InscricaoEstadual:  in.InscricaoEstadual,
		InscricaoMunicipal: in.InscricaoMunicipal,
		InscricaoSuframa:   in.InscricaoSuframa,
		IndicadorIe:        in.IndicadorIE,
		Email:              in.Email,
		Logradouro:         in.Logradouro,
		Numero:             in.Numero,
		Complemento:        in.Complemento,
		Bairro:             in.Bairro,
		CodigoMunicipio:    in.CodigoMunicipio,
		Municipio:          in.Municipio,
		Uf:                 in.UF,
		Cep:                in.CEP,
		CodigoPais:         in.CodigoPais,
		Pais:               in.Pais,
		Telefone:           in.Telefone,
		SearchKey:          field.Fold(in.RazaoSocial + "\n" + in.NomeFantasia + "\n" + in.Email),
	})
}

func viewRecipient(row tenantdb.NfeRecipient) view[nfe.Recipient] {
	return view[nfe.Recipient]{
		ID: row.ID, TenantID: row.TenantID, CreatedAt: web.Time{Time: row.CreatedAt}, UpdatedAt: web.Time{Time: row.UpdatedAt}, version: row.Version,
		Fields: nfe.Recipient{
			TipoPessoa:         row.TipoPessoa,
			CNPJ:               row.Cnpj,
			CPF:                row.Cpf,
			IDEstrangeiro:      row.IDEstrangeiro,
			RazaoSocial:        row.RazaoSocial,
			NomeFantasia:       row.NomeFantasia,
			InscricaoEstadual:  row.InscricaoEstadual,
			InscricaoMunicipal: row.InscricaoMunicipal,
			InscricaoSuframa:   row.InscricaoSuframa,
			IndicadorIE:        row.IndicadorIe,
			Email:              row.Email,
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
