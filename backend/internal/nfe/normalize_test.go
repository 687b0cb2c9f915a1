package nfe

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	d := sample()
	d.NaturezaOperacao = "\tVenda de cafe\u0301 "
	d.InformacoesAdicionais = "a\r\nb "
	d.Emitente.CNPJ = " 11.222.333/0001-81"
	d.Emitente.CEP = " 01001000 "
	d.Destinatario.CNPJ, d.Destinatario.CPF, d.Destinatario.IndicadorIE = "", "529.982.247-25", " 9"
	d.Itens[0].Quantidade = " 3 "
	d.Itens[0].IBSCBS, d.IBSCBS = jsontext.Value("null"), jsontext.Value(`{"a": " b "}`)
	d.Transporte.CNPJ = "42.318.949/0001-84"
	d.Pagamentos[0].CNPJCredenciadora = "42.318.949/0001-84"
	d.Pagamentos[0].Valor = "15.00\n"
	d.DataEmissao = "2026-07-14T10:30:00-03:00 "
	Normalize(d)

	want := sample()
	want.NaturezaOperacao = "Venda de café"
	want.InformacoesAdicionais = "a\nb"
	want.Destinatario.CNPJ, want.Destinatario.CPF, want.Destinatario.IndicadorIE = "", "52998224725", "9"
	want.IBSCBS = jsontext.Value(`{"a": " b "}`)
	want.Transporte.CNPJ = "42318949000184"
	want.Pagamentos[0].CNPJCredenciadora = "42318949000184"
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("normalised (-want +got):\n%s", diff)
	}
	// A party of its own; lower case stays lower case, and is refused.
	r := Recipient{CNPJ: "12.abc.345/01de-35"}
	Normalize(&r)
	if want := "12abc34501de35"; r.CNPJ != want {
		t.Errorf("got %q, want %q", r.CNPJ, want)
	}
}

func TestSum(t *testing.T) {
	t.Parallel()
	d := sampleParts()
	d.Itens = append(d.Itens, d.Itens[0], sampleItem(3))
	d.Itens[1].IndicadorTotal = "0"
	d.Itens[2].NCM = "00"
	d.Itens[2].ValorTotal = "15.00"
	s := Sum(d.Itens)
	for name, c := range map[string]struct{ got, want Money }{
		"produtos": {Cents(s.Produtos), "100.00"}, "servicos": {Cents(s.Servicos), "15.00"},
		"desconto": {Cents(s.Desconto), "20.00"}, "frete": {Cents(s.Frete), "24.00"}, "st": {Cents(s.ST), "11.00"},
		"ipi": {Cents(s.IPI), "9.00"}, "icms": {Cents(s.ICMS), "2.70"}, "bc": {Cents(s.BCICMS), "15.00"},
		"pis": {Cents(s.PIS), "0.75"}, "cofins": {Cents(s.COFINS), "3.42"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", name, c.got, c.want)
		}
	}
	if got := Cents(Sum([]Item{{ValorFrete: "x"}, {ValorFrete: "1"}}).Frete); got != "1.00" {
		t.Errorf("what is no number: got %s, want 1.00", got)
	}
}
