package nfe

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

const sampleJSON = `{
	"id": "0198c0de-0000-7000-8000-000000000001",
	"status": "draft",
	"version": 3,
	"modelo": "55",
	"natureza_operacao": "Venda de mercadoria",
	"data_emissao": "2026-07-14T10:30:00-03:00",
	"emitente": {"cnpj": "12ABC34501DE35", "razao_social": "Padaria São João", "logradouro": "Rua A", "uf": "SP"},
	"itens": [{
		"numero_item": 1, "quantidade": "3", "valor_unitario": "1.1298099798", "valor_total": "3.39",
		"icms": {"origem": "0", "cst": "00", "aliquota": "18", "valor": "0.61"},
		"ibs_cbs": {"vBC":12.5}
	}],
	"transporte": {"modalidade_frete": "9", "volumes": [{"quantidade": "2", "peso_bruto": "1.500"}]},
	"pagamentos": [{"forma_pagamento": "17", "valor": "3.39"}],
	"informacoes_fiscais": [{"campo": "pedido", "texto": "77"}],
	"valor_total": "3.39"
}`

func TestDocumentSurvivesJSON(t *testing.T) {
	t.Parallel()
	first, err := Decode([]byte(sampleJSON))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := first.Emitente.UF, "SP"; got != want { // members of the address stand beside the others
		t.Errorf("uf of the emitter: got %q, want %q", got, want)
	}
	text, err := first.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("after a round trip (-first +second):\n%s", diff)
	}
	for _, want := range []string{`"ibs_cbs":{"vBC":12.5}`, `"valor_unitario":"1.1298099798"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(string(text), "null") || strings.Contains(string(text), `""`) {
		t.Errorf("absent members are written: %s", text)
	}
}

func TestDecodeKeepsWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	d, err := Decode([]byte(`{"valor_total": "1e5", "valor_frete": null, "data_emissao": "yesterday", "itens": [{"quantidade": "NaN"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Document{ValorTotal: "1e5", DataEmissao: "yesterday", Itens: []Item{{Quantidade: "NaN"}}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeRefusesOtherShapes(t *testing.T) {
	t.Parallel()
	for body, pointer := range map[string]jsontext.Pointer{
		`{"valor_total": 12.5}`:                     "/valor_total",
		`{"itens": [{}, {"quantidade": 3}]}`:        "/itens/1/quantidade",
		`{"itens": {}}`:                             "/itens",
		`{"emitente": {"color": "red"}}`:            "/emitente/color",
		`{"Modelo": "55"}`:                          "/Modelo",
		`{"itens": [{"numero_item": 1.5}]}`:         "/itens/0/numero_item",
		`{"itens": [{"numero_item": 1e99}]}`:        "/itens/0/numero_item",
		`[]`:                                        "",
		`{"modelo": "55", "modelo": "65"}`:          "/modelo",
		`{"itens": [{"codigo": "a", "codigo": 1}]}`: "/itens/0/codigo",
		`{} {}`:                      "",
		``:                           "",
		"{\"modelo\": \"\xff\"}":     "/modelo",
		`{"modelo": "55"`:            "",
		`{"ibs_cbs": {"a":1,"a":2}}`: "/ibs_cbs/a",
	} {
		_, err := Decode([]byte(body))
		if err == nil {
			t.Errorf("%s is accepted", body)
			continue
		}
		var semantic *json.SemanticError
		var syntactic *jsontext.SyntacticError
		switch {
		case errors.As(err, &syntactic):
			if pointer != "" && syntactic.JSONPointer != pointer {
				t.Errorf("%s: got pointer %q, want %q (%v)", body, syntactic.JSONPointer, pointer, err)
			}
		case errors.As(err, &semantic):
			if semantic.JSONPointer != pointer {
				t.Errorf("%s: got pointer %q, want %q (%v)", body, semantic.JSONPointer, pointer, err)
			}
		}
	}
}
