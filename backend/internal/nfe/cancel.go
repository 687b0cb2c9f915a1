package nfe

import "time"

// Window is for how long after its authorization a document may be cancelled.
type Window struct{ NFe, NFCe time.Duration }

// Windows are the windows of all states. A state, or a modelo of it, that is not in
// UF has the default.
type Windows struct {
	Default Window
	UF      map[string]Window
}

// DefaultWindows are those of the national rules: 24 hours, for an NFC-e 30 minutes.
func DefaultWindows() Windows {
	return Windows{Default: Window{NFe: 24 * time.Hour, NFCe: 30 * time.Minute}}
}

// For returns the window of a modelo in a state.
func (w Windows) For(modelo, uf string) time.Duration {
	own := w.UF[uf]
	if modelo == ModeloNFCe {
		if own.NFCe > 0 {
			return own.NFCe
		}
		return w.Default.NFCe
	}
	if own.NFe > 0 {
		return own.NFe
	}
	return w.Default.NFe
}

// Cancellation is a cancellation that the SEFAZ registered.
type Cancellation struct {
	Justificativa string    `json:"justificativa,omitzero"` // 15–255 characters
	Protocolo     string    `json:"protocolo,omitzero"`     // 15 digits
	Data          Timestamp `json:"data,omitzero"`
}

// Cancel records a cancellation within the window.
func Cancel(d *Document, n Cancellation, windows Windows) error {
	if err := d.Can(ToCancel); err != nil {
		return err
	}
	c := &checker{}
	if c.need("justificativa", n.Justificativa) {
		c.line("justificativa", n.Justificativa, 15, 255)
	}
	c.outcome(n.Protocolo, n.Data)
	c.window(d, n.Data, windows)
	if len(c.findings) > 0 {
		return &RefusedError{c.findings}
	}
	d.Status, d.MotivoCancelamento, d.ProtocoloCancelamento, d.DataCancelamento = Cancelled, n.Justificativa, n.Protocolo, n.Data
	return nil
}

// window checks that a cancellation comes after the authorization and no later
// than the window allows, its last moment included.
func (c *checker) window(d *Document, data Timestamp, windows Windows) {
	authorized, ok := d.DataAutorizacao.Time()
	at, good := data.Time()
	if !ok || !good {
		return
	}
	uf := ""
	if d.Emitente != nil {
		uf = d.Emitente.UF
	}
	end := authorized.Add(windows.For(d.Modelo, uf))
	if at.Before(authorized) || at.After(end) {
		c.add("cancel.window", "data", string(d.DataAutorizacao)+" – "+end.Format(time.RFC3339), string(data), "")
	}
}
