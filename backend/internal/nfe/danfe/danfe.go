// Package danfe draws an invoice on paper for people: a summary in the manner of a
// DANFE, on pages of A4, with the access key as a barcode. It is no fiscal document
// by itself, and says so where the invoice is a draft, of the test environment,
// cancelled or denied.
//
// The same document always gives the same bytes.
package danfe

import (
	"bytes"
	"fmt"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"gatehouse/backend/internal/nfe"
)

// Measures of a page, in millimetres.
const (
	margin = 8.0
	width  = 210 - 2*margin
	bottom = 297 - margin
)

// Render draws a document as PDF. What is not in it stays blank; characters that
// Windows-1252 does not have are shown as a dot.
func Render(d *nfe.Document) ([]byte, error) { return render(d, true) }

func render(d *nfe.Document, compress bool) ([]byte, error) {
	p := newPage(d, compress)
	p.begin()
	p.parties()
	p.totals()
	p.transport()
	p.items()
	p.payments()
	p.information()
	var out bytes.Buffer
	if err := p.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("draw document: %w", err)
	}
	return out.Bytes(), nil
}

// page is where drawing has got to.
type page struct {
	doc *nfe.Document
	pdf *fpdf.Fpdf
	y   float64
	// latin brings text to the encoding of the fonts.
	latin func(string) string
	// heading is drawn again on each further page, such as that of a table.
	heading func()
}

func newPage(d *nfe.Document, compress bool) *page {
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.SetCompression(compress)
	pdf.SetCatalogSort(true)
	at, _ := d.DataEmissao.Time() // the zero time would be the present to the library
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	pdf.SetCreationDate(at.UTC())
	pdf.SetModificationDate(at.UTC())
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetMargins(margin, margin, margin)
	pdf.SetLineWidth(0.2)
	pdf.AliasNbPages("")
	pdf.SetLang("pt-BR")
	p := &page{doc: d, pdf: pdf, latin: pdf.UnicodeTranslatorFromDescriptor("")}
	pdf.SetTitle(p.latin(title(d)), false)
	return p
}

func title(d *nfe.Document) string {
	if d.Modelo == nfe.ModeloNFCe {
		return "DANFE NFC-e " + d.Numero
	}
	return "DANFE NF-e " + d.Numero
}

// begin starts a page with its head.
func (p *page) begin() {
	p.pdf.AddPage()
	p.y = margin
	p.watermark()
	p.head()
}

// need starts another page when there is less room than that on this one.
func (p *page) need(height float64) {
	if p.y+height <= bottom {
		return
	}
	p.begin()
	if p.heading != nil {
		p.heading()
	}
}

// notValid says why the invoice is worth nothing, or is empty.
func notValid(d *nfe.Document) string {
	switch {
	case d.Status == nfe.Cancelled:
		return "CANCELADA"
	case d.Status == nfe.Denied:
		return "DENEGADA"
	case d.Status != nfe.Authorized:
		return "RASCUNHO SEM VALOR FISCAL"
	case d.Ambiente == "2":
		return "HOMOLOGAÇÃO SEM VALOR FISCAL"
	}
	return ""
}

// watermark writes across the page that the invoice is worth nothing.
func (p *page) watermark() {
	text := notValid(p.doc)
	if text == "" {
		return
	}
	p.pdf.SetTextColor(215, 215, 215)
	p.pdf.SetFont("Helvetica", "B", 42)
	text = p.latin(text)
	p.pdf.TransformBegin()
	p.pdf.TransformRotate(55, 105, 165)
	p.pdf.Text(105-p.pdf.GetStringWidth(text)/2, 165, text)
	p.pdf.TransformEnd()
	p.pdf.SetTextColor(0, 0, 0)
}
