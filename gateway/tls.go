package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"strconv"
	"time"

	"gatehouse/internal/certs"
	"gatehouse/internal/config"
)

// maxCertificates bounds the pairs of one listener, and so the series of their
// metrics.
const maxCertificates = 100

// TLSConfig is the certificates of the HTTPS listener, and those it asks its
// clients for.
type TLSConfig struct {
	CertFiles    []string `env:"TLS_CERT_FILE" doc:"Needed for GATEWAY_TLS_ADDR: certificate chain for HTTPS, in PEM, the gateway's own first; several for several names, of which the first is for clients that ask for none of them" kind:"a comma-separated list of paths" example:"/etc/gatehouse/tls.crt"`
	KeyFiles     []string `env:"TLS_KEY_FILE" doc:"Needed for GATEWAY_TLS_ADDR: private key of each certificate, in PEM, in the same order" kind:"a comma-separated list of paths" example:"/etc/gatehouse/tls.key"`
	ClientAuth   string   `env:"TLS_CLIENT_AUTH" envDefault:"off" doc:"Whether clients have to show a certificate: request checks one that is shown, require wants one; either way a token still says who they are" kind:"off, request or require"`
	ClientCAFile string   `env:"TLS_CLIENT_CA_FILE" doc:"Authorities that issue clients' certificates, in PEM; needed for TLS_CLIENT_AUTH" kind:"a path" example:"/etc/gatehouse/clients.pem"`
}

// Values of TLS_CLIENT_AUTH besides off.
const (
	requestCert = "request"
	requireCert = "require"
)

// Validate implements [config.Checked].
func (c *TLSConfig) Validate(m *config.Mistakes) {
	switch {
	case len(c.CertFiles) == 0:
		m.Add("TLS_CERT_FILE", "is missing; GATEWAY_TLS_ADDR needs a certificate (GATEWAY_TLS_ADDR=off does without)")
	case len(c.CertFiles) > maxCertificates:
		m.Add("TLS_CERT_FILE", "holds %d paths; at most %d are allowed", len(c.CertFiles), maxCertificates)
	case len(c.CertFiles) == len(c.KeyFiles):
		for i, file := range c.CertFiles {
			if err := certs.CheckPair(file, c.KeyFiles[i], time.Now()); err != nil {
				m.Add("TLS_CERT_FILE", "and TLS_KEY_FILE cannot be used: %v", err)
			}
		}
	}
	switch {
	case len(c.KeyFiles) == 0:
		m.Add("TLS_KEY_FILE", "is missing; GATEWAY_TLS_ADDR needs the certificate's private key")
	case len(c.CertFiles) > 0 && len(c.CertFiles) != len(c.KeyFiles):
		m.Add("TLS_KEY_FILE", "holds %d paths; as many as in TLS_CERT_FILE are wanted, %d", len(c.KeyFiles), len(c.CertFiles))
	}
	switch c.ClientAuth {
	case off:
		if c.ClientCAFile != "" {
			m.Add("TLS_CLIENT_CA_FILE", "is given and TLS_CLIENT_AUTH is off; request or require is wanted there")
		}
	case requestCert, requireCert:
		if c.ClientCAFile == "" {
			m.Add("TLS_CLIENT_CA_FILE", "is missing; TLS_CLIENT_AUTH needs authorities")
		} else if err := certs.CheckPool(c.ClientCAFile, time.Now()); err != nil {
			m.Add("TLS_CLIENT_CA_FILE", "cannot be used: %v", err)
		}
	default:
		m.Add("TLS_CLIENT_AUTH", "is %q; off, request or require is wanted", c.ClientAuth)
	}
}

// followed is a file, or several that belong together, whose content takes
// effect while the gateway runs.
type followed interface {
	Run(ctx context.Context)
	Reload() error
}

func (g *Gateway) certOptions(name string) certs.Options {
	return certs.Options{Name: name, Now: time.Now, Log: g.log}
}

// secure returns the settings of the HTTPS listener, whose files are followed
// from now on. HTTP/1.1 is the only protocol: HTTP/2 belongs to a load balancer
// in front.
func (g *Gateway) secure() (*tls.Config, error) {
	c := g.config.TLS
	set, err := certs.OpenSet(g.certOptions("tls_certificate"), c.CertFiles, c.KeyFiles)
	if err != nil {
		return nil, err
	}
	for _, pair := range set.Pairs() {
		g.follows.files = append(g.follows.files, pair)
	}
	if c.ClientAuth == off {
		return certs.Server(set, nil, tls.NoClientCert), nil
	}
	clients, err := certs.OpenPool(g.certOptions("tls_client_ca"), c.ClientCAFile)
	if err != nil {
		return nil, err
	}
	g.follows.files = append(g.follows.files, clients)
	if c.ClientAuth == requestCert {
		return certs.Server(set, clients, tls.VerifyClientCertIfGiven), nil
	}
	return certs.Server(set, clients, tls.RequireAndVerifyClientCert), nil
}

// reasonOf drops the path from a file error, which the message names already.
func reasonOf(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// validAddr reports whether addr is something to listen on: any host, and a
// port number, where 0 means any free one.
func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}
