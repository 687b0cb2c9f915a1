package backend

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/nfe/nfexml"
	"gatehouse/internal/token"
)

// A document as XML says what the document says; the PDF of it is one.
func TestNfeFiles(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "ana")
	ana := s.actor("acme", "admin", token.Admin).Access
	emitter := s.emitter("acme")
	var d invoiceBody
	s.do("POST", "/api/v1/nfe", ana, nfeBody(emitter, 3)).want(t, 201).into(t, &d)
	for _, name := range []string{"issue", "authorize"} {
		s.step(ana, d, name).want(t, 200).into(t, &d)
	}
	var whole nfe.Document
	s.do("GET", d.path(), ana, nil).want(t, 200).into(t, &whole)
	a := s.do("GET", d.path()+"/xml", ana, nil).want(t, 200)
	if got := a.Header.Get("Content-Disposition"); a.Header.Get("Content-Type") != "application/xml" || got != "attachment; filename=NFe"+d.NfeID+".xml" {
		t.Errorf("got %q, %q", a.Header.Get("Content-Type"), got)
	}
	in, err := nfexml.Read(a.body)
	if err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if in.Protocol == nil || in.Protocol.Key != d.NfeID || in.Protocol.Number != whole.ProtocoloAutorizacao || in.Document.Numero != d.Numero {
		t.Errorf("got %+v of %+v", in.Protocol, d)
	}
	if diff := cmp.Diff(whole.Itens, in.Document.Itens); diff != "" {
		t.Errorf("items (-document +XML):\n%s", diff)
	}
	pdf := s.do("GET", d.path()+"/danfe.pdf", ana, nil).want(t, 200)
	if pdf.Header.Get("Content-Type") != "application/pdf" || !bytes.HasPrefix(pdf.body, []byte("%PDF-")) {
		t.Errorf("got %q, %.20q", pdf.Header.Get("Content-Type"), pdf.body)
	}

	// A draft has neither key nor protocol.
	s.do("POST", "/api/v1/nfe", ana, map[string]any{"natureza_operacao": "Venda & troca"}).want(t, 201).into(t, &d)
	if in, err = nfexml.Read(s.do("GET", d.path()+"/xml", ana, nil).want(t, 200).body); err != nil || in.Protocol != nil || in.Document.NaturezaOperacao != "Venda & troca" {
		t.Errorf("got %+v, %v", in, err)
	}
	s.do("GET", d.path()+"/danfe.pdf", ana, nil).want(t, 200)
}
