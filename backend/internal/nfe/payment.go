package nfe

import "github.com/quagmt/udecimal"

// Payment is one way in which a document is paid.
type Payment struct {
	IndicadorPagamento string `json:"indicador_pagamento,omitzero"` // 0 cash, 1 term
	FormaPagamento     string `json:"forma_pagamento,omitzero"`     // 01 … 99
	Descricao          string `json:"descricao,omitzero"`           // of form 99
	Valor              Money  `json:"valor,omitzero"`
	TipoIntegracao     string `json:"tipo_integracao,omitzero"` // 1 integrated, 2 not
	CNPJCredenciadora  string `json:"cnpj_credenciadora,omitzero"`
	Bandeira           string `json:"bandeira,omitzero"`
	NumeroAutorizacao  string `json:"numero_autorizacao,omitzero"`
}

// Forms of payment that rules speak of.
const (
	paymentCredit = "03"
	paymentDebit  = "04"
	paymentNone   = "90"
	paymentOther  = "99"
)

// payments checks the payments one by one and against the total.
func (c *checker) payments(d *Document) {
	c.at("")
	n := c.filled("pagamentos", len(d.Pagamentos), MaxPayments)
	paid, none := sum{}, false
	unpaid := d.Finalidade == "3" || d.Finalidade == "4"
	for i := range n {
		p := &d.Pagamentos[i]
		c.in("pagamentos", i, "")
		value := c.payment(p)
		paid.add(value)
		if p.FormaPagamento == paymentNone {
			none = true
			if len(d.Pagamentos) > 1 {
				c.add("payment.none", "forma_pagamento", "", p.FormaPagamento, "")
			}
			if value.sound && !value.IsZero() {
				c.add("payment.none", "valor", "0.00", string(p.Valor), "")
			}
		} else if unpaid && p.FormaPagamento != "" {
			c.add("payment.purpose", "forma_pagamento", paymentNone, p.FormaPagamento, "")
		}
	}
	if n > 0 {
		c.change(d, paid, none || unpaid)
	}
}

// payment checks one payment by itself and returns its value.
func (c *checker) payment(p *Payment) amount {
	c.enum("indicador_pagamento", p.IndicadorPagamento, paymentTimes)
	if c.code("forma_pagamento", p.FormaPagamento, paymentForms) && (p.FormaPagamento == paymentOther) != (p.Descricao != "") {
		c.add("payment.description", "descricao", "", p.Descricao, "")
	}
	c.line("descricao", p.Descricao, 2, 60)
	value := amount{}
	if c.need("valor", string(p.Valor)) {
		value = c.money("valor", p.Valor)
	}
	if p.TipoIntegracao == "" && (p.FormaPagamento == paymentCredit || p.FormaPagamento == paymentDebit) {
		c.add("payment.card", "tipo_integracao", integrations.text, "", "")
	}
	c.enum("tipo_integracao", p.TipoIntegracao, integrations)
	c.cnpj("cnpj_credenciadora", p.CNPJCredenciadora, "")
	c.digits("bandeira", p.Bandeira, 2, 2)
	c.line("numero_autorizacao", p.NumeroAutorizacao, 1, 128)
	return value
}

// change checks that what is paid is the total, or more by the change.
func (c *checker) change(d *Document, paid sum, none bool) {
	c.at("")
	change := c.money("valor_troco", d.ValorTroco)
	total := c.quiet(d.ValorTotal)
	if paid.unsound || !change.sound || !total.sound || !total.given {
		return
	}
	over := paid.Sub(total.Decimal)
	switch {
	case none:
		over = udecimal.Zero
	case over.IsNeg():
		c.add("payment.short", "pagamentos", total.StringFixed(2), paid.StringFixed(2), "")
		return
	}
	if !change.Equal(over) {
		c.add("payment.change", "valor_troco", over.StringFixed(2), string(d.ValorTroco), "")
	}
}

// quiet reads an amount that was checked elsewhere.
func (c *checker) quiet(m Money) amount {
	d, ok := m.Number()
	return amount{Decimal: d, given: m != "", sound: ok && !d.IsNeg() && fits(string(m), 13, 2)}
}
