package nfe

import "cmp"

// Edit checks that a draft may become another one, and gives that one what is the
// server's: identity, status, number and what transitions wrote. A new document is
// an edit of an empty one. It fails with a *StateError when before is no draft that
// may change, and with a *RefusedError when before has a number and after would
// have to take it from another sequence; a series left out is that of before.
func Edit(before, after *Document) error {
	if err := before.Can(ToEdit); err != nil {
		return err
	}
	if before.Numero != "" {
		after.Serie = cmp.Or(after.Serie, before.Serie)
		c := &checker{}
		for _, f := range [...]struct{ name, was, is string }{
			{"emitente", before.Emitente.Issuer(), after.Emitente.Issuer()},
			{"ambiente", before.Ambiente, after.Ambiente},
			{"modelo", before.Modelo, after.Modelo},
			{"serie", before.Serie, after.Serie},
			{"tipo_emissao", nfceEmission(before), nfceEmission(after)},
		} {
			if f.was != f.is {
				c.add("numbering.kept", f.name, f.was, f.is, "")
			}
		}
		if len(c.findings) > 0 {
			return &RefusedError{c.findings}
		}
	}
	after.ID, after.Status, after.Version = before.ID, before.Status, before.Version
	after.CreatedAt, after.UpdatedAt, after.IssuedAt = before.CreatedAt, before.UpdatedAt, before.IssuedAt
	after.NfeID, after.Numero, after.CodigoNumerico = before.NfeID, before.Numero, before.CodigoNumerico
	after.ProtocoloAutorizacao, after.DataAutorizacao = before.ProtocoloAutorizacao, before.DataAutorizacao
	after.ProtocoloCancelamento, after.DataCancelamento = before.ProtocoloCancelamento, before.DataCancelamento
	after.MotivoCancelamento, after.CodigoDenegacao = before.MotivoCancelamento, before.CodigoDenegacao
	return nil
}

// nfceEmission is the type of emission where numbering goes by it: modelo 65.
func nfceEmission(d *Document) string {
	if d.Modelo != ModeloNFCe {
		return ""
	}
	return d.TipoEmissao
}
