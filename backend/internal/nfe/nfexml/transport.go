package nfexml

import "gatehouse/backend/internal/nfe"

func transport(t *nfe.Transport) []node {
	return []node{
		leaf("modFrete", &t.ModalidadeFrete),
		group("transporta",
			leaf("CNPJ", &t.CNPJ),
			leaf("CPF", &t.CPF),
			leaf("xNome", &t.RazaoSocial),
			leaf("IE", &t.InscricaoEstadual),
			leaf("xEnder", &t.EnderecoCompleto),
			leaf("xMun", &t.Municipio),
			leaf("UF", &t.UF),
		),
		group("retTransp",
			leaf("vServ", &t.ValorServico),
			leaf("vBCRet", &t.ValorBCRetencaoICMS),
			leaf("pICMSRet", &t.AliquotaRetencaoICMS),
			leaf("vICMSRet", &t.ValorICMSRetido),
			leaf("CFOP", &t.CFOP),
			leaf("cMunFG", &t.CodigoMunicipio),
		),
		group("veicTransp",
			leaf("placa", &t.PlacaVeiculo),
			leaf("UF", &t.UFVeiculo),
			leaf("RNTC", &t.RNTC),
		),
		list("vol", &t.Volumes, func(v *nfe.Volume) []node {
			return []node{
				leaf("qVol", &v.Quantidade),
				leaf("esp", &v.Especie),
				leaf("marca", &v.Marca),
				leaf("nVol", &v.Numeracao),
				leaf("pesoL", &v.PesoLiquido),
				leaf("pesoB", &v.PesoBruto),
			}
		}),
	}
}

func payment(p *nfe.Payment) []node {
	return []node{
		leaf("indPag", &p.IndicadorPagamento),
		leaf("tPag", &p.FormaPagamento),
		leaf("xPag", &p.Descricao),
		required("vPag", &p.Valor, "0.00"),
		group("card",
			leaf("tpIntegra", &p.TipoIntegracao),
			leaf("CNPJ", &p.CNPJCredenciadora),
			leaf("tBand", &p.Bandeira),
			leaf("cAut", &p.NumeroAutorizacao),
		),
	}
}
