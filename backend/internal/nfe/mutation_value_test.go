package nfe

// sampleParts has products 100.00, discount 10.00, ST 5.50, freight 12.00 and IPI
// 4.50, which is 112.00.
func sampleParts() *Document {
	d := sample()
	item := &d.Itens[0]
	item.Quantidade, item.ValorUnitario, item.ValorTotal = "1", "100.00", "100.00"
	item.CEST, item.ValorDesconto, item.ValorFrete = "1706200", "10.00", "12.00"
	item.ICMS = &ICMS{Origem: "0", CST: "10", ValorST: "5.50"}
	item.IPI = &IPI{CST: "50", Valor: "4.50"}
	d.ValorProdutos, d.ValorDesconto, d.ValorST, d.ValorFrete, d.ValorIPI = "100.00", "10.00", "5.50", "12.00", "4.50"
	d.ValorTotal, d.Pagamentos[0].Valor = "112.00", "112.00"
	return d
}

// total sets what the document comes to and what is paid.
func pay(d *Document, m Money) { d.ValorTotal, d.Pagamentos[0].Valor = m, m }

// sampleExempt has 1.00 of exempt ICMS on 15.00.
func sampleExempt() *Document {
	d := sample()
	d.Itens[0].ICMS = &ICMS{Origem: "0", CST: "40", ValorDesonerado: "1.00", MotivoDesoneracao: "9"}
	d.ValorICMSDesonerado = "1.00"
	pay(d, "14.00")
	return d
}

var totalMutations = []mutation{
	{"2.00 + 2.35 − 0.20 = 4.15", func() *Document { return sampleOf(2) }, func(d *Document) {
		for i, price := range []Decimal{"2.00", "2.35"} {
			d.Itens[i].Quantidade, d.Itens[i].ValorUnitario, d.Itens[i].ValorTotal = "1", price, Money(price)
		}
		d.Itens[1].ValorDesconto, d.ValorDesconto, d.ValorProdutos = "0.20", "0.20", "4.35"
		pay(d, "4.15")
	}, nil},
	{"112.00", sampleParts, func(*Document) {}, nil},
	{"one centavo more", sampleParts, func(d *Document) { pay(d, "112.01") }, []string{"total.sum /valor_total 610"}},
	{"one centavo less", sampleParts, func(d *Document) { pay(d, "111.99") }, []string{"total.sum /valor_total 610"}},
	{"ICMS added", sampleParts, func(d *Document) {
		d.Itens[0].ICMS.ValorBC, d.Itens[0].ICMS.Aliquota, d.Itens[0].ICMS.Valor = "100.00", "18", "18.00"
		pay(d, "130.00")
	}, []string{"total.sum /valor_total 610"}},
	{"ST left out", sampleParts, func(d *Document) { pay(d, "106.50") }, []string{"total.sum /valor_total 610"}},
	{"ST left out for vehicles", sampleParts, func(d *Document) {
		d.Itens[0].NCM = "87032310"
		pay(d, "106.50")
	}, nil},
	{"ST left out for motorcycles", sampleParts, func(d *Document) {
		d.Itens[0].NCM = "87112010"
		pay(d, "106.50")
	}, nil},
	{"ST left out for parts of vehicles", sampleParts, func(d *Document) {
		d.Itens[0].NCM = "87060010"
		pay(d, "106.50")
	}, []string{"total.sum /valor_total 610"}},
	{"exempt ICMS subtracted", sampleExempt, func(*Document) {}, nil},
	{"exempt ICMS not subtracted", sampleExempt, func(d *Document) { pay(d, "15.00") }, nil},
	{"exempt ICMS half subtracted", sampleExempt, func(d *Document) { pay(d, "14.50") }, []string{"total.sum /valor_total 610"}},
	{"import", sampleExport, func(d *Document) {
		d.TipoOperacao, d.Itens[0].CFOP = "0", "3102"
		pay(d, "17.70")
	}, nil},
	{"total of products", nil, func(d *Document) {
		d.ValorProdutos = "15.01"
		pay(d, "15.01")
	}, []string{"total.products /valor_produtos 564"}},
	{"no total of products", nil, func(d *Document) { d.ValorProdutos = ""; pay(d, "0.00") }, []string{"required /valor_produtos 225"}},
	{"line outside the total", func() *Document { return sampleOf(2) }, func(d *Document) {
		d.Itens[1].IndicadorTotal, d.ValorProdutos = "0", "15.00"
		pay(d, "15.00")
	}, nil},
	{"service told apart", nil, func(d *Document) {
		d.Itens[0].NCM, d.Itens[0].ICMS, d.ValorProdutos, d.ValorServicos = "00", nil, "0.00", "15.00"
	}, nil},
	{"service by half", nil, func(d *Document) {
		d.Itens[0].NCM, d.Itens[0].ICMS, d.ValorProdutos, d.ValorServicos = "00", nil, "0.00", "7.50"
		pay(d, "7.50")
	}, []string{"total.services /valor_servicos 605"}},
	{"discount", sampleParts, func(d *Document) {
		d.ValorDesconto = "10.01"
		pay(d, "111.99")
	}, []string{"total.items /valor_desconto 537"}},
	{"freight", sampleParts, func(d *Document) {
		d.ValorFrete = "12.01"
		pay(d, "112.01")
	}, []string{"total.items /valor_frete 535"}},
	{"insurance", nil, func(d *Document) { d.Itens[0].ValorSeguro = "0.01" }, []string{"total.items /valor_seguro 536"}},
	{"other", nil, func(d *Document) { d.Itens[0].ValorOutrasDespesas = "0.01" }, []string{"total.items /valor_outras_despesas 604"}},
	{"II", nil, func(d *Document) { d.Itens[0].ValorII = "0.01" }, []string{"total.items /valor_ii 601"}},
	{"IPI of a return", nil, func(d *Document) { d.Itens[0].ValorIPIDevolvido = "0.01" }, []string{"total.items /valor_ipi_devolvido 863"}},
	{"total of the IPI", sampleParts, func(d *Document) { d.Itens[0].IPI.Valor = "4.51" }, []string{"total.items /valor_ipi 538"}},
	{"total of the ST", sampleParts, func(d *Document) { d.Itens[0].ICMS.ValorST = "5.51" }, []string{"total.items /valor_st 534"}},
	{"total of the FCP-ST", sampleParts, func(d *Document) { d.Itens[0].ICMS.ValorFCPST = "0.01" }, []string{"total.items /valor_fcp_st"}},
	{"total of exempt ICMS", sampleExempt, func(d *Document) { d.Itens[0].ICMS.ValorDesonerado = "1.01" },
		[]string{"total.items /valor_icms_desonerado 795"}},
	{"discount beyond the products", sampleParts, func(d *Document) {
		d.Itens[0].ValorDesconto, d.ValorDesconto = "100.01", "100.01"
		pay(d, "21.99")
	}, []string{"total.discount /valor_desconto"}},
	{"discount of everything", sampleParts, func(d *Document) {
		d.Itens[0].ValorDesconto, d.ValorDesconto = "100.00", "100.00"
		pay(d, "22.00")
	}, nil},
	{"no total", nil, func(d *Document) { d.ValorTotal = "" }, []string{"required /valor_total 225"}},
	{"total that is no number", nil, func(d *Document) { d.ValorTotal = "quinze" }, []string{"decimal.form /valor_total 225"}},
	{"item that is no number", nil, func(d *Document) { d.Itens[0].ValorTotal = "quinze" }, []string{"decimal.form /itens/0/valor_total 225"}},
	{"freight of an item that is no number", sampleParts, func(d *Document) { d.Itens[0].ValorFrete = "12e0" },
		[]string{"decimal.form /itens/0/valor_frete 225"}},
}

var paymentMutations = []mutation{
	{"no payment", nil, func(d *Document) { d.Pagamentos = nil }, []string{"required /pagamentos 225"}},
	{"101 payments", nil, func(d *Document) {
		d.Pagamentos = append(d.Pagamentos, make([]Payment, MaxPayments)...)
		for i := range d.Pagamentos {
			d.Pagamentos[i] = Payment{FormaPagamento: "01", Valor: "0.15"}
		}
	}, []string{"list.length /pagamentos 225"}},
	{"no form", nil, func(d *Document) { d.Pagamentos[0].FormaPagamento = "" }, []string{"required /pagamentos/0/forma_pagamento 225"}},
	{"form 14", nil, func(d *Document) { d.Pagamentos[0].FormaPagamento = "14" }, []string{"code.unknown /pagamentos/0/forma_pagamento 225"}},
	{"form 1", nil, func(d *Document) { d.Pagamentos[0].FormaPagamento = "1" }, []string{"code.unknown /pagamentos/0/forma_pagamento 225"}},
	{"time of payment", nil, func(d *Document) { d.Pagamentos[0].IndicadorPagamento = "2" },
		[]string{"code.unknown /pagamentos/0/indicador_pagamento 225"}},
	{"no value", nil, func(d *Document) { d.Pagamentos[0].Valor = "" }, []string{"required /pagamentos/0/valor 225"}},
	{"other without description", nil, func(d *Document) { d.Pagamentos[0].FormaPagamento = "99" },
		[]string{"payment.description /pagamentos/0/descricao 441"}},
	{"other with description", nil, func(d *Document) { d.Pagamentos[0].FormaPagamento, d.Pagamentos[0].Descricao = "99", "Permuta" }, nil},
	{"PIX with description", nil, func(d *Document) { d.Pagamentos[0].Descricao = "PIX" }, []string{"payment.description /pagamentos/0/descricao 441"}},
	{"card", nil, func(d *Document) { d.Pagamentos[0].FormaPagamento = "03" }, []string{"payment.card /pagamentos/0/tipo_integracao 391"}},
	{"card, integrated", nil, func(d *Document) {
		d.Pagamentos[0] = Payment{FormaPagamento: "03", Valor: "15.00", TipoIntegracao: "1", CNPJCredenciadora: "42318949000184",
			Bandeira: "01", NumeroAutorizacao: "123456"}
	}, nil},
	{"card, integrated by 3", nil, func(d *Document) { d.Pagamentos[0].FormaPagamento, d.Pagamentos[0].TipoIntegracao = "04", "3" },
		[]string{"code.unknown /pagamentos/0/tipo_integracao 225"}},
	{"acquirer", nil, func(d *Document) { d.Pagamentos[0].CNPJCredenciadora = "42318949000185" },
		[]string{"cnpj.digit /pagamentos/0/cnpj_credenciadora"}},
	{"brand", nil, func(d *Document) { d.Pagamentos[0].Bandeira = "1" }, []string{"format /pagamentos/0/bandeira 225"}},
	{"paid short", nil, func(d *Document) { d.Pagamentos[0].Valor = "14.99" }, []string{"payment.short /pagamentos 865"}},
	{"paid over without change", nil, func(d *Document) { d.Pagamentos[0].Valor = "15.01" }, []string{"payment.change /valor_troco 866"}},
	{"1.10 on 1.00", sampleNFCe, func(d *Document) { d.ValorTroco = "0.09" }, []string{"payment.change /valor_troco 866"}},
	{"change without reason", nil, func(d *Document) { d.ValorTroco = "0.01" }, []string{"payment.change /valor_troco 866"}},
	{"two payments", nil, func(d *Document) {
		d.Pagamentos = []Payment{{FormaPagamento: "01", Valor: "5.00"}, {FormaPagamento: "17", Valor: "10.00"}}
	}, nil},
	{"none", nil, func(d *Document) { d.Pagamentos[0] = Payment{FormaPagamento: "90", Valor: "0.00"} }, nil},
	{"none with a value", nil, func(d *Document) { d.Pagamentos[0] = Payment{FormaPagamento: "90", Valor: "15.00"} },
		[]string{"payment.none /pagamentos/0/valor 904"}},
	{"none in company", nil, func(d *Document) { d.Pagamentos = append(d.Pagamentos, Payment{FormaPagamento: "90", Valor: "0"}) },
		[]string{"payment.none /pagamentos/1/forma_pagamento 904"}},
	{"paid adjustment", nil, func(d *Document) { d.Finalidade = "3" }, []string{"payment.purpose /pagamentos/0/forma_pagamento 871"}},
	{"adjustment paid short", nil, func(d *Document) { d.Finalidade, d.Pagamentos[0].Valor = "3", "1.00" },
		[]string{"payment.purpose /pagamentos/0/forma_pagamento 871"}},
	{"paid return", nil, func(d *Document) { d.Finalidade, d.Referencias = "4", []Reference{{Tipo: "0", ChaveAcesso: goodKey}} },
		[]string{"payment.purpose /pagamentos/0/forma_pagamento 871"}},
}

var transportMutations = []mutation{
	{"no transport", nil, func(d *Document) { d.Transporte = nil }, []string{"required /transporte 225"}},
	{"no freight", nil, func(d *Document) { d.Transporte.ModalidadeFrete = "" }, []string{"required /transporte/modalidade_frete 225"}},
	{"freight 5", nil, func(d *Document) { d.Transporte.ModalidadeFrete = "5" }, []string{"code.unknown /transporte/modalidade_frete 225"}},
	{"carrier: two", nil, func(d *Document) { d.Transporte.CNPJ, d.Transporte.CPF = "42318949000184", "52998224725" },
		[]string{"party.identification /transporte 225"}},
	{"carrier: CNPJ, digit", nil, func(d *Document) { d.Transporte.CNPJ = "42318949000185" }, []string{"cnpj.digit /transporte/cnpj 542"}},
	{"carrier: CNPJ, form", nil, func(d *Document) { d.Transporte.CNPJ = "4231894900018" }, []string{"cnpj.form /transporte/cnpj 542"}},
	{"carrier: CNPJ, repeated", nil, func(d *Document) { d.Transporte.CNPJ = "11111111111111" }, []string{"cnpj.repeated /transporte/cnpj 542"}},
	{"carrier: CPF, digit", nil, func(d *Document) { d.Transporte.CPF = "52998224726" }, []string{"cpf.digit /transporte/cpf 543"}},
	{"carrier: CPF, form", nil, func(d *Document) { d.Transporte.CPF = "x" }, []string{"cpf.form /transporte/cpf 543"}},
	{"carrier: CPF, repeated", nil, func(d *Document) { d.Transporte.CPF = "22222222222" }, []string{"cpf.repeated /transporte/cpf 543"}},
	{"carrier: IE", nil, func(d *Document) { d.Transporte.InscricaoEstadual = "x" }, []string{"ie.form /transporte/inscricao_estadual 544"}},
	{"carrier: state", nil, func(d *Document) { d.Transporte.UF = "AA" }, []string{"uf.unknown /transporte/uf 225"}},
	{"carrier: abroad", nil, func(d *Document) { d.Transporte.UF = Abroad }, nil},
	{"plate", nil, func(d *Document) { d.Transporte.PlacaVeiculo = "ABC-1D23" }, []string{"format /transporte/placa_veiculo 225"}},
	{"plate of Mercosul", nil, func(d *Document) { d.Transporte.PlacaVeiculo = "ABC1D23" }, nil},
	{"CFOP of transport", nil, func(d *Document) { d.Transporte.CFOP = "9999" }, []string{"cfop.form /transporte/cfop 225"}},
	{"place of transport, form", nil, func(d *Document) { d.Transporte.CodigoMunicipio = "9999999" },
		[]string{"municipio.form /transporte/codigo_municipio 288"}},
	{"place of transport, digit", nil, func(d *Document) { d.Transporte.CodigoMunicipio = "3550309" },
		[]string{"municipio.digit /transporte/codigo_municipio 288"}},
	{"retained ICMS", nil, func(d *Document) { d.Transporte.ValorICMSRetido = "1.001" }, []string{"decimal.range /transporte/valor_icms_retido 225"}},
	{"volumes", nil, func(d *Document) {
		d.Transporte.Volumes = []Volume{{Quantidade: "2", PesoBruto: "1.500", PesoLiquido: "1.4"}}
	}, nil},
	{"half a volume", nil, func(d *Document) { d.Transporte.Volumes = []Volume{{}, {Quantidade: "1.5"}} },
		[]string{"format /transporte/volumes/1/quantidade 225"}},
	{"weight", nil, func(d *Document) { d.Transporte.Volumes = []Volume{{PesoBruto: "1.5000"}} },
		[]string{"decimal.range /transporte/volumes/0/peso_bruto 225"}},
	{"5001 volumes", nil, func(d *Document) { d.Transporte.Volumes = make([]Volume, MaxVolumes+1) },
		[]string{"list.length /transporte/volumes 225"}},
}
