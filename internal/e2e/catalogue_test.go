package e2e

import (
	"fmt"
	"testing"
)

// What invoices are put together from is kept through the gateway as contacts are.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	_, _, tokens := c.newTenant(c.operator(), "")
	for path, body := range map[string]map[string]any{
		"/api/v1/nfe/emitters": {
			"cnpj": "11.222.333/0001-81", "razao_social": "Padaria São João Ltda", "inscricao_estadual": "110042490114", "regime_tributario": "3",
			"logradouro": "Rua das Flores", "numero": "10", "bairro": "Centro", "codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP", "cep": "01001000",
		},
		"/api/v1/nfe/recipients": {
			"tipo_pessoa": "F", "cpf": "529.982.247-25", "razao_social": "Ana Souza", "indicador_ie": "9",
		},
		"/api/v1/nfe/products": {"codigo": "PAO-1", "descricao": "Pão francês", "ncm": "19059090", "unidade": "KG", "valor_unitario": "5.25", "ativo": true},
	} {
		var made, read, changed map[string]any
		c.do("POST", path, tokens.Access, body, "Idempotency-Key", "once").want(201).into(&made)
		c.do("POST", path, tokens.Access, body, "Idempotency-Key", "once").want(201)
		c.do("POST", path, tokens.Access, body).want(409)
		one := path + "/" + fmt.Sprint(made["id"])
		c.do("GET", one, tokens.Access, nil).want(200).into(&read)
		if fmt.Sprint(read) != fmt.Sprint(made) {
			t.Errorf("read %v, made %v", read, made)
		}
		if body["codigo"] != nil {
			body["descricao"] = "Pão na chapa"
		} else {
			body["razao_social"] = "Ana Lima"
		}
		c.do("PUT", one, tokens.Access, body, "If-Match", `"1"`).want(200).into(&changed)
		var list []map[string]any
		c.do("GET", path+"?count=exact&q=a", tokens.Access, nil).want(200).into(&list)
		if len(list) != 1 || fmt.Sprint(list[0]) != fmt.Sprint(changed) {
			t.Errorf("listed %v, changed %v", list, changed)
		}
		c.do("POST", path, tokens.Access, map[string]any{"cnpj": "NaN", "codigo": "\x01", "ativo": 7}).want(400)
		c.do("DELETE", one, tokens.Access, nil).want(200)
		c.do("GET", one, tokens.Access, nil).want(404)
	}
}
