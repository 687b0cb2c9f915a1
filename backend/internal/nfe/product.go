package nfe

// Product is a row of the catalogue, from which items are copied.
type Product struct {
	Codigo                string  `json:"codigo,omitzero"`
	EAN                   string  `json:"ean,omitzero"` // GTIN, or "SEM GTIN"
	Descricao             string  `json:"descricao,omitzero"`
	NCM                   string  `json:"ncm,omitzero"`
	CEST                  string  `json:"cest,omitzero"`
	CFOP                  string  `json:"cfop,omitzero"`
	Unidade               string  `json:"unidade,omitzero"`
	ValorUnitario         Decimal `json:"valor_unitario,omitzero"` // 11 integer and 10 decimal digits
	ValorFrete            Money   `json:"valor_frete,omitzero"`
	ValorSeguro           Money   `json:"valor_seguro,omitzero"`
	ValorDesconto         Money   `json:"valor_desconto,omitzero"`
	ValorOutrasDespesas   Money   `json:"valor_outras_despesas,omitzero"`
	ICMSCST               string  `json:"icms_cst,omitzero"`
	ICMSAliquota          Decimal `json:"icms_aliquota,omitzero"` // per cent, as all rates
	IPICST                string  `json:"ipi_cst,omitzero"`
	IPIAliquota           Decimal `json:"ipi_aliquota,omitzero"`
	PISCST                string  `json:"pis_cst,omitzero"`
	PISAliquota           Decimal `json:"pis_aliquota,omitzero"`
	COFINSCST             string  `json:"cofins_cst,omitzero"`
	COFINSAliquota        Decimal `json:"cofins_aliquota,omitzero"`
	InformacoesAdicionais string  `json:"informacoes_adicionais,omitzero"`
	Ativo                 bool    `json:"ativo"`
}
