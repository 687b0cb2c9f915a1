package nfe

// sampleInterstate sells to Rio de Janeiro, sampleExport to the United States.
func sampleInterstate() *Document {
	d := sample()
	d.IDDestino, d.Itens[0].CFOP = "2", "6102"
	d.Destinatario.UF, d.Destinatario.CodigoMunicipio, d.Destinatario.Municipio = "RJ", "3304557", "Rio de Janeiro"
	return d
}

func sampleExport() *Document {
	d := sample()
	d.IDDestino, d.Itens[0].CFOP = "3", "7102"
	to := d.Destinatario
	*to = Recipient{TipoPessoa: "E", IDEstrangeiro: "PASS1234", RazaoSocial: "Acme Inc.", IndicadorIE: "9", Address: to.Address}
	to.UF, to.CodigoMunicipio, to.CodigoPais = Abroad, MunicipioAbroad, "2496"
	return d
}

var partyMutations = []mutation{
	{"no emitter", nil, func(d *Document) { d.Emitente = nil }, []string{"required /emitente 225"}},
	{"emitter: digit", nil, func(d *Document) { d.Emitente.CNPJ = "11222333000182" }, []string{"cnpj.digit /emitente/cnpj 207"}},
	{"emitter: lower case", nil, func(d *Document) { d.Emitente.CNPJ = "12abc34501de35" }, []string{"cnpj.form /emitente/cnpj 207"}},
	{"emitter: zeros", nil, func(d *Document) { d.Emitente.CNPJ = "00000000000000" }, []string{"cnpj.repeated /emitente/cnpj 207"}},
	{"emitter: separators", nil, func(d *Document) { d.Emitente.CNPJ = "11.222.333/0001-81" }, []string{"cnpj.form /emitente/cnpj 207"}},
	{"emitter: both", nil, func(d *Document) { d.Emitente.CPF = "52998224725" }, []string{"party.identification /emitente 225"}},
	{"emitter: neither", nil, func(d *Document) { d.Emitente.CNPJ = "" }, []string{"party.identification /emitente 225"}},
	{"emitter: CPF, digit", nil, func(d *Document) { d.Emitente.CNPJ, d.Emitente.CPF, d.Serie = "", "52998224726", "920" },
		[]string{"cpf.digit /emitente/cpf 401"}},
	{"emitter: CPF, repeated", nil, func(d *Document) { d.Emitente.CNPJ, d.Emitente.CPF, d.Serie = "", "11111111111", "920" },
		[]string{"cpf.repeated /emitente/cpf 401"}},
	{"emitter: CPF, short", nil, func(d *Document) { d.Emitente.CNPJ, d.Emitente.CPF, d.Serie = "", "5299822472", "920" },
		[]string{"cpf.form /emitente/cpf 401"}},
	{"emitter: no name", nil, func(d *Document) { d.Emitente.RazaoSocial = "" }, []string{"required /emitente/razao_social 225"}},
	{"emitter: name of one", nil, func(d *Document) { d.Emitente.RazaoSocial = "P" }, []string{"text.length /emitente/razao_social 225"}},
	{"emitter: name of 61", nil, func(d *Document) { d.Emitente.RazaoSocial = long }, []string{"text.length /emitente/razao_social 225"}},
	{"emitter: no IE", nil, func(d *Document) { d.Emitente.InscricaoEstadual = "" }, []string{"ie.required /emitente/inscricao_estadual 229"}},
	{"emitter: IE", nil, func(d *Document) { d.Emitente.InscricaoEstadual = "110.042" }, []string{"ie.form /emitente/inscricao_estadual 209"}},
	{"emitter: ISENTO", nil, func(d *Document) { d.Emitente.InscricaoEstadual = "ISENTO" }, nil},
	{"emitter: IE of one digit", nil, func(d *Document) { d.Emitente.InscricaoEstadual = "1" }, []string{"ie.form /emitente/inscricao_estadual 209"}},
	{"emitter: substitute's IE", nil, func(d *Document) { d.Emitente.InscricaoEstadualSubstTributario = "isento" },
		[]string{"ie.form /emitente/inscricao_estadual_subst_tributario 211"}},
	{"emitter: CNAE", nil, func(d *Document) { d.Emitente.CNAE = "123456" }, []string{"format /emitente/cnae 225"}},
	{"emitter: regime 5", nil, func(d *Document) { d.Emitente.RegimeTributario = "5" }, []string{"code.unknown /emitente/regime_tributario 225"}},
	{"emitter: no CEP", nil, func(d *Document) { d.Emitente.CEP = "" }, []string{"required /emitente/cep 225"}},
	{"emitter: abroad", sampleExport, func(d *Document) {
		d.Emitente.UF, d.Emitente.CodigoMunicipio, d.Emitente.CodigoPais = Abroad, MunicipioAbroad, "2496"
	}, []string{"emitter.abroad /emitente/uf 247"}},

	{"no recipient", nil, func(d *Document) { d.Destinatario = nil }, []string{"recipient.required /destinatario 719"}},
	{"recipient: nobody", nil, func(d *Document) { d.Destinatario.CNPJ = "" }, []string{"party.identification /destinatario 719"}},
	{"recipient: two", nil, func(d *Document) { d.Destinatario.IDEstrangeiro = "PASS1234" },
		[]string{"party.identification /destinatario 225"}},
	{"recipient: digit", nil, func(d *Document) { d.Destinatario.CNPJ = "12ABC34501DE36" }, []string{"cnpj.digit /destinatario/cnpj 208"}},
	{"recipient: repeated", nil, func(d *Document) { d.Destinatario.CNPJ = "99999999999999" }, []string{"cnpj.repeated /destinatario/cnpj 208"}},
	{"recipient: letter at the end", nil, func(d *Document) { d.Destinatario.CNPJ = "12ABC34501DE3A" }, []string{"cnpj.form /destinatario/cnpj 208"}},
	{"recipient: CPF, digit", nil, func(d *Document) { toPerson(d, "52998224726") }, []string{"cpf.digit /destinatario/cpf 237"}},
	{"recipient: CPF, form", nil, func(d *Document) { toPerson(d, "529.982.247-25") }, []string{"cpf.form /destinatario/cpf 237"}},
	{"recipient: CPF, repeated", nil, func(d *Document) { toPerson(d, "00000000000") }, []string{"cpf.repeated /destinatario/cpf 237"}},
	{"recipient: person", nil, func(d *Document) { toPerson(d, "52998224725") }, nil},
	{"recipient: kind", nil, func(d *Document) { d.Destinatario.TipoPessoa = "F" }, []string{"party.kind /destinatario/tipo_pessoa"}},
	{"recipient: no such kind", nil, func(d *Document) { d.Destinatario.TipoPessoa = "X" }, []string{"code.unknown /destinatario/tipo_pessoa 225"}},
	{"recipient: no name", nil, func(d *Document) { d.Destinatario.RazaoSocial = "" }, []string{"recipient.name /destinatario/razao_social 724"}},
	{"recipient: no address", nil, func(d *Document) { d.Destinatario.Address = Address{} }, []string{"recipient.address /destinatario 726"}},
	{"recipient: no indicator", nil, func(d *Document) { d.Destinatario.IndicadorIE = "" }, []string{"required /destinatario/indicador_ie 225"}},
	{"recipient: indicator 3", nil, func(d *Document) { d.Destinatario.IndicadorIE = "3" }, []string{"code.unknown /destinatario/indicador_ie 225"}},
	{"recipient: taxpayer without IE", nil, func(d *Document) { d.Destinatario.InscricaoEstadual = "" },
		[]string{"ie.required /destinatario/inscricao_estadual 728"}},
	{"recipient: exempt with IE", nil, func(d *Document) { d.Destinatario.IndicadorIE = "2" },
		[]string{"ie.unexpected /destinatario/inscricao_estadual 791"}},
	{"recipient: IE", nil, func(d *Document) { d.Destinatario.InscricaoEstadual = "12345678901234567" },
		[]string{"ie.form /destinatario/inscricao_estadual 210"}},
	{"recipient: no taxpayer, no consumer", nil, func(d *Document) { d.Destinatario.IndicadorIE = "9" },
		[]string{"recipient.consumer /indicador_final 696"}},
	{"recipient: SUFRAMA", nil, func(d *Document) { d.Destinatario.InscricaoSuframa = "1234567" },
		[]string{"suframa.form /destinatario/inscricao_suframa 235"}},
	{"recipient: e-mail", nil, func(d *Document) { d.Destinatario.Email = long }, []string{"text.length /destinatario/email 225"}},

	{"export", sampleExport, func(*Document) {}, nil},
	{"export: CNPJ", sampleExport, func(d *Document) {
		d.Destinatario.IDEstrangeiro, d.Destinatario.CNPJ, d.Destinatario.TipoPessoa = "", "12ABC34501DE35", "J"
	}, []string{"recipient.foreign /destinatario/id_estrangeiro 720"}},
	{"export: taxpayer", sampleExport, func(d *Document) { d.Destinatario.IndicadorIE = "2" },
		[]string{"recipient.taxpayer /destinatario/indicador_ie 790"}},
	{"export: IE", sampleExport, func(d *Document) { d.Destinatario.InscricaoEstadual = "123456" },
		[]string{"ie.unexpected /destinatario/inscricao_estadual 792"}},
	{"export: short identification", sampleExport, func(d *Document) { d.Destinatario.IDEstrangeiro = "1234" },
		[]string{"text.length /destinatario/id_estrangeiro 225"}},
	{"export: municipality", sampleExport, func(d *Document) { d.Destinatario.CodigoMunicipio = "3550308" },
		[]string{"abroad.municipio /destinatario/codigo_municipio 509"}},
	{"export: Brazil", sampleExport, func(d *Document) { d.Destinatario.CodigoPais = "1058" }, []string{"abroad.country /destinatario/codigo_pais 510"}},
	{"export: no country", sampleExport, func(d *Document) { d.Destinatario.CodigoPais = "" }, []string{"abroad.country /destinatario/codigo_pais 510"}},
	{"export to São Paulo", sampleExport, func(d *Document) { d.Destinatario.Address = sample().Destinatario.Address },
		[]string{"destination.uf /destinatario/uf 727"}},
	{"interstate", sampleInterstate, func(*Document) {}, nil},
	{"interstate: foreigner", sampleInterstate, func(d *Document) {
		to := d.Destinatario
		to.TipoPessoa, to.CNPJ, to.IDEstrangeiro = "E", "", "PASS1234"
	}, []string{"recipient.foreign /destinatario/id_estrangeiro 721"}},
	{"interstate at home", sampleInterstate, func(d *Document) { d.Destinatario.Address = sample().Destinatario.Address },
		[]string{"destination.uf /destinatario/uf 772"}},
	{"interstate abroad", sampleInterstate, func(d *Document) { d.Destinatario.Address = sampleExport().Destinatario.Address },
		[]string{"destination.uf /destinatario/uf 771"}},
	{"internal elsewhere", nil, func(d *Document) { d.Destinatario.Address = sampleInterstate().Destinatario.Address },
		[]string{"destination.uf /destinatario/uf 773"}},
	{"internal elsewhere, in presence", nil, func(d *Document) {
		d.Destinatario.Address, d.IndicadorPresencial = sampleInterstate().Destinatario.Address, "1"
	}, nil},
}

// toPerson makes the recipient a person who is no taxpayer.
func toPerson(d *Document, cpf string) {
	d.IndicadorFinal = "1"
	to := d.Destinatario
	to.TipoPessoa, to.CNPJ, to.CPF, to.IndicadorIE, to.InscricaoEstadual = "F", "", cpf, "9", ""
}

var placeMutations = []mutation{
	{"no street", nil, func(d *Document) { d.Destinatario.Logradouro = "" }, []string{"required /destinatario/logradouro 225"}},
	{"street of one", nil, func(d *Document) { d.Destinatario.Logradouro = "A" }, []string{"text.length /destinatario/logradouro 225"}},
	{"no number", nil, func(d *Document) { d.Emitente.Numero = "" }, []string{"required /emitente/numero 225"}},
	{"no quarter", nil, func(d *Document) { d.Emitente.Bairro = "" }, []string{"required /emitente/bairro 225"}},
	{"no municipality", nil, func(d *Document) { d.Emitente.Municipio = "" }, []string{"required /emitente/municipio 225"}},
	{"long complement", nil, func(d *Document) { d.Emitente.Complemento = long }, []string{"text.length /emitente/complemento 225"}},
	{"CEP with a dash", nil, func(d *Document) { d.Emitente.CEP = "01001-000" }, []string{"format /emitente/cep 225"}},
	{"telephone", nil, func(d *Document) { d.Emitente.Telefone = "12345" }, []string{"format /emitente/telefone 225"}},
	{"country at home", nil, func(d *Document) { d.Destinatario.CodigoPais = "2496" }, []string{"home.country /destinatario/codigo_pais 511"}},
	{"country at home, right", nil, func(d *Document) { d.Destinatario.CodigoPais = "1058" }, nil},
	{"country of five digits", nil, func(d *Document) { d.Destinatario.CodigoPais = "01058" },
		[]string{"format /destinatario/codigo_pais 225", "home.country /destinatario/codigo_pais 511"}},
	{"no state", nil, func(d *Document) { d.Destinatario.UF = "" }, []string{"required /destinatario/uf 225"}},
	{"unknown state", sampleInterstate, func(d *Document) { d.Destinatario.UF = "XX" }, []string{"uf.unknown /destinatario/uf 225"}},
	{"no code", nil, func(d *Document) { d.Emitente.CodigoMunicipio = "" }, []string{"required /emitente/codigo_municipio 225"}},
	{"emitter's municipality, digit", nil, func(d *Document) { d.Emitente.CodigoMunicipio = "3550309" },
		[]string{"municipio.digit /emitente/codigo_municipio 272"}},
	{"emitter's municipality, form", nil, func(d *Document) { d.Emitente.CodigoMunicipio = "355030" },
		[]string{"municipio.form /emitente/codigo_municipio 272"}},
	{"emitter's municipality, state", nil, func(d *Document) { d.Emitente.CodigoMunicipio = "3304557" },
		[]string{"municipio.uf /emitente/codigo_municipio 273"}},
	{"recipient's municipality, digit", nil, func(d *Document) { d.Destinatario.CodigoMunicipio = "3550307" },
		[]string{"municipio.digit /destinatario/codigo_municipio 274"}},
	{"recipient's municipality, form", nil, func(d *Document) { d.Destinatario.CodigoMunicipio = MunicipioAbroad },
		[]string{"municipio.form /destinatario/codigo_municipio 274"}},
	{"recipient's municipality, state", nil, func(d *Document) { d.Destinatario.CodigoMunicipio = "5300108" },
		[]string{"municipio.uf /destinatario/codigo_municipio 275"}},
}
