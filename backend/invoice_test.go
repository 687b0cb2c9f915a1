package backend

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

// emitter makes an issuer in São Paulo and returns its id.
func (s *testServer) emitter(tenant string) string {
	s.t.Helper()
	id := uuid.NewString()
	dbtest.Exec(s.t, s.db.AdminURL, `insert into tenant.nfe_emitters (tenant_id, id, search_key, cnpj, razao_social, inscricao_estadual, regime_tributario,
		logradouro, numero, bairro, codigo_municipio, municipio, uf, cep)
		values ($1, $2, '', '11222333000181', 'Padaria São João Ltda', '110042490114', '3', 'Rua das Flores', '10', 'Centro', '3550308', 'São Paulo', 'SP', '01001000')`,
		tenant, id)
	return id
}

// nfeBody is a good NF-e over so many items of 15.00.
func nfeBody(emitter string, items int) map[string]any {
	total := fmt.Sprintf("%d.00", 15*items)
	lines := make([]any, items)
	for i := range lines {
		lines[i] = nfeItem(i + 1)
	}
	return map[string]any{
		"emitter_id": emitter, "modelo": "55", "versao": "4.00", "ambiente": "2", "serie": "1", "natureza_operacao": "Venda de mercadoria",
		"tipo_operacao": "1", "tipo_emissao": "1", "finalidade": "1", "id_destino": "1", "indicador_final": "0", "indicador_presencial": "2",
		"data_emissao": time.Now().In(time.FixedZone("", -3*60*60)).Format(time.RFC3339),
		"destinatario": map[string]any{
			"tipo_pessoa": "J", "cnpj": "12ABC34501DE35", "razao_social": "Mercado Novo S.A.", "indicador_ie": "1", "inscricao_estadual": "110042490114",
			"logradouro": "Avenida Paulista", "numero": "1000", "bairro": "Bela Vista", "codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP",
		},
		"itens":          lines,
		"valor_produtos": total, "valor_total": total,
		"transporte": map[string]any{"modalidade_frete": "9"},
		"pagamentos": []any{map[string]any{"forma_pagamento": "17", "valor": total}},
	}
}

func nfeItem(n int) map[string]any {
	return map[string]any{
		"numero_item": n, "codigo": fmt.Sprintf("PAO-%d", n), "ean": "7891000315507", "descricao": "Pão francês", "ncm": "19059090", "cfop": "5102",
		"unidade": "KG", "quantidade": "3", "valor_unitario": "5", "valor_total": "15.00", "indicador_total": "1",
		"icms":   map[string]any{"origem": "0", "cst": "00", "modalidade_bc": "3", "valor_bc": "15.00", "aliquota": "18", "valor": "2.70"},
		"pis":    map[string]any{"cst": "01", "valor_bc": "15.00", "aliquota_percentual": "1.65", "valor": "0.25"},
		"cofins": map[string]any{"cst": "01", "valor_bc": "15.00", "aliquota_percentual": "7.6", "valor": "1.14"},
	}
}

// invoiceBody is what tests look at in a document.
type invoiceBody struct {
	ID, Status, Serie, Numero string
	NfeID                     string `json:"nfe_id"`
	CodigoNumerico            string `json:"codigo_numerico"`
	IssuedAt                  string `json:"issued_at"`
	Version                   int64
	Findings                  []struct{ Path, Rule, Severity, Message string }
	Rejeicao                  *struct{ Codigo, Motivo string }
	Emitente                  struct {
		RazaoSocial string `json:"razao_social"`
	}
}

func (d invoiceBody) path() string { return "/api/v1/nfe/" + d.ID }

// step carries out a step in the life of a document that is of the version that it
// was seen in.
func (s *testServer) step(bearer string, d invoiceBody, name string) answer {
	s.t.Helper()
	return s.do("POST", d.path()+"/"+name, bearer, stepBody(d, name))
}

func stepBody(d invoiceBody, name string) map[string]any {
	now := time.Now().Format(time.RFC3339)
	body := map[string]map[string]any{
		"issue":     {},
		"authorize": {"protocolo": someProtocol, "data": now, "chave_acesso": d.NfeID},
		"reject":    {"codigo": "539", "motivo": "Rejeição: Duplicidade de NF-e", "data": now},
		"deny":      {"codigo": "110", "protocolo": someProtocol, "data": now},
		"cancel":    {"justificativa": "Erro na digitação do pedido", "protocolo": someProtocol, "data": now},
	}[name]
	body["version"] = d.Version
	return body
}

func TestNfeDraft(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.actor("acme", "ana", token.Member).Access
	emitter := s.emitter("acme")

	var created, read, updated map[string]any
	body := nfeBody(emitter, 2)
	a := s.do("POST", "/api/v1/nfe", token, body).want(t, 201).into(t, &created)
	path := "/api/v1/nfe/" + created["id"].(string)
	if a.Header.Get("Location") != path || a.Header.Get("ETag") != `"1"` || created["tenant_id"] != "acme" {
		t.Errorf("got %s, Location %q, ETag %s", a.body, a.Header.Get("Location"), a.Header.Get("ETag"))
	}
	if findings := created["findings"].([]any); len(findings) != 0 {
		t.Errorf("got findings %v", findings)
	}
	s.do("GET", path, token, nil).want(t, 200).into(t, &read)
	if diff := cmp.Diff(created, read); diff != "" {
		t.Errorf("read differs from created (-created +read):\n%s", diff)
	}
	for name, value := range body {
		if name == "itens" {
			continue
		}
		if diff := cmp.Diff(asJSON(t, value), asJSON(t, read[name])); diff != "" {
			t.Errorf("%s (-sent +read):\n%s", name, diff)
		}
	}
	s.do("PUT", path, token, read).want(t, 200).into(t, &updated)
	if updated["version"] != 2.0 || updated["created_at"] != created["created_at"] {
		t.Errorf("got %v", updated)
	}
	s.do("PUT", path, token, read).problem(t, 409, "conflict")
	s.do("DELETE", path, token, nil).want(t, 200)
	s.do("GET", path, token, nil).problem(t, 404, "not_found")
}

func asJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A document lives as its rules say, and each step leaves its line in the trail.
func TestNfeLife(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.actor("acme", "ana", token.Admin).Access, s.actor("acme", "bob", token.Member).Access
	emitter := s.emitter("acme")
	var d, stale invoiceBody
	s.do("POST", "/api/v1/nfe", bob, nfeBody(emitter, 1)).want(t, 201).into(t, &d)
	for _, name := range []string{"reject", "deny"} {
		s.step(bob, d, name).problem(t, 409, "invalid_state")
	}
	unissued := d
	unissued.NfeID = someKey
	s.step(bob, unissued, "authorize").problem(t, 409, "invalid_state")
	s.step(ana, d, "cancel").problem(t, 409, "invalid_state")
	stale = d
	s.step(bob, d, "issue").want(t, 200).into(t, &d)
	if d.Status != "draft" || d.Numero != "1" || len(d.NfeID) != 44 || len(d.CodigoNumerico) != 8 || d.IssuedAt == "" || d.Version != 2 {
		t.Errorf("got %+v", d)
	}
	first := d

	// It is frozen, with its parties as they were.
	s.step(bob, stale, "issue").problem(t, 409, "conflict")
	s.step(bob, d, "issue").problem(t, 409, "invalid_state")
	s.do("PUT", d.path(), bob, with(nfeBody(emitter, 2), "version", 2)).problem(t, 409, "invalid_state")
	s.do("DELETE", d.path(), bob, nil).problem(t, 409, "invalid_state")
	s.exec("update tenant.nfe_emitters set razao_social = 'Another Name'")
	s.do("GET", d.path(), bob, nil).want(t, 200).into(t, &d)
	if d.Emitente.RazaoSocial != "Padaria São João Ltda" {
		t.Errorf("got %+v", d.Emitente)
	}

	// A rejection thaws it. Number and cNF stay, and so must what they belong to.
	var thawed invoiceBody
	s.step(bob, d, "reject").want(t, 200).into(t, &thawed)
	if d = thawed; d.NfeID != "" || d.IssuedAt != "" || d.Numero != "1" || d.Rejeicao == nil || d.Rejeicao.Codigo != "539" {
		t.Errorf("got %+v", d)
	}
	s.do("DELETE", d.path(), bob, nil).problem(t, 409, "invalid_state")
	other := with(with(nfeBody(emitter, 2), "serie", "2"), "version", d.Version)
	s.do("PUT", d.path(), bob, other).problem(t, 409, "invalid_state", "/serie")
	s.do("PUT", d.path(), bob, with(nfeBody(emitter, 2), "version", d.Version)).want(t, 200).into(t, &d)
	s.step(bob, d, "issue").want(t, 200).into(t, &d)
	if d.Numero != first.Numero || d.CodigoNumerico != first.CodigoNumerico || d.Emitente.RazaoSocial != "Another Name" {
		t.Errorf("got %+v, first %+v", d, first)
	}

	wrong := d
	wrong.NfeID = someKey
	s.step(bob, wrong, "authorize").problem(t, 422, "nfe_invalid", "/chave_acesso")
	s.step(bob, d, "authorize").want(t, 200).into(t, &d)
	for _, name := range []string{"issue", "authorize", "reject", "deny"} {
		s.step(bob, d, name).problem(t, 409, "invalid_state")
	}
	s.do("PUT", d.path(), bob, with(nfeBody(emitter, 2), "version", d.Version)).problem(t, 409, "invalid_state")
	s.step(bob, d, "cancel").problem(t, 403, "forbidden")
	late := stepBody(d, "cancel")
	late["data"] = time.Now().Add(24*time.Hour + time.Minute).Format(time.RFC3339)
	s.do("POST", d.path()+"/cancel", ana, late).problem(t, 422, "nfe_invalid", "/data")
	s.step(ana, d, "cancel").want(t, 200).into(t, &d)
	if d.Status != "cancelled" {
		t.Errorf("got %+v", d)
	}
	s.step(ana, d, "cancel").problem(t, 409, "invalid_state")

	// What breaks a rule is stored, and cannot be issued; nor does it take a number.
	var bad invoiceBody
	s.do("POST", "/api/v1/nfe", bob, with(nfeBody(emitter, 1), "valor_total", "15.01"), "Accept-Language", "pt-BR").want(t, 201).into(t, &bad)
	if len(bad.Findings) == 0 || bad.Findings[0].Rule != "total.document" && bad.Findings[0].Path != "/valor_total" || bad.Findings[0].Message == "" {
		t.Errorf("got %+v", bad.Findings)
	}
	p := s.step(bob, bad, "issue").problem(t, 422, "nfe_invalid")
	if len(p.Errors) == 0 || p.Errors[0].Field != "/valor_total" {
		t.Errorf("got %+v", p)
	}
	s.do("POST", "/api/v1/nfe", bob, map[string]any{"natureza_operacao": "Venda"}).want(t, 201).into(t, &bad)
	s.step(bob, bad, "issue").problem(t, 422, "nfe_invalid")
	var next invoiceBody
	s.do("POST", "/api/v1/nfe", bob, nfeBody(emitter, 1)).want(t, 201).into(t, &next)
	s.step(bob, next, "issue").want(t, 200).into(t, &next)
	s.step(bob, next, "deny").want(t, 200).into(t, &next)
	if next.Numero != "2" || next.Status != "denied" {
		t.Errorf("got %+v", next)
	}
	for _, action := range []string{"nfe.create", "nfe.update", "nfe.issue", "nfe.reject", "nfe.authorize", "nfe.cancel", "nfe.deny"} {
		if len(s.audited(action)) == 0 {
			t.Errorf("nothing in the trail of %s", action)
		}
	}
}

// Steps say what is wrong with what they are given, whatever the document is like.
func TestNfeSteps(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana := s.actor("acme", "ana", token.Admin).Access
	var d invoiceBody
	s.do("POST", "/api/v1/nfe", ana, nfeBody(s.emitter("acme"), 1)).want(t, 201).into(t, &d)
	d.NfeID = someKey
	for name, members := range map[string]map[string][]any{
		"issue":     {"version": {0, -1, nil}},
		"authorize": {"protocolo": {"", "13526000000000", "1352600000000011", "13526000000000x"}, "data": {"", "x", "2026-02-30T00:00:00Z", "2026-11-22"}, "chave_acesso": {""}},
		"reject":    {"codigo": {"", "1", "12345", "x"}, "motivo": {"", strings.Repeat("x", 256), "a\x00b"}, "data": {"", "x"}},
		"deny":      {"codigo": {"", "100", "x"}, "protocolo": {"1"}, "data": {"yesterday"}},
		"cancel":    {"justificativa": {"", "too short", strings.Repeat("x", 256)}, "protocolo": {"1e14"}, "data": {"0000-01-01T00:00:00Z"}},
	} {
		for member, values := range members {
			for _, value := range values {
				s.do("POST", d.path()+"/"+name, ana, with(stepBody(d, name), member, value)).problem(t, 400, "validation_failed", "/"+member)
			}
			s.do("POST", d.path()+"/"+name, ana, without(stepBody(d, name), member)).problem(t, 400, "validation_failed", "/"+member)
		}
	}
}

// Each value of a document one step outside what it may be: a finding in the
// validator, and refused with its path or stored as a draft, but never a fault.
func TestNfeValues(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana := s.actor("acme", "ana", token.Member).Access
	emitter := s.emitter("acme")
	body := nfeBody(emitter, 1)
	item := nfeItem(1)
	item["ipi"] = map[string]any{"cst": "53"}
	body["itens"] = []any{item}
	body["transporte"] = map[string]any{"modalidade_frete": "9", "volumes": []any{map[string]any{"marca": "x"}}}
	body["referencias"] = []any{map[string]any{"tipo": "0"}}
	body["informacoes_fiscais"] = []any{map[string]any{"campo": "x", "texto": "x"}}
	texts := []string{
		"NaN", "Infinity", "-Infinity", "1e5", "1E400", "-0.01", "-1", "+1", "0x1", "1,00", "1.005", "1.00001", "12345678901234.00", " ", "٣",
		strings.Repeat("9", 60), strings.Repeat("9", 400), "0." + strings.Repeat("1", 400), strings.Repeat("é", 6000), "a\x00b", "\u0085", "2026-02-30T00:00:00Z",
		"9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00-23:59", "2026-07-14T10:30:00.999999999-03:00", "00000000-0000-0000-0000-000000000000",
	}
	tried, stored := 0, 0
	try := func(pointer string, body map[string]any) {
		t.Helper()
		tried++
		for _, path := range []string{"/api/v1/nfe/validate", "/api/v1/nfe"} {
			a := s.do("POST", path, ana, body)
			switch {
			case a.StatusCode == 200, a.StatusCode == 201:
				stored += a.StatusCode - 200
			case a.StatusCode != 400 || len(a.findings(pointer)) == 0:
				t.Errorf("%s: %s: got %d: %.300s", path, pointer, a.StatusCode, a.body)
			}
		}
	}
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	walk := func(pointer, schema string, set func(value any) map[string]any) {
		for name, member := range doc.Components.Schemas[schema].Value.Properties {
			at := pointer + "/" + name
			if schema == "Nfe" && slices.Contains([]string{"tenant_id", "rejeicao", "findings"}, name) {
				continue
			}
			for _, text := range texts {
				if member.Value.Type.Is("string") {
					try(at, set(map[string]any{name: text}))
				}
			}
			if !member.Value.Type.Is("string") && name != "itens" {
				for _, value := range []any{7, "x", -1.5, true} {
					try(at, set(map[string]any{name: value}))
				}
			}
		}
	}
	in := func(group string) func(any) map[string]any {
		return func(value any) map[string]any {
			changed := maps.Clone(body)
			switch old := body[group].(type) {
			case []any:
				changed[group] = []any{merged(old[0], value)}
			default:
				changed[group] = merged(old, value)
			}
			return changed
		}
	}
	walk("", "Nfe", func(value any) map[string]any { return merged(body, value) })
	walk("/itens/0", "NfeItem", in("itens"))
	walk("/destinatario", "NfeDestinatario", in("destinatario"))
	walk("/transporte", "NfeTransporte", in("transporte"))
	walk("/pagamentos/0", "NfePagamento", in("pagamentos"))
	walk("/referencias/0", "NfeReferencia", in("referencias"))
	walk("/informacoes_fiscais/0", "NfeFiscalInfo", in("informacoes_fiscais"))
	for group, schema := range map[string]string{"icms": "NfeICMS", "ipi": "NfeIPI", "pis": "NfeContribution", "cofins": "NfeContribution"} {
		walk("/itens/0/"+group, schema, func(value any) map[string]any {
			return with(body, "itens", []any{merged(item, map[string]any{group: merged(item[group], value)})})
		})
	}
	walk("/transporte/volumes/0", "NfeVolume", func(value any) map[string]any {
		return with(body, "transporte", map[string]any{"modalidade_frete": "9", "volumes": []any{value}})
	})
	for pointer, value := range map[string]any{"/itens": nfeBody(emitter, 991)["itens"], "/itens/0/numero_item": []any{with(item, "numero_item", 991)}} {
		a := s.do("POST", "/api/v1/nfe", ana, with(body, "itens", value))
		if a.StatusCode != 400 || len(a.findings(pointer)) == 0 {
			t.Errorf("%s: got %d: %.300s", pointer, a.StatusCode, a.body)
		}
	}
	text := strings.TrimSuffix(encode(t, body), "}") + `,"ibs_cbs":{"a":"\u0000"}}`
	s.do("POST", "/api/v1/nfe", ana, text).problem(t, 400, "validation_failed", "/ibs_cbs")
	for _, opaque := range []string{`{"a":1e999}`, `{"a":{"b":[1,null,"é"]}}`} {
		text := strings.TrimSuffix(encode(t, body), "}") + `,"ibs_cbs":` + opaque + "}"
		var made struct {
			ID     string
			Opaque json.RawMessage `json:"ibs_cbs"`
		}
		s.do("POST", "/api/v1/nfe", ana, text).want(t, 201).into(t, &made)
		s.do("GET", "/api/v1/nfe/"+made.ID, ana, nil).want(t, 200).into(t, &made)
		if string(made.Opaque) != opaque {
			t.Errorf("sent %s, got %s", opaque, made.Opaque)
		}
	}
	if tried < 3000 || stored < 100 {
		t.Errorf("tried %d values, stored %d", tried, stored)
	}
}

// merged is an object with the members of another one.
func merged(old, changes any) map[string]any {
	made := map[string]any{}
	if old, ok := old.(map[string]any); ok {
		maps.Copy(made, old)
	}
	maps.Copy(made, changes.(map[string]any))
	return made
}

// Who a document names by an id is taken from the catalogue for its validation, too.
func TestNfeValidateParties(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana := s.actor("acme", "ana", token.Member).Access
	body := nfeBody(s.emitter("acme"), 1)
	body["emitente"] = map[string]any{"cnpj": "nobody's"} // the row's counts
	var verdict struct {
		Valid    bool
		Findings []struct{ Path string }
	}
	if s.do("POST", "/api/v1/nfe/validate", ana, body).want(t, 200).into(t, &verdict); !verdict.Valid {
		t.Errorf("got %+v", verdict)
	}
	for name, id := range map[string]string{"emitter_id": "me", "recipient_id": someUser} {
		s.do("POST", "/api/v1/nfe/validate", ana, with(body, name, id)).problem(t, 400, "validation_failed", "/"+name)
	}
}
