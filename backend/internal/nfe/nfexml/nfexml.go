// Package nfexml reads and writes invoices as XML of layout 4.00: NFe, and nfeProc
// with the protocol of its authorization.
//
// What is read becomes a [nfe.Document] with what that has a place for. What it
// has none for is reported by its path, except what follows from the rest of the
// document (check digits, sums, the unit of taxation that is the unit of trade).
// Elements are written in the order of the schema. A signature is kept as it came
// and is not verified. Groups of IBS and CBS (NT 2025.002) are kept as they came.
//
// The schema is PL_009 of NF-e 4.00, https://www.nfe.fazenda.gov.br/portal/.
package nfexml

import (
	"fmt"

	"gatehouse/backend/internal/nfe"
)

// Namespaces of the layout and of signatures.
const (
	Namespace          = "http://www.portalfiscal.inf.br/nfe"
	SignatureNamespace = "http://www.w3.org/2000/09/xmldsig#"
)

// MaxSize is the longest XML that is read, in bytes.
const MaxSize = 10 << 20

// Invoice is a document with what its XML has beside it.
type Invoice struct {
	Document *nfe.Document
	// Signature is the element Signature as it came, or empty. Nothing is said about
	// whether it is right.
	Signature string
	// Protocol is of nfeProc; nil for NFe alone.
	Protocol *Protocol
	// NotKept lists the elements and attributes, by path such as
	// infNFe/det[2]/imposto/ISSQN, that a document has no place for, each once and at
	// most [MaxNotKept] of them. An element stands for all that is in it.
	NotKept []string
}

// MaxNotKept bounds [Invoice.NotKept].
const MaxNotKept = 1000

// Protocol is what the tax authority answered.
type Protocol struct {
	Ambiente string // 1 production, 2 homologation
	Key      string // access key, 44 characters
	At       nfe.Timestamp
	Number   string // 15 digits; empty where nothing was granted
	Status   string // cStat: 100 authorized, 150 late, 110, 301, 302 and 303 denied
	Reason   string
}

// Error says why something is no invoice. Nothing of the input but names of
// elements is in it.
type Error struct {
	Line    int    // from 1
	Path    string // of the element, such as infNFe/ide/dhEmi; may be empty
	Message string // such as "occurs twice"
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("line %d: %s %s", e.Line, e.Path, e.Message)
}
