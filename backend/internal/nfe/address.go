package nfe

// Address is the address block of a party. In JSON its members stand beside the
// party's own.
type Address struct {
	Logradouro      string `json:"logradouro,omitzero"`
	Numero          string `json:"numero,omitzero"`
	Complemento     string `json:"complemento,omitzero"`
	Bairro          string `json:"bairro,omitzero"`
	CodigoMunicipio string `json:"codigo_municipio,omitzero"` // IBGE, 7 digits; 9999999 abroad
	Municipio       string `json:"municipio,omitzero"`
	UF              string `json:"uf,omitzero"` // EX abroad
	CEP             string `json:"cep,omitzero"`
	CodigoPais      string `json:"codigo_pais,omitzero"` // 1058 is Brazil; empty means the same
	Pais            string `json:"pais,omitzero"`
	Telefone        string `json:"telefone,omitzero"`
}

// Rejections of what stands in an address, by whose it is.
type addressCodes struct{ municipio, municipioUF string }

// address checks an address block.
func (c *checker) address(a *Address, codes addressCodes) {
	for _, f := range [...]struct {
		name, value string
		low         int
	}{
		{"logradouro", a.Logradouro, 2}, {"numero", a.Numero, 1}, {"bairro", a.Bairro, 2}, {"municipio", a.Municipio, 2},
	} {
		if c.need(f.name, f.value) {
			c.line(f.name, f.value, f.low, 60)
		}
	}
	c.line("complemento", a.Complemento, 1, 60)
	c.line("pais", a.Pais, 2, 60)
	c.digits("cep", a.CEP, 8, 8)
	c.digits("telefone", a.Telefone, 6, 14)
	c.digits("codigo_pais", a.CodigoPais, 1, 4)
	c.need("codigo_municipio", a.CodigoMunicipio)
	if !c.need("uf", a.UF) {
		return
	}
	if a.UF == Abroad {
		if a.CodigoMunicipio != "" && a.CodigoMunicipio != MunicipioAbroad {
			c.add("abroad.municipio", "codigo_municipio", MunicipioAbroad, a.CodigoMunicipio, "")
		}
		if a.CodigoPais == "" || a.CodigoPais == Brazil {
			c.add("abroad.country", "codigo_pais", "", a.CodigoPais, "")
		}
		return
	}
	code := CodeOfUF(a.UF)
	if code == "" {
		c.add("uf.unknown", "uf", "", a.UF, "")
	}
	if a.CodigoPais != "" && a.CodigoPais != Brazil {
		c.add("home.country", "codigo_pais", Brazil, a.CodigoPais, "")
	}
	if c.municipio(a.CodigoMunicipio, codes.municipio) && code != "" && a.CodigoMunicipio[:2] != code {
		c.add("municipio.uf", "codigo_municipio", code+"…", a.CodigoMunicipio, codes.municipioUF)
	}
}

// municipio checks the code of a municipality, if there is one.
func (c *checker) municipio(s, code string) bool {
	if s == "" {
		return false
	}
	rule := checkMunicipio(s)
	if rule != "" {
		c.add(rule, "codigo_municipio", "", s, code)
	}
	return rule == ""
}
