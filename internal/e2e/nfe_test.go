package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// draft is a sale of so many lines of 15.00 in São Paulo.
func draft(emitter string, lines int) map[string]any {
	total := fmt.Sprintf("%d.00", 15*lines)
	items := make([]any, lines)
	for i := range items {
		items[i] = map[string]any{
			"numero_item": i + 1, "codigo": fmt.Sprintf("PAO-%d", i+1), "ean": "7891000315507", "descricao": "Pão francês", "ncm": "19059090", "cfop": "5102",
			"unidade": "KG", "quantidade": "3", "valor_unitario": "5", "valor_total": "15.00", "indicador_total": "1",
			"icms":   map[string]any{"origem": "0", "cst": "00", "modalidade_bc": "3", "valor_bc": "15.00", "aliquota": "18", "valor": "2.70"},
			"pis":    map[string]any{"cst": "01", "valor_bc": "15.00", "aliquota_percentual": "1.65", "valor": "0.25"},
			"cofins": map[string]any{"cst": "01", "valor_bc": "15.00", "aliquota_percentual": "7.6", "valor": "1.14"},
		}
	}
	return map[string]any{
		"emitter_id": emitter, "modelo": "55", "ambiente": "2", "serie": "1", "natureza_operacao": "Venda de mercadoria",
		"tipo_operacao": "1", "tipo_emissao": "1", "finalidade": "1", "id_destino": "1", "indicador_final": "0", "indicador_presencial": "2",
		"data_emissao": time.Now().In(time.FixedZone("", -3*60*60)).Format(time.RFC3339),
		"destinatario": map[string]any{
			"tipo_pessoa": "J", "cnpj": "12ABC34501DE35", "razao_social": "Mercado Novo S.A.", "indicador_ie": "1", "inscricao_estadual": "110042490114",
			"logradouro": "Avenida Paulista", "numero": "1000", "bairro": "Bela Vista", "codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP",
		},
		"itens": items, "valor_produtos": total, "valor_total": total,
		"transporte": map[string]any{"modalidade_frete": "9"},
		"pagamentos": []any{map[string]any{"forma_pagamento": "17", "valor": total}},
	}
}

type invoice struct {
	ID, Status, Numero string
	NfeID              string `json:"nfe_id"`
	Version            int64
}

// The life of an invoice through the gateway, in both placements, with a document
// as long as they get.
func TestNfeLife(t *testing.T) {
	t.Parallel()
	for _, placement := range []string{"shared", "dedicated"} {
		t.Run(placement, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, shared, 0)
			dbURL := ""
			if placement == "dedicated" {
				dbURL = newDatabase(t)
			}
			_, _, tokens := c.newTenant(c.operator(), dbURL)
			const nfe = "/api/v1/nfe"
			var emitter struct{ ID string }
			c.do("POST", nfe+"/emitters", tokens.Access, map[string]any{
				"cnpj": "11222333000181", "razao_social": "Padaria São João Ltda", "inscricao_estadual": "110042490114", "regime_tributario": "3",
				"logradouro": "Rua das Flores", "numero": "10", "bairro": "Centro", "codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP", "cep": "01001000",
			}).want(201).into(&emitter)

			var verdict struct {
				Valid    bool
				Findings []struct{ Path, Rule, Message string }
			}
			wrong := draft(emitter.ID, 1)
			wrong["valor_total"] = "15.02"
			c.do("POST", nfe+"/validate", tokens.Access, wrong, "Accept-Language", "pt-BR").want(200).into(&verdict)
			if verdict.Valid || len(verdict.Findings) == 0 || !strings.Contains(fmt.Sprint(verdict.Findings), "/valor_total") {
				t.Errorf("got %+v", verdict)
			}

			var d, issued, done invoice
			c.do("POST", nfe, tokens.Access, draft(emitter.ID, 990)).want(201).into(&d)
			path := nfe + "/" + d.ID
			change := draft(emitter.ID, 989)
			change["version"] = d.Version
			c.do("PUT", path, tokens.Access, change).want(200).into(&d)
			c.do("PUT", path, tokens.Access, change).problem(409, "conflict")
			step := func(name string, d invoice, members map[string]any, into *invoice) {
				t.Helper()
				members["version"] = d.Version
				a := c.do("POST", path+"/"+name, tokens.Access, members, "Idempotency-Key", name+fmt.Sprint(d.Version)).want(200).into(into)
				again := c.do("POST", path+"/"+name, tokens.Access, members, "Idempotency-Key", name+fmt.Sprint(d.Version)).want(200)
				if string(a.body) != string(again.body) || again.Header.Get("Idempotency-Replayed") != "true" {
					t.Errorf("%s: the repeat got %s", name, again.body)
				}
			}
			now := time.Now().UTC().Format(time.RFC3339)
			step("issue", d, map[string]any{}, &issued)
			step("reject", issued, map[string]any{"codigo": "539", "motivo": "Rejeição: Duplicidade de NF-e", "data": now}, &done)
			step("issue", done, map[string]any{}, &issued)
			step("authorize", issued, map[string]any{"protocolo": "135260000000001", "data": now, "chave_acesso": issued.NfeID}, &done)
			step("cancel", done, map[string]any{"protocolo": "135260000000002", "data": now, "justificativa": "Erro na digitação do pedido"}, &done)
			if done.Status != "cancelled" || done.Numero != "1" {
				t.Errorf("got %+v", done)
			}
			file := string(c.do("GET", path+"/xml", tokens.Access, nil).want(200).body)
			if n := strings.Count(file, "<det "); n != 989 {
				t.Errorf("the XML has %d lines", n)
			}
			// Another company gets it, with a megabyte of what nobody has a place for.
			_, _, others := c.newTenant(c.operator(), "")
			file = strings.Replace(file, "<infNFe ", "<x>"+strings.Repeat("<y/>", 1<<18)+"</x><infNFe ", 1)
			var imported struct {
				Document invoice
				NotKept  []string `json:"not_kept"`
			}
			c.do("POST", nfe+"/import", others.Access, file, "Content-Type", "application/xml").want(201).into(&imported)
			if imported.Document.NfeID != done.NfeID || imported.Document.Status != "authorized" || fmt.Sprint(imported.NotKept) != "[x]" {
				t.Errorf("got %+v", imported)
			}
			c.do("POST", nfe+"/import", others.Access, file, "Content-Type", "text/xml").problem(409, "conflict")
			c.do("POST", nfe+"/import", others.Access, strings.Repeat(" ", 10<<20+1), "Content-Type", "text/xml").problem(413, "body_too_large")
			c.do("GET", path+"/danfe.pdf", tokens.Access, nil).want(200)

			c.do("POST", nfe, tokens.Access, draft(emitter.ID, 1)).want(201).into(&d)
			path = nfe + "/" + d.ID
			step("issue", d, map[string]any{}, &issued)
			step("deny", issued, map[string]any{"codigo": "110", "protocolo": "135260000000003", "data": now}, &done)
			c.do("POST", nfe, tokens.Access, map[string]any{}).want(201).into(&d)
			c.do("POST", nfe+"/"+d.ID+"/issue", tokens.Access, map[string]any{"version": 1}).problem(422, "nfe_invalid")
			c.do("DELETE", nfe+"/"+d.ID, tokens.Access, nil).want(200)
			c.do("GET", path, tokens.Access, nil).want(200)
			c.do("GET", nfe+"?status=denied&sort=-issued_at&count=exact", tokens.Access, nil).want(200)
			c.do("GET", nfe+"/summary", tokens.Access, nil).want(200)
			void := map[string]any{"emitter_id": emitter.ID, "ambiente": "2", "modelo": "55", "serie": "1", "numero_inicial": "3", "numero_final": "9",
				"justificativa": "Falha na numeração"}
			c.do("POST", nfe+"/void-range", tokens.Access, void).want(201)
			c.do("POST", nfe+"/void-range", tokens.Access, void).problem(409, "conflict")
			c.do("POST", nfe, tokens.Access, map[string]any{"informacoes_adicionais": strings.Repeat("x", 5<<20)}).problem(413, "body_too_large")
		})
	}
}
