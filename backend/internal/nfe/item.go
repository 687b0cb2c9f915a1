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
