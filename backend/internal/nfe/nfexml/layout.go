package nfexml

import (
	"strings"

	"gatehouse/backend/internal/nfe"
)

// roots are the elements that a file may consist of.
func roots(invoice *Invoice) []node {
	return []node{
		group("NFe", document(invoice)...),
		group("nfeProc",
			constant("@versao", nfe.Layout),
			group("NFe", document(invoice)...),
			optional("protNFe", &invoice.Protocol, protocol),
		),
	}
}

func document(invoice *Invoice) []node {
	return []node{
		group("infNFe", info(invoice.Document)...),
		group("infNFeSupl"), // of NFC-e, from keys that are not ours
		{name: "Signature", source: invoice.Signature, raw: func(s string) { invoice.Signature = s }},
	}
}

func info(d *nfe.Document) []node {
	return []node{
		required("@versao", &d.Versao, nfe.Layout),
		{name: "@Id", text: &d.NfeID, in: func(id string) string { return strings.TrimPrefix(id, "NFe") }, out: func(key string) string { return "NFe" + key }},
		group("ide", identification(d)...),
		optional("emit", &d.Emitente, emitter),
		optional("dest", &d.Destinatario, recipient),
		list("det", &d.Itens, item),
		group("total", totals(d)...),
		optional("transp", &d.Transporte, transport),
		group("pag",
			list("detPag", &d.Pagamentos, payment),
			leaf("vTroco", &d.ValorTroco),
		),
		group("infAdic",
			leaf("infAdFisco", &d.InformacoesFisco),
			leaf("infCpl", &d.InformacoesAdicionais),
			list("obsCont", &d.InformacoesFiscais, func(i *nfe.FiscalInfo) []node {
				return []node{leaf("@xCampo", &i.Campo), leaf("xTexto", &i.Texto)}
			}),
		),
		group("compra",
			leaf("xPed", &d.PedidoCompra),
			leaf("xCont", &d.Contrato),
		),
	}
}

func identification(d *nfe.Document) []node {
	return []node{
		derived("cUF", func() string { return nfe.CodeOfUF(issuerPlace(d).UF) }),
		leaf("cNF", &d.CodigoNumerico),
		leaf("natOp", &d.NaturezaOperacao),
		leaf("mod", &d.Modelo),
		leaf("serie", &d.Serie),
		leaf("nNF", &d.Numero),
		leaf("dhEmi", &d.DataEmissao),
		leaf("dhSaiEnt", &d.DataSaidaEntrada),
		leaf("tpNF", &d.TipoOperacao),
		leaf("idDest", &d.IDDestino),
		derived("cMunFG", func() string { return issuerPlace(d).CodigoMunicipio }),
		derived("tpImp", func() string { return printForm(d) }),
		leaf("tpEmis", &d.TipoEmissao),
		derived("cDV", func() string { return checkDigit(d.NfeID) }),
		leaf("tpAmb", &d.Ambiente),
		leaf("finNFe", &d.Finalidade),
		leaf("indFinal", &d.IndicadorFinal),
		leaf("indPres", &d.IndicadorPresencial),
		constant("procEmi", "0"), // by the issuer's own program
		constant("verProc", "Gatehouse"),
		derived("dhCont", func() string { return contingencySince(d) }),
		leaf("xJust", &d.JustificativaContingencia),
		list("NFref", &d.Referencias, reference),
	}
}

func issuerPlace(d *nfe.Document) *nfe.Address {
	if d.Emitente == nil {
		return new(nfe.Address)
	}
	return &d.Emitente.Address
}

// checkDigit is the last digit of a key, or nothing of what is none.
func checkDigit(key string) string {
	if _, ok := nfe.ParseKey(key); !ok {
		return ""
	}
	return key[len(key)-1:]
}

// contingencySince is when a contingency began, which a document does not say: at
// the latest when it was issued.
func contingencySince(d *nfe.Document) string {
	if d.JustificativaContingencia == "" {
		return ""
	}
	return string(d.DataEmissao)
}

// printForm is how a DANFE is printed: on a page, or on a roll for modelo 65.
func printForm(d *nfe.Document) string {
	if d.Modelo == nfe.ModeloNFCe {
		return "4"
	}
	return "1"
}

// reference is of one of four kinds. A fifth, the producer's invoice on paper
// (refNFP), has no place in a document.
func reference(r *nfe.Reference) []node {
	kind := func(n node, tipo string) node {
		return n.choice(r.Tipo == tipo, func() { r.Tipo = tipo })
	}
	return []node{
		kind(leaf("refNFe", &r.ChaveAcesso), nfe.ReferenceNFe),
		kind(group("refNF",
			node{name: "cUF", text: &r.UF, in: nfe.UFOfCode, out: nfe.CodeOfUF},
			leaf("AAMM", &r.MesAno),
			leaf("CNPJ", &r.CNPJ),
			leaf("mod", &r.Modelo),
			leaf("serie", &r.Serie),
			leaf("nNF", &r.Numero),
		), nfe.ReferenceNF),
		kind(leaf("refCTe", &r.ChaveAcesso), nfe.ReferenceCTe),
		kind(group("refECF",
			leaf("mod", &r.Modelo),
			leaf("nECF", &r.Serie),
			leaf("nCOO", &r.Numero),
		), nfe.ReferenceCupom),
	}
}

func protocol(p *Protocol) []node {
	return []node{
		constant("@versao", nfe.Layout),
		group("infProt",
			leaf("tpAmb", &p.Ambiente),
			constant("verAplic", "Gatehouse"),
			leaf("chNFe", &p.Key),
			leaf("dhRecbto", &p.At),
			leaf("nProt", &p.Number),
			leaf("cStat", &p.Status),
			leaf("xMotivo", &p.Reason),
		),
	}
}
