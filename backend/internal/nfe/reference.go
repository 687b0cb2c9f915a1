package nfe

// Kinds of referenced documents.
const (
	ReferenceNFe   = "0"
	ReferenceNF    = "1"
	ReferenceCTe   = "2"
	ReferenceCupom = "3"
)

// Reference names another document: by its key (NF-e, CT-e), or by what is printed
// on it (NF on paper, cupom fiscal).
type Reference struct {
	Tipo        string `json:"tipo,omitzero"`
	ChaveAcesso string `json:"chave_acesso,omitzero"`
	UF          string `json:"uf,omitzero"`
	MesAno      string `json:"mes_ano,omitzero"` // AAMM
	CNPJ        string `json:"cnpj,omitzero"`
	Modelo      string `json:"modelo,omitzero"`
	Serie       string `json:"serie,omitzero"`
	Numero      string `json:"numero,omitzero"`
}
