package gateway

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/edge"
)

func tlsClient(pool *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := certificate(t)
	r := newRig(t, func(c *Config) {
		c.TLSAddr, c.TLS.CertFiles, c.TLS.KeyFiles = "127.0.0.1:0", []string{certFile}, []string{keyFile}
	})

	c := tlsClient(pool)
	c.NextProtos = []string{"h2", "http/1.1"}
	conn, err := dialTLS(t, r.Addr("tls"), c)
	if err != nil {
		t.Fatal(err)
	}
	if state := conn.ConnectionState(); state.Version < tls.VersionTLS12 || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("negotiated %s, %q", tls.VersionName(state.Version), state.NegotiatedProtocol)
	}
	fmt.Fprint(conn, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n")
	a := readAnswer(t, bufio.NewReader(conn), "GET")
	if a.status != 200 || a.header.Get("Strict-Transport-Security") != "max-age=31536000; includeSubDomains" {
		t.Errorf("answer = %d %v", a.status, a.header)
	}
	if got, _ := r.backend.last(); got.header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("X-Forwarded-Proto = %q", got.header.Get("X-Forwarded-Proto"))
	}

	old := tlsClient(pool)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	before := metricValue(t, r, "gateway_tls_handshakes_failed_total{reason=\"no_accord\"}")
	if _, err := dialTLS(t, r.Addr("tls"), old); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	eventually(t, "the failed handshake is counted", func() bool {
		return metricValue(t, r, "gateway_tls_handshakes_failed_total{reason=\"no_accord\"}") > before
	})
	if got := len(r.logs.lines(t, "request")); got != 1 {
		t.Errorf("%d requests logged, want one: a failed handshake is none", got)
	}
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	dial := func(t *testing.T, r *rig) (ask func() error) {
		t.Helper()
		conn, err := net.Dial("tcp", r.Addr("http"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		reader := bufio.NewReader(conn)
		return func() error {
			if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
				return err
			}
			fmt.Fprint(conn, "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := reader.Peek(1); err != nil {
				return err
			}
			readAnswer(t, reader, "GET")
			return nil
		}
	}
	for name, change := range map[string]func(*Config){
		"in all":           func(c *Config) { c.Edge.MaxConnections = 2 },
		"from one address": func(c *Config) { c.Edge.MaxPerAddress = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, change)
			one, two := dial(t, r), dial(t, r)
			for _, ask := range []func() error{one, two} {
				if err := ask(); err != nil {
					t.Fatal(err)
				}
			}
			if err := dial(t, r)(); err == nil {
				t.Error("a third connection was served")
			}
			if err := one(); err != nil {
				t.Errorf("the first connection suffered: %v", err)
			}
		})
	}
	t.Run("a trusted proxy has no limit of its own", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(c *Config) {
			c.Edge.MaxPerAddress = 1
			c.Edge.TrustedProxies = edge.Trust{netip.MustParsePrefix("127.0.0.0/8")}
		})
		one, two := dial(t, r), dial(t, r)
		if one() != nil || two() != nil {
			t.Error("a second connection from a trusted proxy was refused")
		}
	})
	t.Run("a place is free again after closing", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(c *Config) { c.Edge.MaxPerAddress = 1 })
		for range 5 {
			if a := r.do(t, "GET", "/openapi.json", nil, ""); a.status != 200 {
				t.Fatalf("status = %d", a.status)
			}
			eventually(t, "the connection is given back", func() bool { return r.edge.Connections() == 0 })
		}
	})
}

func TestGracefulStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.DrainDelay = 300 * time.Millisecond })
	release := make(chan struct{})
	r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) == "/things/slow" {
			<-release
		}
		ctx.SetBodyString("done")
	})
	connect := func() (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("tcp", r.Addr("http"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn, bufio.NewReader(conn)
	}
	slow, slowReader := connect()
	fmt.Fprintf(slow, "GET /things/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", r.token(t, "tenant1"))
	eventually(t, "the slow request is under way", func() bool { _, n := r.backend.last(); return n == 1 })
	silent, silentReader := connect()
	kept, keptReader := connect()
	fmt.Fprint(kept, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := readAnswer(t, keptReader, "GET"); a.header.Get("Connection") != "" {
		t.Fatalf("Connection = %q before the stop", a.header.Get("Connection"))
	}

	stopped := make(chan error, 1)
	began := time.Now()
	go func() { stopped <- r.stop() }()
	eventually(t, "the gateway is not ready", func() bool {
		code, body := r.ops(t, "/health/ready")
		return code == 503 && strings.Contains(body, `"status":"draining"`)
	})
	// While it drains it still answers, and says goodbye.
	fmt.Fprint(kept, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := readAnswer(t, keptReader, "GET"); a.status != 200 || a.header.Get("Connection") != "close" {
		t.Errorf("while draining = %d, Connection %q", a.status, a.header.Get("Connection"))
	}
	if a := r.do(t, "GET", "/probe", nil, ""); a.status != 200 {
		t.Errorf("a new connection while draining = %d", a.status)
	}
	eventually(t, "nobody new is accepted", func() bool {
		conn, err := net.Dial("tcp", r.Addr("http"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("stopped accepting after %v, before the drain delay", took)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request under way: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if a := readAnswer(t, slowReader, "GET"); a.status != 200 || a.body != "done" {
		t.Errorf("the request under way = %+v", a)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run = %v", err)
	}
	// A connection that never said a word does not hold up the end.
	if _, err := silentReader.ReadByte(); err != io.EOF {
		t.Errorf("silent connection: %v, want its end", err)
	}
	_ = silent
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.StopTimeout = 300 * time.Millisecond })
	release := make(chan struct{})
	defer close(release)
	r.backend.answerWith(func(*fasthttp.RequestCtx) { <-release })
	conn, err := net.Dial("tcp", r.Addr("http"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /things/7 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", r.token(t, "tenant1"))
	eventually(t, "the request is under way", func() bool { _, n := r.backend.last(); return n == 1 })
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if lines := r.logs.lines(t, "requests were cut off"); len(lines) != 1 || lines[0]["requests"] != 1.0 {
		t.Errorf("log = %v", lines)
	}
}

func TestOpsListener(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	if code, body := r.ops(t, "/health/live"); code != 200 {
		t.Errorf("/health/live = %d %s", code, body)
	}
	// The other listeners come a moment later.
	code, body := r.ops(t, "/health/ready")
	for deadline := time.Now().Add(10 * time.Second); code != 200 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		code, body = r.ops(t, "/health/ready")
	}
	if code != 200 || !strings.Contains(body, `"status":"healthy"`) || !strings.Contains(body, `"listeners"`) || !strings.Contains(body, `"backends"`) || !strings.Contains(body, `"redis"`) {
		t.Errorf("/health/ready = %d %s", code, body)
	}
	lines := r.logs.lines(t, "listening")
	got := map[any]bool{}
	for _, line := range lines {
		got[line["listener"]] = line["addr"] != ""
	}
	if !got["http"] || !got["ops"] || len(lines) != 2 || len(r.logs.lines(t, "ready")) != 1 {
		t.Errorf("listening lines = %v", lines)
	}
	// Nothing of the operators' is on the clients' side.
	r.do(t, "GET", "/metrics", nil, "").problem(t, 404, "not_found")
	r.do(t, "GET", "/debug/pprof/", nil, "").problem(t, 404, "not_found")
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	c := r.config
	c.HTTPAddr = r.Addr("http")
	if _, err := New(Options{Config: c, Log: r.log}); err == nil || !strings.Contains(err.Error(), "the http listener") ||
		!strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error = %v", err)
	}
}

func TestUnknownLocalOperation(t *testing.T) {
	t.Parallel()
	c := testConfig()
	c.DocumentFile = "testdata/unserved.yaml"
	c.Redis.URL = "redis://127.0.0.1:1"
	if _, err := New(Options{Config: c, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), `"brewCoffee"`) {
		t.Errorf("error = %v", err)
	}
}
