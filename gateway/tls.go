package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
)

// loadTLS reads the certificate for HTTPS. TLS 1.2 is the least that is spoken,
// with Go's own choice of ciphers, all of them forward secret. HTTP/1.1 is
// the only protocol: HTTP/2 belongs to a load balancer in front.
func loadTLS(certFile, keyFile string) (*tls.Config, error) {
	if name, err := checkCertificate(certFile, keyFile); err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
		Certificates: []tls.Certificate{certificate},
	}, nil
}

// checkCertificate says which setting is wrong, and how; the key's content
// does not appear in the error.
func checkCertificate(certFile, keyFile string) (name string, err error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return "TLS_CERT_FILE", fmt.Errorf("is %s, which cannot be read: %w", certFile, reasonOf(err))
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return "TLS_KEY_FILE", fmt.Errorf("is %s, which cannot be read: %w", keyFile, reasonOf(err))
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return "TLS_CERT_FILE", fmt.Errorf("and TLS_KEY_FILE are no pair of certificate and key in PEM: %w", err)
	}
	return "", nil
}

// reasonOf drops the path from a file error, which the message names already.
func reasonOf(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// validAddr reports whether addr is something to listen on: any host, and a
// port number, where 0 means any free one.
func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}
