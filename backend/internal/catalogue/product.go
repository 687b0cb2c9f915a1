package catalogue

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
)

// Products returns what is sold, each with its own code.
func (s *Service) Products() *Kind[nfe.Product, tenantdb.NfeProduct] {
	return &Kind[nfe.Product, tenantdb.NfeProduct]{
		service: s,
		path:    "/api/v1/nfe/products",
		actions: [3]trail.Action{trail.ProductCreate, trail.ProductUpdate, trail.ProductDelete},
		check:   nfe.ValidateProduct,
		filter: func(l *web.List) filter {
			return filter{Codigo: field.Given(l.Text("codigo", 1, 60)), Ativo: l.Bool("ativo")}
		},
		view:   viewProduct,
		create: createProduct,
		get: func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID) (tenantdb.NfeProduct, error) {
			return queries.GetNfeProduct(ctx, db, tenantdb.GetNfeProductParams{TenantID: tenant, ID: id})
		},
		update: updateProduct,
		remove: func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64) (int64, error) {
			return queries.DeleteNfeProduct(ctx, db, tenantdb.DeleteNfeProductParams{TenantID: tenant, ID: id, Versions: versions})
		},
		list: func(ctx context.Context, db tenantdb.DBTX, tenant string, desc bool, after position, f filter, limit int32) ([]tenantdb.NfeProduct, error) {
			p := tenantdb.ListNfeProductsParams{
				TenantID: tenant, AfterCreatedAt: after.Created, AfterID: after.ID,
				Codigo: f.Codigo, Ativo: f.Ativo, Q: f.Any, RowLimit: limit,
			}
			if desc {
				return queries.ListNfeProductsDesc(ctx, db, tenantdb.ListNfeProductsDescParams(p))
			}
			return queries.ListNfeProducts(ctx, db, p)
		},
		count: func(ctx context.Context, db tenantdb.DBTX, tenant string, f filter) (int64, error) {
			return queries.CountNfeProducts(ctx, db, tenantdb.CountNfeProductsParams{TenantID: tenant, Codigo: f.Codigo, Ativo: f.Ativo, Q: f.Any})
		},
	}
}

func createProduct(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, in *nfe.Product) (tenantdb.NfeProduct, error) {
	return queries.CreateNfeProduct(ctx, db, tenantdb.CreateNfeProductParams{
		TenantID:              tenant,
		ID:                    id,
		Codigo:                in.Codigo,
		Ean:                   in.EAN,
		Descricao:             in.Descricao,
		Ncm:                   in.NCM,
		Cest:                  in.CEST,
		Cfop:                  in.CFOP,
		Unidade:               in.Unidade,
		ValorUnitario:         amount(in.ValorUnitario),
		ValorFrete:            amount(in.ValorFrete),
		ValorSeguro:           amount(in.ValorSeguro),
		ValorDesconto:         amount(in.ValorDesconto),
		ValorOutrasDespesas:   amount(in.ValorOutrasDespesas),
		IcmsCst:               in.ICMSCST,
		IcmsAliquota:          rate(in.ICMSAliquota),
		IpiCst:                in.IPICST,
		IpiAliquota:           rate(in.IPIAliquota),
		PisCst:                in.PISCST,
		PisAliquota:           rate(in.PISAliquota),
		CofinsCst:             in.COFINSCST,
		CofinsAliquota:        rate(in.COFINSAliquota),
		InformacoesAdicionais: in.InformacoesAdicionais,
		Ativo:                 in.Ativo,
		SearchKey:             field.Fold(in.Codigo + "\n" + in.Descricao),
	})
}

func updateProduct(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64, in *nfe.Product) (tenantdb.NfeProduct, error) {
	return queries.UpdateNfeProduct(ctx, db, tenantdb.UpdateNfeProductParams{
		TenantID:              tenant,
		ID:                    id,
		Versions:              versions,
		Codigo:                in.Codigo,
		Ean:                   in.EAN,
		Descricao:             in.Descricao,
		Ncm:                   in.NCM,
		Cest:                  in.CEST,
		Cfop:                  in.CFOP,
		Unidade:               in.Unidade,
		ValorUnitario:         amount(in.ValorUnitario),
		ValorFrete:            amount(in.ValorFrete),
		ValorSeguro:           amount(in.ValorSeguro),
		ValorDesconto:         amount(in.ValorDesconto),
		ValorOutrasDespesas:   amount(in.ValorOutrasDespesas),
		IcmsCst:               in.ICMSCST,
		IcmsAliquota:          rate(in.ICMSAliquota),
		IpiCst:                in.IPICST,
		IpiAliquota:           rate(in.IPIAliquota),
		PisCst:                in.PISCST,
		PisAliquota:           rate(in.PISAliquota),
		CofinsCst:             in.COFINSCST,
		CofinsAliquota:        rate(in.COFINSAliquota),
		InformacoesAdicionais: in.InformacoesAdicionais,
		Ativo:                 in.Ativo,
		SearchKey:             field.Fold(in.Codigo + "\n" + in.Descricao),
	})
}

func viewProduct(row tenantdb.NfeProduct) view[nfe.Product] {
	return view[nfe.Product]{
		ID: row.ID, TenantID: row.TenantID, CreatedAt: web.Time{Time: row.CreatedAt}, UpdatedAt: web.Time{Time: row.UpdatedAt}, version: row.Version,
		Fields: nfe.Product{
			Codigo:                row.Codigo,
			EAN:                   row.Ean,
			Descricao:             row.Descricao,
			NCM:                   row.Ncm,
			CEST:                  row.Cest,
			CFOP:                  row.Cfop,
			Unidade:               row.Unidade,
			ValorUnitario:         nfe.Decimal(short(row.ValorUnitario)),
			ValorFrete:            nfe.Money(row.ValorFrete),
			ValorSeguro:           nfe.Money(row.ValorSeguro),
			ValorDesconto:         nfe.Money(row.ValorDesconto),
			ValorOutrasDespesas:   nfe.Money(row.ValorOutrasDespesas),
			ICMSCST:               row.IcmsCst,
			ICMSAliquota:          rateOf(row.IcmsAliquota),
			IPICST:                row.IpiCst,
			IPIAliquota:           rateOf(row.IpiAliquota),
			PISCST:                row.PisCst,
			PISAliquota:           rateOf(row.PisAliquota),
			COFINSCST:             row.CofinsCst,
			COFINSAliquota:        rateOf(row.CofinsAliquota),
			InformacoesAdicionais: row.InformacoesAdicionais,
			Ativo:                 row.Ativo,
		},
	}
}

// amount is a number as its column takes it, zero if it was not given.
func amount[T ~string](v T) string { return cmp.Or(string(v), "0") }

// short leaves out the zeros that a column has at the end.
func short(v string) string {
	d, ok := nfe.Decimal(v).Number()
	if !ok {
		return v
	}
	return d.String()
}

// rate is a percentage as its column takes it, null if it was not given.
func rate(v nfe.Decimal) *string {
	if v == "" {
		return nil
	}
	text := string(v)
	return &text
}

func rateOf(v *string) nfe.Decimal {
	if v == nil {
		return ""
	}
	return nfe.Decimal(short(*v))
}
