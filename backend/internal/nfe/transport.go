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
