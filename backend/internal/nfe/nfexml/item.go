package nfexml

import (
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/backend/internal/nfe"
)

func item(i *nfe.Item) []node {
	same := func(p any) func() string { return func() string { return *pointer(p) } }
	var benefit string
	if i.ICMS != nil {
		benefit = i.ICMS.CodigoBeneficioFiscal
	}
	return []node{
		{name: "@nItem", number: &i.NumeroItem},
		group("prod",
			leaf("cProd", &i.Codigo),
			leaf("cEAN", &i.EAN),
			leaf("xProd", &i.Descricao),
			leaf("NCM", &i.NCM),
			leaf("CEST", &i.CEST),
			node{name: "cBenef", text: &benefit, in: func(code string) string {
				icms(i).CodigoBeneficioFiscal = code
				return code
			}},
			leaf("CFOP", &i.CFOP),
			leaf("uCom", &i.Unidade),
			leaf("qCom", &i.Quantidade),
			leaf("vUnCom", &i.ValorUnitario),
			leaf("vProd", &i.ValorTotal),
			derived("cEANTrib", same(&i.EAN)), // what is taxed is what is traded
			derived("uTrib", same(&i.Unidade)),
			derived("qTrib", same(&i.Quantidade)),
			derived("vUnTrib", same(&i.ValorUnitario)),
			leaf("vFrete", &i.ValorFrete),
			leaf("vSeg", &i.ValorSeguro),
			leaf("vDesc", &i.ValorDesconto),
			leaf("vOutro", &i.ValorOutrasDespesas),
			leaf("indTot", &i.IndicadorTotal),
			leaf("xPed", &i.NumeroPedidoCompra),
			leaf("nItemPed", &i.ItemPedidoCompra),
		),
		group("imposto",
			icmsNode(i),
			optional("IPI", &i.IPI, ipi),
			importTax(i),
			optional("PIS", &i.PIS, func(c *nfe.Contribution) []node { return contribution("PIS", c) }),
			optional("COFINS", &i.COFINS, func(c *nfe.Contribution) []node { return contribution("COFINS", c) }),
			opaque("IBSCBS", &i.IBSCBS),
		),
		returnedTax(i),
		leaf("infAdProd", &i.InformacoesAdicionais),
	}
}

// icms returns the item's group, which is made where the first part of it is read.
func icms(i *nfe.Item) *nfe.ICMS {
	if i.ICMS == nil {
		i.ICMS = new(nfe.ICMS)
	}
	return i.ICMS
}

// opaque is an element that a document keeps as it came, as the member xml of a JSON
// object.
func opaque(name string, value *jsontext.Value) node {
	return node{
		name:   name,
		source: unwrap(*value),
		raw:    func(source string) { *value = wrap(source) },
	}
}
