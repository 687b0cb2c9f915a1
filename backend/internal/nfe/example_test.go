package nfe_test

import (
	"fmt"

	"gatehouse/backend/internal/nfe"
)

func ExampleValidate() {
	d, err := nfe.Decode([]byte(`{
		"modelo": "65", "ambiente": "1", "natureza_operacao": "Venda", "tipo_operacao": "1", "tipo_emissao": "1", "finalidade": "1",
		"id_destino": "1", "indicador_final": "1", "indicador_presencial": "1", "data_emissao": "2026-07-14T10:30:00-03:00",
		"emitente": {
			"cnpj": "12.ABC.345/01DE-35", "razao_social": "Padaria São João", "inscricao_estadual": "110042490114",
			"regime_tributario": "1", "logradouro": "Rua das Flores", "numero": "10", "bairro": "Centro",
			"codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP", "cep": "01001000"
		},
		"itens": [{
			"numero_item": 1, "codigo": "1", "ean": "SEM GTIN", "descricao": "Pão francês", "ncm": "19059090", "cfop": "5102",
			"unidade": "KG", "quantidade": "0.250", "valor_unitario": "19.90", "valor_total": "4.98", "indicador_total": "1",
			"icms": {"origem": "0", "cst": "102"}
		}],
		"valor_produtos": "4.98", "valor_total": "4.98", "valor_troco": "0.03",
		"transporte": {"modalidade_frete": "9"},
		"pagamentos": [{"forma_pagamento": "01", "valor": "5.00"}]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	nfe.Normalize(d)
	findings := nfe.Validate(d, nfe.Options{})
	nfe.Localize(findings, "en")
	for _, f := range findings {
		fmt.Println(f.Path, f.Rule, f.Severity, f.Code, f.Expected, f.Actual)
		fmt.Println(f.Message)
	}
	// Output:
	// /valor_troco payment.change error 866 0.02 0.03
	// The change differs from what the payments exceed the total by.
}

func ExampleCheckKey() {
	fmt.Println(nfe.CheckKey("35260712ABC34501DE35550010000001231482193750").Rules())
	fmt.Println(nfe.CheckKey("43101000012345678901559999999999991999999993").Rules())
	// Output:
	// []
	// [key.issuer key.code]
}
