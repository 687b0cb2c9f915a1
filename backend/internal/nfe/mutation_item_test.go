package nfe

var itemMutations = []mutation{
	{"item 0", nil, func(d *Document) { d.Itens[0].NumeroItem = 0 }, []string{"item.number /itens/0/numero_item 225"}},
	{"item 991", nil, func(d *Document) { d.Itens[0].NumeroItem = 991 }, []string{"item.number /itens/0/numero_item 225"}},
	{"item -1", nil, func(d *Document) { d.Itens[0].NumeroItem = -1 }, []string{"item.number /itens/0/numero_item 225"}},
	{"item twice", func() *Document { return sampleOf(3) }, func(d *Document) { d.Itens[2].NumeroItem = 1 },
		[]string{"list.repeated /itens/2/numero_item"}},
	{"no code of a product", nil, func(d *Document) { d.Itens[0].Codigo = "" }, []string{"required /itens/0/codigo 225"}},
	{"no description", nil, func(d *Document) { d.Itens[0].Descricao = "" }, []string{"required /itens/0/descricao 225"}},
	{"description of 121", nil, func(d *Document) { d.Itens[0].Descricao = long + long[:60] }, []string{"text.length /itens/0/descricao 225"}},
	{"description of 120", nil, func(d *Document) { d.Itens[0].Descricao = long[:60] + long[:60] }, nil},
	{"unit of 7", nil, func(d *Document) { d.Itens[0].Unidade = "PACOTES" }, []string{"text.length /itens/0/unidade 225"}},
	{"no GTIN", nil, func(d *Document) { d.Itens[0].EAN = "" }, []string{"gtin.required /itens/0/ean 883"}},
	{"SEM GTIN", nil, func(d *Document) { d.Itens[0].EAN = NoGTIN }, nil},
	{"GTIN of 10", nil, func(d *Document) { d.Itens[0].EAN = "7891000315" }, []string{"gtin.form /itens/0/ean 611"}},
	{"digit of a GTIN", nil, func(d *Document) { d.Itens[0].EAN = "7891000315506" }, []string{"gtin.digit /itens/0/ean 611"}},
	{"no NCM", nil, func(d *Document) { d.Itens[0].NCM = "" }, []string{"required /itens/0/ncm 225"}},
	{"NCM of 7", nil, func(d *Document) { d.Itens[0].NCM = "1905909" }, []string{"ncm.form /itens/0/ncm 777"}},
	{"NCM of a service", nil, func(d *Document) { d.Itens[0].NCM, d.Itens[0].ICMS = "00", nil }, nil},
	{"CEST of 6", nil, func(d *Document) { d.Itens[0].CEST = "170620" }, []string{"cest.form /itens/0/cest 225"}},
	{"CEST", nil, func(d *Document) { d.Itens[0].CEST = "1706200" }, nil},
	{"no CFOP", nil, func(d *Document) { d.Itens[0].CFOP = "" }, []string{"required /itens/0/cfop 225"}},
	{"CFOP 4", nil, func(d *Document) { d.Itens[0].CFOP = "4102" }, []string{"cfop.form /itens/0/cfop 225"}},
	{"CFOP 8", nil, func(d *Document) { d.Itens[0].CFOP = "8102" }, []string{"cfop.form /itens/0/cfop 225"}},
	{"CFOP 0", nil, func(d *Document) { d.Itens[0].CFOP = "0102" }, []string{"cfop.form /itens/0/cfop 225"}},
	{"CFOP of 5", nil, func(d *Document) { d.Itens[0].CFOP = "51020" }, []string{"cfop.form /itens/0/cfop 225"}},
	{"CFOP of entry", nil, func(d *Document) { d.Itens[0].CFOP = "1102" }, []string{"cfop.operation /itens/0/cfop 518"}},
	{"CFOP of exit", nil, func(d *Document) { d.TipoOperacao = "0" }, []string{"cfop.operation /itens/0/cfop 519"}},
	{"CFOP of entry in an entry", nil, func(d *Document) { d.TipoOperacao, d.Itens[0].CFOP = "0", "1102" }, nil},
	{"CFOP interstate", nil, func(d *Document) { d.Itens[0].CFOP = "6102" }, []string{"cfop.destination /itens/0/cfop 732"}},
	{"CFOP abroad", nil, func(d *Document) { d.Itens[0].CFOP = "7102" }, []string{"cfop.destination /itens/0/cfop 731"}},
	{"CFOP at home", sampleInterstate, func(d *Document) { d.Itens[0].CFOP = "5102" }, []string{"cfop.destination /itens/0/cfop 733"}},

	{"no quantity", nil, func(d *Document) { d.Itens[0].Quantidade = "" }, []string{"required /itens/0/quantidade 225"}},
	{"quantity 0", nil, func(d *Document) {
		d.Itens[0].Quantidade, d.Itens[0].ValorTotal, d.ValorProdutos, d.ValorTotal, d.Pagamentos[0].Valor = "0.0000", "0", "0", "0", "0"
	}, []string{"item.quantity /itens/0/quantidade"}},
	{"quantity with 5 decimals", nil, func(d *Document) { d.Itens[0].Quantidade = "3.00000" }, []string{"decimal.range /itens/0/quantidade 225"}},
	{"quantity of 12 digits", nil, func(d *Document) { d.Itens[0].Quantidade = "100000000000" }, []string{"decimal.range /itens/0/quantidade 225"}},
	{"price with 10 decimals", nil, func(d *Document) { d.Itens[0].ValorUnitario = "5.0000000001" }, nil},
	{"price with 11 decimals", nil, func(d *Document) { d.Itens[0].ValorUnitario = "5.00000000001" },
		[]string{"decimal.range /itens/0/valor_unitario 225"}},
	{"negative price", nil, func(d *Document) { d.Itens[0].ValorUnitario = "-5" }, []string{"decimal.negative /itens/0/valor_unitario 225"}},
	{"39680 × 1.1298099798", nil, func(d *Document) {
		d.Itens[0].Quantidade, d.Itens[0].ValorUnitario = "39680", "1.1298099798"
		setTotal(d, "44830.86")
	}, nil},
	{"39680 × 1.1298099798, off by two", nil, func(d *Document) {
		d.Itens[0].Quantidade, d.Itens[0].ValorUnitario = "39680", "1.1298099798"
		setTotal(d, "44830.84")
	}, []string{"item.total /itens/0/valor_total 629"}},
	{"item off by one", nil, func(d *Document) { setTotal(d, "14.99") }, nil},
	{"item off by two", nil, func(d *Document) { setTotal(d, "15.02") }, []string{"item.total /itens/0/valor_total 629"}},
	{"complement off by much", nil, func(d *Document) {
		setTotal(d, "1.00")
		d.Finalidade, d.Referencias = "2", []Reference{{Tipo: "0", ChaveAcesso: goodKey}}
	}, nil},
	{"no indicador_total", nil, func(d *Document) { d.Itens[0].IndicadorTotal = "" }, []string{"required /itens/0/indicador_total 225"}},
	{"indicador_total 2", nil, func(d *Document) { d.Itens[0].IndicadorTotal = "2" }, []string{"code.unknown /itens/0/indicador_total 225"}},
	{"long text of an item", nil, func(d *Document) {
		for range 9 {
			d.Itens[0].InformacoesAdicionais += long
		}
	}, []string{"text.length /itens/0/informacoes_adicionais 225"}},
	{"order of an item", nil, func(d *Document) { d.Itens[0].NumeroPedidoCompra = long }, []string{"text.length /itens/0/numero_pedido_compra 225"}},
	{"line of an order", nil, func(d *Document) { d.Itens[0].ItemPedidoCompra = "1a" }, []string{"format /itens/0/item_pedido_compra 225"}},
}

// setTotal gives a document of one item another total, everywhere but in the taxes.
func setTotal(d *Document, m Money) {
	d.Itens[0].ValorTotal, d.ValorProdutos, d.ValorTotal, d.Pagamentos[0].Valor = m, m, m, m
}

var taxMutations = []mutation{
	{"no ICMS", nil, func(d *Document) { d.Itens[0].ICMS = nil }, []string{"required /itens/0/icms 225"}},
	{"no origin", nil, func(d *Document) { d.Itens[0].ICMS.Origem = "" }, []string{"required /itens/0/icms/origem 225"}},
	{"origin 9", nil, func(d *Document) { d.Itens[0].ICMS.Origem = "9" }, []string{"code.unknown /itens/0/icms/origem 225"}},
	{"no CST", nil, func(d *Document) { d.Itens[0].ICMS.CST = "" }, []string{"required /itens/0/icms/cst 225"}},
	{"CST 000", nil, func(d *Document) { d.Itens[0].ICMS.CST = "000" }, []string{"code.unknown /itens/0/icms/cst 225"}},
	{"CSOSN in the normal regime", nil, func(d *Document) { d.Itens[0].ICMS.CST = "102" }, []string{"icms.regime /itens/0/icms/cst 591"}},
	{"CST in the Simples", nil, func(d *Document) { d.Emitente.RegimeTributario = "1" }, []string{"icms.regime /itens/0/icms/cst 590"}},
	{"CST of an MEI", nil, func(d *Document) { d.Emitente.RegimeTributario = "4" }, []string{"icms.regime /itens/0/icms/cst 590"}},
	{"CST above the sub-limit", nil, func(d *Document) { d.Emitente.RegimeTributario = "2" }, nil},
	{"fuel in the Simples", nil, func(d *Document) { d.Emitente.RegimeTributario, d.Itens[0].ICMS.CST = "1", "61" }, nil},
	{"ICMS off by one", nil, func(d *Document) { d.Itens[0].ICMS.Valor = "2.71" }, nil},
	{"ICMS off by two", nil, func(d *Document) { d.Itens[0].ICMS.Valor = "2.72" }, []string{"icms.value /itens/0/icms/valor 528"}},
	{"ICMS without value", nil, func(d *Document) { d.Itens[0].ICMS.Valor = "" }, []string{"icms.value /itens/0/icms/valor 528"}},
	{"ICMS without rate", nil, func(d *Document) { d.Itens[0].ICMS.Aliquota, d.Itens[0].ICMS.Valor = "", "9.99" }, nil},
	{"CST 51 is deferred", nil, func(d *Document) { d.Itens[0].ICMS.CST, d.Itens[0].ICMS.Valor = "51", "9.99" }, nil},
	{"rate of 4 digits", nil, func(d *Document) { d.Itens[0].ICMS.Aliquota = "1000" }, []string{"decimal.range /itens/0/icms/aliquota 225"}},
	{"base of the ICMS", nil, func(d *Document) { d.Itens[0].ICMS.ModalidadeBC = "4" }, []string{"code.unknown /itens/0/icms/modalidade_bc 225"}},
	{"base of the ST", nil, func(d *Document) { d.Itens[0].ICMS.ModalidadeBCST = "7" }, []string{"code.unknown /itens/0/icms/modalidade_bc_st 225"}},
	{"ST without CEST", nil, func(d *Document) {
		d.Itens[0].ICMS.ValorST, d.ValorST, d.ValorTotal, d.Pagamentos[0].Valor = "1.00", "1.00", "16.00", "16.00"
	}, []string{"cest.required /itens/0/cest 806"}},
	{"long benefit", nil, func(d *Document) { d.Itens[0].ICMS.CodigoBeneficioFiscal = "SP123456789" },
		[]string{"text.length /itens/0/icms/codigo_beneficio_fiscal 225"}},
	{"IPI", nil, func(d *Document) { d.Itens[0].IPI = &IPI{CST: "53", CodigoEnquadramento: "999"} }, nil},
	{"IPI CST 06", nil, func(d *Document) { d.Itens[0].IPI = &IPI{CST: "06"} }, []string{"code.unknown /itens/0/ipi/cst 225"}},
	{"IPI without CST", nil, func(d *Document) { d.Itens[0].IPI = &IPI{} }, []string{"required /itens/0/ipi/cst 225"}},
	{"producer of the IPI", nil, func(d *Document) { d.Itens[0].IPI = &IPI{CST: "53", CNPJProdutor: "1"} },
		[]string{"cnpj.form /itens/0/ipi/cnpj_produtor"}},
	{"seals", nil, func(d *Document) { d.Itens[0].IPI = &IPI{CST: "53", QuantidadeSelo: "1.5"} },
		[]string{"format /itens/0/ipi/quantidade_selo 225"}},
	{"no PIS", nil, func(d *Document) { d.Itens[0].PIS = nil }, []string{"pis.required /itens/0/pis 745"}},
	{"no COFINS", nil, func(d *Document) { d.Itens[0].COFINS = nil }, []string{"cofins.required /itens/0/cofins 748"}},
	{"PIS CST 10", nil, func(d *Document) { d.Itens[0].PIS.CST = "10" }, []string{"code.unknown /itens/0/pis/cst 225"}},
	{"COFINS CST 1", nil, func(d *Document) { d.Itens[0].COFINS.CST = "1" }, []string{"code.unknown /itens/0/cofins/cst 225"}},
	{"PIS by quantity", nil, func(d *Document) {
		d.Itens[0].PIS = &Contribution{CST: "03", AliquotaValor: "0.12345", QuantidadeVendida: "123456789012.1234", Valor: "1"}
	}, []string{"decimal.range /itens/0/pis/aliquota_valor 225"}},
}
