package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/certs/certtest"
)

// secureBackend is a backend that wants to see a gateway's certificate.
type secureBackend struct {
	*backend
	handshakes, resumed atomic.Int64
	certificate         atomic.Pointer[tls.Certificate]
}

func newSecureBackend(t testing.TB, a *certtest.Authority, files certtest.Files) *secureBackend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &secureBackend{backend: &backend{addr: ln.Addr().String()}}
	s.show(t, files)
	s.server = &fasthttp.Server{Handler: s.serve}
	config := &tls.Config{
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.Pool(), MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
		VerifyConnection: func(state tls.ConnectionState) error {
			s.handshakes.Add(1)
			if state.DidResume {
				s.resumed.Add(1)
			}
			return nil
		},
	}
	go func() { _ = s.server.Serve(tls.NewListener(ln, config)) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.server.ShutdownWithContext(ctx)
	})
	return s
}

func (s *secureBackend) show(t testing.TB, files certtest.Files) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	s.certificate.Store(&pair)
}

func TestUpstreamTLS(t *testing.T) {
	t.Parallel()
	a, other := certtest.NewAuthority(t), certtest.NewAuthority(t)
	b := newSecureBackend(t, a, a.Issue(t, certtest.Leaf{Names: []string{"backend.test"}}))
	own := a.Issue(t, certtest.Leaf{})
	for name, c := range map[string]struct {
		change func(*UpstreamTLSConfig)
		status int
	}{
		"mutual":         {func(*UpstreamTLSConfig) {}, 200},
		"no certificate": {func(c *UpstreamTLSConfig) { c.UpstreamCertFile, c.UpstreamKeyFile = "", "" }, 503},
		"another's certificate": {func(c *UpstreamTLSConfig) {
			f := other.Issue(t, certtest.Leaf{})
			c.UpstreamCertFile, c.UpstreamKeyFile = f.Cert, f.Key
		}, 503},
		"another authority":   {func(c *UpstreamTLSConfig) { c.UpstreamCAFile = other.File }, 503},
		"another name":        {func(c *UpstreamTLSConfig) { c.UpstreamName = "other.test" }, 503},
		"the address as name": {func(c *UpstreamTLSConfig) { c.UpstreamName = "" }, 503},
		"no TLS":              {func(c *UpstreamTLSConfig) { *c = UpstreamTLSConfig{} }, 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(config *Config) {
				config.Proxy.Backends = []string{b.addr}
				config.Upstream = UpstreamTLSConfig{UpstreamCAFile: a.File, UpstreamCertFile: own.Cert, UpstreamKeyFile: own.Key, UpstreamName: "backend.test"}
				c.change(&config.Upstream)
			})
			// A server of TLS 1.3 refuses a certificate after the client's part is
			// over, so that is a bad answer and no failed connection.
			if got := r.do(t, "GET", "/things/7", r.bearer(t), "").status; got != c.status && (c.status != 503 || got != 502) {
				t.Errorf("status = %d, want %d", got, c.status)
			}
		})
	}
}

// TestUpstreamTLSIsFollowed: both sides change their certificates and the
// authority, and sessions are resumed.
func TestUpstreamTLSIsFollowed(t *testing.T) {
	t.Parallel()
	a, next := certtest.NewAuthority(t), certtest.NewAuthority(t)
	leaf := certtest.Leaf{Names: []string{"127.0.0.1"}}
	b := newSecureBackend(t, a, a.Issue(t, leaf))
	own := a.Issue(t, certtest.Leaf{})
	r := newRig(t, func(c *Config) {
		c.Proxy.Backends = []string{b.addr}
		c.Upstream = UpstreamTLSConfig{UpstreamCAFile: a.File, UpstreamCertFile: own.Cert, UpstreamKeyFile: own.Key}
	})
	for range 3 {
		r.do(t, "GET", "/things/7", r.bearer(t), "")
	}
	if n := b.handshakes.Load(); n != 1 {
		t.Errorf("%d handshakes for three requests, one after the other; want 1", n)
	}
	b.answerWith(func(ctx *fasthttp.RequestCtx) { ctx.SetConnectionClose() }) // one handshake each
	r.do(t, "GET", "/things/7", r.bearer(t), "")
	want := func(when string, status int, resumed bool) {
		t.Helper()
		before := b.resumed.Load()
		if got := r.do(t, "GET", "/things/7", r.bearer(t), "").status; got != status {
			t.Errorf("%s: status = %d, want %d", when, got, status)
		}
		if got := b.resumed.Load() > before; got != resumed {
			t.Errorf("%s: resumed = %v", when, got)
		}
	}
	want("on a new connection", 200, true)
	a.Renew(t, own, certtest.Leaf{})
	r.Reload()
	want("with a new certificate of the gateway's", 200, true)
	b.show(t, next.Issue(t, leaf))
	ca, err := os.ReadFile(next.File)
	if err != nil {
		t.Fatal(err)
	}
	certtest.Replace(t, a.File, ca)
	r.Reload()
	want("with another authority", 200, false)
	want("with another authority, again", 200, true)
	// The gateway's certificate still comes from the old one, which the backend
	// goes on to trust.
	certtest.Replace(t, a.File, []byte("none"))
	r.Reload()
	want("with a broken file", 200, true)
}
