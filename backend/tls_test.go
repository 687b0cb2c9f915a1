package backend

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/certs/certtest"
	"gatehouse/internal/config"
)

// TestMutualTLS: only who has a certificate gets in, and is believed like a
// gateway whose address is known; both sides' files are followed.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	a, gateways, other := certtest.NewAuthority(t), certtest.NewAuthority(t), certtest.NewAuthority(t)
	leaf := certtest.Leaf{Names: []string{"127.0.0.1"}}
	files := a.Issue(t, leaf)
	c := validConfig(t)
	c.Database.URL, c.DrainDelay, c.ShutdownTimeout = dbtest.New(t).URL, 0, time.Second
	c.TrustedGateways = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c.TLS = TLSConfig{CertFile: files.Cert, KeyFile: files.Key, ClientCAFile: gateways.File}
	b, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	api, ops := listen(t), listen(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, api, ops) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})

	ask := func(issuer *certtest.Authority) (*http.Response, error) {
		t.Helper()
		config := &tls.Config{RootCAs: a.Pool(), MinVersion: tls.VersionTLS12}
		if issuer != nil {
			f := issuer.Issue(t, certtest.Leaf{})
			pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
			if err != nil {
				t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+api.Addr().String()+"/api/v1/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Request-Id", "from-a-gateway")
		answer, err := transport.RoundTrip(request)
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		return answer, err
	}
	answer, err := ask(gateways)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != 200 || answer.Header.Get("X-Request-Id") != "from-a-gateway" {
		t.Errorf("got %d, request ID %q", answer.StatusCode, answer.Header.Get("X-Request-Id"))
	}
	for name, issuer := range map[string]*certtest.Authority{"no certificate": nil, "another authority": other, "the backend's authority": a} {
		if answer, err := ask(issuer); err == nil {
			t.Errorf("%s: got %d", name, answer.StatusCode)
		}
	}
	renewed := a.Renew(t, files, leaf)
	b.Reload()
	answer, err = ask(gateways)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.TLS.PeerCertificates[0].SerialNumber; got.Cmp(renewed.SerialNumber) != 0 {
		t.Errorf("shown is %v, want %v", got, renewed.SerialNumber)
	}
}

// TestTLSAlone encrypts, and believes nobody for it.
func TestTLSAlone(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	files := a.Issue(t, certtest.Leaf{Names: []string{"127.0.0.1"}})
	s := newTestServer(t, func(c *Config) {
		c.TLS = TLSConfig{CertFile: files.Cert, KeyFile: files.Key}
		c.TrustedGateways = nil
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool(), MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https"+s.url[len("http"):]+"/api/v1/ping", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Request-Id", "from-a-stranger")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != 200 || answer.Header.Get("X-Request-Id") == "from-a-stranger" {
		t.Errorf("got %d, request ID %q", answer.StatusCode, answer.Header.Get("X-Request-Id"))
	}
}

func TestTLSMistakes(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	files := a.Issue(t, certtest.Leaf{})
	for name, c := range map[string]struct {
		tls  TLSConfig
		addr string
		want []string
	}{
		"none":               {TLSConfig{}, ":1", nil},
		"mutual":             {TLSConfig{files.Cert, files.Key, a.File}, ":1", nil},
		"no key":             {TLSConfig{files.Cert, "", ""}, ":1", []string{"BACKEND_TLS_CERT_FILE"}},
		"no certificate":     {TLSConfig{"", files.Key, ""}, ":1", []string{"BACKEND_TLS_CERT_FILE"}},
		"swapped":            {TLSConfig{a.File, files.Key, ""}, ":1", []string{"BACKEND_TLS_CERT_FILE"}},
		"an authority alone": {TLSConfig{"", "", a.File}, ":1", []string{"BACKEND_TLS_CLIENT_CA_FILE"}},
		"no authority":       {TLSConfig{files.Cert, files.Key, files.Key}, ":1", []string{"BACKEND_TLS_CLIENT_CA_FILE"}},
		"over a Unix socket": {TLSConfig{files.Cert, files.Key, ""}, "unix:/run/x", []string{"BACKEND_TLS_CERT_FILE"}},
	} {
		m := &config.Mistakes{}
		c.tls.validate(m, c.addr)
		if !slices.Equal(m.Names(), c.want) && len(m.Names())+len(c.want) > 0 {
			t.Errorf("%s: %v, want %v", name, m, c.want)
		}
	}
}
