package nfe

// Emitter is who issues a document. Exactly one of CNPJ and CPF is given.
type Emitter struct {
	CNPJ                             string `json:"cnpj,omitzero"` // 14 characters, [0-9A-Z]{12} and two digits
	CPF                              string `json:"cpf,omitzero"`  // 11 digits
	RazaoSocial                      string `json:"razao_social,omitzero"`
	NomeFantasia                     string `json:"nome_fantasia,omitzero"`
	InscricaoEstadual                string `json:"inscricao_estadual,omitzero"`
	InscricaoEstadualSubstTributario string `json:"inscricao_estadual_subst_tributario,omitzero"`
	InscricaoMunicipal               string `json:"inscricao_municipal,omitzero"`
	CNAE                             string `json:"cnae,omitzero"`
	RegimeTributario                 string `json:"regime_tributario,omitzero"` // CRT
	Address
}

// Recipient is the customer of a document. Exactly one of CNPJ, CPF and
// IDEstrangeiro is given.
type Recipient struct {
	TipoPessoa         string `json:"tipo_pessoa,omitzero"` // F, J, or E for a foreigner
	CNPJ               string `json:"cnpj,omitzero"`
	CPF                string `json:"cpf,omitzero"`
	IDEstrangeiro      string `json:"id_estrangeiro,omitzero"`
	RazaoSocial        string `json:"razao_social,omitzero"`
	NomeFantasia       string `json:"nome_fantasia,omitzero"`
	InscricaoEstadual  string `json:"inscricao_estadual,omitzero"`
	InscricaoMunicipal string `json:"inscricao_municipal,omitzero"`
	InscricaoSuframa   string `json:"inscricao_suframa,omitzero"`
	IndicadorIE        string `json:"indicador_ie,omitzero"`
	Email              string `json:"email,omitzero"`
	Address
}

// Issuer returns the identification of the emitter as it stands in a key: its
// CNPJ, or its CPF padded to 14 digits, or "" when it has neither.
func (e *Emitter) Issuer() string {
	switch {
	case e == nil:
		return ""
	case e.CNPJ != "":
		return e.CNPJ
	case len(e.CPF) == 11:
		return "000" + e.CPF
	default:
		return ""
	}
}

func (c *checker) parties(d *Document) {
	c.emitter(d)
	if d.Destinatario == nil {
		c.at("")
		switch {
		case d.Modelo == ModeloNFe:
			c.add("recipient.required", "destinatario", "", "", "")
		case d.Modelo == ModeloNFCe && d.IndicadorPresencial == "4":
			c.add("nfce.delivery", "destinatario", "", "", "787")
		}
		return
	}
	c.recipient(d, d.Destinatario)
}

func (c *checker) emitter(d *Document) {
	e := d.Emitente
	if e == nil {
		c.at("")
		c.add("required", "emitente", "", "", "")
		return
	}
	c.at("emitente")
	c.emitterFields(e)
	if d.Modelo == ModeloNFCe {
		c.absent("inscricao_estadual_subst_tributario", e.InscricaoEstadualSubstTributario, "718")
	}
}

// emitterFields checks an emitter by itself.
func (c *checker) emitterFields(e *Emitter) {
	c.one(e.CNPJ, e.CPF)
	c.cnpj("cnpj", e.CNPJ, "207")
	c.cpf("cpf", e.CPF, "401")
	if c.need("razao_social", e.RazaoSocial) {
		c.line("razao_social", e.RazaoSocial, 2, 60)
	}
	c.line("nome_fantasia", e.NomeFantasia, 1, 60)
	if e.InscricaoEstadual == "" {
		c.add("ie.required", "inscricao_estadual", "", "", "229")
	}
	c.ie("inscricao_estadual", e.InscricaoEstadual, "209")
	c.ie("inscricao_estadual_subst_tributario", e.InscricaoEstadualSubstTributario, "211")
	c.line("inscricao_municipal", e.InscricaoMunicipal, 1, 15)
	c.digits("cnae", e.CNAE, 7, 7)
	c.code("regime_tributario", e.RegimeTributario, regimes)
	c.address(&e.Address, addressCodes{"272", "273"})
	c.need("cep", e.CEP)
	if e.UF == Abroad {
		c.add("emitter.abroad", "uf", "", e.UF, "")
	}
}

func (c *checker) recipient(d *Document, r *Recipient) {
	c.at("destinatario")
	c.recipientFields(r)
	if r.RazaoSocial == "" && d.Modelo != ModeloNFCe {
		c.add("recipient.name", "razao_social", "", "", "")
	}
	if d.Modelo == ModeloNFCe {
		c.absent("inscricao_suframa", r.InscricaoSuframa, "730")
	}
	c.taxpayer(d, r)
	switch {
	case r.Address != (Address{}):
	case d.Modelo == ModeloNFe:
		c.add("recipient.address", "", "", "", "")
	case d.IndicadorPresencial == "4":
		c.add("nfce.delivery", "", "", "", "788")
	}
	c.destination(d, r)
}

// recipientFields checks a recipient by itself.
func (c *checker) recipientFields(r *Recipient) {
	c.one(r.CNPJ, r.CPF, r.IDEstrangeiro)
	c.cnpj("cnpj", r.CNPJ, "208")
	c.cpf("cpf", r.CPF, "237")
	c.line("id_estrangeiro", r.IDEstrangeiro, 5, 20)
	if c.enum("tipo_pessoa", r.TipoPessoa, personKinds) {
		c.kind(r)
	}
	c.line("razao_social", r.RazaoSocial, 2, 60)
	c.line("nome_fantasia", r.NomeFantasia, 1, 60)
	c.line("inscricao_municipal", r.InscricaoMunicipal, 1, 15)
	c.line("email", r.Email, 1, 60)
	if s := r.InscricaoSuframa; s != "" && !digitsOf(s, 8, 9) {
		c.add("suframa.form", "inscricao_suframa", `\d{8,9}`, s, "")
	}
	c.ie("inscricao_estadual", r.InscricaoEstadual, "210")
	if r.Address != (Address{}) {
		c.address(&r.Address, addressCodes{"274", "275"})
	}
}

// one checks that exactly one of the identifications is given.
func (c *checker) one(ids ...string) {
	n := 0
	for _, id := range ids {
		if id != "" {
			n++
		}
	}
	if n != 1 {
		code := schema
		if n == 0 && len(ids) > 2 {
			code = "719"
		}
		c.add("party.identification", "", "1", itoa(n), code)
	}
}

func (c *checker) kind(r *Recipient) {
	want := "E"
	switch {
	case r.CPF != "":
		want = "F"
	case r.CNPJ != "":
		want = "J"
	case r.IDEstrangeiro == "":
		return
	}
	if r.TipoPessoa != want {
		c.add("party.kind", "tipo_pessoa", want, r.TipoPessoa, "")
	}
}

// ie checks the form of a state registration; whether its digits go with the
// state is for that state to say.
func (c *checker) ie(name, s, code string) {
	if s != "" && s != "ISENTO" && !digitsOf(s, 2, 14) {
		c.add("ie.form", name, `\d{2,14}|ISENTO`, s, code)
	}
}

// registration checks a recipient's state registration against what it is for ICMS.
func (c *checker) registration(r *Recipient) {
	given := r.InscricaoEstadual != ""
	switch {
	case r.IndicadorIE == "1" && !given:
		c.add("ie.required", "inscricao_estadual", "", "", "728")
	case r.IndicadorIE == "2" && given:
		c.add("ie.unexpected", "inscricao_estadual", "", r.InscricaoEstadual, "791")
	}
}

// taxpayer checks what a recipient is for ICMS against its state registration and
// the operation.
func (c *checker) taxpayer(d *Document, r *Recipient) {
	if !c.code("indicador_ie", r.IndicadorIE, taxpayerKinds) {
		return
	}
	abroad, nfce := d.IDDestino == "3", d.Modelo == ModeloNFCe
	if r.IndicadorIE != "9" && (abroad || nfce) {
		code := "790"
		if nfce {
			code = "789"
		}
		c.add("recipient.taxpayer", "indicador_ie", "9", r.IndicadorIE, code)
		return
	}
	c.registration(r)
	if r.InscricaoEstadual != "" && r.IndicadorIE == "9" && (abroad || nfce) {
		code := "792"
		if nfce {
			code = "729"
		}
		c.add("ie.unexpected", "inscricao_estadual", "", r.InscricaoEstadual, code)
	}
	if r.IndicadorIE == "9" && d.IndicadorFinal == "0" && !abroad && !nfce {
		c.at("")
		c.add("recipient.consumer", "indicador_final", "1", "0", "")
		c.at("destinatario")
	}
}

// destination checks where the operation goes against where the parties are. A
// sale in presence is internal wherever the customer lives.
func (c *checker) destination(d *Document, r *Recipient) {
	if d.Modelo == ModeloNFCe {
		return
	}
	foreign := r.IDEstrangeiro != ""
	switch {
	case d.IDDestino == "3" && !foreign && (r.CNPJ != "" || r.CPF != ""):
		c.add("recipient.foreign", "id_estrangeiro", "", "", "720")
	case d.IDDestino == "2" && foreign:
		c.add("recipient.foreign", "id_estrangeiro", "", r.IDEstrangeiro, "721")
	}
	if d.Emitente == nil || d.Emitente.UF == "" || r.UF == "" {
		return
	}
	from, to := d.Emitente.UF, r.UF
	present := d.IndicadorPresencial == "1" || d.IndicadorPresencial == "5"
	expected, code := "", ""
	switch {
	case d.IDDestino == "1" && to != from && !present:
		expected, code = from, "773"
	case d.IDDestino == "2" && to == Abroad:
		expected, code = "≠ "+Abroad, "771"
	case d.IDDestino == "2" && to == from:
		expected, code = "≠ "+from, "772"
	case d.IDDestino == "3" && to != Abroad:
		expected, code = Abroad, "727"
	default:
		return
	}
	c.add("destination.uf", "uf", expected, to, code)
}
