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
