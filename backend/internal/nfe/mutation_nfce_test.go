package nfe

func sampleDelivery() *Document {
	d := sampleNFCe()
	d.IndicadorPresencial = "4"
	d.Transporte = &Transport{ModalidadeFrete: "0", CNPJ: "42318949000184"}
	d.Destinatario = &Recipient{CPF: "52998224725", IndicadorIE: "9", Address: sample().Destinatario.Address}
	return d
}

func sampleNFCeWithCPF() *Document {
	d := sampleNFCe()
	d.Destinatario = &Recipient{CPF: "52998224725", IndicadorIE: "9"}
	return d
}

const contingency = "Sem conexão há horas"

var nfceMutations = []mutation{
	{"nfce: entry", sampleNFCe, func(d *Document) { d.TipoOperacao, d.Itens[0].CFOP = "0", "1102" }, []string{"nfce.operation /tipo_operacao 706"}},
	{"nfce: interstate", sampleNFCe, func(d *Document) { d.IDDestino, d.Itens[0].CFOP = "2", "6102" },
		[]string{"nfce.destination /id_destino 707"}},
	{"nfce: adjustment", sampleNFCe, func(d *Document) {
		d.Finalidade, d.ValorTroco, d.Pagamentos = "3", "", []Payment{{FormaPagamento: "90", Valor: "0"}}
	}, []string{"nfce.purpose /finalidade 715"}},
	{"nfce: no consumer", sampleNFCe, func(d *Document) { d.IndicadorFinal = "0" }, []string{"nfce.consumer /indicador_final 716"}},
	{"nfce: by internet", sampleNFCe, func(d *Document) { d.IndicadorPresencial = "2" }, []string{"nfce.presence /indicador_presencial 717"}},
	{"nfce: exit date", sampleNFCe, func(d *Document) { d.DataSaidaEntrada = "2026-07-14T11:00:00-03:00" },
		[]string{"nfce.exit_date /data_saida_entrada 705"}},
	{"nfce: off-line", sampleNFCe, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia = "9", contingency }, nil},
	{"nfce: security form", sampleNFCe, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia = "2", contingency },
		[]string{"emission.modelo /tipo_emissao"}},
	{"nfce: SCAN", sampleNFCe, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia, d.Serie = "3", contingency, "900" },
		[]string{"emission.modelo /tipo_emissao 782"}},
	{"nfce: SVC", sampleNFCe, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia = "7", contingency },
		[]string{"emission.modelo /tipo_emissao 783"}},
	{"nfce: substitute's registration", sampleNFCe, func(d *Document) { d.Emitente.InscricaoEstadualSubstTributario = "123456" },
		[]string{"nfce.field /emitente/inscricao_estadual_subst_tributario 718"}},
	{"nfce: SUFRAMA", sampleNFCeWithCPF, func(d *Document) { d.Destinatario.InscricaoSuframa = "12345678" },
		[]string{"nfce.field /destinatario/inscricao_suframa 730"}},
	{"nfce: IPI", sampleNFCe, func(d *Document) { d.Itens[0].IPI = &IPI{CST: "51"} }, []string{"nfce.field /itens/0/ipi 742"}},
	{"nfce: II", sampleNFCe, func(d *Document) { d.Itens[0].ValorII = "0.00" }, []string{"nfce.field /itens/0/valor_ii 743"}},
	{"nfce: order", sampleNFCe, func(d *Document) { d.PedidoCompra = "77" }, []string{"nfce.field /pedido_compra 762"}},
	{"nfce: line outside the total", sampleNFCe, func(d *Document) {
		d.Itens[0].IndicadorTotal, d.ValorProdutos, d.ValorTotal, d.ValorTroco = "0", "0", "0", "1.10"
	}, []string{"nfce.field /itens/0/indicador_total 774"}},
	{"nfce: CST 50", sampleNFCe, func(d *Document) { d.Itens[0].ICMS.CST = "50" }, []string{"icms.nfce /itens/0/icms/cst 766"}},
	{"nfce: CST 51", sampleNFCe, func(d *Document) { d.Itens[0].ICMS.CST = "51" }, []string{"icms.nfce /itens/0/icms/cst 740"}},
	{"nfce: no PIS and COFINS", sampleNFCe, func(d *Document) { d.Itens[0].PIS, d.Itens[0].COFINS = nil, nil }, nil},
	{"nfce: freight", sampleNFCe, func(d *Document) { d.Transporte.ModalidadeFrete = "0" }, []string{"nfce.freight /transporte/modalidade_frete 753"}},
	{"nfce: reference", sampleNFCe, func(d *Document) { d.Referencias = []Reference{{Tipo: "0", ChaveAcesso: goodKey}} },
		[]string{"reference.nfce /referencias 708"}},
	{"nfce: taxpayer", sampleNFCeWithCPF, func(d *Document) { d.Destinatario.IndicadorIE = "1" },
		[]string{"recipient.taxpayer /destinatario/indicador_ie 789"}},
	{"nfce: registration", sampleNFCeWithCPF, func(d *Document) { d.Destinatario.InscricaoEstadual = "123456" },
		[]string{"ie.unexpected /destinatario/inscricao_estadual 729"}},
	{"nfce: delivery", sampleDelivery, func(*Document) {}, nil},
	{"nfce: delivery without carrier", sampleDelivery, func(d *Document) { d.Transporte.CNPJ = "" }, []string{"nfce.delivery /transporte 786"}},
	{"nfce: delivery to nobody", sampleDelivery, func(d *Document) { d.Destinatario = nil }, []string{"nfce.delivery /destinatario 787"}},
	{"nfce: delivery nowhere", sampleDelivery, func(d *Document) { d.Destinatario.Address = Address{} },
		[]string{"nfce.delivery /destinatario 788"}},
}
