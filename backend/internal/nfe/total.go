package nfe

import (
	"strings"

	"github.com/quagmt/udecimal"
)

// A sum is what the lines add up to in one field. It is unsound when a line's
// amount is, and then takes no part in comparisons.
type sum struct {
	udecimal.Decimal
	unsound bool
}

func (s *sum) add(a amount) {
	if !a.sound {
		s.unsound = true
	} else if a.given {
		s.Decimal = s.Decimal.Add(a.Decimal)
	}
}

// sums are what the lines of a document add up to.
type sums struct {
	produtos, servicos, desconto, frete, seguro, outras, ii, ipi, ipiDevolvido, st, fcpST, desonerado sum
}

// totals checks the totals of a document against its lines, and the whole against
// its parts.
func (c *checker) totals(d *Document, s *sums) {
	c.at("")
	services := c.money("valor_servicos", d.ValorServicos)
	products := c.products(d, s, services)
	discount := c.total("valor_desconto", d.ValorDesconto, &s.desconto, "537")
	exempt := c.total("valor_icms_desonerado", d.ValorICMSDesonerado, &s.desonerado, "795")
	st := c.total("valor_st", d.ValorST, &s.st, "534")
	fcpST := c.total("valor_fcp_st", d.ValorFCPST, &s.fcpST, "")
	parts := [...]amount{
		products, services, st, fcpST,
		c.total("valor_frete", d.ValorFrete, &s.frete, "535"),
		c.total("valor_seguro", d.ValorSeguro, &s.seguro, "536"),
		c.total("valor_outras_despesas", d.ValorOutrasDespesas, &s.outras, "604"),
		c.total("valor_ii", d.ValorII, &s.ii, "601"),
		c.total("valor_ipi", d.ValorIPI, &s.ipi, "538"),
		c.total("valor_ipi_devolvido", d.ValorIPIDevolvido, &s.ipiDevolvido, "863"),
	}
	c.money("valor_impostos", d.ValorImpostos)
	if sold := products.Add(services.Decimal); products.sound && services.sound && discount.sound && discount.GreaterThan(sold) {
		c.add("total.discount", "valor_desconto", "≤ "+sold.StringFixed(2), string(d.ValorDesconto), "")
	}
	if !c.need("valor_total", string(d.ValorTotal)) {
		return
	}
	total := c.money("valor_total", d.ValorTotal)
	sound := total.sound && discount.sound && exempt.sound
	var want udecimal.Decimal
	for _, part := range parts {
		sound = sound && part.sound
		want = want.Add(part.Decimal)
	}
	if !sound || imported(d) {
		return
	}
	want = want.Sub(discount.Decimal)
	if !acceptedTotal(total.Decimal, want, exempt.Decimal, st.Add(fcpST.Decimal), vehicles(d)) {
		c.add("total.sum", "valor_total", want.Sub(exempt.Decimal).StringFixed(2), string(d.ValorTotal), "")
	}
}

// acceptedTotal holds a total against what its parts come to, with the variants
// that are accepted: exempt ICMS need not be subtracted, and a direct sale of new
// vehicles leaves ST out.
func acceptedTotal(total, parts, exempt, st udecimal.Decimal, vehicles bool) bool {
	if total.Equal(parts) || total.Equal(parts.Sub(exempt)) {
		return true
	}
	parts = parts.Sub(st)
	return vehicles && (total.Equal(parts) || total.Equal(parts.Sub(exempt)))
}

// imported reports whether a line is an import; its taxes and duties are part of
// the total in ways that the rule does not foresee.
func imported(d *Document) bool {
	for i := range d.Itens {
		if strings.HasPrefix(d.Itens[i].CFOP, "3") {
			return true
		}
	}
	return false
}

// vehicles reports whether a line is a motor vehicle (NCM 8701 to 8705 or 8711).
func vehicles(d *Document) bool {
	for i := range d.Itens {
		if n := d.Itens[i].NCM; len(n) == 8 && (n[:4] >= "8701" && n[:4] <= "8705" || n[:4] == "8711") {
			return true
		}
	}
	return false
}

// products checks the totals of products and services. A document that does not
// tell services apart has them among the products.
func (c *checker) products(d *Document, s *sums, services amount) amount {
	products := amount{sound: true}
	if c.need("valor_produtos", string(d.ValorProdutos)) {
		products = c.money("valor_produtos", d.ValorProdutos)
	}
	if s.produtos.unsound || s.servicos.unsound || !services.sound || !products.sound {
		return products
	}
	want := s.produtos.Decimal
	if services.IsZero() {
		want = want.Add(s.servicos.Decimal)
	} else if !services.Equal(s.servicos.Decimal) {
		c.add("total.services", "valor_servicos", s.servicos.StringFixed(2), string(d.ValorServicos), "")
	}
	if products.given && !products.Equal(want) {
		c.add("total.products", "valor_produtos", want.StringFixed(2), string(d.ValorProdutos), "")
	}
	return products
}

// total checks one total against the sum of the lines.
func (c *checker) total(name string, m Money, s *sum, code string) amount {
	a := c.money(name, m)
	if a.sound && !s.unsound && !a.Equal(s.Decimal) {
		c.add("total.items", name, s.StringFixed(2), string(m), code)
	}
	return a
}
