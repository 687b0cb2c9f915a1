package nfe

// ValidateEmitter returns what is wrong with an emitter by itself.
func ValidateEmitter(e *Emitter, o Options) []Finding {
	c := &checker{o: o}
	c.emitterFields(e)
	return c.findings
}

// ValidateRecipient returns what is wrong with a recipient by itself. More may be
// wrong with it in a document: an NF-e asks for more than an NFC-e.
func ValidateRecipient(r *Recipient, o Options) []Finding {
	c := &checker{o: o}
	c.recipientFields(r)
	if c.enum("indicador_ie", r.IndicadorIE, taxpayerKinds) {
		c.registration(r)
	}
	return c.findings
}

// ValidateProduct returns what is wrong with a product of the catalogue. What it
// leaves open its items must say.
func ValidateProduct(p *Product) []Finding {
	c := &checker{}
	if c.need("codigo", p.Codigo) {
		c.line("codigo", p.Codigo, 1, 60)
	}
	if p.EAN != "" {
		c.gtin(p.EAN)
	}
	if c.need("descricao", p.Descricao) {
		c.line("descricao", p.Descricao, 1, 120)
	}
	c.ncm(p.NCM)
	c.cest(p.CEST)
	if p.CFOP != "" && !validCFOP(p.CFOP) {
		c.add("cfop.form", "cfop", `[123567]\d{3}`, p.CFOP, "")
	}
	if c.need("unidade", p.Unidade) {
		c.line("unidade", p.Unidade, 1, 6)
	}
	c.decimal("valor_unitario", string(p.ValorUnitario), 11, 10)
	c.money("valor_frete", p.ValorFrete)
	c.money("valor_seguro", p.ValorSeguro)
	c.money("valor_desconto", p.ValorDesconto)
	c.money("valor_outras_despesas", p.ValorOutrasDespesas)
	if s := p.ICMSCST; s != "" && !icmsCSTs.has(s) && !icmsCSOSNs.has(s) {
		c.add("code.unknown", "icms_cst", icmsCSTs.text+", "+icmsCSOSNs.text, s, "")
	}
	c.enum("ipi_cst", p.IPICST, ipiCSTs)
	c.enum("pis_cst", p.PISCST, contributionCSTs)
	c.enum("cofins_cst", p.COFINSCST, contributionCSTs)
	c.rate("icms_aliquota", p.ICMSAliquota)
	c.rate("ipi_aliquota", p.IPIAliquota)
	c.rate("pis_aliquota", p.PISAliquota)
	c.rate("cofins_aliquota", p.COFINSAliquota)
	c.free("informacoes_adicionais", p.InformacoesAdicionais, 1, 500)
	return c.findings
}
