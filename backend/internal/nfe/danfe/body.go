package danfe

import (
	"strconv"

	"github.com/quagmt/udecimal"

	"gatehouse/backend/internal/nfe"
)

func (p *page) parties() {
	d := p.doc
	r := d.Destinatario
	p.section("DESTINATÁRIO", 3)
	if r == nil {
		p.row(box{"NOME", "CONSUMIDOR NÃO IDENTIFICADO", 3, ""}, box{"DATA DA EMISSÃO", moment(d.DataEmissao), 1, "C"})
		return
	}
	p.row(
		box{"NOME / RAZÃO SOCIAL", r.RazaoSocial, 5, ""},
		box{"CNPJ / CPF / ID ESTRANGEIRO", join("", r.CNPJ, r.CPF, r.IDEstrangeiro), 2, "C"},
		box{"DATA DA EMISSÃO", moment(d.DataEmissao), 2, "C"},
	)
	p.row(
		box{"ENDEREÇO", join(", ", r.Logradouro, r.Numero, r.Complemento), 5, ""},
		box{"BAIRRO", r.Bairro, 2, ""},
		box{"DATA DA SAÍDA / ENTRADA", moment(d.DataSaidaEntrada), 2, "C"},
	)
	p.row(
		box{"MUNICÍPIO", r.Municipio, 4, ""},
		box{"UF", r.UF, 0.6, "C"},
		box{"CEP", r.CEP, 1.2, "C"},
		box{"TELEFONE", r.Telefone, 1.6, "C"},
		box{"INSCRIÇÃO ESTADUAL", r.InscricaoEstadual, 1.6, "C"},
	)
}

func (p *page) totals() {
	d := p.doc
	sums := nfe.Sum(d.Itens)
	cents := func(v udecimal.Decimal) string { return money(nfe.Cents(v)) }
	p.section("CÁLCULO DO IMPOSTO", 2)
	p.row(
		box{"BASE DO ICMS", cents(sums.BCICMS), 1, "R"},
		box{"VALOR DO ICMS", cents(sums.ICMS), 1, "R"},
		box{"BASE DO ICMS ST", cents(sums.BCST), 1, "R"},
		box{"VALOR DO ICMS ST", money(d.ValorST), 1, "R"},
		box{"VALOR DO PIS", cents(sums.PIS), 1, "R"},
		box{"VALOR DA COFINS", cents(sums.COFINS), 1, "R"},
		box{"PRODUTOS", money(d.ValorProdutos), 1, "R"},
	)
	p.row(
		box{"FRETE", money(d.ValorFrete), 1, "R"},
		box{"SEGURO", money(d.ValorSeguro), 1, "R"},
		box{"DESCONTO", money(d.ValorDesconto), 1, "R"},
		box{"OUTRAS DESPESAS", money(d.ValorOutrasDespesas), 1, "R"},
		box{"VALOR DO IPI", money(d.ValorIPI), 1, "R"},
		box{"SERVIÇOS", money(d.ValorServicos), 1, "R"},
		box{"TOTAL DA NOTA", money(d.ValorTotal), 1, "R"},
	)
}

var freight = map[string]string{
	"0": "0 - Emitente (CIF)", "1": "1 - Destinatário (FOB)", "2": "2 - Terceiros",
	"3": "3 - Próprio, emitente", "4": "4 - Próprio, destinatário", "9": "9 - Sem frete",
}

func (p *page) transport() {
	t := p.doc.Transporte
	if t == nil {
		return
	}
	p.section("TRANSPORTADOR / VOLUMES", 1)
	p.row(
		box{"NOME / RAZÃO SOCIAL", t.RazaoSocial, 4, ""},
		box{"FRETE POR CONTA", freight[t.ModalidadeFrete], 2.4, ""},
		box{"CNPJ / CPF", join("", t.CNPJ, t.CPF), 2, "C"},
		box{"PLACA", join(" ", t.PlacaVeiculo, t.UFVeiculo), 1.4, "C"},
	)
	for _, v := range t.Volumes {
		p.need(rowHeight)
		p.row(
			box{"QUANTIDADE", v.Quantidade, 1, "R"},
			box{"ESPÉCIE", v.Especie, 1.5, ""},
			box{"MARCA", v.Marca, 1.5, ""},
			box{"NUMERAÇÃO", v.Numeracao, 1.5, ""},
			box{"PESO LÍQUIDO", decimal(v.PesoLiquido, 3), 1, "R"},
			box{"PESO BRUTO", decimal(v.PesoBruto, 3), 1, "R"},
		)
	}
}

// columns are those of the items' table, with their widths in millimetres.
var columns = []struct {
	name  string
	width float64
	align string
	text  func(*nfe.Item) string
}{
	{"#", 7, "R", func(i *nfe.Item) string { return strconv.Itoa(i.NumeroItem) }},
	{"CÓDIGO", 19, "", func(i *nfe.Item) string { return i.Codigo }},
	{"DESCRIÇÃO", 53, "", nil},
	{"NCM", 13, "C", func(i *nfe.Item) string { return i.NCM }},
	{"CST", 8, "C", func(i *nfe.Item) string {
		if i.ICMS == nil {
			return ""
		}
		return i.ICMS.Origem + i.ICMS.CST
	}},
	{"CFOP", 9, "C", func(i *nfe.Item) string { return i.CFOP }},
	{"UN", 9, "C", func(i *nfe.Item) string { return i.Unidade }},
	{"QUANT.", 17, "R", func(i *nfe.Item) string { return decimal(i.Quantidade, 0) }},
	{"V. UNIT.", 20, "R", func(i *nfe.Item) string { return decimal(i.ValorUnitario, 2) }},
	{"V. TOTAL", 20, "R", func(i *nfe.Item) string { return decimal(i.ValorTotal, 2) }},
	{"V. ICMS", 19, "R", func(i *nfe.Item) string {
		if i.ICMS == nil {
			return ""
		}
		return decimal(i.ICMS.Valor, 2)
	}},
}

// described is the column of the description, which may have several lines.
const described = 2

const lineHeight = 4.2

func (p *page) items() {
	p.section("DADOS DOS PRODUTOS E SERVIÇOS", 2)
	p.itemHeading()
	p.heading = p.itemHeading
	for i := range p.doc.Itens {
		p.item(&p.doc.Itens[i])
	}
	p.heading = nil
	p.y += 2
}

// item draws a line of the table, with as many lines of type as the description
// needs.
func (p *page) item(item *nfe.Item) {
	const more = 3.2 // of each further line
	p.pdf.SetFont("Helvetica", "", 7)
	description := p.pdf.SplitLines([]byte(p.latin(oneLine(item.Descricao))), columns[described].width-1)
	p.need(lineHeight + more*float64(max(0, len(description)-1)))
	p.pdf.SetFont("Helvetica", "", 7)
	x := margin
	for i, c := range columns {
		if i != described {
			p.put(x, p.y+3, c.width, c.text(item), c.align)
		}
		for n, line := range description {
			if i == described {
				p.pdf.Text(x+0.8, p.y+3+more*float64(n), string(line))
			}
		}
		x += c.width
	}
	p.y += lineHeight + more*float64(max(0, len(description)-1))
	p.pdf.Line(margin, p.y, margin+width, p.y)
}

func (p *page) itemHeading() {
	p.pdf.SetFont("Helvetica", "B", 6)
	p.pdf.SetFillColor(232, 232, 232)
	p.pdf.Rect(margin, p.y, width, lineHeight, "F")
	x := margin
	for _, c := range columns {
		p.put(x, p.y+3, c.width, c.name, c.align)
		x += c.width
	}
	p.y += lineHeight
}

func (p *page) payments() {
	if len(p.doc.Pagamentos) == 0 {
		return
	}
	p.section("PAGAMENTO", 1)
	for _, pay := range p.doc.Pagamentos {
		p.need(rowHeight)
		p.row(
			box{"FORMA", join(" - ", pay.FormaPagamento, forms[pay.FormaPagamento], pay.Descricao), 3, ""},
			box{"VALOR", money(pay.Valor), 1, "R"},
		)
	}
	if p.doc.ValorTroco != "" {
		p.need(rowHeight)
		p.row(box{"TROCO", money(p.doc.ValorTroco), 1, "R"})
	}
}

var forms = map[string]string{
	"01": "Dinheiro", "02": "Cheque", "03": "Cartão de crédito", "04": "Cartão de débito", "05": "Crédito da loja",
	"10": "Vale-alimentação", "11": "Vale-refeição", "12": "Vale-presente", "13": "Vale-combustível", "15": "Boleto",
	"16": "Depósito", "17": "PIX dinâmico", "18": "Transferência", "19": "Fidelidade", "20": "PIX estático",
	"21": "Crédito em loja", "22": "Pagamento eletrônico não informado", "90": "Sem pagamento", "91": "Pagamento posterior", "99": "Outros",
}

func (p *page) information() {
	d := p.doc
	p.section("DADOS ADICIONAIS", 1)
	p.paragraph("Informações complementares", d.InformacoesAdicionais)
	p.paragraph("Informações ao fisco", d.InformacoesFisco)
	for _, i := range d.InformacoesFiscais {
		p.paragraph(i.Campo, i.Texto)
	}
	p.paragraph("Tributos aproximados", labelled("R$ ", decimal(d.ValorImpostos, 2)))
	p.paragraph("Motivo do cancelamento", d.MotivoCancelamento)
	p.paragraph("Justificativa da contingência", d.JustificativaContingencia)
}
