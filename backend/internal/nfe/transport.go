package nfe

// Transport is the freight of a document. At most one of CNPJ and CPF names the
// carrier.
type Transport struct {
	ModalidadeFrete      string  `json:"modalidade_frete,omitzero"`
	CNPJ                 string  `json:"cnpj,omitzero"`
	CPF                  string  `json:"cpf,omitzero"`
	RazaoSocial          string  `json:"razao_social,omitzero"`
	InscricaoEstadual    string  `json:"inscricao_estadual,omitzero"`
	EnderecoCompleto     string  `json:"endereco_completo,omitzero"`
	Municipio            string  `json:"municipio,omitzero"`
	UF                   string  `json:"uf,omitzero"`
	PlacaVeiculo         string  `json:"placa_veiculo,omitzero"`
	UFVeiculo            string  `json:"uf_veiculo,omitzero"`
	RNTC                 string  `json:"rntc,omitzero"`
	ValorServico         Money   `json:"valor_servico,omitzero"`
	ValorBCRetencaoICMS  Money   `json:"valor_bc_retencao_icms,omitzero"`
	AliquotaRetencaoICMS Decimal `json:"aliquota_retencao_icms,omitzero"`
	ValorICMSRetido      Money   `json:"valor_icms_retido,omitzero"`
	CFOP                 string  `json:"cfop,omitzero"`
	CodigoMunicipio      string  `json:"codigo_municipio,omitzero"`
	InformacoesFisco     string  `json:"informacoes_fisco,omitzero"`

	Volumes []Volume `json:"volumes,omitzero"`
}

// Volume is a group of packages. Weights are kilograms with up to three decimals.
type Volume struct {
	Quantidade  string  `json:"quantidade,omitzero"` // whole, up to 15 digits
	Especie     string  `json:"especie,omitzero"`
	Marca       string  `json:"marca,omitzero"`
	Numeracao   string  `json:"numeracao,omitzero"`
	PesoLiquido Decimal `json:"peso_liquido,omitzero"`
	PesoBruto   Decimal `json:"peso_bruto,omitzero"`
}

func (c *checker) transport(d *Document) {
	t := d.Transporte
	if t == nil {
		c.at("")
		c.add("required", "transporte", "", "", "")
		return
	}
	c.at("transporte")
	c.code("modalidade_frete", t.ModalidadeFrete, freights)
	if t.CNPJ != "" && t.CPF != "" {
		c.add("party.identification", "", "≤ 1", "2", schema)
	}
	c.cnpj("cnpj", t.CNPJ, "542")
	c.cpf("cpf", t.CPF, "543")
	c.line("razao_social", t.RazaoSocial, 2, 60)
	c.ie("inscricao_estadual", t.InscricaoEstadual, "544")
	c.line("endereco_completo", t.EnderecoCompleto, 1, 60)
	c.line("municipio", t.Municipio, 1, 60)
	c.state("uf", t.UF)
	c.state("uf_veiculo", t.UFVeiculo)
	if s := t.PlacaVeiculo; s != "" && (len(s) < 6 || len(s) > 8 || !alphanumeric(s)) {
		c.add("format", "placa_veiculo", "[A-Z0-9]{6,8}", s, "")
	}
	c.line("rntc", t.RNTC, 1, 20)
	c.money("valor_servico", t.ValorServico)
	c.money("valor_bc_retencao_icms", t.ValorBCRetencaoICMS)
	c.rate("aliquota_retencao_icms", t.AliquotaRetencaoICMS)
	c.money("valor_icms_retido", t.ValorICMSRetido)
	if t.CFOP != "" && !validCFOP(t.CFOP) {
		c.add("cfop.form", "cfop", `[123567]\d{3}`, t.CFOP, "")
	}
	c.municipio(t.CodigoMunicipio, "288")
	c.free("informacoes_fisco", t.InformacoesFisco, 1, 2000)
	if d.Modelo == ModeloNFCe {
		c.nfceTransport(d, t)
	}
	c.volumes(t)
}

// state checks a state, if there is one, which may lie abroad.
func (c *checker) state(name, uf string) {
	if uf != "" && uf != Abroad && CodeOfUF(uf) == "" {
		c.add("uf.unknown", name, "", uf, "")
	}
}

// nfceTransport: only what is delivered at home has freight and a carrier.
func (c *checker) nfceTransport(d *Document, t *Transport) {
	if d.IndicadorPresencial == "4" {
		if t.CNPJ == "" && t.CPF == "" {
			c.add("nfce.delivery", "", "", "", "786")
		}
	} else if freights.has(t.ModalidadeFrete) && t.ModalidadeFrete != "9" {
		c.add("nfce.freight", "modalidade_frete", "9", t.ModalidadeFrete, "")
	}
}

func (c *checker) volumes(t *Transport) {
	for i := range c.size("volumes", len(t.Volumes), MaxVolumes) {
		v := &t.Volumes[i]
		c.in("transporte/volumes", i, "")
		c.digits("quantidade", v.Quantidade, 1, 15)
		c.line("especie", v.Especie, 1, 60)
		c.line("marca", v.Marca, 1, 60)
		c.line("numeracao", v.Numeracao, 1, 60)
		c.decimal("peso_liquido", string(v.PesoLiquido), 12, 3)
		c.decimal("peso_bruto", string(v.PesoBruto), 12, 3)
	}
}
