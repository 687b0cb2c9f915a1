package backend

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/nfe/nfexml"
	"gatehouse/internal/token"
)

const (
	nfeImport = "/api/v1/nfe/import"
	// someSignature is one as files have it; nobody verifies it.
	someSignature = `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo></SignedInfo><SignatureValue>c29tZQ==</SignatureValue></Signature>`
)

// importBody is what tests look at in the answer to an import.
type importBody struct {
	Document invoiceBody
	Signed   bool
	NotKept  []string `json:"not_kept"`
}

func (s *testServer) importXML(bearer, file string, headers ...string) answer {
	s.t.Helper()
	return s.do("POST", nfeImport, bearer, file, append([]string{"Content-Type", "application/xml"}, headers...)...)
}

// conflicts imports a file that has to be refused for a reason.
func (s *testServer) conflicts(bearer, file, reason string) {
	s.t.Helper()
	a := s.importXML(bearer, file)
	a.problem(s.t, 409, "conflict")
	if !strings.Contains(string(a.body), reason) {
		s.t.Errorf("got %s, want %s", a.body, reason)
	}
}

// exported makes a document, carries out the steps, and returns its file with a
// signature.
func (s *testServer) exported(bearer string, body map[string]any, steps ...string) (invoiceBody, string) {
	s.t.Helper()
	var d invoiceBody
	s.do("POST", "/api/v1/nfe", bearer, body).want(s.t, 201).into(s.t, &d)
	for _, name := range steps {
		s.step(bearer, d, name).want(s.t, 200).into(s.t, &d)
	}
	file := string(s.do("GET", d.path()+"/xml", bearer, nil).want(s.t, 200).body)
	return d, strings.Replace(file, "</infNFe>", "</infNFe>"+someSignature, 1)
}

// fullBody has something in every group of a document.
func fullBody(emitter string) map[string]any {
	body := nfeBody(emitter, 3)
	item := body["itens"].([]any)[0].(map[string]any)
	item["ipi"] = map[string]any{"cst": "53", "codigo_enquadramento": "999"}
	item["informacoes_adicionais"] = "Assado hoje & ontem"
	body["transporte"] = map[string]any{"modalidade_frete": "0", "razao_social": "Transportes Já", "volumes": []any{map[string]any{"quantidade": "2", "especie": "CAIXA"}}}
	body["referencias"] = []any{map[string]any{"tipo": "0", "chave_acesso": someKey}}
	body["informacoes_fiscais"] = []any{map[string]any{"campo": "Pedido", "texto": "<7>"}}
	body["pedido_compra"], body["informacoes_adicionais"] = "PC-1", "Linha 1; linha 2"
	return body
}

// A document goes from one tenant to another through its file and is the same there,
// whatever became of it, and so is the file of the file.
func TestNfeImport(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	ana := s.actor("acme", "admin", token.Admin).Access
	bob := s.actor("globex", "bob", token.Admin).Access
	emitter := s.emitter("acme")

	for i, tc := range []struct {
		steps  []string
		status string
		signed bool
	}{
		{[]string{"issue", "authorize"}, "authorized", true},
		{[]string{"issue", "deny"}, "denied", true},
		{[]string{"issue"}, "draft", true}, // waits for its outcome
		{nil, "draft", false},
	} {
		d, file := s.exported(ana, fullBody(emitter), tc.steps...)
		var got importBody
		a := s.importXML(bob, file).want(t, 201).into(t, &got)
		if got.Document.Status != tc.status || got.Signed != tc.signed || got.Document.NfeID != d.NfeID || got.Document.Numero != d.Numero ||
			got.Document.CodigoNumerico != d.CodigoNumerico || got.Document.Version != 1 || len(got.Document.Findings) != 0 {
			t.Errorf("%v: got %s", tc.steps, a.body)
		}
		if want := []string{"Signature"}; !tc.signed && !cmp.Equal(got.NotKept, want) || tc.signed && len(got.NotKept) != 0 {
			t.Errorf("%v: not kept is %q", tc.steps, got.NotKept)
		}
		if a.Header.Get("Location") != got.Document.path() || a.Header.Get("ETag") != `"1"` {
			t.Errorf("Location %q, ETag %s", a.Header.Get("Location"), a.Header.Get("ETag"))
		}
		var there, here nfe.Document
		s.do("GET", d.path(), ana, nil).want(t, 200).into(t, &there)
		s.do("GET", got.Document.path(), bob, nil).want(t, 200).into(t, &here)
		if here.EmitterID == "" {
			t.Errorf("%v: no issuer: %s", tc.steps, a.body)
		}
		ofItsOwn := cmpopts.IgnoreFields(nfe.Document{}, "ID", "EmitterID", "CreatedAt", "UpdatedAt", "Version", "IssuedAt")
		if diff := cmp.Diff(there, here, ofItsOwn, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%v (-exported +imported):\n%s", tc.steps, diff)
		}
		again := string(s.do("GET", got.Document.path()+"/xml", bob, nil).want(t, 200).body)
		if !tc.signed {
			file = strings.Replace(file, someSignature, "", 1)
		}
		if diff := cmp.Diff(file, again); diff != "" {
			t.Errorf("%v: the file of the file:\n%s", tc.steps, diff)
		}
		if tc.signed {
			s.conflicts(bob, file, "it is "+got.Document.ID)
		}
		if i == 0 { // the issuer came with the first
			var emitters []struct{ CNPJ string }
			if s.do("GET", "/api/v1/nfe/emitters", bob, nil).want(t, 200).into(t, &emitters); len(emitters) != 1 || emitters[0].CNPJ != "11222333000181" {
				t.Errorf("got %+v", emitters)
			}
		}
	}
	// Its numbers are not given out again.
	var own invoiceBody
	var emitters []struct{ ID string }
	s.do("GET", "/api/v1/nfe/emitters", bob, nil).want(t, 200).into(t, &emitters)
	s.do("POST", "/api/v1/nfe", bob, nfeBody(emitters[0].ID, 1)).want(t, 201).into(t, &own)
	if s.step(bob, own, "issue").want(t, 200).into(t, &own); own.Numero != "4" {
		t.Errorf("the next number is %s", own.Numero)
	}
	var entries []struct{ Action string }
	s.do("GET", "/api/v1/audit?action=nfe.import", bob, nil).want(t, 200).into(t, &entries)
	if len(entries) != 4 {
		t.Errorf("got %+v", entries)
	}
}

// What waits for an outcome goes on from there; a signature ends with what was signed.
func TestNfeImportGoesOn(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	s.signup("globex", "bob")
	ana, bob := s.actor("acme", "admin", token.Admin).Access, s.actor("globex", "admin", token.Admin).Access
	_, file := s.exported(ana, nfeBody(s.emitter("acme"), 1), "issue")
	var got importBody
	s.importXML(bob, file).want(t, 201).into(t, &got)
	d := got.Document
	number := d.Numero
	for _, name := range []string{"reject", "issue"} {
		s.step(bob, d, name).want(t, 200).into(t, &d)
	}
	again := string(s.do("GET", d.path()+"/xml", bob, nil).want(t, 200).body)
	if d.Numero != number || strings.Contains(again, "<Signature") {
		t.Errorf("got %+v, %s", d, again)
	}
	s.step(bob, d, "authorize").want(t, 200)
}

// A document that another authority than our rules has let pass comes as it is, with
// what the rules say about it; the recipient who is there is linked.
func TestNfeImportOfHistory(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	s.signup("globex", "bob")
	ana, bob := s.actor("acme", "admin", token.Admin).Access, s.actor("globex", "admin", token.Admin).Access
	var recipient struct{ ID string }
	s.do("POST", "/api/v1/nfe/recipients", bob, with(catalogueKinds["recipient"].body(), "cnpj", "12ABC34501DE35")).want(t, 201).into(t, &recipient)
	_, file := s.exported(ana, nfeBody(s.emitter("acme"), 1), "issue", "authorize")
	file = strings.NewReplacer("<vNF>15.00<", "<vNF>16.00<", "<cStat>100<", "<cStat>150<", "<natOp>", "<indPag>0</indPag><natOp>").Replace(file)
	var got struct {
		Document struct {
			ID, Status  string
			RecipientID string `json:"recipient_id"`
			Findings    []struct{ Path string }
		}
		NotKept []string `json:"not_kept"`
	}
	a := s.importXML(bob, file).want(t, 201).into(t, &got)
	if got.Document.Status != "authorized" || got.Document.RecipientID != recipient.ID || !strings.Contains(fmt.Sprint(got.Document.Findings), "/valor_total") {
		t.Errorf("got %s", a.body)
	}
	if want := []string{"infNFe/ide/indPag", "protNFe/infProt/cStat"}; !cmp.Equal(got.NotKept, want) {
		t.Errorf("not kept is %q", got.NotKept)
	}
}

func TestNfeImportRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	s.signup("globex", "bob")
	ana, bob := s.actor("acme", "admin", token.Admin).Access, s.actor("globex", "admin", token.Admin).Access
	emitter := s.emitter("acme")
	d, file := s.exported(ana, nfeBody(emitter, 1), "issue", "authorize")
	other := d.NfeID[:35] + "123456781"
	for _, tc := range []struct {
		name, old, replacement string
		status                 int
		code, field            string
	}{
		{"key of another document", `Id="NFe` + d.NfeID, `Id="NFe` + someKey, 422, "nfe_invalid", "/nfe_id"},
		{"wrong check digit", d.NfeID, d.NfeID[:43] + string('0'+(d.NfeID[43]-'0'+1)%10), 422, "nfe_invalid", "/nfe_id"},
		{"no key", `Id="NFe` + d.NfeID, `Id="NFe123`, 400, "validation_failed", "/nfe_id"},
		{"protocol of another document", "<chNFe>" + d.NfeID, "<chNFe>" + other, 422, "nfe_invalid", "/nfe_id"},
		{"rejection", "<cStat>100<", "<cStat>204<", 422, "nfe_invalid", "/status"},
		{"protocol's number", "<nProt>", "<nProt>9", 422, "nfe_invalid", "/protocolo_autorizacao"},
		{"no number", "<nNF>" + d.Numero + "</nNF>", "", 422, "nfe_invalid", "/numero"},
		{"no issuer", "<CNPJ>11222333000181</CNPJ><xNome>", "<xNome>", 422, "nfe_invalid", "/emitente"},
		{"issuer who cannot be added", "<xNome>Padaria São João Ltda</xNome>", "", 400, "validation_failed", "/emitente/razao_social"},
		{"negative amount", "<vNF>15.00<", "<vNF>-15.00<", 400, "validation_failed", "/valor_total"},
		{"exponent", "<vNF>15.00<", "<vNF>1e1<", 400, "validation_failed", "/valor_total"},
		{"NaN", "<vNF>15.00<", "<vNF>NaN<", 400, "validation_failed", "/valor_total"},
		{"991 lines", "</det>", "</det>" + strings.Repeat(`<det nItem="1"></det>`, 990), 400, "validation_failed", "/itens"},
		{"twice", "<natOp>", "<natOp>x</natOp><natOp>", 400, "validation_failed", "line 1: infNFe/ide/natOp"},
		{"cut off", "</infNFe>", "", 400, "validation_failed", "line 1"},
		{"another root", "nfeProc", "cteProc", 400, "validation_failed", "line 1"},
		{"another namespace", "portalfiscal.inf.br/nfe", "example.com/nfe", 400, "validation_failed", "line 1"},
		{"an entity", `<nfeProc`, "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\n<nfeProc", 400, "validation_failed", "line 1"},
		{"Latin-1", "São", "S\xe3o", 400, "validation_failed", "line 1"},
		{"all of it", file, "", 400, "validation_failed", "line 1"},
		{"all of it, for another text", file, "{}", 400, "validation_failed", "line 1"},
	} {
		broken := strings.ReplaceAll(file, tc.old, tc.replacement)
		if broken == file {
			t.Errorf("%s: nothing was replaced in %s", tc.name, file)
		}
		a := s.importXML(bob, broken)
		if a.StatusCode != tc.status || !strings.Contains(string(a.body), `"`+tc.code+`"`) || !strings.Contains(string(a.body), `"`+tc.field) {
			t.Errorf("%s: got %d: %s", tc.name, a.StatusCode, a.body)
		}
	}
	s.do("POST", nfeImport, bob, file, "Content-Type", "application/json").problem(t, 415, "unsupported_media_type")
	s.do("POST", nfeImport, bob, file, "Content-Type", "application/xml; charset=iso-8859-1").problem(t, 415, "unsupported_media_type")
	var list []json.RawMessage
	for _, path := range []string{"/api/v1/nfe", "/api/v1/nfe/emitters"} {
		if s.do("GET", path, bob, nil).want(t, 200).into(t, &list); len(list) != 0 {
			t.Errorf("%s: refused files left %s", path, list)
		}
	}

	// A number that is another document's, or that was voided.
	s.importXML(bob, file).want(t, 201)
	var emitters []struct{ ID string }
	s.do("GET", "/api/v1/nfe/emitters", bob, nil).want(t, 200).into(t, &emitters)
	s.do("POST", "/api/v1/nfe/void-range", bob, map[string]any{"emitter_id": emitters[0].ID, "ambiente": "2", "modelo": "55", "serie": "1",
		"numero_inicial": "2", "numero_final": "2", "justificativa": "Falha na numeração"}).want(t, 201)
	_, voided := s.exported(ana, nfeBody(emitter, 1), "issue")
	s.conflicts(bob, voided, "Number 2 of series 1 was voided.")
	s.conflicts(bob, renumbered(t, file, "1"), "Number 1 of series 1 is another document's.")
}

// renumbered is a file with another code, and so another key, under the same number.
func renumbered(t *testing.T, file, numero string) string {
	t.Helper()
	in, err := nfexml.Read([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	d := in.Document
	d.Numero, d.CodigoNumerico = numero, "87654321"
	if d.NfeID, err = d.ComposeKey(); err != nil {
		t.Fatal(err)
	}
	in.Protocol, in.Signature = nil, ""
	return string(nfexml.Write(in))
}

// An archive that is imported by many at once comes in whole, with one issuer, and no
// document twice.
func TestNfeImportsAtOnce(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	s.signup("globex", "bob")
	ana, bob := s.actor("acme", "admin", token.Admin).Access, s.actor("globex", "admin", token.Admin).Access
	emitter := s.emitter("acme")
	var wait sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 8 {
		_, file := s.exported(ana, nfeBody(emitter, 1), "issue", "authorize")
		for range 2 {
			wait.Go(func() {
				a := s.importXML(bob, file)
				mu.Lock()
				defer mu.Unlock()
				statuses[a.StatusCode]++
			})
		}
	}
	wait.Wait()
	if statuses[201] != 8 || statuses[409] != 8 {
		t.Errorf("got %v", statuses)
	}
	var list []json.RawMessage
	if s.do("GET", "/api/v1/nfe/emitters", bob, nil).want(t, 200).into(t, &list); len(list) != 1 {
		t.Errorf("got %s", list)
	}
}

// Whoever issues in a series while documents of it are imported gets numbers that none
// of these has.
func TestNfeImportBesideIssue(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	s.signup("globex", "bob")
	ana, bob := s.actor("acme", "admin", token.Admin).Access, s.actor("globex", "admin", token.Admin).Access
	from, to := s.emitter("acme"), s.emitter("globex")
	var wait sync.WaitGroup
	var mu sync.Mutex
	given := map[string]int{}
	for range 10 {
		_, file := s.exported(ana, nfeBody(from, 1), "issue", "authorize")
		var own invoiceBody
		s.do("POST", "/api/v1/nfe", bob, nfeBody(to, 1)).want(t, 201).into(t, &own)
		wait.Go(func() {
			var d invoiceBody
			s.step(bob, own, "issue").want(t, 200).into(t, &d)
			mu.Lock()
			defer mu.Unlock()
			given[d.Numero]++
		})
		wait.Go(func() {
			a := s.importXML(bob, file)
			if a.StatusCode == 409 { // the number was given out before
				return
			}
			var got importBody
			a.want(t, 201).into(t, &got)
			mu.Lock()
			defer mu.Unlock()
			given[got.Document.Numero]++
		})
	}
	wait.Wait()
	for number, times := range given {
		if times != 1 {
			t.Errorf("number %s is of %d documents", number, times)
		}
	}
}
