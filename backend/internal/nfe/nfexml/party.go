package nfexml

import "gatehouse/backend/internal/nfe"

func emitter(e *nfe.Emitter) []node {
	return []node{
		leaf("CNPJ", &e.CNPJ),
		leaf("CPF", &e.CPF),
		leaf("xNome", &e.RazaoSocial),
		leaf("xFant", &e.NomeFantasia),
		group("enderEmit", address(&e.Address)...),
		leaf("IE", &e.InscricaoEstadual),
		leaf("IEST", &e.InscricaoEstadualSubstTributario),
		leaf("IM", &e.InscricaoMunicipal),
		leaf("CNAE", &e.CNAE),
		leaf("CRT", &e.RegimeTributario),
	}
}

// recipient also reads what kind of person it is from which of the three numbers it
// has. A trade name has no place in XML.
func recipient(r *nfe.Recipient) []node {
	person := func(n node, tipo string) node {
		n.seen = func() { r.TipoPessoa = tipo }
		return n
	}
	return []node{
		person(leaf("CNPJ", &r.CNPJ), "J"),
		person(leaf("CPF", &r.CPF), "F"),
		person(leaf("idEstrangeiro", &r.IDEstrangeiro), "E"),
		leaf("xNome", &r.RazaoSocial),
		group("enderDest", address(&r.Address)...),
		leaf("indIEDest", &r.IndicadorIE),
		leaf("IE", &r.InscricaoEstadual),
		leaf("ISUF", &r.InscricaoSuframa),
		leaf("IM", &r.InscricaoMunicipal),
		leaf("email", &r.Email),
	}
}

func address(a *nfe.Address) []node {
	return []node{
		leaf("xLgr", &a.Logradouro),
		leaf("nro", &a.Numero),
		leaf("xCpl", &a.Complemento),
		leaf("xBairro", &a.Bairro),
		leaf("cMun", &a.CodigoMunicipio),
		leaf("xMun", &a.Municipio),
		leaf("UF", &a.UF),
		leaf("CEP", &a.CEP),
		leaf("cPais", &a.CodigoPais),
		leaf("xPais", &a.Pais),
		leaf("fone", &a.Telefone),
	}
}
