package nfe

import "strconv"

// maxVoid is how many numbers one voiding may take.
const maxVoid = 10_000

// VoidRange is a range of numbers that were never used and are given up
// (inutilização, cStat 102).
type VoidRange struct {
	EmitterID     string `json:"emitter_id,omitzero"`
	Ambiente      string `json:"ambiente,omitzero"`
	Modelo        string `json:"modelo,omitzero"`
	TipoEmissao   string `json:"tipo_emissao,omitzero"` // of modelo 65, which counts by it
	Serie         string `json:"serie,omitzero"`
	NumeroInicial string `json:"numero_inicial,omitzero"`
	NumeroFinal   string `json:"numero_final,omitzero"`
	Justificativa string `json:"justificativa,omitzero"` // 15–255 characters
	Protocolo     string `json:"protocolo,omitzero"`     // 15 digits, when it has one
}

// ValidateVoid returns what is wrong with a range by itself. Whether its numbers
// are unused is for whoever keeps them.
func ValidateVoid(r *VoidRange) []Finding {
	c := &checker{}
	if c.need("emitter_id", r.EmitterID) {
		c.id("emitter_id", r.EmitterID)
	}
	c.code("ambiente", r.Ambiente, environments)
	if c.code("modelo", r.Modelo, modelos) && r.Modelo == ModeloNFCe {
		c.need("tipo_emissao", r.TipoEmissao)
	}
	c.enum("tipo_emissao", r.TipoEmissao, emissions)
	if c.need("serie", r.Serie) && !ValidSerie(r.Serie) {
		c.add("format", "serie", `0|[1-9]\d{0,2}`, r.Serie, "")
	}
	first, last := c.number("numero_inicial", r.NumeroInicial), c.number("numero_final", r.NumeroFinal)
	if first > 0 && last > 0 {
		switch {
		case first > last:
			c.add("void.order", "numero_final", "≥ "+r.NumeroInicial, r.NumeroFinal, "")
		case last-first >= maxVoid:
			c.add("void.size", "numero_final", "≤ "+itoa(maxVoid), itoa(last-first+1), "")
		}
	}
	if c.need("justificativa", r.Justificativa) {
		c.line("justificativa", r.Justificativa, 15, 255)
	}
	if r.Protocolo != "" && !ValidProtocol(r.Protocolo) {
		c.add("protocol.form", "protocolo", `\d{15}`, r.Protocolo, "")
	}
	return c.findings
}

// number returns a number, or 0 when it is none.
func (c *checker) number(name, s string) int {
	if !c.need(name, s) {
		return 0
	}
	if !ValidNumero(s) {
		c.add("format", name, `[1-9]\d{0,8}`, s, "")
		return 0
	}
	n, _ := strconv.Atoi(s)
	return n
}
