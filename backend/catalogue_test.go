package backend

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func emitterBody() map[string]any {
	return map[string]any{
		"cnpj": "11222333000181", "razao_social": "Padaria São João Ltda", "inscricao_estadual": "110042490114", "regime_tributario": "3",
		"logradouro": "Rua das Flores", "numero": "10", "bairro": "Centro", "codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP", "cep": "01001000",
	}
}

func recipientBody() map[string]any {
	return map[string]any{
		"tipo_pessoa": "J", "cnpj": "12ABC34501DE35", "razao_social": "Mercado Novo S.A.", "inscricao_estadual": "110042490114", "indicador_ie": "1",
		"logradouro": "Avenida Paulista", "numero": "1000", "bairro": "Bela Vista", "codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP",
		"email": "compras@mercado.example",
	}
}

func productBody() map[string]any {
	return map[string]any{
		"codigo": "PAO-1", "ean": "7891000315507", "descricao": "Pão francês", "ncm": "19059090", "cfop": "5102", "unidade": "KG",
		"valor_unitario": "5.25", "icms_cst": "00", "icms_aliquota": "18", "ativo": true,
	}
}

// catalogueKinds are the three kinds of the catalogue: where they are, a body that is
// accepted, and a field that no two of a tenant may share.
var catalogueKinds = map[string]struct {
	path   string
	body   func() map[string]any
	unique string
	other  any // another value of it
}{
	"emitter":   {"/api/v1/nfe/emitters", emitterBody, "cnpj", "42318949000184"},
	"recipient": {"/api/v1/nfe/recipients", recipientBody, "cnpj", "42318949000184"},
	"product":   {"/api/v1/nfe/products", productBody, "codigo", "PAO-2"},
}

func TestCatalogueLifecycle(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token, stranger := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	for name, kind := range catalogueKinds {
		var created, read, updated map[string]any
		a := s.do("POST", kind.path, token, kind.body()).want(t, 201).into(t, &created)
		path := kind.path + "/" + created["id"].(string)
		if a.Header.Get("Location") != path || created["tenant_id"] != "acme" || a.Header.Get("ETag") != `"1"` {
			t.Errorf("%s: got %s, Location %q", name, a.body, a.Header.Get("Location"))
		}
		for field, value := range kind.body() {
			if created[field] != value {
				t.Errorf("%s: %s is %v, want %v", name, field, created[field], value)
			}
		}
		s.do("GET", path, token, nil).want(t, 200).into(t, &read)
		if diff := cmp.Diff(created, read); diff != "" {
			t.Errorf("%s: read differs from created (-created +read):\n%s", name, diff)
		}
		s.do("POST", kind.path, token, kind.body()).problem(t, 409, "conflict")
		second := kind.body()
		second[kind.unique] = kind.other
		s.do("POST", kind.path, token, second).want(t, 201)
		s.do("PUT", path, token, second).problem(t, 409, "conflict")

		change := kind.body()
		text := map[string]string{"emitter": "nome_fantasia", "recipient": "nome_fantasia", "product": "descricao"}[name]
		change[text] = "  Outro nome "
		s.do("PUT", path, token, change, "If-Match", `"7"`).problem(t, 412, "precondition_failed")
		s.do("PUT", path, token, change, "If-Match", `"1"`).want(t, 200).into(t, &updated)
		if updated[text] != "Outro nome" || updated["created_at"] != created["created_at"] {
			t.Errorf("%s: got %v", name, updated)
		}

		for _, r := range []struct{ method, path string }{{"GET", path}, {"DELETE", path}, {"PUT", path}} {
			var body any
			if r.method == "PUT" {
				body = kind.body()
			}
			s.do(r.method, r.path, stranger, body).problem(t, 404, "not_found")
		}
		s.do("POST", kind.path, stranger, kind.body()).want(t, 201) // it is unique in a tenant only

		s.do("DELETE", path, token, nil, "If-Match", `"1"`).problem(t, 412, "precondition_failed")
		s.do("DELETE", path, token, nil).want(t, 200)
		for _, method := range []string{"GET", "DELETE"} {
			s.do(method, path, token, nil).problem(t, 404, "not_found")
		}
	}
}

// Fields are held to the rules of the layout, all at once and by their paths.
func TestCatalogueRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	with := func(body map[string]any, changes map[string]any) map[string]any {
		maps.Copy(body, changes)
		return body
	}
	for _, tc := range []struct {
		kind   string
		body   map[string]any
		fields string // name and code of each finding
	}{
		{"emitter", with(emitterBody(), map[string]any{"cnpj": "11222333000182"}), "/cnpj cnpj.digit"},
		{"emitter", with(emitterBody(), map[string]any{"cnpj": "12abc34501de35"}), "/cnpj cnpj.form"},
		{"emitter", with(emitterBody(), map[string]any{"cpf": "52998224725"}), " party.identification"},
		{"emitter", with(emitterBody(), map[string]any{"uf": "XX", "cep": "1"}), "/uf uf.unknown, /cep format"},
		{"emitter", map[string]any{"name": "x"}, "/name unknown_field"},
		{"emitter", with(emitterBody(), map[string]any{"razao_social": 7}), "/razao_social invalid_type"},
		{"recipient", with(recipientBody(), map[string]any{"codigo_municipio": "3550309"}), "/codigo_municipio municipio.digit"},
		{"recipient", with(recipientBody(), map[string]any{"email": strings.Repeat("x", 61)}), "/email text.length"},
		{"product", with(productBody(), map[string]any{"ean": "7891000315508"}), "/ean gtin.digit"},
		{"product", with(productBody(), map[string]any{"valor_unitario": "NaN"}), "/valor_unitario decimal.form"},
		{"product", with(productBody(), map[string]any{"valor_unitario": "-1"}), "/valor_unitario decimal.negative"},
		{"product", with(productBody(), map[string]any{"valor_frete": "1e3"}), "/valor_frete decimal.form"},
		{"product", with(productBody(), map[string]any{"valor_frete": "12345678901234.00"}), "/valor_frete decimal.range"},
		{"product", with(productBody(), map[string]any{"ncm": "1905909"}), "/ncm ncm.form"},
		{"product", with(productBody(), map[string]any{"descricao": "a\x00b"}), "/descricao text.control"},
	} {
		kind := catalogueKinds[tc.kind]
		a := s.do("POST", kind.path, token, tc.body).problem(t, 400, "validation_failed")
		var got []string
		for _, f := range a.Errors {
			got = append(got, fmt.Sprintf("%s %s", f.Field, f.Code))
		}
		for want := range strings.SplitSeq(tc.fields, ", ") {
			if !strings.Contains(strings.Join(got, ", "), want) {
				t.Errorf("%s %v: got %q, want %q among them", tc.kind, tc.body, got, want)
			}
		}
	}
	// What people write into a CNPJ is taken out.
	var made map[string]any
	s.do("POST", "/api/v1/nfe/emitters", token, with(emitterBody(), map[string]any{"cnpj": "11.222.333/0001-81"})).want(t, 201).into(t, &made)
	if made["cnpj"] != "11222333000181" {
		t.Errorf("got %v", made["cnpj"])
	}
}

func TestCatalogueLists(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	for i := range 5 {
		body := productBody()
		body["codigo"], body["descricao"], body["ativo"] = fmt.Sprintf("P%d", i), fmt.Sprintf("Pão %d 100%%", i), i%2 == 0
		s.do("POST", "/api/v1/nfe/products", token, body).want(t, 201)
	}
	codes := func(query string) string {
		t.Helper()
		var list []struct{ Codigo string }
		s.do("GET", "/api/v1/nfe/products?"+query, token, nil).want(t, 200).into(t, &list)
		var all []string
		for _, p := range list {
			all = append(all, p.Codigo)
		}
		return strings.Join(all, " ")
	}
	for query, want := range map[string]string{
		"":                       "P0 P1 P2 P3 P4",
		"sort=-created_at":       "P4 P3 P2 P1 P0",
		"limit=2":                "P0 P1",
		"ativo=false":            "P1 P3",
		"codigo=P3":              "P3",
		"q=P%C3%83O+3":           "P3",
		"q=p2":                   "P2",
		"q=0%25":                 "P0 P1 P2 P3 P4",
		"q=_":                    "",
		"ativo=true&count=exact": "P0 P2 P4",
	} {
		if got := codes(query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"sort=codigo", "ativo=1", "cnpj=x", "q=", "codigo=" + strings.Repeat("x", 61)} {
		s.do("GET", "/api/v1/nfe/products?"+query, token, nil).problem(t, 400, "invalid_query")
	}
}
