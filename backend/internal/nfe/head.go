package nfe

import "time"

// head checks what identifies a document and its operation.
func (c *checker) head(d *Document) {
	c.at("")
	c.enum("status", string(d.Status), statuses)
	c.id("emitter_id", d.EmitterID)
	c.id("recipient_id", d.RecipientID)
	c.code("modelo", d.Modelo, modelos)
	if d.Versao != "" && d.Versao != Layout {
		c.add("versao", "versao", Layout, d.Versao, "")
	}
	c.code("ambiente", d.Ambiente, environments)
	if c.need("natureza_operacao", d.NaturezaOperacao) {
		c.line("natureza_operacao", d.NaturezaOperacao, 1, 60)
	}
	c.code("tipo_operacao", d.TipoOperacao, operations)
	if c.code("tipo_emissao", d.TipoEmissao, emissions) {
		c.emission(d)
	}
	if c.o.NT2025002 {
		c.code("finalidade", d.Finalidade, purposesNT2025002)
	} else {
		c.code("finalidade", d.Finalidade, purposes)
	}
	c.code("id_destino", d.IDDestino, destinations)
	c.code("indicador_final", d.IndicadorFinal, yesNo)
	c.code("indicador_presencial", d.IndicadorPresencial, presences)
	c.dates(d)
	c.numbering(d)
	c.lifecycleFields(d)
	switch d.Modelo {
	case ModeloNFCe:
		c.nfce(d)
	case ModeloNFe:
		if d.IndicadorPresencial == "4" {
			c.add("presence.modelo", "indicador_presencial", "", "4", "")
		}
	}
}

// code checks a code that must be there.
func (c *checker) code(name, s string, e enumeration) bool {
	return c.need(name, s) && c.enum(name, s, e)
}

// emission checks the type of emission against the modelo and the justification.
func (c *checker) emission(d *Document) {
	wrong, code := false, ""
	switch {
	case d.Modelo == ModeloNFe:
		wrong, code = d.TipoEmissao == "9", "711"
	case d.Modelo == ModeloNFCe && d.TipoEmissao == "3":
		wrong, code = true, "782"
	case d.Modelo == ModeloNFCe && (d.TipoEmissao == "6" || d.TipoEmissao == "7"):
		wrong, code = true, "783"
	case d.Modelo == ModeloNFCe:
		wrong = d.TipoEmissao == "2" || d.TipoEmissao == "5"
	}
	if wrong {
		c.add("emission.modelo", "tipo_emissao", "", d.TipoEmissao, code)
	}
	const name = "justificativa_contingencia"
	switch reason := d.JustificativaContingencia; {
	case d.TipoEmissao == "1" && reason != "":
		c.add("contingency.unexpected", name, "", reason, "")
	case d.TipoEmissao != "1" && reason == "":
		c.add("contingency.reason", name, span(15, 255), "", "")
	default:
		c.line(name, reason, 15, 255)
	}
}

const (
	// clockSkew is how far ahead an issuer's clock may be.
	clockSkew = 5 * time.Minute
	// lateAfter is after how long a date of issue is suspicious.
	lateAfter = 30 * 24 * time.Hour
)

func (c *checker) dates(d *Document) {
	if c.need("data_emissao", string(d.DataEmissao)) {
		c.moment("data_emissao", d.DataEmissao)
	}
	c.moment("data_saida_entrada", d.DataSaidaEntrada)
	issued, ok := d.DataEmissao.Time()
	if !ok {
		return
	}
	if now := c.o.Reference; !now.IsZero() {
		limit := now.Add(clockSkew)
		if issued.After(limit) {
			c.add("date.future", "data_emissao", "≤ "+limit.Format(time.RFC3339), string(d.DataEmissao), "")
		}
		if draft := d.Status == "" || d.Status == Draft; draft && issued.Before(now.Add(-lateAfter)) {
			c.add("date.late", "data_emissao", "≥ "+now.Add(-lateAfter).Format(time.RFC3339), string(d.DataEmissao), "")
		}
	}
	if left, ok := d.DataSaidaEntrada.Time(); ok && d.TipoOperacao == "1" && left.Before(issued) {
		c.add("date.exit", "data_saida_entrada", "≥ "+string(d.DataEmissao), string(d.DataSaidaEntrada), "")
	}
}

// lifecycleFields checks the form of what transitions write.
func (c *checker) lifecycleFields(d *Document) {
	if d.ProtocoloAutorizacao != "" && !ValidProtocol(d.ProtocoloAutorizacao) {
		c.add("protocol.form", "protocolo_autorizacao", `\d{15}`, d.ProtocoloAutorizacao, "")
	}
	c.line("motivo_cancelamento", d.MotivoCancelamento, 15, 255)
	c.moment("data_autorizacao", d.DataAutorizacao)
	c.moment("data_cancelamento", d.DataCancelamento)
	c.moment("issued_at", d.IssuedAt)
}

// nfce checks what is laid down for modelo 65.
func (c *checker) nfce(d *Document) {
	for _, f := range [...]struct {
		rule           RuleID
		name, is, want string
	}{
		{"nfce.operation", "tipo_operacao", d.TipoOperacao, "1"},
		{"nfce.destination", "id_destino", d.IDDestino, "1"},
		{"nfce.purpose", "finalidade", d.Finalidade, "1"},
		{"nfce.consumer", "indicador_final", d.IndicadorFinal, "1"},
	} {
		if f.is != "" && f.is != f.want {
			c.add(f.rule, f.name, f.want, f.is, "")
		}
	}
	if p := d.IndicadorPresencial; p != "" && p != "1" && p != "4" {
		c.add("nfce.presence", "indicador_presencial", "1, 4", p, "")
	}
	if d.DataSaidaEntrada != "" {
		c.add("nfce.exit_date", "data_saida_entrada", "", string(d.DataSaidaEntrada), "")
	}
}
