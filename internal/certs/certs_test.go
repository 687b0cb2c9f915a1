package certs_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/certs"
	"gatehouse/internal/certs/certtest"
	"gatehouse/internal/watch"
)

func options(t testing.TB) certs.Options {
	return certs.Options{Name: t.Name(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func TestPairFollowsItsFiles(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	files := a.Issue(t, certtest.Leaf{Names: []string{"one.test"}})
	pair, err := certs.OpenPair(options(t), files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	first := pair.Get().Leaf.SerialNumber
	for _, c := range []struct {
		name    string
		change  func()
		refused string // "" for taken in
	}{
		{"expired", func() { a.Renew(t, files, certtest.Leaf{NotAfter: now.Add(-time.Minute)}) }, "expired at"},
		{"not valid yet", func() { a.Renew(t, files, certtest.Leaf{NotBefore: now.Add(time.Minute)}) }, "valid from"},
		{"another's key", func() {
			other, err := os.ReadFile(a.Issue(t, certtest.Leaf{}).Key)
			if err != nil {
				t.Fatal(err)
			}
			a.Renew(t, files, certtest.Leaf{})
			certtest.Replace(t, files.Key, other)
		}, "no pair"},
		{"no PEM", func() { certtest.Replace(t, files.Cert, []byte("no PEM")) }, "no pair"},
		{"gone", func() { _ = os.Remove(files.Key) }, "no such file"},
	} {
		c.change()
		if err := pair.Look(); err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: got %v, want %q", c.name, err, c.refused)
		}
		if pair.Get().Leaf.SerialNumber.Cmp(first) != 0 {
			t.Fatalf("%s: the last good one is gone", c.name)
		}
		if err := certs.CheckPair(files.Cert, files.Key, time.Now()); err == nil {
			t.Errorf("%s: CheckPair finds nothing wrong", c.name)
		}
	}
	second := a.Renew(t, files, certtest.Leaf{NotAfter: now.Add(30 * time.Minute)})
	if err := pair.Look(); err != nil {
		t.Fatal(err)
	}
	if pair.Get().Leaf.SerialNumber.Cmp(second.SerialNumber) != 0 {
		t.Error("the new one was not taken in")
	}
	if got := metrics.GetOrCreateGauge(`certificate_expiry_timestamp_seconds{file="`+t.Name()+`"}`, nil).Get(); got != float64(second.NotAfter.Unix()) {
		t.Errorf("expiry = %v, want %v", got, second.NotAfter.Unix())
	}
}

// TestPairThatBecomesValid is taken in when its time has come, though its files
// stay as they are.
func TestPairThatBecomesValid(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	files := a.Issue(t, certtest.Leaf{})
	now := time.Now()
	o := options(t)
	o.Now = func() time.Time { return now }
	pair, err := certs.OpenPair(o, files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	next := a.Renew(t, files, certtest.Leaf{NotBefore: now.Add(10 * time.Minute)})
	for range 2 {
		if err := pair.Look(); !errors.Is(err, watch.ErrNotYet) {
			t.Errorf("Look = %v", err)
		}
	}
	now = now.Add(11 * time.Minute)
	if err := pair.Look(); err != nil || pair.Get().Leaf.SerialNumber.Cmp(next.SerialNumber) != 0 {
		t.Errorf("later: Look = %v", err)
	}
}

func TestOneFileMayHoldBoth(t *testing.T) {
	t.Parallel()
	files := certtest.NewAuthority(t).Issue(t, certtest.Leaf{})
	cert, err := os.ReadFile(files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	certtest.Replace(t, files.Cert, append(key, cert...))
	pair, err := certs.OpenPair(options(t), files.Cert, files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(pair.Get().Certificate); n != 1 {
		t.Errorf("the chain has %d certificates, want 1", n)
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	one, two := certtest.NewAuthority(t), certtest.NewAuthority(t)
	file := one.File
	pool, err := certs.OpenPool(options(t), file)
	if err != nil {
		t.Fatal(err)
	}
	first := pool.Get()
	if !first.Equal(one.Pool()) {
		t.Error("the pool holds something else")
	}
	for name, content := range map[string]string{
		"empty": "", "no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		certtest.Replace(t, file, []byte(content))
		if err := pool.Look(); err == nil || pool.Get() != first {
			t.Errorf("%s: Look = %v", name, err)
		}
	}
	expired := options(t)
	expired.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	if _, err := certs.OpenPool(expired, two.File); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("an authority that has expired: %v", err)
	}
	both, err := os.ReadFile(two.File)
	if err != nil {
		t.Fatal(err)
	}
	certtest.Replace(t, file, both)
	if err := pool.Look(); err != nil || !pool.Get().Equal(two.Pool()) {
		t.Errorf("another authority: %v", err)
	}
}

func TestSetChoosesByName(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	leaves := []certtest.Leaf{{Names: []string{"one.test"}}, {Names: []string{"Two.test", "*.two.test"}}, {Names: []string{"three.test", "a.two.test"}}}
	var certFiles, keyFiles []string
	var files []certtest.Files
	for _, l := range leaves {
		f := a.Issue(t, l)
		files, certFiles, keyFiles = append(files, f), append(certFiles, f.Cert), append(keyFiles, f.Key)
	}
	set, err := certs.OpenSet(options(t), certFiles, keyFiles)
	if err != nil {
		t.Fatal(err)
	}
	serial := func(name string) *big.Int {
		t.Helper()
		c, err := set.Get(&tls.ClientHelloInfo{ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}})
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber
	}
	check := func() {
		t.Helper()
		for name, want := range map[string]int{
			"": 0, "one.test": 0, "unknown": 0, "two.test": 1, "TWO.test": 1, "b.two.test": 1, "a.b.two.test": 0, "a.two.test": 2, "three.test": 2, ".two.test": 1, "*": 0,
		} {
			if serial(name).Cmp(set.Pairs()[want].Get().Leaf.SerialNumber) != 0 {
				t.Errorf("%q: not certificate %d", name, want)
			}
		}
	}
	check()
	before := serial("two.test")
	a.Renew(t, files[1], leaves[1])
	if err := set.Pairs()[1].Look(); err != nil {
		t.Fatal(err)
	}
	if serial("two.test").Cmp(before) == 0 {
		t.Error("the new certificate is not shown")
	}
	check()

	if _, err := certs.OpenSet(options(t), certFiles, keyFiles[:2]); err == nil {
		t.Error("lists of different length were taken")
	}
	if _, err := certs.OpenSet(options(t), nil, nil); err == nil {
		t.Error("empty lists were taken")
	}
}
