package nfe

import (
	"fmt"
	"time"
)

// State is where a document stands, finer than its status: a draft that was issued
// waits for an outcome and is frozen meanwhile.
type State string

// The states of a document.
const (
	StateDraft      State = "draft"
	StateIssued     State = "issued"
	StateAuthorized State = "authorized"
	StateCancelled  State = "cancelled"
	StateDenied     State = "denied"
)

// Transition is a step in a document's life.
type Transition string

// The steps. Edit changes the content, Delete removes the document.
const (
	ToEdit      Transition = "edit"
	ToDelete    Transition = "delete"
	ToIssue     Transition = "issue"
	ToAuthorize Transition = "authorize"
	ToReject    Transition = "reject"
	ToDeny      Transition = "deny"
	ToCancel    Transition = "cancel"
)

// steps are all that is allowed, and where it leads.
var steps = map[State]map[Transition]State{
	StateDraft:      {ToEdit: StateDraft, ToDelete: "", ToIssue: StateIssued},
	StateIssued:     {ToAuthorize: StateAuthorized, ToReject: StateDraft, ToDeny: StateDenied},
	StateAuthorized: {ToCancel: StateCancelled},
}

// Next returns where a step leads, and whether it is allowed. Deleting leads to "".
func Next(s State, t Transition) (State, bool) {
	to, ok := steps[s][t]
	return to, ok
}

// State returns where the document stands.
func (d *Document) State() State {
	switch {
	case d.Status != Draft && d.Status != "":
		return State(d.Status)
	case d.NfeID != "":
		return StateIssued
	}
	return StateDraft
}

// StateError says that a document's state does not allow a step (409).
type StateError struct {
	State      State
	Transition Transition
}

func (e *StateError) Error() string {
	return fmt.Sprintf("a document that is %s cannot be changed by %s", e.State, e.Transition)
}

// RefusedError says that what was given for a step, or the document itself, breaks
// rules (422).
type RefusedError struct{ Findings []Finding }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%d findings, the first %s at %q", len(e.Findings), e.Findings[0].Rule, e.Findings[0].Path)
}

// Can returns a *StateError when the document's state does not allow a step. A
// draft that has a number cannot be deleted: its number was consumed.
func (d *Document) Can(t Transition) error {
	s := d.State()
	if _, ok := Next(s, t); !ok || t == ToDelete && d.Numero != "" {
		return &StateError{s, t}
	}
	return nil
}

// CheckIssue returns the findings about a draft that is to be issued: with a
// *RefusedError when there are errors among them, with a *StateError when it is no
// draft. It comes before a number is allocated, since a document with errors does
// not consume one.
func CheckIssue(d *Document, o Options) ([]Finding, error) {
	if err := d.Can(ToIssue); err != nil {
		return nil, err
	}
	findings := Validate(d, o)
	if Blocked(findings) {
		return findings, &RefusedError{findings}
	}
	return findings, nil
}

// Numbering is what the issue of a document gives it.
type Numbering struct {
	Serie, Numero  string
	CodigoNumerico string // drawn by [DrawCode]
}

// Issue gives a draft that [CheckIssue] passed its numbering and key. A draft that
// was rejected keeps the numbering it has. On error the draft is as it was.
func Issue(d *Document, n Numbering, at time.Time) error {
	if err := d.Can(ToIssue); err != nil {
		return err
	}
	if d.Numero != "" {
		n = Numbering{d.Serie, d.Numero, d.CodigoNumerico}
	}
	numbered := *d
	numbered.Serie, numbered.Numero, numbered.CodigoNumerico = n.Serie, n.Numero, n.CodigoNumerico
	c := &checker{}
	c.need("serie", n.Serie)
	c.need("numero", n.Numero)
	c.need("codigo_numerico", n.CodigoNumerico)
	c.numbering(&numbered)
	if len(c.findings) > 0 {
		return &RefusedError{c.findings}
	}
	key, err := numbered.ComposeKey()
	if err != nil {
		return err
	}
	numbered.NfeID, numbered.IssuedAt, numbered.Status = key, NewTimestamp(at), Draft
	*d = numbered
	return nil
}

// ComposeKey computes the access key of a document from its fields. Fields that
// are absent or of another form are an error, [ErrKeyParts].
func (d *Document) ComposeKey() (string, error) {
	k := Key{
		Issuer: d.Emitente.Issuer(), Modelo: d.Modelo, Serie: d.Serie, Numero: d.Numero,
		TipoEmissao: d.TipoEmissao, CodigoNumerico: d.CodigoNumerico,
	}
	if d.Emitente != nil {
		k.UF = CodeOfUF(d.Emitente.UF)
	}
	if at, ok := d.DataEmissao.Time(); ok {
		k.Month = keyMonth(at)
	}
	return k.Compose()
}

// Authorization is the SEFAZ's answer 100 to an issued document.
type Authorization struct {
	Protocolo   string    `json:"protocolo,omitzero"`    // 15 digits
	Data        Timestamp `json:"data,omitzero"`         // of authorization
	ChaveAcesso string    `json:"chave_acesso,omitzero"` // the document's
}

// Authorize records an authorization.
func Authorize(d *Document, a Authorization) error {
	if err := d.Can(ToAuthorize); err != nil {
		return err
	}
	c := &checker{}
	c.outcome(a.Protocolo, a.Data)
	if c.need("chave_acesso", a.ChaveAcesso) && a.ChaveAcesso != d.NfeID {
		c.add("key.mismatch", "chave_acesso", d.NfeID, a.ChaveAcesso, "502")
	}
	if len(c.findings) > 0 {
		return &RefusedError{c.findings}
	}
	d.Status, d.ProtocoloAutorizacao, d.DataAutorizacao = Authorized, a.Protocolo, a.Data
	return nil
}

func (c *checker) outcome(protocol string, at Timestamp) {
	if c.need("protocolo", protocol) && !ValidProtocol(protocol) {
		c.add("protocol.form", "protocolo", `\d{15}`, protocol, "")
	}
	if c.need("data", string(at)) {
		c.moment("data", at)
	}
}

// Reject thaws an issued draft whose use the SEFAZ refused. Number and cNF stay
// for the retry, the key goes.
func Reject(d *Document) error {
	if err := d.Can(ToReject); err != nil {
		return err
	}
	d.NfeID, d.IssuedAt = "", ""
	return nil
}

// denials are the SEFAZ's answers that deny the use of a document for good.
var denials = enum("110 301 302 303")

// Denial is such an answer.
type Denial struct {
	Codigo    string    `json:"codigo,omitzero"` // 110, 301, 302 or 303
	Protocolo string    `json:"protocolo,omitzero"`
	Data      Timestamp `json:"data,omitzero"`
}

// Deny records a denial. The number is consumed.
func Deny(d *Document, n Denial) error {
	if err := d.Can(ToDeny); err != nil {
		return err
	}
	c := &checker{}
	c.code("codigo", n.Codigo, denials)
	c.outcome(n.Protocolo, n.Data)
	if len(c.findings) > 0 {
		return &RefusedError{c.findings}
	}
	d.Status, d.ProtocoloAutorizacao, d.DataAutorizacao, d.CodigoDenegacao = Denied, n.Protocolo, n.Data, n.Codigo
	return nil
}
