package e2e

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/certs/certtest"
	"gatehouse/internal/stack"
)

// TestCertificateRotation: clients speak TLS to gateways and those mutual TLS to
// backends, while every certificate is replaced several times. No request fails,
// on kept connections and on new ones.
func TestCertificateRotation(t *testing.T) {
	t.Parallel()
	public, private := certtest.NewAuthority(t), certtest.NewAuthority(t)
	address := certtest.Leaf{Names: []string{"127.0.0.1"}}
	edge, own, backend := public.Issue(t, address), private.Issue(t, certtest.Leaf{}), private.Issue(t, address)
	s := ownStack(t, stack.Options{
		Gateways: 2, Backends: 2,
		GatewayEnv: []string{
			"TLS_CERT_FILE=" + edge.Cert, "TLS_KEY_FILE=" + edge.Key,
			"UPSTREAM_TLS_CA_FILE=" + private.File, "UPSTREAM_TLS_CERT_FILE=" + own.Cert, "UPSTREAM_TLS_KEY_FILE=" + own.Key,
		},
		BackendEnv: []string{
			"BACKEND_TLS_CERT_FILE=" + backend.Cert, "BACKEND_TLS_KEY_FILE=" + backend.Key, "BACKEND_TLS_CLIENT_CA_FILE=" + private.File,
			"TRUSTED_GATEWAYS=10.0.0.0/8", // the certificate is enough
		},
	})
	connect := func(gateway int, keep bool) *client {
		transport := &http.Transport{DisableKeepAlives: !keep, TLSClientConfig: &tls.Config{RootCAs: public.Pool(), MinVersion: tls.VersionTLS12}}
		t.Cleanup(transport.CloseIdleConnections)
		return &client{t: t, base: s.Gateways[gateway].HTTPS, http: &http.Client{Transport: transport}}
	}
	_, tokens := connect(0, true).newUser()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work sync.WaitGroup
	var requests atomic.Int64
	for i := range 4 {
		c := connect(i%2, i < 2)
		work.Go(func() {
			for ctx.Err() == nil {
				if a, err := c.try("GET", me, tokens.Access, nil); err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("%v, %s", err, a.body)
					return
				}
				requests.Add(1)
				pause(ctx, 5*time.Millisecond)
			}
		})
	}
	shown := func(gateway int) string {
		return connect(gateway, false).do("GET", "/api/v1/ping", "", nil).want(200).TLS.PeerCertificates[0].SerialNumber.String()
	}
	for round := range 3 {
		want := public.Renew(t, edge, address).SerialNumber.String()
		private.Renew(t, own, certtest.Leaf{})
		private.Renew(t, backend, address)
		for _, p := range []*stack.Process{s.Gateways[0].Process, s.Gateways[1].Process, s.Backends[0].Process, s.Backends[1].Process} {
			if err := p.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		}
		for i := range s.Gateways {
			eventually(t, "the new certificate is shown", func() bool { return shown(i) == want })
		}
		// More at once than ever before, so that there are new connections to
		// backends, too.
		var burst sync.WaitGroup
		for i := range 20 * (round + 1) {
			c := connect(i%2, false)
			burst.Go(func() {
				if a, err := c.try("GET", me, tokens.Access, nil); err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("in a burst: %v, %s", err, a.body)
				}
			})
		}
		burst.Wait()
	}
	cancel()
	work.Wait()
	t.Logf("%d requests", requests.Load())
}
