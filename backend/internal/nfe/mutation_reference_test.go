package nfe

const (
	otherKey = "33150308370779000149550010001100931002410775"
	// cteKey is the CT-e of the worked examples.
	cteKey = "3526050X0J92JY000196570010000006041448679011"
)

// sampleReturn gives goods back, sampleComplement adds to an invoice.
func sampleReturn() *Document {
	d := sample()
	d.Finalidade, d.Pagamentos = "4", []Payment{{FormaPagamento: "90", Valor: "0.00"}}
	d.Referencias = []Reference{{Tipo: ReferenceNFe, ChaveAcesso: goodKey}}
	return d
}

func sampleComplement() *Document {
	d := sample()
	d.Finalidade = "2"
	d.Referencias = []Reference{{Tipo: ReferenceNFe, ChaveAcesso: goodKey}}
	return d
}

func paper() Reference {
	return Reference{Tipo: ReferenceNF, UF: "SP", MesAno: "0604", CNPJ: "33009911002506", Modelo: "01", Serie: "1", Numero: "780"}
}

func cupom() Reference {
	return Reference{Tipo: ReferenceCupom, Modelo: "2D", Serie: "003", Numero: "000123"}
}

// refer replaces the references.
func refer(list ...Reference) func(*Document) { return func(d *Document) { d.Referencias = list } }

// spoiled changes one reference.
func spoiled(r Reference, change func(*Reference)) func(*Document) {
	change(&r)
	return refer(r)
}

func byKey(tipo, key string) Reference { return Reference{Tipo: tipo, ChaveAcesso: key} }

func composed(change func(*Key)) string {
	d := Document{NfeID: goodKey}
	rekey(&d, change)
	return d.NfeID
}

var referenceMutations = []mutation{
	{"return of nothing", sampleReturn, refer(), []string{"reference.required /referencias 321"}},
	{"return of paper", sampleReturn, refer(paper()), nil},
	{"return of two", sampleReturn, refer(byKey("0", goodKey), byKey("0", otherKey)), nil},
	{"complement of nothing", sampleComplement, refer(), []string{"reference.required /referencias 254"}},
	{"complement of paper", sampleComplement, refer(paper()), []string{"reference.required /referencias 254"}},
	{"complement of two", sampleComplement, refer(byKey("0", goodKey), byKey("0", otherKey)), []string{"reference.single /referencias 255"}},
	{"reference without kind", nil, refer(Reference{ChaveAcesso: goodKey}), []string{"required /referencias/0/tipo 225"}},
	{"reference of kind 4", nil, refer(byKey("4", goodKey)), []string{"code.unknown /referencias/0/tipo 225"}},
	{"reference without key", nil, refer(byKey("0", "")), []string{"required /referencias/0/chave_acesso 225"}},
	{"reference, form", nil, refer(byKey("0", goodKey[1:])), []string{"key.form /referencias/0/chave_acesso 225"}},
	{"reference, digit", nil, refer(byKey("0", goodKey[:43]+"1")), []string{"key.digit /referencias/0/chave_acesso 547"}},
	{"reference to a CT-e as an NF-e", nil, refer(byKey("0", cteKey)), []string{"key.modelo /referencias/0/chave_acesso 679"}},
	{"reference to a CT-e", nil, refer(byKey("2", cteKey)), nil},
	{"reference to an NF-e as a CT-e", nil, refer(byKey("2", goodKey)), []string{"key.modelo /referencias/0/chave_acesso 683"}},
	{"reference to a CT-e, digit", nil, refer(byKey("2", cteKey[:43]+"2")), []string{"key.digit /referencias/0/chave_acesso 552"}},
	{"reference of old, with emission 0", nil, refer(byKey("0", "52060433009911002506550120000007800267301615")), nil},
	{"reference, number 0", nil, refer(byKey("0", composed(func(k *Key) { k.Numero = "0" }))),
		[]string{"key.number /referencias/0/chave_acesso 619"}},
	{"reference twice", nil, refer(byKey("0", goodKey), byKey("0", goodKey)), []string{"reference.repeated /referencias/1 680"}},
	{"paper twice", nil, refer(paper(), paper()), []string{"reference.repeated /referencias/1 681"}},
	{"cupom twice", nil, refer(cupom(), cupom()), []string{"reference.repeated /referencias/1 684"}},
	{"reference to itself", sampleIssued, refer(byKey("0", goodKey)), []string{"reference.self /referencias/0/chave_acesso 316"}},
	{"key with a series", nil, spoiled(byKey("0", goodKey), func(r *Reference) { r.Serie = "1" }),
		[]string{"reference.unexpected /referencias/0/serie"}},
	{"paper with a key", nil, spoiled(paper(), func(r *Reference) { r.ChaveAcesso = goodKey }),
		[]string{"reference.unexpected /referencias/0/chave_acesso"}},
	{"cupom with a state", nil, spoiled(cupom(), func(r *Reference) { r.UF = "SP" }), []string{"reference.unexpected /referencias/0/uf"}},
	{"paper and cupom", nil, refer(paper(), cupom()), nil},
	{"paper, CNPJ digit", nil, spoiled(paper(), func(r *Reference) { r.CNPJ = "33009911002507" }), []string{"cnpj.digit /referencias/0/cnpj 548"}},
	{"paper, CNPJ form", nil, spoiled(paper(), func(r *Reference) { r.CNPJ = "33" }), []string{"cnpj.form /referencias/0/cnpj 548"}},
	{"paper, CNPJ repeated", nil, spoiled(paper(), func(r *Reference) { r.CNPJ = "33333333333333" }),
		[]string{"cnpj.repeated /referencias/0/cnpj 548"}},
	{"paper, month", nil, spoiled(paper(), func(r *Reference) { r.MesAno = "0613" }), []string{"format /referencias/0/mes_ano 225"}},
	{"paper, modelo", nil, spoiled(paper(), func(r *Reference) { r.Modelo = "55" }), []string{"code.unknown /referencias/0/modelo 225"}},
	{"paper, state", nil, spoiled(paper(), func(r *Reference) { r.UF = "EX" }), []string{"uf.unknown /referencias/0/uf 225"}},
	{"paper, number", nil, spoiled(paper(), func(r *Reference) { r.Numero = "0780" }), []string{"format /referencias/0/numero 225"}},
	{"paper, series", nil, spoiled(paper(), func(r *Reference) { r.Serie = "" }), []string{"required /referencias/0/serie 225"}},
	{"cupom, modelo", nil, spoiled(cupom(), func(r *Reference) { r.Modelo = "2A" }), []string{"code.unknown /referencias/0/modelo 225"}},
	{"cupom, number", nil, spoiled(cupom(), func(r *Reference) { r.Numero = "" }), []string{"required /referencias/0/numero 225"}},
	{"1000 references", nil, func(d *Document) {
		for i := range MaxReferences + 1 {
			key := composed(func(k *Key) { k.Numero = itoa(i + 1) })
			d.Referencias = append(d.Referencias, byKey("0", key))
		}
	}, []string{"list.length /referencias 225"}},
}
