package nfexml

import (
	"slices"
	"strings"

	"gatehouse/backend/internal/nfe"
)

// variant is one of the elements of which a tax has one, by its tax situation, with
// the names of its elements in the schema's order.
type variant struct {
	name       string
	situations string
	elements   string
}

// icmsVariants are those of ICMS, for both regimes. Those of the partition between
// states (ICMSPart, ICMSST) and of fuels taxed once (02, 15, 53, 61) have no place
// in a document.
var icmsVariants = []variant{
	{"ICMS00", "00", "orig CST modBC vBC pICMS vICMS"},
	{"ICMS10", "10", "orig CST modBC vBC pICMS vICMS modBCST pMVAST pRedBCST vBCST pICMSST vICMSST vFCPST"},
	{"ICMS20", "20", "orig CST modBC pRedBC vBC pICMS vICMS vICMSDeson motDesICMS"},
	{"ICMS30", "30", "orig CST modBCST pMVAST pRedBCST vBCST pICMSST vICMSST vFCPST vICMSDeson motDesICMS"},
	{"ICMS40", "40 41 50", "orig CST vICMSDeson motDesICMS"},
	{"ICMS51", "51", "orig CST modBC pRedBC vBC pICMS pDif vICMS"},
	{"ICMS60", "60", "orig CST pRedBCEfet vBCEfet pICMSEfet vICMSEfet"},
	{"ICMS70", "70", "orig CST modBC pRedBC vBC pICMS vICMS modBCST pMVAST pRedBCST vBCST pICMSST vICMSST vFCPST vICMSDeson motDesICMS"},
	{"ICMS90", "90", "orig CST modBC vBC pRedBC pICMS vICMS modBCST pMVAST pRedBCST vBCST pICMSST vICMSST vFCPST vICMSDeson motDesICMS"},
	{"ICMSSN101", "101", "orig CSOSN"},
	{"ICMSSN102", "102 103 300 400", "orig CSOSN"},
	{"ICMSSN201", "201", "orig CSOSN modBCST pMVAST pRedBCST vBCST pICMSST vICMSST vFCPST"},
	{"ICMSSN202", "202 203", "orig CSOSN modBCST pMVAST pRedBCST vBCST pICMSST vICMSST vFCPST"},
	{"ICMSSN500", "500", "orig CSOSN pRedBCEfet vBCEfet pICMSEfet vICMSEfet"},
	{"ICMSSN900", "900", "orig CSOSN modBC vBC pRedBC pICMS vICMS modBCST pMVAST pRedBCST vBCST pICMSST vICMSST vFCPST"},
}

func icmsNode(i *nfe.Item) node {
	return optional("ICMS", &i.ICMS, func(x *nfe.ICMS) []node {
		return variants(icmsVariants, x.CST, []node{
			leaf("orig", &x.Origem),
			leaf("CST", &x.CST),
			leaf("CSOSN", &x.CST),
			leaf("modBC", &x.ModalidadeBC),
			leaf("pRedBC", &x.PercentualReducaoBC),
			leaf("vBC", &x.ValorBC),
			leaf("pICMS", &x.Aliquota),
			leaf("pDif", &x.PercentualDiferimento),
			leaf("vICMS", &x.Valor),
			leaf("modBCST", &x.ModalidadeBCST),
			leaf("pMVAST", &x.PercentualMVAST),
			leaf("pRedBCST", &x.PercentualReducaoBCST),
			leaf("vBCST", &x.ValorBCST),
			leaf("pICMSST", &x.AliquotaST),
			leaf("vICMSST", &x.ValorST),
			leaf("vFCPST", &x.ValorFCPST),
			leaf("vICMSDeson", &x.ValorDesonerado),
			leaf("motDesICMS", &x.MotivoDesoneracao),
			leaf("pRedBCEfet", &x.PercentualReducaoBCEfetiva),
			leaf("vBCEfet", &x.ValorBCEfetiva),
			leaf("pICMSEfet", &x.AliquotaEfetiva),
			leaf("vICMSEfet", &x.ValorEfetivo),
		})
	})
}

var ipiVariants = []variant{
	{"IPITrib", "00 49 50 99", "CST vBC pIPI qUnid vUnid vIPI"},
	{"IPINT", "01 02 03 04 05 51 52 53 54 55", "CST"},
}

func ipi(x *nfe.IPI) []node {
	return slices.Concat([]node{
		leaf("CNPJProd", &x.CNPJProdutor),
		leaf("cSelo", &x.CodigoSeloControle),
		leaf("qSelo", &x.QuantidadeSelo),
		leaf("cEnq", &x.CodigoEnquadramento),
	}, variants(ipiVariants, x.CST, []node{
		leaf("CST", &x.CST),
		leaf("vBC", &x.ValorBC),
		leaf("pIPI", &x.Aliquota),
		leaf("qUnid", &x.QuantidadeUnidade),
		leaf("vUnid", &x.ValorUnidade),
		leaf("vIPI", &x.Valor),
	}))
}

// contribution is PIS or COFINS, whose elements differ in the name of the tax.
func contribution(tax string, x *nfe.Contribution) []node {
	return variants([]variant{
		{tax + "Aliq", "01 02", "CST vBC p" + tax + " v" + tax},
		{tax + "Qtde", "03", "CST qBCProd vAliqProd v" + tax},
		{tax + "NT", "04 05 06 07 08 09", "CST"},
		{tax + "Outr", "49 50 51 52 53 54 55 56 60 61 62 63 64 65 66 67 70 71 72 73 74 75 98 99",
			"CST vBC p" + tax + " qBCProd vAliqProd v" + tax},
	}, x.CST, []node{
		leaf("CST", &x.CST),
		leaf("vBC", &x.ValorBC),
		leaf("p"+tax, &x.AliquotaPercentual),
		leaf("qBCProd", &x.QuantidadeVendida),
		leaf("vAliqProd", &x.AliquotaValor),
		leaf("v"+tax, &x.Valor),
	})
}

// variants makes an element of each variant, of which the one with the situation is
// written.
func variants(all []variant, situation string, leaves []node) (nodes []node) {
	for _, v := range all {
		var own []node
		for name := range strings.FieldsSeq(v.elements) {
			n, _ := find(leaves, name)
			own = append(own, n)
		}
		chosen := situation != "" && slices.Contains(strings.Fields(v.situations), situation)
		nodes = append(nodes, group(v.name, own...).choice(chosen, nil))
	}
	return nodes
}

// importTax has a place for the tax itself; what it is made of is not kept.
func importTax(i *nfe.Item) node {
	given := func(text string) func() string {
		return func() string {
			if i.ValorII == "" {
				return ""
			}
			return text
		}
	}
	return group("II",
		derived("vBC", given("0.00")),
		derived("vDespAdu", given("0.00")),
		leaf("vII", &i.ValorII),
		derived("vIOF", given("0.00")),
	)
}

// returnedTax is the IPI that goes back with goods that are returned, all of them.
func returnedTax(i *nfe.Item) node {
	return group("impostoDevol",
		derived("pDevol", func() string {
			if i.ValorIPIDevolvido == "" {
				return ""
			}
			return "100.00"
		}),
		group("IPI", leaf("vIPIDevol", &i.ValorIPIDevolvido)),
	)
}
