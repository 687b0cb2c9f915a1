package nfexml

import (
	"github.com/quagmt/udecimal"

	"gatehouse/backend/internal/nfe"
)

func totals(d *nfe.Document) []node {
	sum := func(of func(nfe.Sums) udecimal.Decimal) func() string {
		return func() string { return string(nfe.Cents(of(nfe.Sum(d.Itens)))) }
	}
	const zero = "0.00"
	return []node{
		group("ICMSTot",
			derived("vBC", sum(func(s nfe.Sums) udecimal.Decimal { return s.BCICMS })),
			derived("vICMS", sum(func(s nfe.Sums) udecimal.Decimal { return s.ICMS })),
			required("vICMSDeson", &d.ValorICMSDesonerado, zero),
			constant("vFCP", zero),
			derived("vBCST", sum(func(s nfe.Sums) udecimal.Decimal { return s.BCST })),
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
			derived("vPIS", sum(func(s nfe.Sums) udecimal.Decimal { return s.PIS })),
			derived("vCOFINS", sum(func(s nfe.Sums) udecimal.Decimal { return s.COFINS })),
			required("vOutro", &d.ValorOutrasDespesas, zero),
			required("vNF", &d.ValorTotal, zero),
			leaf("vTotTrib", &d.ValorImpostos),
		),
		group("ISSQNtot", leaf("vServ", &d.ValorServicos)),
		opaque("IBSCBSTot", &d.IBSCBS),
	}
}
