package nfe

import (
	"slices"
	"testing"
)

func TestValidateEmitter(t *testing.T) {
	t.Parallel()
	if got := ValidateEmitter(sampleEmitter(), Options{}); len(got) > 0 {
		t.Errorf("a good emitter: %+v", got)
	}
	e := sampleEmitter()
	e.CNPJ, e.CEP, e.UF, e.CodigoMunicipio = "11222333000182", "", Abroad, MunicipioAbroad
	want := []string{"cnpj.digit /cnpj 207", "abroad.country /codigo_pais 510", "required /cep 225", "emitter.abroad /uf 247"}
	if got := found(ValidateEmitter(e, Options{})); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestValidateRecipient(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]Recipient{
		"company": *sample().Destinatario, "foreigner": *sampleExport().Destinatario, "person": {CPF: "52998224725", TipoPessoa: "F"},
	} {
		if got := ValidateRecipient(&r, Options{}); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for want, change := range map[string]func(*Recipient){
		"party.identification  719":           func(r *Recipient) { r.CNPJ = "" },
		"party.kind /tipo_pessoa":             func(r *Recipient) { r.TipoPessoa = "E" },
		"ie.required /inscricao_estadual 728": func(r *Recipient) { r.InscricaoEstadual = "" },
		"code.unknown /indicador_ie 225":      func(r *Recipient) { r.IndicadorIE = "0" },
		"required /bairro 225":                func(r *Recipient) { r.Bairro = "" },
	} {
		r := *sample().Destinatario
		change(&r)
		if got := found(ValidateRecipient(&r, Options{})); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestValidateProduct(t *testing.T) {
	t.Parallel()
	good := Product{Codigo: "PAO", Descricao: "Pão francês", NCM: "19059090", Unidade: "KG", ValorUnitario: "5.00"}
	if got := ValidateProduct(&good); len(got) > 0 {
		t.Errorf("a good product: %+v", got)
	}
	for want, change := range map[string]func(*Product){
		"required /codigo 225":              func(p *Product) { p.Codigo = "" },
		"required /descricao 225":           func(p *Product) { p.Descricao = "" },
		"required /ncm 225":                 func(p *Product) { p.NCM = "" },
		"required /unidade 225":             func(p *Product) { p.Unidade = "" },
		"gtin.digit /ean 611":               func(p *Product) { p.EAN = "7891000315508" },
		"ncm.form /ncm 777":                 func(p *Product) { p.NCM = "0" },
		"cest.form /cest 225":               func(p *Product) { p.CEST = "x" },
		"cfop.form /cfop 225":               func(p *Product) { p.CFOP = "9102" },
		"code.unknown /icms_cst 225":        func(p *Product) { p.ICMSCST = "01" },
		"code.unknown /ipi_cst 225":         func(p *Product) { p.IPICST = "9" },
		"code.unknown /pis_cst 225":         func(p *Product) { p.PISCST = "00" },
		"code.unknown /cofins_cst 225":      func(p *Product) { p.COFINSCST = "00" },
		"decimal.range /icms_aliquota 225":  func(p *Product) { p.ICMSAliquota = "18.00001" },
		"decimal.form /valor_unitario 225":  func(p *Product) { p.ValorUnitario = "R$ 5" },
		"decimal.negative /valor_frete 225": func(p *Product) { p.ValorFrete = "-1" },
	} {
		p := good
		change(&p)
		if got := found(ValidateProduct(&p)); !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
