package backend

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"gatehouse/internal/certs"
	"gatehouse/internal/config"
)

// TLSConfig is the certificate that gateways see, and those that they have to
// show.
type TLSConfig struct {
	CertFile     string `env:"BACKEND_TLS_CERT_FILE" doc:"Certificate chain for BACKEND_ADDR, in PEM, the backend's own first; without it gateways connect in the clear" kind:"a path" example:"/etc/gatehouse/backend.crt"`
	KeyFile      string `env:"BACKEND_TLS_KEY_FILE" doc:"Private key of the backend's certificate, in PEM" kind:"a path" example:"/etc/gatehouse/backend.key"`
	ClientCAFile string `env:"BACKEND_TLS_CLIENT_CA_FILE" doc:"Authorities that issue the gateways' certificates and nobody else's, in PEM; with it whoever connects must have one, and is believed like TRUSTED_GATEWAYS" kind:"a path" example:"/etc/gatehouse/gateways.pem"`
}

// validate is Validate for a backend that listens on addr.
func (c *TLSConfig) validate(m *config.Mistakes, addr string) {
	if c.CertFile == "" && c.KeyFile == "" {
		if c.ClientCAFile != "" {
			m.Add("BACKEND_TLS_CLIENT_CA_FILE", "is given without BACKEND_TLS_CERT_FILE; gateways connect in the clear without that")
		}
		return
	}
	if _, ok := socketPath(addr); ok {
		m.Add("BACKEND_TLS_CERT_FILE", "is given and BACKEND_ADDR is a Unix socket, over which there is no TLS")
		return
	}
	if c.CertFile == "" || c.KeyFile == "" {
		m.Add("BACKEND_TLS_CERT_FILE", "and BACKEND_TLS_KEY_FILE go together; one is missing")
	} else if err := certs.CheckPair(c.CertFile, c.KeyFile, time.Now()); err != nil {
		m.Add("BACKEND_TLS_CERT_FILE", "and BACKEND_TLS_KEY_FILE cannot be used: %v", err)
	}
	if c.ClientCAFile != "" {
		if err := certs.CheckPool(c.ClientCAFile, time.Now()); err != nil {
			m.Add("BACKEND_TLS_CLIENT_CA_FILE", "cannot be used: %v", err)
		}
	}
}

// followed is a file, or several that belong together, whose content takes
// effect while the backend runs.
type followed interface {
	Run(ctx context.Context)
	Reload() error
}

// security is TLS on the backend's listener. Its zero value is none.
type security struct {
	config  *tls.Config
	set     *certs.Set
	clients *certs.Pool
}

// openTLS reads the files, which are followed from then on.
func openTLS(c TLSConfig, log *slog.Logger) (s security, err error) {
	if c.CertFile == "" {
		return s, nil
	}
	named := func(name string) certs.Options { return certs.Options{Name: name, Now: time.Now, Log: log} }
	if s.set, err = certs.OpenSet(named("tls_certificate"), []string{c.CertFile}, []string{c.KeyFile}); err != nil {
		return s, err
	}
	if c.ClientCAFile != "" {
		if s.clients, err = certs.OpenPool(named("tls_client_ca"), c.ClientCAFile); err != nil {
			return s, err
		}
	}
	s.config = certs.Server(s.set, s.clients, tls.RequireAndVerifyClientCert)
	return s, nil
}

// files returns what is followed.
func (s *security) files() []followed {
	var list []followed
	if s.set != nil {
		for _, pair := range s.set.Pairs() {
			list = append(list, pair)
		}
	}
	if s.clients != nil {
		list = append(list, s.clients)
	}
	return list
}

// over returns the listener that gateways speak to.
func (s *security) over(ln net.Listener) net.Listener {
	if s.config == nil {
		return ln
	}
	return tls.NewListener(ln, s.config)
}
