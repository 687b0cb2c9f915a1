package danfe

import "strings"

// box is a frame with a small label and a text below it, which is cut where it
// would leave the frame.
type box struct {
	label, text string
	width       float64 // share of the row
	align       string  // L (or empty), C or R
}

const rowHeight = 7.0

// section names the rows that follow it, and keeps them with it.
func (p *page) section(name string, rows int) {
	p.need(4 + float64(rows)*rowHeight)
	p.pdf.SetFont("Helvetica", "B", 7)
	p.pdf.Text(margin, p.y+3.2, p.latin(name))
	p.y += 4
}

// row draws boxes side by side over the whole width.
func (p *page) row(boxes ...box) {
	total := 0.0
	for _, b := range boxes {
		total += b.width
	}
	x := margin
	for _, b := range boxes {
		w := width * b.width / total
		p.pdf.Rect(x, p.y, w, rowHeight, "D")
		p.pdf.SetFont("Helvetica", "", 5.5)
		p.pdf.Text(x+0.8, p.y+2.2, p.latin(b.label))
		p.pdf.SetFont("Helvetica", "", 8)
		p.put(x, p.y+5.8, w, b.text, b.align)
		x += w
	}
	p.y += rowHeight
}

// put writes a line within a width from x, on the line of type y.
func (p *page) put(x, y, w float64, text, align string) {
	text = p.fit(text, w-1.6)
	switch align {
	case "R":
		x += w - 0.8 - p.pdf.GetStringWidth(text)
	case "C":
		x += (w - p.pdf.GetStringWidth(text)) / 2
	default:
		x += 0.8
	}
	p.pdf.Text(x, y, text)
}

// fit cuts a text to a width, and shows by three dots that it did.
func (p *page) fit(text string, w float64) string {
	text = p.latin(oneLine(text))
	if p.pdf.GetStringWidth(text) <= w {
		return text
	}
	for len(text) > 0 && p.pdf.GetStringWidth(text+"...") > w {
		text = text[:len(text)-1] // one byte is one character in this encoding
	}
	return text + "..."
}

// oneLine leaves out what would break a line.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
}

// paragraph writes a text over as many lines and pages as it needs.
func (p *page) paragraph(label, text string) {
	if text == "" {
		return
	}
	const line = 3.4
	p.pdf.SetFont("Helvetica", "", 7)
	var lines [][]byte
	for part := range strings.SplitSeq(label+": "+text, "\n") {
		lines = append(lines, p.pdf.SplitLines([]byte(p.latin(oneLine(part))), width-2)...)
	}
	for _, l := range lines {
		p.need(line)
		p.pdf.SetFont("Helvetica", "", 7)
		p.pdf.Text(margin+0.8, p.y+2.8, string(l))
		p.y += line
	}
}
