package invoice

import (
	"strings"
	"time"

	"gatehouse/backend/internal/nfe"
	"gatehouse/internal/config"
)

// Config is for how long documents may be cancelled.
type Config struct {
	Window string `env:"NFE_CANCEL_WINDOW" envDefault:"55=24h,65=30m" doc:"For how long after its authorization a document may be cancelled, by modelo, and by modelo and state where that differs, such as 55/SP=480h; 1m to 8760h" kind:"comma-separated modelo=duration or modelo/UF=duration"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	for _, entry := range strings.Split(c.Window, ",") {
		if _, _, _, ok := parseWindow(entry); !ok {
			m.Add("NFE_CANCEL_WINDOW", "has %q; modelo=duration such as 55=24h, or modelo/UF=duration such as 55/SP=480h, is wanted", entry)
		}
	}
}

// Windows returns the windows of a valid configuration. A modelo that it does not
// name has that of the national rules.
func (c *Config) Windows() nfe.Windows {
	windows := nfe.DefaultWindows()
	windows.UF = map[string]nfe.Window{}
	for _, entry := range strings.Split(c.Window, ",") {
		modelo, uf, d, _ := parseWindow(entry)
		w := windows.Default
		if uf != "" {
			w = windows.UF[uf]
		}
		if modelo == nfe.ModeloNFCe {
			w.NFCe = d
		} else {
			w.NFe = d
		}
		if uf == "" {
			windows.Default = w
		} else {
			windows.UF[uf] = w
		}
	}
	return windows
}

// parseWindow reads modelo=duration or modelo/UF=duration.
func parseWindow(entry string) (modelo, uf string, d time.Duration, ok bool) {
	where, text, ok := strings.Cut(strings.TrimSpace(entry), "=")
	modelo, uf, named := strings.Cut(where, "/")
	d, err := time.ParseDuration(text)
	ok = ok && err == nil && d >= time.Minute && d <= 365*24*time.Hour &&
		(modelo == nfe.ModeloNFe || modelo == nfe.ModeloNFCe) && (!named || nfe.CodeOfUF(uf) != "")
	return modelo, uf, d, ok
}
