package nfe

// Payment is one way in which a document is paid.
type Payment struct {
	IndicadorPagamento string `json:"indicador_pagamento,omitzero"` // 0 cash, 1 term
	FormaPagamento     string `json:"forma_pagamento,omitzero"`     // 01 … 99
	Descricao          string `json:"descricao,omitzero"`           // of form 99
	Valor              Money  `json:"valor,omitzero"`
	TipoIntegracao     string `json:"tipo_integracao,omitzero"` // 1 integrated, 2 not
	CNPJCredenciadora  string `json:"cnpj_credenciadora,omitzero"`
	Bandeira           string `json:"bandeira,omitzero"`
	NumeroAutorizacao  string `json:"numero_autorizacao,omitzero"`
}
