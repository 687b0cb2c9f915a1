package nfe

import (
	"strconv"
	"time"
)

// ValidSerie reports whether s is a series: 0, or 1 to 999 without zeros in front.
func ValidSerie(s string) bool { return s == "0" || counting(s, 3) }

// ValidNumero reports whether s is a number: 1 to 999999999 without zeros in front.
func ValidNumero(s string) bool { return counting(s, 9) }

// ValidProtocol reports whether s is a protocol of the SEFAZ: 15 digits.
func ValidProtocol(s string) bool { return digitsOf(s, 15, 15) }

func counting(s string, high int) bool { return digitsOf(s, 1, high) && s[0] != '0' }

// numbering checks series, number, cNF and key, each if it is there.
func (c *checker) numbering(d *Document) {
	if d.NfeID != "" {
		c.need("serie", d.Serie)
		c.need("numero", d.Numero)
		c.need("codigo_numerico", d.CodigoNumerico)
	}
	switch {
	case d.Serie == "":
	case !ValidSerie(d.Serie):
		c.add("format", "serie", `0|[1-9]\d{0,2}`, d.Serie, "")
	default:
		c.series(d)
	}
	if d.Numero != "" && !ValidNumero(d.Numero) {
		c.add("format", "numero", `[1-9]\d{0,8}`, d.Numero, "")
	}
	if c.digits("codigo_numerico", d.CodigoNumerico, 8, 8) &&
		(!validCode(d.CodigoNumerico) || d.CodigoNumerico == zeros(d.Numero, 8)) {
		c.add("code.weak", "codigo_numerico", "", d.CodigoNumerico, "")
	}
	if d.NfeID != "" {
		c.key(d)
	}
}

// series checks that a series lies in the range of its kind of issuer. 890 to 899
// are the fisco's, 900 to 999 belonged to the contingency SCAN.
func (c *checker) series(d *Document) {
	n, _ := strconv.Atoi(d.Serie)
	low, high, code := 0, 889, "266"
	switch {
	case d.Emitente != nil && d.Emitente.CPF != "" && d.Emitente.CNPJ == "":
		low, high = 920, 969
	case d.TipoEmissao == "3":
		low, high, code = 900, 999, "503"
	}
	if n < low || n > high {
		c.add("serie.range", "serie", span(low, high), d.Serie, code)
	}
}

// key checks the access key by itself and against the document.
func (c *checker) key(d *Document) {
	const name = "nfe_id"
	faults := CheckKey(d.NfeID)
	if d.CodigoNumerico != "" {
		faults &^= KeyCode // found at codigo_numerico, or a mismatch
	}
	for _, rule := range faults.Rules() {
		code := ""
		switch rule {
		case "key.digit":
			code = "236"
		case "key.modelo":
			code = "618"
		}
		c.add(rule, name, "", d.NfeID, code)
	}
	k, ok := ParseKey(d.NfeID)
	if !ok {
		return
	}
	var uf, month, issuer string
	if d.Emitente != nil {
		uf, issuer = CodeOfUF(d.Emitente.UF), d.Emitente.Issuer()
	}
	if at, ok := d.DataEmissao.Time(); ok {
		month = keyMonth(at)
	}
	for _, part := range [...]struct{ is, want, code string }{
		{k.UF, uf, "502"},
		{k.Month, month, "561"},
		{k.Issuer, issuer, "502"},
		{k.Modelo, d.Modelo, "502"},
		{k.Serie, padded(d.Serie, 3), "502"},
		{k.Numero, padded(d.Numero, 9), "502"},
		{k.TipoEmissao, d.TipoEmissao, "502"},
		{k.CodigoNumerico, d.CodigoNumerico, "562"},
	} {
		if part.want != "" && part.is != part.want {
			c.add("key.mismatch", name, part.want, part.is, part.code)
		}
	}
}

// padded is as zeros, but leaves an absent value absent.
func padded(s string, n int) string {
	if s == "" {
		return ""
	}
	return zeros(s, n)
}

func keyMonth(at time.Time) string { return at.Format("0601") }
