package stack

import (
	"crypto/x509"
	"os"
	"testing"
	"time"
)

func TestCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	open := func(at time.Time) *certificate {
		t.Helper()
		c, err := openCertificate(dir, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := open(now)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := first.leaf.Verify(x509.VerifyOptions{Roots: first.pool(), DNSName: name, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := first.leaf.Verify(x509.VerifyOptions{Roots: first.pool(), DNSName: "example.com"}); err == nil {
		t.Error("the certificate is good for example.com")
	}
	if info, err := os.Stat(first.keyFile); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key: %v %v, want mode 0600", info, err)
	}

	same := func(a, b *certificate) bool { return a.leaf.Equal(b.leaf) }
	if !same(first, open(now.Add(300*24*time.Hour))) {
		t.Error("a certificate with 65 days to live was replaced")
	}
	second := open(now.Add(340 * 24 * time.Hour))
	if same(first, second) {
		t.Error("a certificate with 25 days to live was kept")
	}
	if third := open(now.Add(-2 * time.Hour)); same(second, third) {
		t.Error("a certificate from the future was kept")
	}
	if err := os.WriteFile(first.certFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	mended := open(now)
	if err := os.WriteFile(first.keyFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if same(mended, open(now)) {
		t.Error("a certificate without its key was kept")
	}
}
