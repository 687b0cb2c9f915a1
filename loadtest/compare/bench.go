package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"gatehouse/loadtest/machine"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

const (
	users   = 1000
	tenants = 50
)

// bench is what all variants share.
type bench struct {
	settings

	dir     string
	origin  net.Listener
	redis   *stack.Redis
	secret  string
	keys    *token.Keyring
	known   [][]byte // one request of each user
	proxies []*proxy
	ports   []*stack.Port
}

func newBench(ctx context.Context, s settings) (_ *bench, err error) {
	b := &bench{settings: s}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := machine.PinSelf(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "gatehouse-compare-"); err != nil {
		return nil, err
	}
	if err := b.makeCertificate(); err != nil {
		return nil, err
	}
	if b.origin, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go func() { _ = newOrigin().Serve(b.origin) }() // its failure is seen by every request
	if b.redis, err = stack.StartRedis(ctx, stack.RedisOptions{}); err != nil {
		return nil, err
	}
	b.secret = rand.Text() + rand.Text()
	b.keys = token.NewKeyring(token.Config{
		Secret: config.Secret(b.secret), Issuer: "gatehouse", Audience: "gatehouse",
	}, time.Now)
	if b.known, err = b.sign(users); err != nil {
		return nil, err
	}
	if b.gateway == "" {
		b.gateway = filepath.Join(b.dir, "gateway")
		root, err := stack.Root()
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(os.Stderr, "building the gateway")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-pgo=auto", "-o", b.gateway, "./gateway/cmd/gateway")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w: %s", err, out)
		}
	}
	return b, nil
}

// sign returns requests with n tokens that nobody has seen, of all users in turn.
func (b *bench) sign(n int) ([][]byte, error) {
	list := make([][]byte, n)
	for i := range list {
		user := i % users
		text, err := b.keys.Sign(token.Claims{
			UserID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, user)), Tenant: fmt.Sprintf("tenant%d", user%tenants),
			Username: fmt.Sprintf("user%d", user), Session: uuid.New(), Role: token.Member,
		}, 30*time.Minute)
		if err != nil {
			return nil, err
		}
		list[i] = fmt.Appendf(nil, "GET /api/v1/address-book/019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d HTTP/1.1\r\n"+
			"Host: localhost\r\nUser-Agent: compare\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n"+
			"Authorization: Bearer %s\r\n\r\n", text)
	}
	return list, nil
}

// makeCertificate writes one self-signed certificate for all proxies.
func (b *bench) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	leaf, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(b.path("cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), 0o600),
		os.WriteFile(b.path("key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}

// clientTLS are the clients' settings. The key exchange is one that all proxies
// have: the newer hybrid one costs both sides more.
func clientTLS() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // G402: our own proxies on loopback
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// port reserves a port and returns its address.
func (b *bench) port() (string, error) {
	p, err := stack.ReservePort()
	if err != nil {
		return "", err
	}
	b.ports = append(b.ports, p)
	return p.Addr(), nil
}

// startAll starts every proxy that is installed and says of the others how to
// install them.
func (b *bench) startAll(ctx context.Context) error {
	kinds := []*kind{&nginx, &haproxy, &lua, &pump, {name: "gateway", start: func(b *bench, p *proxy) error { return startGateway(b, p, b.gateway) }}}
	if b.baseline != "" {
		kinds = append(kinds, &kind{name: "baseline", start: func(b *bench, p *proxy) error { return startGateway(b, p, b.baseline) }})
	}
	for _, k := range kinds {
		if missing := k.missing(); missing != "" {
			fmt.Printf("%s is left out: there is no %s; install it with: %s\n", k.name, missing, k.install)
			continue
		}
		p, err := b.start(ctx, k)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		b.proxies = append(b.proxies, p)
	}
	return nil
}

func (b *bench) close() {
	for _, p := range b.proxies {
		p.stop()
	}
	if b.origin != nil {
		_ = b.origin.Close()
	}
	if b.redis != nil {
		if err := b.redis.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "compare: stop redis:", err)
		}
	}
	for _, p := range b.ports {
		p.Release()
	}
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// printMachine says where the figures come from.
func (b *bench) printMachine(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, Redis %s; proxies on core %s, clients, origin and Redis on %s; %d connections, medians of %d rounds\n",
		runtime.Version(), runtime.NumCPU(), b.redis.Version, machine.Core, machine.RestOfCores(), b.conns, b.rounds)
	for _, p := range b.proxies {
		fmt.Fprintf(w, "  %-9s %s\n", p.name, strings.TrimSpace(p.about))
	}
}
