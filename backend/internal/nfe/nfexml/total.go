package nfexml

import (
	"github.com/quagmt/udecimal"

	"gatehouse/backend/internal/nfe"
)

func totals(d *nfe.Document) []node {
	sum := func(of func(*nfe.Item) nfe.Money) func() string {
		return func() string { return sumOf(d, of) }
	}
	const zero = "0.00"
	return []node{
		group("ICMSTot",
			derived("vBC", sum(func(i *nfe.Item) nfe.Money { return has(i.ICMS).ValorBC })),
			derived("vICMS", sum(func(i *nfe.Item) nfe.Money { return has(i.ICMS).Valor })),
			required("vICMSDeson", &d.ValorICMSDesonerado, zero),
			constant("vFCP", zero),
			derived("vBCST", sum(func(i *nfe.Item) nfe.Money { return has(i.ICMS).ValorBCST })),
			required("vST", &d.ValorST, zero),
			required("vFCPST", &d.ValorFCPST, zero),
			constant("vFCPSTRet", zero),
			required("vProd", &d.ValorProdutos, zero),
			required("vFrete", &d.ValorFrete, zero),
			required("vSeg", &d.ValorSeguro, zero),
			required("vDesc", &d.ValorDesconto, zero),
			required("vII", &d.ValorII, zero),
			required("vIPI", &d.ValorIPI, zero),
			required("vIPIDevol", &d.ValorIPIDevolvido, zero),
			derived("vPIS", sum(func(i *nfe.Item) nfe.Money { return has(i.PIS).Valor })),
			derived("vCOFINS", sum(func(i *nfe.Item) nfe.Money { return has(i.COFINS).Valor })),
			required("vOutro", &d.ValorOutrasDespesas, zero),
			required("vNF", &d.ValorTotal, zero),
			leaf("vTotTrib", &d.ValorImpostos),
		),
		group("ISSQNtot", leaf("vServ", &d.ValorServicos)),
		opaque("IBSCBSTot", &d.IBSCBS),
	}
}

// has returns a group that may be missing.
func has[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

func sumOf(d *nfe.Document, of func(*nfe.Item) nfe.Money) string {
	var sum udecimal.Decimal
	for i := range d.Itens {
		if v, ok := of(&d.Itens[i]).Number(); ok {
			sum = sum.Add(v)
		}
	}
	return string(nfe.Cents(sum))
}
