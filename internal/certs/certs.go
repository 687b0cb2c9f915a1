// Package certs holds what both processes need for TLS: certificates with their
// keys and pools of authorities, followed in their files while a process runs,
// and the settings that all our connections share.
//
// A file may be replaced by a rename, in place, or by swapping a symbolic link.
// What is wrong, has expired or does not belong together changes nothing: the
// last good content stays in force, and is counted as stale (package watch).
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/watch"
)

// poll is how often files are looked at.
const poll = 10 * time.Second

// Options is what is common to all that is followed.
type Options struct {
	// Name says what the files are, in logs and as the label file of metrics.
	Name string
	// Now is the clock that certificates are held against.
	Now func() time.Time
	Log *slog.Logger
}

// Pair is a certificate with its private key. It is safe for concurrent use.
type Pair struct {
	*watch.File
	current atomic.Pointer[tls.Certificate]
}

// OpenPair reads a certificate chain, the process's own first, and its key, both
// in PEM. One file may hold both and be named twice.
func OpenPair(o Options, certFile, keyFile string) (*Pair, error) {
	return openPair(o, certFile, keyFile, func() {})
}

// openPair also calls changed after each new content but the first.
func openPair(o Options, certFile, keyFile string, changed func()) (*Pair, error) {
	p := &Pair{}
	expiry := metrics.GetOrCreateGauge(fmt.Sprintf(`certificate_expiry_timestamp_seconds{file=%q}`, o.Name), nil)
	var err error
	p.File, err = watch.Open(watch.Options{
		Name: o.Name, Path: certFile, Also: []string{keyFile}, Every: poll, Log: o.Log,
		Apply: func(content []byte) error {
			certificate, err := parsePair(content, o.Now())
			if err != nil {
				return err
			}
			first := p.current.Swap(certificate) == nil
			expiry.Set(float64(certificate.Leaf.NotAfter.Unix()))
			if !first {
				changed()
			}
			return nil
		},
	})
	return p, err
}

// Get returns the certificate in force.
func (p *Pair) Get() *tls.Certificate { return p.current.Load() }

// CheckPair says why OpenPair would fail; nothing of the key is in the error.
func CheckPair(certFile, keyFile string, now time.Time) error {
	return watch.Check(certFile, func(content []byte) error {
		_, err := parsePair(content, now)
		return err
	}, keyFile)
}

// parsePair reads a chain and a key that stand one after the other.
func parsePair(content []byte, now time.Time) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(content, content)
	if err != nil {
		return nil, fmt.Errorf("certificate and key are no pair in PEM: %w", err)
	}
	if err := inForce(pair.Leaf, now); err != nil {
		return nil, err
	}
	var chain [][]byte
	for _, der := range pair.Certificate { // twice there if one file holds both
		if !slices.ContainsFunc(chain, func(have []byte) bool { return bytes.Equal(have, der) }) {
			chain = append(chain, der)
		}
	}
	pair.Certificate = chain
	return &pair, nil
}

func inForce(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate is valid from %s: %w", c.NotBefore.Format(time.RFC3339), watch.ErrNotYet)
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate expired at %s", c.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// Pool is the authorities that are trusted. It is safe for concurrent use.
type Pool struct {
	*watch.File
	current atomic.Pointer[x509.CertPool]
}

// OpenPool reads certificates of authorities, in PEM. While an authority is
// replaced its successor stands beside it in the file.
func OpenPool(o Options, file string) (*Pool, error) {
	p := &Pool{}
	var err error
	p.File, err = watch.Open(watch.Options{
		Name: o.Name, Path: file, Every: poll, Log: o.Log,
		Apply: func(content []byte) error {
			pool, err := parsePool(content, o.Now())
			if err == nil {
				p.current.Store(pool)
			}
			return err
		},
	})
	return p, err
}

// Get returns the pool in force.
func (p *Pool) Get() *x509.CertPool { return p.current.Load() }

// CheckPool says why OpenPool would fail.
func CheckPool(file string, now time.Time) error {
	return watch.Check(file, func(content []byte) error {
		_, err := parsePool(content, now)
		return err
	})
}

// parsePool wants one authority at least that is in force: with none nobody
// could connect.
func parsePool(content []byte, now time.Time) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	err := errors.New("there is no certificate in PEM")
	good := false
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		authority, fault := x509.ParseCertificate(block.Bytes)
		if fault != nil {
			return nil, fault
		}
		pool.AddCert(authority)
		if err = inForce(authority, now); err == nil {
			good = true
		}
	}
	if !good {
		return nil, err
	}
	return pool, nil
}
