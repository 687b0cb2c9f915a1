package nfe

import "github.com/quagmt/udecimal"

// Sums are what the lines of a document add up to: what its totals must be, and
// the totals of taxes that are inside the price and so no field of the document.
type Sums struct {
	Produtos, Servicos                      udecimal.Decimal // lines with indicador_total 1
	Desconto, Frete, Seguro, OutrasDespesas udecimal.Decimal
	BCICMS, ICMS, ICMSDesonerado            udecimal.Decimal
	BCST, ST, FCPST                         udecimal.Decimal
	II, IPI, IPIDevolvido, PIS, COFINS      udecimal.Decimal
}

// Sum adds up lines. What is no number counts as zero; [Validate] finds it.
func Sum(items []Item) Sums {
	var s Sums
	for i := range items {
		item := &items[i]
		if item.IndicadorTotal == "1" {
			if item.Service() {
				plus(&s.Servicos, item.ValorTotal)
			} else {
				plus(&s.Produtos, item.ValorTotal)
			}
		}
		plus(&s.Desconto, item.ValorDesconto)
		plus(&s.Frete, item.ValorFrete)
		plus(&s.Seguro, item.ValorSeguro)
		plus(&s.OutrasDespesas, item.ValorOutrasDespesas)
		plus(&s.II, item.ValorII)
		plus(&s.IPIDevolvido, item.ValorIPIDevolvido)
		if t := item.ICMS; t != nil {
			plus(&s.BCICMS, t.ValorBC)
			plus(&s.ICMS, t.Valor)
			plus(&s.ICMSDesonerado, t.ValorDesonerado)
			plus(&s.BCST, t.ValorBCST)
			plus(&s.ST, t.ValorST)
			plus(&s.FCPST, t.ValorFCPST)
		}
		if t := item.IPI; t != nil {
			plus(&s.IPI, t.Valor)
		}
		if t := item.PIS; t != nil {
			plus(&s.PIS, t.Valor)
		}
		if t := item.COFINS; t != nil {
			plus(&s.COFINS, t.Valor)
		}
	}
	return s
}

func plus(sum *udecimal.Decimal, m Money) {
	if d, ok := m.Number(); ok && m != "" {
		*sum = sum.Add(d)
	}
}
