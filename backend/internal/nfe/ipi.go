package nfe

func (c *checker) ipi(t *IPI, s *sums) {
	c.code("cst", t.CST, ipiCSTs)
	c.line("classe_enquadramento", t.ClasseEnquadramento, 1, 5)
	c.line("codigo_enquadramento", t.CodigoEnquadramento, 1, 3)
	c.cnpj("cnpj_produtor", t.CNPJProdutor, "")
	c.line("codigo_selo_controle", t.CodigoSeloControle, 1, 60)
	c.digits("quantidade_selo", t.QuantidadeSelo, 1, 12)
	c.digits("modalidade_bc", t.ModalidadeBC, 1, 1)
	c.money("valor_bc", t.ValorBC)
	c.rate("aliquota", t.Aliquota)
	c.decimal("quantidade_unidade", string(t.QuantidadeUnidade), 12, 4)
	c.decimal("valor_unidade", string(t.ValorUnidade), 11, 4)
	s.ipi.add(c.money("valor", t.Valor))
}
