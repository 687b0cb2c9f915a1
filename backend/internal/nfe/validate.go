package nfe

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Options are what a validation depends on beside the document.
type Options struct {
	// Reference is the time that dates are held against. When it is zero they are
	// not.
	Reference time.Time
	// StrictLetters refuses the letters I, O, U, Q and F in a CNPJ.
	StrictLetters bool
	// NT2025002 allows the purposes 5 (credit) and 6 (debit).
	NT2025002 bool
}

// Validate returns everything that is wrong with a document, in the order of its
// fields, and nothing for a good one. It does not change the document; see
// [Normalize]. What only the issue gives (number, cNF, key) may be absent.
// Findings carry no messages until [Localize]. Beyond 2,000 findings the last one
// says that there are more.
func Validate(d *Document, o Options) []Finding {
	c := &checker{o: o}
	c.head(d)
	c.parties(d)
	s := c.items(d)
	c.totals(d, s)
	c.transport(d)
	c.payments(d)
	c.references(d)
	c.closing(d)
	return c.findings
}

// size checks the length of a list and returns how many elements to look at.
func (c *checker) size(name string, n, high int) int {
	if n > high {
		c.add("list.length", name, "≤ "+itoa(high), itoa(n), "")
	}
	return min(n, high)
}

// filled is as size for a list that must not be empty.
func (c *checker) filled(name string, n, high int) int {
	if n == 0 {
		c.add("required", name, "", "", "")
	}
	return c.size(name, n, high)
}

// closing checks what stands at the end of a document.
func (c *checker) closing(d *Document) {
	c.at("")
	c.line("pedido_compra", d.PedidoCompra, 1, 60)
	c.line("contrato", d.Contrato, 1, 60)
	if d.Modelo == ModeloNFCe {
		c.absent("pedido_compra", d.PedidoCompra, "762")
		c.absent("contrato", d.Contrato, "762")
	}
	c.free("informacoes_adicionais", d.InformacoesAdicionais, 1, 5000)
	c.free("informacoes_fisco", d.InformacoesFisco, 1, 2000)
	c.opaque(d.IBSCBS)
	n := c.size("informacoes_fiscais", len(d.InformacoesFiscais), MaxFiscalInfo)
	seen := make(map[string]bool, n)
	for i := range n {
		c.in("informacoes_fiscais", i, "")
		f := &d.InformacoesFiscais[i]
		if c.need("campo", f.Campo) {
			c.line("campo", f.Campo, 1, 20)
			if seen[f.Campo] {
				c.add("list.repeated", "campo", "", f.Campo, "")
			}
			seen[f.Campo] = true
		}
		if c.need("texto", f.Texto) {
			c.line("texto", f.Texto, 1, 60)
		}
	}
}

// absent finds fault with a value that an NFC-e does not have.
func (c *checker) absent(name, s, code string) {
	if s != "" {
		c.add("nfce.field", name, "", s, code)
	}
}

// maxOpaque bounds an opaque group in bytes.
const maxOpaque = 16 << 10

// opaque checks a group that is kept as it came.
func (c *checker) opaque(v jsontext.Value) {
	if len(v) == 0 || v.Kind() == 'n' {
		return
	}
	if v.Kind() != '{' || len(v) > maxOpaque || !v.IsValid() {
		c.add("ibs_cbs.form", "ibs_cbs", "", "", "")
	}
}
