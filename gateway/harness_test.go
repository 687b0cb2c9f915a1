package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

const testSecret = "a secret for the tests of the gateway, 32+ bytes"

// rig is a gateway with a backend and Redis behind it.
type rig struct {
	*Gateway
	backend *backend
	redis   *miniredis.Miniredis
	logs    *logBuffer
	keys    *token.Keyring
	stop    func() error // ends Run and returns its error
}

// newRig starts a gateway on loopback ports. Change alters its configuration.
func newRig(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	return newRigAt(t, time.Now, change)
}

// newRigAt is newRig with a clock for what is held against one.
func newRigAt(t testing.TB, now func() time.Time, change func(*Config)) *rig {
	t.Helper()
	r := &rig{backend: newBackend(t), redis: miniredis.RunT(t), logs: &logBuffer{}}
	c := testConfig()
	c.Proxy.Backends = []string{r.backend.addr}
	c.Redis.URL = config.Secret("redis://" + r.redis.Addr())
	if change != nil {
		change(&c)
	}
	r.keys = token.NewKeyring(c.Token, now)
	var err error
	r.Gateway, err = New(Options{Config: c, Log: slog.New(slog.NewJSONHandler(r.logs, nil)), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// load reads settings as the program does.
func load(environ []string) (c Config, err error) {
	err = config.Load(&c, environ)
	return c, err
}

// testConfig has limits that no test reaches by accident.
func testConfig() Config {
	c, _ := load(nil) // the defaults; what has none is set below
	c.AppEnv = config.Development
	c.TLSAddr = off
	c.HTTPAddr = "127.0.0.1:0"
	c.OpsAddr = "127.0.0.1:0"
	c.DocumentFile = "testdata/openapi.yaml"
	c.Proxy.HealthPath = off
	c.DrainDelay = 0
	c.StopTimeout = 5 * time.Second
	c.Token.Secret = testSecret
	c.Redis.Timeout = time.Second
	c.Limits.File = "testdata/limits.json"
	return c
}

// limits returns a change of the configuration that makes limits such as
// public=1/1h,2 or standard.user=9/1h,9 shadow 1/1h,1; the others stay wide.
func limits(t testing.TB, changes ...string) func(*Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limits.json")
	writeLimits(t, path, changes...)
	return func(c *Config) { c.Limits.File = path }
}

func writeLimits(t testing.TB, path string, changes ...string) {
	t.Helper()
	content, err := os.ReadFile("testdata/limits.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Address map[string]any            `json:"address"`
		Plans   map[string]map[string]any `json:"plans"`
		// InFlight is by plan a number or none.
		InFlight map[string]any `json:"in_flight"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		name, text, _ := strings.Cut(change, "=")
		text, shadow, both := strings.Cut(text, " shadow ")
		if plan, ok := strings.CutSuffix(name, ".in_flight"); ok {
			file.InFlight[plan] = json.RawMessage(text)
			continue
		}
		policy := map[string]any{"limit": text}
		if both {
			policy["shadow"] = shadow
		}
		if plan, short, ok := strings.Cut(name, "."); ok {
			file.Plans[plan][short] = policy
		} else {
			file.Address[name] = policy
		}
	}
	if content, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// token returns an access token for a member of the tenant.
func (r *rig) token(t testing.TB, tenant string) string {
	t.Helper()
	return sign(t, r.keys, tenant, uuid.New())
}

func sign(t testing.TB, keys *token.Keyring, tenant string, user uuid.UUID) string {
	t.Helper()
	return signAs(t, keys, token.Member, tenant, user)
}

func signAs(t testing.TB, keys *token.Keyring, role token.Role, tenant string, user uuid.UUID) string {
	t.Helper()
	signed, err := keys.Sign(token.Claims{
		UserID: user, Tenant: tenant, Username: "demo", Session: uuid.New(), Role: role,
	}, 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// answer is what a client gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is the body of a refusal; want is checked for the one shape.
func (a answer) problem(t testing.TB, status int, code string) map[string]any {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("status %d, body %q is no JSON: %v", a.status, a.body, err)
	}
	if a.status != status || p["code"] != code {
		t.Fatalf("answer = %d %v (%v), want %d %s", a.status, p["code"], p["detail"], status, code)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q", got)
	}
	if p["type"] != "urn:gatehouse:problem:"+code || p["status"] != float64(status) || p["title"] == "" {
		t.Errorf("problem = %v", p)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || p["request_id"] != id {
		t.Errorf("request_id = %v, header %q; want the same", p["request_id"], id)
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("security headers are missing")
	}
	return p
}

// do sends a request over a connection of its own.
func (r *rig) do(t testing.TB, method, target string, header map[string]string, body string) answer {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: gateway.test\r\n", method, target)
	for name, value := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return r.raw(t, b.String(), method)
}

// raw sends bytes as they are and reads one answer.
func (r *rig) raw(t testing.TB, request, method string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr("http"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, bufio.NewReader(conn), method)
}

func readAnswer(t testing.TB, from *bufio.Reader, method string) answer {
	t.Helper()
	response, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read the answer's body: %v", err)
	}
	if response.Close { // ReadResponse takes the header away
		response.Header.Set("Connection", "close")
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

func (r *rig) bearer(t testing.TB) map[string]string {
	return map[string]string{"Authorization": "Bearer " + r.token(t, "tenant1")}
}

// as is the header of a caller with a role: an operator of the tenant that
// operators live in, anybody else of tenant1.
func (r *rig) as(t testing.TB, role token.Role) map[string]string {
	t.Helper()
	tenant := "tenant1"
	if role == token.Operator {
		tenant = token.PlatformTenant
	}
	return map[string]string{"Authorization": "Bearer " + signAs(t, r.keys, role, tenant, uuid.New())}
}

// backend is a service behind the gateway that remembers what it was asked.
type backend struct {
	addr   string
	server *fasthttp.Server

	mu       sync.Mutex
	handler  fasthttp.RequestHandler
	requests []seen
	forget   bool // for benchmarks
}

// seen is one request as the backend got it.
type seen struct {
	method, target, body string
	header               http.Header
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{addr: ln.Addr().String()}
	b.server = &fasthttp.Server{Handler: b.serve, Name: "leaky/1.0", DisableHeaderNamesNormalizing: true, CloseOnShutdown: true, MaxRequestBodySize: 16 << 20}
	go func() { _ = b.server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = b.server.ShutdownWithContext(ctx)
	})
	return b
}

// answerWith sets the handler of the requests to come.
func (b *backend) answerWith(h fasthttp.RequestHandler) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handler = h
}

func (b *backend) serve(ctx *fasthttp.RequestCtx) {
	if b.forget {
		ctx.SetBodyString(`{"message":"ok","data":{}}`)
		return
	}
	s := seen{
		method: string(ctx.Method()), target: string(ctx.Request.Header.RequestURI()), body: string(ctx.Request.Body()),
		header: http.Header{},
	}
	for line := range bytes.SplitSeq(ctx.Request.Header.RawHeaders(), []byte("\r\n")) {
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok {
			s.header.Add(string(name), string(value))
		}
	}
	b.mu.Lock()
	b.requests = append(b.requests, s)
	handler := b.handler
	b.mu.Unlock()
	if handler != nil {
		handler(ctx)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBodyString(`{"message":"ok","data":{}}`)
}

// last returns the request that came last, and how many came.
func (b *backend) last() (seen, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requests) == 0 {
		return seen{}, 0
	}
	return b.requests[len(b.requests)-1], len(b.requests)
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(line)
}

// lines returns the lines with a message.
func (l *logBuffer) lines(t testing.TB, message string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []map[string]any
	for line := range bytes.Lines(l.b.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if m["msg"] == message {
			list = append(list, m)
		}
	}
	return list
}

// eventually waits for something that another goroutine is about to do.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not within 5 s: %s", what)
}

// certificate writes a self-signed pair for localhost and returns the paths and
// a pool that trusts it.
func certificate(t testing.TB) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certFile, keyFile = filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	for file, content := range map[string][]byte{
		certFile: certPEM,
		keyFile:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool
}

func dialTLS(t testing.TB, addr string, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	d := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(d, "tcp", addr, c)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		err = conn.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return conn, err
}
