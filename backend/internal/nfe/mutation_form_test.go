package nfe

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

var long = strings.Repeat("x", 61)

var formMutations = []mutation{
	{"no natureza", nil, func(d *Document) { d.NaturezaOperacao = "" }, []string{"required /natureza_operacao 225"}},
	{"long natureza", nil, func(d *Document) { d.NaturezaOperacao = long }, []string{"text.length /natureza_operacao 225"}},
	{"60 code points, 120 bytes", nil, func(d *Document) { d.NaturezaOperacao = strings.Repeat("é", 60) }, nil},
	{"space before", nil, func(d *Document) { d.NaturezaOperacao = " Venda" }, []string{"text.space /natureza_operacao 225"}},
	{"space behind", nil, func(d *Document) { d.NaturezaOperacao = "Venda\u00a0 " }, []string{"text.space /natureza_operacao 225"}},
	{"NUL", nil, func(d *Document) { d.NaturezaOperacao = "Ven\x00da" }, []string{"text.control /natureza_operacao 225"}},
	{"line break in a line", nil, func(d *Document) { d.NaturezaOperacao = "Ven\nda" }, []string{"text.control /natureza_operacao 225"}},
	{"C1 control", nil, func(d *Document) { d.NaturezaOperacao = "Ven\u0085da" }, []string{"text.control /natureza_operacao 225"}},
	{"no UTF-8", nil, func(d *Document) { d.NaturezaOperacao = "Ven\xffda" }, []string{"text.control /natureza_operacao 225"}},
	{"line break in free text", nil, func(d *Document) { d.InformacoesAdicionais = "a\n\tb" }, nil},
	{"other control in free text", nil, func(d *Document) { d.InformacoesFisco = "a\vb" }, []string{"text.control /informacoes_fisco 225"}},
	{"beyond Latin-1", nil, func(d *Document) { d.NaturezaOperacao = "Venda 🍞" }, []string{"text.latin /natureza_operacao 225"}},
	{"unknown status", nil, func(d *Document) { d.Status = "rejected" }, []string{"code.unknown /status 225"}},
	{"exponent", nil, func(d *Document) { d.ValorImpostos = "1e2" }, []string{"decimal.form /valor_impostos 225"}},
	{"NaN", nil, func(d *Document) { d.ValorImpostos = "NaN" }, []string{"decimal.form /valor_impostos 225"}},
	{"comma", nil, func(d *Document) { d.ValorImpostos = "1,00" }, []string{"decimal.form /valor_impostos 225"}},
	{"three decimals", nil, func(d *Document) { d.ValorImpostos = "1.000" }, []string{"decimal.range /valor_impostos 225"}},
	{"13 integer digits", nil, func(d *Document) { d.ValorImpostos = "9999999999999.99" }, nil},
	{"14 integer digits", nil, func(d *Document) { d.ValorImpostos = "10000000000000.00" }, []string{"decimal.range /valor_impostos 225"}},
	{"huge", nil, func(d *Document) { d.ValorImpostos = Money(strings.Repeat("9", 200)) }, []string{"decimal.form /valor_impostos 225"}},
	{"zeros in front", nil, func(d *Document) { d.ValorImpostos = "000000000000001.00" }, nil},
	{"negative", nil, func(d *Document) { d.ValorImpostos = "-0.01" }, []string{"decimal.negative /valor_impostos 225"}},
	{"minus zero", nil, func(d *Document) { d.ValorImpostos = "-0.00" }, nil},
	{"date without offset", nil, func(d *Document) { d.DataEmissao = "2026-07-14T10:30:00" }, []string{"date.form /data_emissao 225"}},
	{"30 February", nil, func(d *Document) { d.DataSaidaEntrada = "2027-02-30T10:30:00-03:00" }, []string{"date.form /data_saida_entrada 225"}},
	{"opaque array", nil, func(d *Document) { d.IBSCBS = jsontext.Value(`[1]`) }, []string{"ibs_cbs.form /ibs_cbs 225"}},
	{"opaque and large", nil, func(d *Document) { d.IBSCBS = jsontext.Value(`{"a":"` + strings.Repeat("x", maxOpaque) + `"}`) },
		[]string{"ibs_cbs.form /ibs_cbs 225"}},
	{"opaque of an item", nil, func(d *Document) { d.Itens[0].IBSCBS = jsontext.Value(`"x"`) }, []string{"ibs_cbs.form /itens/0/ibs_cbs 225"}},
	{"opaque object", nil, func(d *Document) { d.IBSCBS = jsontext.Value(`{"vBC": 1.5}`) }, nil},
	{"fiscal info", nil, func(d *Document) { d.InformacoesFiscais = []FiscalInfo{{"a", "b"}, {"b", "b"}} }, nil},
	{"fiscal info twice", nil, func(d *Document) { d.InformacoesFiscais = []FiscalInfo{{"a", "b"}, {"a", "c"}} },
		[]string{"list.repeated /informacoes_fiscais/1/campo"}},
	{"fiscal info, blank", nil, func(d *Document) { d.InformacoesFiscais = []FiscalInfo{{}} },
		[]string{"required /informacoes_fiscais/0/campo 225", "required /informacoes_fiscais/0/texto 225"}},
	{"fiscal info, long", nil, func(d *Document) { d.InformacoesFiscais = []FiscalInfo{{long[:21], long}} },
		[]string{"text.length /informacoes_fiscais/0/campo 225", "text.length /informacoes_fiscais/0/texto 225"}},
	{"fiscal info, many", nil, func(d *Document) {
		for i := range MaxFiscalInfo + 1 {
			d.InformacoesFiscais = append(d.InformacoesFiscais, FiscalInfo{itoa(i), "x"})
		}
	}, []string{"list.length /informacoes_fiscais 225"}},
	{"991 items", func() *Document { return sampleOf(990) }, func(d *Document) {
		d.Itens = append(slices.Clone(d.Itens), Item{})
	}, []string{"list.length /itens 225"}},
	{"no items", nil, func(d *Document) {
		d.Itens, d.ValorProdutos, d.ValorTotal, d.Pagamentos[0].Valor = nil, "0.00", "0.00", "0.00"
	}, []string{"required /itens 225"}},
}
