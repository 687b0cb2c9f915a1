package gateway

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/certs/certtest"
)

// secureRig is a gateway with HTTPS whose certificates an authority issued.
func secureRig(t testing.TB, a *certtest.Authority, files []certtest.Files, change func(*Config)) *rig {
	t.Helper()
	return newRig(t, func(c *Config) {
		c.TLSAddr = "127.0.0.1:0"
		for _, f := range files {
			c.TLS.CertFiles, c.TLS.KeyFiles = append(c.TLS.CertFiles, f.Cert), append(c.TLS.KeyFiles, f.Key)
		}
		if change != nil {
			change(c)
		}
	})
}

// ask makes one request over TLS and returns what was agreed on. Tickets have
// arrived by then.
func (r *rig) ask(t testing.TB, c *tls.Config) (state tls.ConnectionState, err error) {
	t.Helper()
	conn, err := dialTLS(t, r.Addr("tls"), c)
	if err != nil {
		return state, err
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return state, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return state, err
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("answer = %q", answer)
	}
	return conn.ConnectionState(), nil
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	files := []certtest.Files{
		a.Issue(t, certtest.Leaf{Names: []string{"localhost"}}), a.Issue(t, certtest.Leaf{Names: []string{"*.api.test"}}),
	}
	r := secureRig(t, a, files, nil)
	for _, c := range []struct {
		name    string
		change  func(*tls.Config)
		refused bool
		check   func(tls.ConnectionState) bool
	}{
		{"TLS 1.3 with what clients have", func(*tls.Config) {}, false, func(s tls.ConnectionState) bool {
			return s.Version == tls.VersionTLS13 && s.CurveID == tls.X25519MLKEM768
		}},
		{"without post-quantum", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} }, false, func(s tls.ConnectionState) bool {
			return s.CurveID == tls.CurveP256
		}},
		{"TLS 1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, false, func(s tls.ConnectionState) bool {
			return s.Version == tls.VersionTLS12 && s.CipherSuite == tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
		}},
		{"TLS 1.2 with ChaCha20", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
		}, false, func(s tls.ConnectionState) bool { return true }},
		{"TLS 1.2 with CBC", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256}
		}, true, nil},
		{"TLS 1.2 without forward secrecy", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}, true, nil},
		{"TLS 1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, true, nil},
		{"HTTP/2 alone", func(c *tls.Config) { c.NextProtos = []string{"h2"} }, true, nil},
		{"HTTP/2 and HTTP/1.1", func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, false, func(s tls.ConnectionState) bool {
			return s.NegotiatedProtocol == "http/1.1"
		}},
		{"a second name", func(c *tls.Config) { c.ServerName = "v1.API.test" }, false, func(s tls.ConnectionState) bool {
			return s.PeerCertificates[0].DNSNames[0] == "*.api.test"
		}},
		{"an unknown name gets the first", func(c *tls.Config) {
			c.ServerName = "unknown.test"
			c.InsecureSkipVerify = true // to see what is shown
		}, false, func(s tls.ConnectionState) bool { return s.PeerCertificates[0].DNSNames[0] == "localhost" }},
	} {
		config := tlsClient(a.Pool())
		c.change(config)
		state, err := r.ask(t, config)
		switch {
		case (err != nil) != c.refused:
			t.Errorf("%s: %v", c.name, err)
		case err == nil && !c.check(state):
			t.Errorf("%s: %s, %s, %v, %q, for %v", c.name, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite),
				state.CurveID, state.NegotiatedProtocol, state.PeerCertificates[0].DNSNames)
		}
	}
}

// shown returns the serial number of the certificate that clients see.
func (r *rig) shown(t testing.TB, pool *x509.CertPool) string {
	t.Helper()
	state, err := r.ask(t, tlsClient(pool))
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.String()
}

// TestCertificateReload: whoever is connected stays so, whoever comes next sees
// the new certificate, sessions are resumed across it, and what is wrong changes
// nothing.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	leaf := certtest.Leaf{Names: []string{"localhost"}}
	files := a.Issue(t, leaf)
	r := secureRig(t, a, []certtest.Files{files}, nil)
	first := r.shown(t, a.Pool())

	kept, err := dialTLS(t, r.Addr("tls"), tlsClient(a.Pool()))
	if err != nil {
		t.Fatal(err)
	}
	keptReader := bufio.NewReader(kept)
	resuming := map[string]*tls.Config{"TLS 1.3": tlsClient(a.Pool()), "TLS 1.2": tlsClient(a.Pool())}
	resuming["TLS 1.2"].MaxVersion = tls.VersionTLS12
	resumed := func(when string, want bool) {
		t.Helper()
		for name, c := range resuming {
			if state, err := r.ask(t, c); err != nil || state.DidResume != want {
				t.Errorf("%s, %s: resumed = %v, %v", when, name, state.DidResume, err)
			}
		}
	}
	for _, c := range resuming {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	resumed("at first", false)
	resumed("again", true)

	second := a.Renew(t, files, leaf).SerialNumber.String()
	r.Reload()
	if got := r.shown(t, a.Pool()); got != second || got == first {
		t.Errorf("shown is %s, want the new %s", got, second)
	}
	resumed("with a new certificate", true)

	for name, change := range map[string]func(){
		"expired": func() { a.Renew(t, files, certtest.Leaf{Names: leaf.Names, NotAfter: time.Now().Add(-time.Minute)}) },
		"no pair": func() { certtest.Replace(t, files.Key, []byte("none")) },
		"gone":    func() { _ = os.Remove(files.Cert) },
	} {
		change()
		r.Reload()
		if got := r.shown(t, a.Pool()); got != second {
			t.Errorf("%s: shown is %s, want still %s", name, got, second)
		}
	}
	resumed("with a wrong one", true)
	fmt.Fprint(kept, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer := readAnswer(t, keptReader, "GET"); answer.status != 200 {
		t.Errorf("on the old connection: %d", answer.status)
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a, other := certtest.NewAuthority(t), certtest.NewAuthority(t)
	server := a.Issue(t, certtest.Leaf{Names: []string{"localhost"}})
	certificate := func(a *certtest.Authority, l certtest.Leaf) []tls.Certificate {
		f := a.Issue(t, l)
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	good, foreign := certificate(a, certtest.Leaf{}), certificate(other, certtest.Leaf{})
	expired := certificate(a, certtest.Leaf{NotAfter: time.Now().Add(-time.Minute)})
	for auth, want := range map[string]map[string]bool{
		requestCert: {"none": true, "good": true, "foreign": false, "expired": false},
		requireCert: {"none": false, "good": true, "foreign": false, "expired": false},
	} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			r := secureRig(t, a, []certtest.Files{server}, func(c *Config) { c.TLS.ClientAuth, c.TLS.ClientCAFile = auth, a.File })
			for name, list := range map[string][]tls.Certificate{"none": nil, "good": good, "foreign": foreign, "expired": expired} {
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					const failed = `gateway_tls_handshakes_failed_total{reason="client_certificate"}`
					before := metricValue(t, r, failed)
					c := tlsClient(a.Pool())
					c.MaxVersion = version
					if list != nil {
						// Whatever authorities the gateway names.
						c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &list[0], nil }
					}
					if _, err := r.ask(t, c); (err == nil) != want[name] {
						t.Errorf("%s, %s: %v", name, tls.VersionName(version), err)
					}
					if !want[name] {
						eventually(t, "the refusal is counted", func() bool { return metricValue(t, r, failed) > before })
					}
				}
			}
		})
	}
}

// TestClientAuthorityIsReplaced: a certificate of the old one is refused from
// then on, even in a session that began before.
func TestClientAuthorityIsReplaced(t *testing.T) {
	t.Parallel()
	a, next := certtest.NewAuthority(t), certtest.NewAuthority(t)
	server := a.Issue(t, certtest.Leaf{Names: []string{"localhost"}})
	file := certtest.NewAuthority(t).File // a place for it
	put := func(authorities ...*certtest.Authority) {
		t.Helper()
		var all []byte
		for _, a := range authorities {
			content, err := os.ReadFile(a.File)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, content...)
		}
		certtest.Replace(t, file, all)
	}
	put(a)
	r := secureRig(t, a, []certtest.Files{server}, func(c *Config) { c.TLS.ClientAuth, c.TLS.ClientCAFile = requireCert, file })
	client := func(issuer *certtest.Authority) *tls.Config {
		f := issuer.Issue(t, certtest.Leaf{})
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			t.Fatal(err)
		}
		c := tlsClient(a.Pool())
		c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		return c
	}
	old, young := client(a), client(next)
	check := func(when string, c *tls.Config, ok, resumed bool) {
		t.Helper()
		state, err := r.ask(t, c)
		if (err == nil) != ok || state.DidResume != resumed {
			t.Errorf("%s: resumed = %v, %v", when, state.DidResume, err)
		}
	}
	check("the old one", old, true, false)
	check("the old one again", old, true, true)
	check("the new one, before its time", young, false, false)
	put(a, next)
	r.Reload()
	check("the old one beside the new one", old, true, true)
	check("the new one beside the old one", young, true, false)
	put(next)
	r.Reload()
	check("the old one, after its time", old, false, false)
	check("the new one alone", young, true, true)
}

// TestHandshakeIsBounded: neither silence nor dripping holds a connection.
func TestHandshakeIsBounded(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	r := secureRig(t, a, []certtest.Files{a.Issue(t, certtest.Leaf{Names: []string{"localhost"}})}, func(c *Config) {
		c.Edge.ReceiveTimeout = 300 * time.Millisecond // below the handshake's own bound
	})
	for name, send := range map[string]func(net.Conn){
		"silent": func(net.Conn) {},
		"dripping": func(conn net.Conn) {
			for _, b := range append([]byte{22, 3, 1, 1, 0}, make([]byte, 256)...) {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		},
	} {
		const failed = `gateway_tls_handshakes_failed_total{reason="timeout"}`
		before := metricValue(t, r, failed)
		conn, err := net.Dial("tcp", r.Addr("tls"))
		if err != nil {
			t.Fatal(err)
		}
		go send(conn)
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: still connected", name)
		}
		if strings.Contains(string(answer), "HTTP") {
			t.Errorf("%s: answered %q", name, answer)
		}
		eventually(t, name+" is counted", func() bool { return metricValue(t, r, failed) > before })
		_ = conn.Close()
	}
	const notTLS = `gateway_tls_handshakes_failed_total{reason="not_tls"}`
	before := metricValue(t, r, notTLS)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + noise(300_000),
	} {
		conn, err := net.Dial("tcp", r.Addr("tls"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, request)
		reader := bufio.NewReader(conn)
		a := readAnswer(t, reader, "GET")
		if p := a.problem(t, 400, "bad_framing"); p["detail"] != "Client sent an HTTP request to an HTTPS server." {
			t.Errorf("plain HTTP is told %v", p["detail"])
		}
		if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) || a.header.Get("Connection") != "close" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the answer to plain HTTP has the headers %v, and then %v", a.header, err)
		}
	}
	eventually(t, "plain HTTP is counted", func() bool { return metricValue(t, r, notTLS) >= before+2 })
	if lines := r.logs.lines(t, "request"); len(lines) != 0 {
		t.Errorf("%d requests logged, want none", len(lines))
	}
}
