package danfe

import (
	"strings"

	"github.com/boombuler/barcode/code128"

	"gatehouse/backend/internal/nfe"
)

const headHeight = 34.0

// head is on every page: who issues, which invoice it is, and its key.
func (p *page) head() {
	d := p.doc
	e := d.Emitente
	if e == nil {
		e = new(nfe.Emitter)
	}
	p.pdf.Rect(margin, p.y, 80, headHeight, "D")
	p.pdf.Rect(margin+80, p.y, 32, headHeight, "D")
	p.pdf.Rect(margin+112, p.y, width-112, headHeight, "D")

	p.pdf.SetFont("Helvetica", "B", 10)
	p.put(margin, p.y+6, 80, e.RazaoSocial, "C")
	p.pdf.SetFont("Helvetica", "", 7.5)
	for i, line := range []string{
		join(", ", e.Logradouro, e.Numero, e.Complemento),
		join(" - ", e.Bairro, join("/", e.Municipio, e.UF)),
		labelled("CEP ", e.CEP),
		labelled("Fone ", e.Telefone),
		join("   ", labelled("CNPJ ", e.CNPJ), labelled("CPF ", e.CPF), labelled("IE ", e.InscricaoEstadual)),
	} {
		p.put(margin, p.y+12+4*float64(i), 80, line, "C")
	}

	name, meaning := "DANFE", "Documento Auxiliar da NF-e"
	if d.Modelo == nfe.ModeloNFCe {
		name, meaning = "DANFE NFC-e", "Documento Auxiliar da NFC-e"
	}
	p.pdf.SetFont("Helvetica", "B", 11)
	p.put(margin+80, p.y+5, 32, name, "C")
	p.pdf.SetFont("Helvetica", "", 6)
	p.put(margin+80, p.y+8.5, 32, meaning, "C")
	p.pdf.SetFont("Helvetica", "", 7.5)
	kind := map[string]string{"0": "0 - Entrada", "1": "1 - Saída"}[d.TipoOperacao]
	for i, line := range []string{kind, labelled("Nº ", number(d.Numero)), labelled("Série ", d.Serie)} {
		p.put(margin+80, p.y+15+4.5*float64(i), 32, line, "C")
	}
	p.pdf.SetXY(margin+80, p.y+28)
	// {nb} is replaced by the number of pages when all are there.
	p.pdf.CellFormat(32, 4, p.latin("Folha ")+strings.TrimSpace(itoa(p.pdf.PageNo()))+"/{nb}", "", 0, "C", false, 0, "")

	p.key(margin+112, width-112)
	p.y += headHeight
	p.row(
		box{"NATUREZA DA OPERAÇÃO", d.NaturezaOperacao, 3, ""},
		box{"PROTOCOLO DE AUTORIZAÇÃO DE USO", join(" - ", d.ProtocoloAutorizacao, moment(d.DataAutorizacao)), 2, "C"},
	)
}

// key draws the access key as a barcode and in groups of four.
func (p *page) key(x, w float64) {
	key := p.doc.NfeID
	p.pdf.SetFont("Helvetica", "", 5.5)
	p.pdf.Text(x+0.8, p.y+20.5, "CHAVE DE ACESSO")
	if key == "" {
		p.pdf.SetFont("Helvetica", "", 8)
		p.put(x, p.y+25, w, "A chave é dada na emissão", "C")
		return
	}
	p.bars(key, x+3, p.y+2, w-6, 14)
	p.pdf.SetFont("Helvetica", "B", 7)
	p.put(x, p.y+24.5, w, groups(key), "C")
	p.pdf.SetFont("Helvetica", "", 6)
	p.put(x, p.y+29, w, "Consulta no portal nacional: www.nfe.fazenda.gov.br/portal", "C")
}

// bars draws a text in Code 128, and nothing if that has no sign for it.
func (p *page) bars(text string, x, y, w, h float64) {
	code, err := code128.Encode(text)
	if err != nil {
		return
	}
	modules := code.Bounds().Dx()
	module := w / float64(modules)
	p.pdf.SetFillColor(0, 0, 0)
	for from := 0; from < modules; {
		to := from
		for to < modules && black(code.At(to, 0)) {
			to++
		}
		if to > from {
			p.pdf.Rect(x+float64(from)*module, y, float64(to-from)*module, h, "F")
		}
		from = to + 1
	}
}
