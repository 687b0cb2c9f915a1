package nfe

// Kinds of referenced documents.
const (
	ReferenceNFe   = "0"
	ReferenceNF    = "1"
	ReferenceCTe   = "2"
	ReferenceCupom = "3"
)

// Reference names another document: by its key (NF-e, CT-e), or by what is printed
// on it (NF on paper, cupom fiscal).
type Reference struct {
	Tipo        string `json:"tipo,omitzero"`
	ChaveAcesso string `json:"chave_acesso,omitzero"`
	UF          string `json:"uf,omitzero"`
	MesAno      string `json:"mes_ano,omitzero"` // AAMM
	CNPJ        string `json:"cnpj,omitzero"`
	Modelo      string `json:"modelo,omitzero"`
	Serie       string `json:"serie,omitzero"`
	Numero      string `json:"numero,omitzero"`
}

// references checks the referenced documents, and that there are as many as the
// purpose asks for.
func (c *checker) references(d *Document) {
	c.at("")
	if d.Modelo == ModeloNFCe && len(d.Referencias) > 0 {
		c.add("reference.nfce", "referencias", "0", itoa(len(d.Referencias)), "")
	}
	nfes := 0
	for i := range d.Referencias {
		if d.Referencias[i].Tipo == ReferenceNFe {
			nfes++
		}
	}
	switch {
	case d.Finalidade == "2" && nfes == 0:
		c.add("reference.required", "referencias", "1", "0", "254")
	case d.Finalidade == "2" && nfes > 1:
		c.add("reference.single", "referencias", "1", itoa(nfes), "")
	case d.Finalidade == "4" && len(d.Referencias) == 0:
		c.add("reference.required", "referencias", "≥ 1", "0", "321")
	}
	n := c.size("referencias", len(d.Referencias), MaxReferences)
	seen := make(map[Reference]bool, n)
	for i := range n {
		r := d.Referencias[i]
		c.in("referencias", i, "")
		if c.code("tipo", r.Tipo, referenceKinds) {
			c.reference(&r)
		}
		switch {
		case r.ChaveAcesso != "" && r.ChaveAcesso == d.NfeID:
			c.add("reference.self", "chave_acesso", "", r.ChaveAcesso, "")
		case r != Reference{} && seen[r]:
			c.add("reference.repeated", "", "", "", repeatedCode[r.Tipo])
		}
		seen[r] = true
	}
}

// repeatedCode is the rejection of a repeated reference by its kind.
var repeatedCode = map[string]string{ReferenceNFe: "680", ReferenceNF: "681", ReferenceCupom: "684"}

// reference checks one reference: a key, or what is printed on paper.
func (c *checker) reference(r *Reference) {
	if r.Tipo == ReferenceNFe || r.Tipo == ReferenceCTe {
		if c.need("chave_acesso", r.ChaveAcesso) {
			c.referenceKey(r)
		}
		for _, f := range [...]struct{ name, value string }{
			{"uf", r.UF}, {"mes_ano", r.MesAno}, {"cnpj", r.CNPJ}, {"modelo", r.Modelo}, {"serie", r.Serie}, {"numero", r.Numero},
		} {
			c.unexpected(f.name, f.value)
		}
		return
	}
	c.unexpected("chave_acesso", r.ChaveAcesso)
	c.need("modelo", r.Modelo)
	c.need("numero", r.Numero)
	if r.Tipo == ReferenceCupom {
		c.enum("modelo", r.Modelo, referenceModelosECF)
		c.digits("serie", r.Serie, 1, 3) // the machine's number in order
		c.digits("numero", r.Numero, 1, 6)
		for _, f := range [...]struct{ name, value string }{{"uf", r.UF}, {"mes_ano", r.MesAno}, {"cnpj", r.CNPJ}} {
			c.unexpected(f.name, f.value)
		}
		return
	}
	c.enum("modelo", r.Modelo, referenceModelosNF)
	if c.need("uf", r.UF) && CodeOfUF(r.UF) == "" {
		c.add("uf.unknown", "uf", "", r.UF, "")
	}
	if c.need("mes_ano", r.MesAno) && c.digits("mes_ano", r.MesAno, 4, 4) && (r.MesAno[2:] < "01" || r.MesAno[2:] > "12") {
		c.add("format", "mes_ano", "AAMM", r.MesAno, "")
	}
	if c.need("cnpj", r.CNPJ) {
		c.cnpj("cnpj", r.CNPJ, "548")
	}
	if c.need("serie", r.Serie) && !ValidSerie(r.Serie) {
		c.add("format", "serie", `0|[1-9]\d{0,2}`, r.Serie, "")
	}
	if r.Numero != "" && !ValidNumero(r.Numero) {
		c.add("format", "numero", `[1-9]\d{0,8}`, r.Numero, "")
	}
}

func (c *checker) unexpected(name, s string) {
	if s != "" {
		c.add("reference.unexpected", name, "", s, "")
	}
}

// referenceKey checks the key of a referenced NF-e or CT-e. Older documents have
// types of emission and numeric codes that would be refused today.
func (c *checker) referenceKey(r *Reference) {
	faults := CheckKey(r.ChaveAcesso) &^ (KeyTipoEmissao | KeyCode)
	modelos, modeloCode, digitCode := "55, 65", "679", "547"
	if r.Tipo == ReferenceCTe {
		modelos, modeloCode, digitCode = "57, 67", "683", "552"
		faults &^= KeyModelo
		if k, ok := ParseKey(r.ChaveAcesso); ok && k.Modelo != "57" && k.Modelo != "67" {
			faults |= KeyModelo
		}
	}
	for _, rule := range faults.Rules() {
		expected, code := "", ""
		switch rule {
		case "key.digit":
			code = digitCode
		case "key.modelo":
			expected, code = modelos, modeloCode
		}
		c.add(rule, "chave_acesso", expected, r.ChaveAcesso, code)
	}
}
