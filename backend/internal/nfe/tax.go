package nfe

// ICMS is the state's tax on a line. Rates and percentages are per cent with up to
// four decimals.
type ICMS struct {
	Origem                     string  `json:"origem,omitzero"` // 0–8
	CST                        string  `json:"cst,omitzero"`    // two digits, or three of CSOSN
	ModalidadeBC               string  `json:"modalidade_bc,omitzero"`
	ValorBC                    Money   `json:"valor_bc,omitzero"`
	Aliquota                   Decimal `json:"aliquota,omitzero"`
	Valor                      Money   `json:"valor,omitzero"`
	ModalidadeBCST             string  `json:"modalidade_bc_st,omitzero"`
	PercentualMVAST            Decimal `json:"percentual_mva_st,omitzero"`
	PercentualReducaoBCST      Decimal `json:"percentual_reducao_bc_st,omitzero"`
	ValorBCST                  Money   `json:"valor_bc_st,omitzero"`
	AliquotaST                 Decimal `json:"aliquota_st,omitzero"`
	ValorST                    Money   `json:"valor_st,omitzero"`
	ValorFCPST                 Money   `json:"valor_fcp_st,omitzero"`
	PercentualReducaoBC        Decimal `json:"percentual_reducao_bc,omitzero"`
	ValorDesonerado            Money   `json:"valor_desonerado,omitzero"`
	MotivoDesoneracao          string  `json:"motivo_desoneracao,omitzero"`
	PercentualReducaoBCEfetiva Decimal `json:"percentual_reducao_bc_efetiva,omitzero"`
	ValorBCEfetiva             Money   `json:"valor_bc_efetiva,omitzero"`
	AliquotaEfetiva            Decimal `json:"aliquota_efetiva,omitzero"`
	ValorEfetivo               Money   `json:"valor_efetivo,omitzero"`
	CodigoBeneficioFiscal      string  `json:"codigo_beneficio_fiscal,omitzero"`
	PercentualDiferimento      Decimal `json:"percentual_diferimento,omitzero"`
}

// IPI is the federal tax on manufactured goods of a line: by rate (base and rate)
// or by unit (quantity and value of a unit).
type IPI struct {
	CST                 string  `json:"cst,omitzero"`
	ClasseEnquadramento string  `json:"classe_enquadramento,omitzero"`
	CodigoEnquadramento string  `json:"codigo_enquadramento,omitzero"` // cEnq, 3 digits
	CNPJProdutor        string  `json:"cnpj_produtor,omitzero"`
	CodigoSeloControle  string  `json:"codigo_selo_controle,omitzero"`
	QuantidadeSelo      string  `json:"quantidade_selo,omitzero"` // up to 12 digits
	ModalidadeBC        string  `json:"modalidade_bc,omitzero"`
	ValorBC             Money   `json:"valor_bc,omitzero"`
	Aliquota            Decimal `json:"aliquota,omitzero"`
	QuantidadeUnidade   Decimal `json:"quantidade_unidade,omitzero"` // 12 integer and 4 decimal digits
	ValorUnidade        Decimal `json:"valor_unidade,omitzero"`      // 11 integer and 4 decimal digits
	Valor               Money   `json:"valor,omitzero"`
}

// Contribution is PIS or COFINS on a line: by rate (base and per cent) or by
// quantity (quantity sold and value of a unit).
type Contribution struct {
	CST                string  `json:"cst,omitzero"`
	ModalidadeBC       string  `json:"modalidade_bc,omitzero"`
	ValorBC            Money   `json:"valor_bc,omitzero"`
	AliquotaPercentual Decimal `json:"aliquota_percentual,omitzero"`
	AliquotaValor      Decimal `json:"aliquota_valor,omitzero"`     // 11 integer and 4 decimal digits
	QuantidadeVendida  Decimal `json:"quantidade_vendida,omitzero"` // 12 integer and 4 decimal digits
	Valor              Money   `json:"valor,omitzero"`
}
