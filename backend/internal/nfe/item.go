package nfe

import "github.com/go-json-experiment/json/jsontext"

// Item is a line of a document with its taxes. The bases and values of its taxes
// stand in the groups only.
type Item struct {
	NumeroItem            int     `json:"numero_item,omitzero"` // 1–990
	ProductID             string  `json:"product_id,omitzero"`
	Codigo                string  `json:"codigo,omitzero"`
	EAN                   string  `json:"ean,omitzero"` // GTIN, or "SEM GTIN"
	Descricao             string  `json:"descricao,omitzero"`
	NCM                   string  `json:"ncm,omitzero"` // 8 digits, or 00 for a service
	CEST                  string  `json:"cest,omitzero"`
	CFOP                  string  `json:"cfop,omitzero"`
	Unidade               string  `json:"unidade,omitzero"`
	Quantidade            Decimal `json:"quantidade,omitzero"`     // 11 integer and 4 decimal digits
	ValorUnitario         Decimal `json:"valor_unitario,omitzero"` // 11 integer and 10 decimal digits
	ValorTotal            Money   `json:"valor_total,omitzero"`    // before discount, freight and taxes
	ValorDesconto         Money   `json:"valor_desconto,omitzero"`
	ValorFrete            Money   `json:"valor_frete,omitzero"`
	ValorSeguro           Money   `json:"valor_seguro,omitzero"`
	ValorOutrasDespesas   Money   `json:"valor_outras_despesas,omitzero"`
	ValorII               Money   `json:"valor_ii,omitzero"`
	ValorIPIDevolvido     Money   `json:"valor_ipi_devolvido,omitzero"`
	IndicadorTotal        string  `json:"indicador_total,omitzero"` // 1 counts in the total of products
	InformacoesAdicionais string  `json:"informacoes_adicionais,omitzero"`
	NumeroPedidoCompra    string  `json:"numero_pedido_compra,omitzero"`
	ItemPedidoCompra      string  `json:"item_pedido_compra,omitzero"`

	ICMS   *ICMS         `json:"icms,omitzero"`
	IPI    *IPI          `json:"ipi,omitzero"`
	PIS    *Contribution `json:"pis,omitzero"`
	COFINS *Contribution `json:"cofins,omitzero"`

	// IBSCBS is the line's group of NT 2025.002, a JSON object that is kept as it
	// came.
	IBSCBS jsontext.Value `json:"ibs_cbs,omitzero"`
}

// Service reports whether the line is a service (NCM 00) and no good.
func (i *Item) Service() bool { return i.NCM == "00" }

// items checks the lines and returns what they add up to.
func (c *checker) items(d *Document) *sums {
	c.at("")
	s := &sums{}
	var seen [MaxItems + 1]bool
	for i := range c.filled("itens", len(d.Itens), MaxItems) {
		item := &d.Itens[i]
		c.in("itens", i, "")
		switch n := item.NumeroItem; {
		case n < 1 || n > MaxItems:
			c.add("item.number", "numero_item", span(1, MaxItems), itoa(n), "")
		case seen[n]:
			c.add("list.repeated", "numero_item", "", itoa(n), "")
		default:
			seen[n] = true
		}
		c.product(item)
		c.cfop(d, item.CFOP)
		c.itemAmounts(d, item, s)
		c.opaque(item.IBSCBS)
		c.taxes(d, i, item, s)
	}
	return s
}

// product checks what a line says about what is sold.
func (c *checker) product(i *Item) {
	c.id("product_id", i.ProductID)
	if c.need("codigo", i.Codigo) {
		c.line("codigo", i.Codigo, 1, 60)
	}
	if i.EAN == "" {
		c.add("gtin.required", "ean", NoGTIN, "", "")
	} else {
		c.gtin(i.EAN)
	}
	if c.need("descricao", i.Descricao) {
		c.line("descricao", i.Descricao, 1, 120)
	}
	c.ncm(i.NCM)
	c.cest(i.CEST)
	if c.need("unidade", i.Unidade) {
		c.line("unidade", i.Unidade, 1, 6)
	}
	c.free("informacoes_adicionais", i.InformacoesAdicionais, 1, 500)
	c.line("numero_pedido_compra", i.NumeroPedidoCompra, 1, 15)
	c.digits("item_pedido_compra", i.ItemPedidoCompra, 1, 6)
}

func (c *checker) gtin(s string) {
	if rule := checkGTIN(s); rule != "" {
		c.add(rule, "ean", "", s, "")
	}
}

func (c *checker) ncm(s string) {
	if c.need("ncm", s) && s != "00" && !digitsOf(s, 8, 8) {
		c.add("ncm.form", "ncm", `\d{8}|00`, s, "")
	}
}

func (c *checker) cest(s string) {
	if s != "" && !digitsOf(s, 7, 7) {
		c.add("cest.form", "cest", `\d{7}`, s, "")
	}
}

// cfop checks a line's CFOP by itself, and its first digit against the operation
// and its destination.
func (c *checker) cfop(d *Document, s string) {
	if !c.need("cfop", s) {
		return
	}
	if !validCFOP(s) {
		c.add("cfop.form", "cfop", `[123567]\d{3}`, s, "")
		return
	}
	entry := s[0] <= '3'
	switch {
	case d.TipoOperacao == "1" && entry:
		c.add("cfop.operation", "cfop", "5–7", s, "518")
		return
	case d.TipoOperacao == "0" && !entry:
		c.add("cfop.operation", "cfop", "1–3", s, "519")
		return
	}
	destination, code := "1", "733"
	switch s[0] {
	case '2', '6':
		destination, code = "2", "732"
	case '3', '7':
		destination, code = "3", "731"
	}
	if destinations.has(d.IDDestino) && d.IDDestino != destination {
		c.add("cfop.destination", "cfop", "id_destino "+destination, s, code)
	}
}

func validCFOP(s string) bool {
	return digitsOf(s, 4, 4) && s[0] != '0' && s[0] != '4' && s[0] < '8'
}

// itemAmounts checks the quantities and amounts of a line and adds them up.
func (c *checker) itemAmounts(d *Document, i *Item, s *sums) {
	quantity, price := amount{}, amount{}
	if c.need("quantidade", string(i.Quantidade)) {
		quantity = c.decimal("quantidade", string(i.Quantidade), 11, 4)
		if quantity.sound && quantity.IsZero() {
			c.add("item.quantity", "quantidade", "> 0", string(i.Quantidade), "")
		}
	}
	if c.need("valor_unitario", string(i.ValorUnitario)) {
		price = c.decimal("valor_unitario", string(i.ValorUnitario), 11, 10)
	}
	total := amount{}
	if c.need("valor_total", string(i.ValorTotal)) {
		total = c.money("valor_total", i.ValorTotal)
	}
	if exact := d.Finalidade != "2" && d.Finalidade != "3"; exact && quantity.sound && price.sound && total.sound {
		want := quantity.Mul(price.Decimal).RoundHAZ(2)
		if apart(want, total.Decimal) {
			c.add("item.total", "valor_total", want.StringFixed(2), string(i.ValorTotal), "")
		}
	}
	s.desconto.add(c.money("valor_desconto", i.ValorDesconto))
	s.frete.add(c.money("valor_frete", i.ValorFrete))
	s.seguro.add(c.money("valor_seguro", i.ValorSeguro))
	s.outras.add(c.money("valor_outras_despesas", i.ValorOutrasDespesas))
	s.ii.add(c.money("valor_ii", i.ValorII))
	s.ipiDevolvido.add(c.money("valor_ipi_devolvido", i.ValorIPIDevolvido))
	switch {
	case !c.code("indicador_total", i.IndicadorTotal, yesNo):
		s.produtos.unsound, s.servicos.unsound = true, true
	case i.IndicadorTotal == "1" && i.Service():
		s.servicos.add(total)
	case i.IndicadorTotal == "1":
		s.produtos.add(total)
	}
	if d.Modelo == ModeloNFCe {
		if i.IndicadorTotal == "0" {
			c.absent("indicador_total", i.IndicadorTotal, "774")
		}
		c.absent("valor_ii", string(i.ValorII), "743")
	}
}
