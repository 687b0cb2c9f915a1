package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"gatehouse/gateway/internal/proxy"
	"gatehouse/internal/certs"
	"gatehouse/internal/config"
)

// UpstreamTLSConfig is how backends are reached over TLS.
type UpstreamTLSConfig struct {
	UpstreamCAFile   string `env:"UPSTREAM_TLS_CA_FILE" doc:"Authorities that issue the backends' certificates, in PEM; with it all backends but those on Unix sockets are spoken to over TLS" kind:"a path" example:"/etc/gatehouse/backends.pem"`
	UpstreamCertFile string `env:"UPSTREAM_TLS_CERT_FILE" doc:"Certificate that the gateway shows to backends, in PEM" kind:"a path" example:"/etc/gatehouse/gateway.crt"`
	UpstreamKeyFile  string `env:"UPSTREAM_TLS_KEY_FILE" doc:"Private key of the certificate that the gateway shows to backends, in PEM" kind:"a path" example:"/etc/gatehouse/gateway.key"`
	UpstreamName     string `env:"UPSTREAM_TLS_NAME" doc:"Name that the backends' certificates are for; without it, the host or address in BACKENDS" example:"backend.internal"`
}

// Validate implements [config.Checked].
func (c *UpstreamTLSConfig) Validate(m *config.Mistakes) {
	for _, s := range []struct{ name, value string }{
		{"UPSTREAM_TLS_CERT_FILE", c.UpstreamCertFile}, {"UPSTREAM_TLS_KEY_FILE", c.UpstreamKeyFile}, {"UPSTREAM_TLS_NAME", c.UpstreamName},
	} {
		if s.value != "" && c.UpstreamCAFile == "" {
			m.Add(s.name, "is given without UPSTREAM_TLS_CA_FILE; backends are spoken to in the clear without that")
		}
	}
	if c.UpstreamCAFile == "" {
		return
	}
	if err := certs.CheckPool(c.UpstreamCAFile, time.Now()); err != nil {
		m.Add("UPSTREAM_TLS_CA_FILE", "cannot be used: %v", err)
	}
	switch {
	case (c.UpstreamCertFile == "") != (c.UpstreamKeyFile == ""):
		m.Add("UPSTREAM_TLS_CERT_FILE", "and UPSTREAM_TLS_KEY_FILE go together; one is missing")
	case c.UpstreamCertFile != "":
		if err := certs.CheckPair(c.UpstreamCertFile, c.UpstreamKeyFile, time.Now()); err != nil {
			m.Add("UPSTREAM_TLS_CERT_FILE", "and UPSTREAM_TLS_KEY_FILE cannot be used: %v", err)
		}
	}
}

// upstreamSessions is how many sessions with backends are kept for resumption.
const upstreamSessions = 256

// secureDialer returns a dialer that speaks TLS over the connections of dial
// (nil: [proxy.Dial]), or dial itself if none is wanted. Its files are followed from now on. A Unix
// socket leads to this machine, and its file says who may use it: it stays as it
// is.
func (g *Gateway) secureDialer(dial proxy.Dialer) (proxy.Dialer, error) {
	c := g.config.Upstream
	if dial == nil {
		dial = proxy.Dial
	}
	if c.UpstreamCAFile == "" {
		return dial, nil
	}
	authorities, err := certs.OpenPool(g.certOptions("upstream_ca"), c.UpstreamCAFile)
	if err != nil {
		return nil, err
	}
	g.follows.files = append(g.follows.files, authorities)
	base := certs.Config()
	if c.UpstreamCertFile != "" {
		own, err := certs.OpenPair(g.certOptions("upstream_certificate"), c.UpstreamCertFile, c.UpstreamKeyFile)
		if err != nil {
			return nil, err
		}
		g.follows.files = append(g.follows.files, own)
		base.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own.Get(), nil }
	}
	cache := tls.NewLRUClientSessionCache(upstreamSessions)
	return func(ctx context.Context, addr string) (net.Conn, error) {
		raw, err := dial(ctx, addr)
		if err != nil || strings.HasPrefix(addr, "unix:") {
			return raw, err
		}
		mine := base.Clone()
		mine.RootCAs = authorities.Get()
		mine.ClientSessionCache = sessions{cache, addr}
		mine.ServerName = cmp.Or(c.UpstreamName, proxy.NameOf(ctx))
		secure, err := proxy.Secure(ctx, raw, mine)
		if err != nil {
			_ = raw.Close()
			return nil, err
		}
		return secure, nil
	}, nil
}

// sessions keeps the sessions of backends apart that have one name: one cannot
// resume what was begun with another.
type sessions struct {
	tls.ClientSessionCache
	addr string
}

// Get implements tls.ClientSessionCache.
func (s sessions) Get(name string) (*tls.ClientSessionState, bool) {
	return s.ClientSessionCache.Get(s.addr + " " + name)
}

// Put implements tls.ClientSessionCache.
func (s sessions) Put(name string, state *tls.ClientSessionState) {
	s.ClientSessionCache.Put(s.addr+" "+name, state)
}
