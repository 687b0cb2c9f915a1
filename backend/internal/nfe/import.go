package nfe

import (
	"slices"
	"strings"
)

// outcomes are the SEFAZ's answers that end a document's wait: authorized, in time
// or late, and denied.
var outcomes = enum("100 150 110 301 302 303")

// Outcome is what the SEFAZ said about a document, as it comes with its file.
type Outcome struct {
	Codigo      string // cStat: 100 or 150, or 110, 301, 302 or 303
	Protocolo   string // 15 digits
	Data        Timestamp
	ChaveAcesso string // the document's
}

// Import makes of a document that came with its key what the outcome says, or an
// issued one without an outcome. What it is known by must be in order, see
// [Misnumbered]. On error, a *RefusedError, the document is as it was.
func Import(d *Document, o *Outcome) error {
	in := *d
	at, _ := d.DataEmissao.Time()
	in.Status, in.IssuedAt = Draft, NewTimestamp(at)
	if o != nil {
		c := &checker{}
		c.code("status", o.Codigo, outcomes)
		if c.need("protocolo_autorizacao", o.Protocolo) && !ValidProtocol(o.Protocolo) {
			c.add("protocol.form", "protocolo_autorizacao", `\d{15}`, o.Protocolo, "")
		}
		if c.need("data_autorizacao", string(o.Data)) {
			c.moment("data_autorizacao", o.Data)
		}
		if o.ChaveAcesso != d.NfeID {
			c.add("key.mismatch", "nfe_id", d.NfeID, o.ChaveAcesso, "502")
		}
		if len(c.findings) > 0 {
			return &RefusedError{c.findings}
		}
		in.Status, in.ProtocoloAutorizacao, in.DataAutorizacao = Authorized, o.Protocolo, o.Data
		if denials.has(o.Codigo) {
			in.Status, in.CodigoDenegacao = Denied, o.Codigo
		}
	}
	*d = in
	return nil
}

// identity are the paths of what a document with a key is known by.
var identity = []string{
	"/nfe_id", "/modelo", "/ambiente", "/serie", "/numero", "/codigo_numerico", "/tipo_emissao", "/data_emissao",
	"/emitente", "/emitente/cnpj", "/emitente/cpf", "/emitente/uf",
}

// Misnumbered returns those of the findings about a document with a key that leave
// open which document it is: a key that is wrong or another document's, or parts of
// it that are missing.
func Misnumbered(findings []Finding) []Finding {
	var out []Finding
	for _, f := range findings {
		if slices.Contains(identity, f.Path) && (f.Rule == "required" || f.Rule == "party.identification" || strings.HasPrefix(string(f.Rule), "key.")) {
			out = append(out, f)
		}
	}
	return out
}
