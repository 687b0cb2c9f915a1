package nfe

import "strings"

const someID = "0198c0de-0000-7000-8000-000000000001"

var headMutations = []mutation{
	{"ids", nil, func(d *Document) { d.EmitterID, d.RecipientID, d.Itens[0].ProductID = someID, someID, someID }, nil},
	{"no id of an emitter", nil, func(d *Document) { d.EmitterID = someID[1:] }, []string{"format /emitter_id 225"}},
	{"id in braces", nil, func(d *Document) { d.RecipientID = "{" + someID + "}" }, []string{"format /recipient_id 225"}},
	{"no id of a product", nil, func(d *Document) { d.Itens[0].ProductID = "x" + someID[1:] }, []string{"format /itens/0/product_id 225"}},
	{"modelo 57", nil, func(d *Document) { d.Modelo = "57" }, []string{"code.unknown /modelo 225"}},
	{"versao 3.10", nil, func(d *Document) { d.Versao = "3.10" }, []string{"versao /versao 239"}},
	{"no versao", nil, func(d *Document) { d.Versao = "" }, nil},
	{"ambiente 3", nil, func(d *Document) { d.Ambiente = "3" }, []string{"code.unknown /ambiente 225"}},
	{"operation 2", nil, func(d *Document) { d.TipoOperacao = "2" }, []string{"code.unknown /tipo_operacao 225"}},
	{"operation 01", nil, func(d *Document) { d.TipoOperacao = "01" }, []string{"code.unknown /tipo_operacao 225"}},
	{"emission 0", nil, func(d *Document) { d.TipoEmissao = "0" }, []string{"code.unknown /tipo_emissao 225"}},
	{"emission 8", nil, func(d *Document) { d.TipoEmissao = "8" }, []string{"code.unknown /tipo_emissao 225"}},
	{"purpose 0", nil, func(d *Document) { d.Finalidade = "0" }, []string{"code.unknown /finalidade 225"}},
	{"purpose 5 without the flag", nil, func(d *Document) { d.Finalidade = "5" }, []string{"code.unknown /finalidade 225"}},
	{"destination 4", nil, func(d *Document) { d.IDDestino = "4" }, []string{"code.unknown /id_destino 225"}},
	{"final 2", nil, func(d *Document) { d.IndicadorFinal = "2" }, []string{"code.unknown /indicador_final 225"}},
	{"presence 6", nil, func(d *Document) { d.IndicadorPresencial = "6" }, []string{"code.unknown /indicador_presencial 225"}},
	{"presence 4", nil, func(d *Document) { d.IndicadorPresencial = "4" }, []string{"presence.modelo /indicador_presencial 794"}},
	{"no operation", nil, func(d *Document) { d.TipoOperacao = "" }, []string{"required /tipo_operacao 225"}},

	{"EPEC without reason", nil, func(d *Document) { d.TipoEmissao = "4" }, []string{"contingency.reason /justificativa_contingencia 557"}},
	{"EPEC with reason", nil, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia = "4", "Sem conexão há horas" }, nil},
	{"EPEC with a short reason", nil, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia = "4", "Sem conexão..." },
		[]string{"text.length /justificativa_contingencia 225"}},
	{"EPEC with a long reason", nil, func(d *Document) {
		d.TipoEmissao, d.JustificativaContingencia = "4", strings.Repeat("x", 256)
	}, []string{"text.length /justificativa_contingencia 225"}},
	{"reason without contingency", nil, func(d *Document) { d.JustificativaContingencia = "Sem conexão há horas" },
		[]string{"contingency.unexpected /justificativa_contingencia 556"}},
	{"off-line NF-e", nil, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia = "9", "Sem conexão há horas" },
		[]string{"emission.modelo /tipo_emissao 711"}},

	{"no date", nil, func(d *Document) { d.DataEmissao = "" }, []string{"required /data_emissao 225"}},
	{"five minutes ahead", nil, func(d *Document) { d.DataEmissao = "2026-07-14T12:05:00-03:00" }, nil},
	{"more than that", nil, func(d *Document) { d.DataEmissao = "2026-07-14T12:05:01-03:00" }, []string{"date.future /data_emissao 703"}},
	{"30 days ago", nil, func(d *Document) { d.DataEmissao = "2026-06-14T15:00:00Z" }, nil},
	{"more than 30 days ago", nil, func(d *Document) { d.DataEmissao = "2026-06-14T14:59:59Z" }, []string{"date.late /data_emissao 228"}},
	{"old and authorized", nil, func(d *Document) { d.DataEmissao, d.Status = "2020-06-14T14:59:59Z", Authorized }, nil},
	{"exit before issue", nil, func(d *Document) { d.DataSaidaEntrada = "2026-07-14T13:29:59Z" }, []string{"date.exit /data_saida_entrada 506"}},
	{"exit at issue", nil, func(d *Document) { d.DataSaidaEntrada = "2026-07-14T13:30:00Z" }, nil},

	{"series 889", nil, func(d *Document) { d.Serie = "889" }, nil},
	{"series of the fisco", nil, func(d *Document) { d.Serie = "890" }, []string{"serie.range /serie 266"}},
	{"series of a CPF", nil, func(d *Document) { d.Serie = "920" }, []string{"serie.range /serie 266"}},
	{"CPF with a series of a CNPJ", nil, func(d *Document) { d.Emitente.CNPJ, d.Emitente.CPF = "", "52998224725" },
		[]string{"serie.range /serie 266"}},
	{"CPF with series 970", nil, func(d *Document) { d.Emitente.CNPJ, d.Emitente.CPF, d.Serie = "", "52998224725", "970" },
		[]string{"serie.range /serie 266"}},
	{"CPF with series 969", nil, func(d *Document) { d.Emitente.CNPJ, d.Emitente.CPF, d.Serie = "", "52998224725", "969" }, nil},
	{"SCAN with series 1", nil, func(d *Document) { d.TipoEmissao, d.JustificativaContingencia = "3", "Sem conexão há horas" },
		[]string{"serie.range /serie 503"}},
	{"SCAN with series 899", nil, func(d *Document) {
		d.TipoEmissao, d.JustificativaContingencia, d.Serie = "3", "Sem conexão há horas", "899"
	}, []string{"serie.range /serie 503"}},
	{"SCAN with series 900", nil, func(d *Document) {
		d.TipoEmissao, d.JustificativaContingencia, d.Serie = "3", "Sem conexão há horas", "900"
	}, nil},
	{"series 01", nil, func(d *Document) { d.Serie = "01" }, []string{"format /serie 225"}},
	{"series 1000", nil, func(d *Document) { d.Serie = "1000" }, []string{"format /serie 225"}},
	{"number 0", nil, func(d *Document) { d.Numero = "0" }, []string{"format /numero 225"}},
	{"number of ten digits", nil, func(d *Document) { d.Numero = "1234567890" }, []string{"format /numero 225"}},
	{"cNF of 7 digits", nil, func(d *Document) { d.CodigoNumerico = "4821937" }, []string{"format /codigo_numerico 225"}},
	{"cNF counting up", nil, func(d *Document) { d.CodigoNumerico = "90123456" }, []string{"code.weak /codigo_numerico 897"}},
	{"cNF is the number", nil, func(d *Document) { d.Numero, d.CodigoNumerico = "123", "00000123" }, []string{"code.weak /codigo_numerico 897"}},
	{"short protocol", nil, func(d *Document) { d.ProtocoloAutorizacao = "12345678901234" }, []string{"protocol.form /protocolo_autorizacao"}},
	{"short reason of cancelling", nil, func(d *Document) { d.MotivoCancelamento = "erro" }, []string{"text.length /motivo_cancelamento 225"}},
	{"long order", nil, func(d *Document) { d.PedidoCompra = long }, []string{"text.length /pedido_compra 225"}},
	{"long contract", nil, func(d *Document) { d.Contrato = long }, []string{"text.length /contrato 225"}},
}

// sampleIssued is a good NF-e with its number and key.
func sampleIssued() *Document {
	d := sample()
	d.Numero, d.CodigoNumerico, d.NfeID = "123", "48219375", goodKey
	return d
}

// rekey gives a document a key that differs in some parts and has the right digit.
func rekey(d *Document, change func(*Key)) {
	k, _ := ParseKey(d.NfeID)
	change(&k)
	d.NfeID, _ = k.Compose()
}

var keyMutations = []mutation{
	{"issued", sampleIssued, func(*Document) {}, nil},
	{"key of 43", sampleIssued, func(d *Document) { d.NfeID = goodKey[1:] }, []string{"key.form /nfe_id 225"}},
	{"digit of the key", sampleIssued, func(d *Document) { d.NfeID = goodKey[:43] + "0" }, []string{"key.digit /nfe_id 236"}},
	{"state of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.UF = "33" }) }, []string{"key.mismatch /nfe_id 502"}},
	{"no state in the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.UF = "36" }) },
		[]string{"key.uf /nfe_id 614", "key.mismatch /nfe_id 502"}},
	{"month of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Month = "2606" }) }, []string{"key.mismatch /nfe_id 561"}},
	{"no month in the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Month = "2613" }) },
		[]string{"key.month /nfe_id 616", "key.mismatch /nfe_id 561"}},
	{"month where the issuer is", sampleIssued, func(d *Document) { d.DataEmissao = "2026-06-30T23:30:00-03:00" },
		[]string{"key.mismatch /nfe_id 561"}},
	{"month elsewhere", sampleIssued, func(d *Document) { d.DataEmissao = "2026-07-01T01:00:00+00:00" }, nil},
	{"issuer of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Issuer = "12ABC34501DE35" }) },
		[]string{"key.mismatch /nfe_id 502"}},
	{"no issuer in the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Issuer = "12ABC34501DE36" }) },
		[]string{"key.issuer /nfe_id 617", "key.mismatch /nfe_id 502"}},
	{"modelo of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Modelo = "65" }) }, []string{"key.mismatch /nfe_id 502"}},
	{"CT-e", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Modelo = "57" }) },
		[]string{"key.modelo /nfe_id 618", "key.mismatch /nfe_id 502"}},
	{"series of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Serie = "2" }) }, []string{"key.mismatch /nfe_id 502"}},
	{"number of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Numero = "124" }) }, []string{"key.mismatch /nfe_id 502"}},
	{"number 0 in the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.Numero = "0" }) },
		[]string{"key.number /nfe_id 619", "key.mismatch /nfe_id 502"}},
	{"emission of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.TipoEmissao = "4" }) },
		[]string{"key.mismatch /nfe_id 502"}},
	{"no emission in the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.TipoEmissao = "0" }) },
		[]string{"key.emission /nfe_id", "key.mismatch /nfe_id 502"}},
	{"cNF of the key", sampleIssued, func(d *Document) { rekey(d, func(k *Key) { k.CodigoNumerico = "48219376" }) },
		[]string{"key.mismatch /nfe_id 562"}},
	{"key without cNF beside it", sampleIssued, func(d *Document) {
		d.CodigoNumerico = ""
		rekey(d, func(k *Key) { k.CodigoNumerico = "00000123" })
	}, []string{"required /codigo_numerico 225", "key.code /nfe_id 897"}},
	{"key without a number beside it", sampleIssued, func(d *Document) { d.Numero, d.Serie = "", "" },
		[]string{"required /serie 225", "required /numero 225"}},
}
