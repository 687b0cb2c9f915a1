package nfe

// contribution checks a line's PIS or COFINS, which a rule may ask for.
func (c *checker) contribution(name string, required RuleID, must bool, index int, t *Contribution) {
	if t == nil {
		if must {
			c.in("itens", index, "")
			c.add(required, name, "", "", "")
		}
		return
	}
	c.in("itens", index, name)
	c.code("cst", t.CST, contributionCSTs)
	c.digits("modalidade_bc", t.ModalidadeBC, 1, 1)
	c.money("valor_bc", t.ValorBC)
	c.rate("aliquota_percentual", t.AliquotaPercentual)
	c.decimal("aliquota_valor", string(t.AliquotaValor), 11, 4)
	c.decimal("quantidade_vendida", string(t.QuantidadeVendida), 12, 4)
	c.money("valor", t.Valor)
}
