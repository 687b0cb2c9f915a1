package nfe

import "github.com/go-json-experiment/json/jsontext"

// Layout is the version of the layout that the rules of this package are about.
const Layout = "4.00"

// Modelos of a document.
const (
	ModeloNFe  = "55"
	ModeloNFCe = "65"
)

// Bounds of a document's lists.
const (
	MaxItems      = 990
	MaxReferences = 999
	MaxPayments   = 100
	MaxVolumes    = 5000
	MaxFiscalInfo = 50
)

// Document is an invoice with everything that belongs to it. Fields carry the
// names of their columns. Those under "set by the server" are ignored in what a
// client sends.
type Document struct {
	// Set by the server.
	ID                    string    `json:"id,omitzero"`     // UUID
	NfeID                 string    `json:"nfe_id,omitzero"` // access key, 44 characters; empty until issue
	Status                Status    `json:"status,omitzero"` // empty is read as draft
	DataAutorizacao       Timestamp `json:"data_autorizacao,omitzero"`
	DataCancelamento      Timestamp `json:"data_cancelamento,omitzero"`
	ProtocoloAutorizacao  string    `json:"protocolo_autorizacao,omitzero"`  // 15 digits
	CodigoDenegacao       string    `json:"codigo_denegacao,omitzero"`       // 110, 301, 302 or 303
	ProtocoloCancelamento string    `json:"protocolo_cancelamento,omitzero"` // 15 digits
	MotivoCancelamento    string    `json:"motivo_cancelamento,omitzero"`    // 15–255
	IssuedAt              Timestamp `json:"issued_at,omitzero"`
	CreatedAt             Timestamp `json:"created_at,omitzero"`
	UpdatedAt             Timestamp `json:"updated_at,omitzero"`
	Version               int64     `json:"version,omitzero"` // of the row, for optimistic locking

	// Identification.
	EmitterID                 string    `json:"emitter_id,omitzero"`
	RecipientID               string    `json:"recipient_id,omitzero"`
	Modelo                    string    `json:"modelo,omitzero"`
	Versao                    string    `json:"versao,omitzero"`
	Ambiente                  string    `json:"ambiente,omitzero"` // 1 production, 2 homologation
	Serie                     string    `json:"serie,omitzero"`
	Numero                    string    `json:"numero,omitzero"`          // given at issue
	CodigoNumerico            string    `json:"codigo_numerico,omitzero"` // cNF, 8 digits, drawn at issue
	NaturezaOperacao          string    `json:"natureza_operacao,omitzero"`
	TipoOperacao              string    `json:"tipo_operacao,omitzero"`
	TipoEmissao               string    `json:"tipo_emissao,omitzero"`
	Finalidade                string    `json:"finalidade,omitzero"`
	IDDestino                 string    `json:"id_destino,omitzero"`
	IndicadorFinal            string    `json:"indicador_final,omitzero"`
	IndicadorPresencial       string    `json:"indicador_presencial,omitzero"`
	DataEmissao               Timestamp `json:"data_emissao,omitzero"` // in the issuer's offset
	DataSaidaEntrada          Timestamp `json:"data_saida_entrada,omitzero"`
	JustificativaContingencia string    `json:"justificativa_contingencia,omitzero"`

	// The parties as they were when the document was issued, whatever becomes of
	// the rows they were copied from.
	Emitente     *Emitter   `json:"emitente,omitzero"`
	Destinatario *Recipient `json:"destinatario,omitzero"` // optional for modelo 65

	Itens []Item `json:"itens,omitzero"`

	// Totals.
	ValorProdutos       Money `json:"valor_produtos,omitzero"`
	ValorDesconto       Money `json:"valor_desconto,omitzero"`
	ValorICMSDesonerado Money `json:"valor_icms_desonerado,omitzero"`
	ValorST             Money `json:"valor_st,omitzero"`
	ValorFCPST          Money `json:"valor_fcp_st,omitzero"`
	ValorFrete          Money `json:"valor_frete,omitzero"`
	ValorSeguro         Money `json:"valor_seguro,omitzero"`
	ValorOutrasDespesas Money `json:"valor_outras_despesas,omitzero"`
	ValorII             Money `json:"valor_ii,omitzero"`
	ValorIPI            Money `json:"valor_ipi,omitzero"`
	ValorIPIDevolvido   Money `json:"valor_ipi_devolvido,omitzero"`
	ValorServicos       Money `json:"valor_servicos,omitzero"`
	ValorImpostos       Money `json:"valor_impostos,omitzero"` // information, never added
	ValorTotal          Money `json:"valor_total,omitzero"`
	ValorTroco          Money `json:"valor_troco,omitzero"`

	Transporte  *Transport  `json:"transporte,omitzero"`
	Pagamentos  []Payment   `json:"pagamentos,omitzero"`
	Referencias []Reference `json:"referencias,omitzero"`

	PedidoCompra          string       `json:"pedido_compra,omitzero"`
	Contrato              string       `json:"contrato,omitzero"`
	InformacoesAdicionais string       `json:"informacoes_adicionais,omitzero"`
	InformacoesFisco      string       `json:"informacoes_fisco,omitzero"`
	InformacoesFiscais    []FiscalInfo `json:"informacoes_fiscais,omitzero"`

	// IBSCBS is the group of totals of NT 2025.002, a JSON object that is kept as
	// it came.
	IBSCBS jsontext.Value `json:"ibs_cbs,omitzero"`
}

// FiscalInfo is a free field of the fisco or the taxpayer.
type FiscalInfo struct {
	Campo string `json:"campo,omitzero"` // 1–20, unique in a document
	Texto string `json:"texto,omitzero"`
}

// Status is where a document stands in its life.
type Status string

// The four states. A rejection leaves a document a draft.
const (
	Draft      Status = "draft"
	Authorized Status = "authorized"
	Cancelled  Status = "cancelled"
	Denied     Status = "denied"
)
