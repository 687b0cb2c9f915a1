package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// handshakeTimeout bounds a TLS handshake, however it drips.
const handshakeTimeout = 10 * time.Second

// Why handshakes fail. What clients can make differ is not in these names.
var (
	handshakes        = metrics.NewCounter(`gateway_tls_handshakes_total{resumed="false"}`)
	handshakesResumed = metrics.NewCounter(`gateway_tls_handshakes_total{resumed="true"}`)

	handshakeTimedOut   = metrics.NewCounter(`gateway_tls_handshakes_failed_total{reason="timeout"}`)
	handshakeClosed     = metrics.NewCounter(`gateway_tls_handshakes_failed_total{reason="closed"}`)
	handshakeNotTLS     = metrics.NewCounter(`gateway_tls_handshakes_failed_total{reason="not_tls"}`)
	handshakeNoAccord   = metrics.NewCounter(`gateway_tls_handshakes_failed_total{reason="no_accord"}`)
	handshakeClientCert = metrics.NewCounter(`gateway_tls_handshakes_failed_total{reason="client_certificate"}`)
	handshakeRefused    = metrics.NewCounter(`gateway_tls_handshakes_failed_total{reason="refused_by_client"}`)
	handshakeOther      = metrics.NewCounter(`gateway_tls_handshakes_failed_total{reason="other"}`)
)

// Handshake makes the handshake within its time and counts how it ended. The
// server calls it before it reads, and again whenever a parked connection wakes.
func (c *secureConn) Handshake() error {
	if c.handshaken {
		return nil
	}
	c.handshaken = true
	now := time.Now()
	if err := c.SetDeadline(now.Add(c.own.limits.handshakeTimeout)); err != nil {
		return err
	}
	if err := c.Conn.Handshake(); err != nil {
		if counter := handshakeFailure(err); counter != nil {
			counter.Inc()
		}
		c.tellPlain(err)
		return err
	}
	if c.ConnectionState().DidResume {
		handshakesResumed.Inc()
	} else {
		handshakes.Inc()
	}
	return c.SetDeadline(now.Add(c.own.limits.sendTimeout)) // until the server sets those of the request
}

// handshakeTexts tells apart the errors of crypto/tls that have no type.
var handshakeTexts = []struct {
	prefix  string
	counter *metrics.Counter
}{
	{"tls: client offered only unsupported versions", handshakeNoAccord},
	{"tls: client requested unsupported application protocols", handshakeNoAccord},
	{"tls: no cipher suite supported by both", handshakeNoAccord},
	{"tls: no key exchanges supported by both", handshakeNoAccord},
	{"tls: client didn't provide a certificate", handshakeClientCert},
	{"tls: failed to parse client certificate", handshakeClientCert},
	{"tls: client certificate ", handshakeClientCert},
	{"tls: invalid signature by the client certificate", handshakeClientCert},
}

// handshakeFailure returns the counter for a failed handshake, or nil when we
// closed the connection ourselves.
func handshakeFailure(err error) *metrics.Counter {
	var notTLS tls.RecordHeaderError
	var unverified *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.Is(err, net.ErrClosed):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return handshakeTimedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return handshakeClosed
	case errors.As(err, &notTLS):
		return handshakeNotTLS
	case errors.As(err, &unverified):
		return handshakeClientCert
	case errors.As(err, &op) && op.Op == "remote error": // an alert
		return handshakeRefused
	}
	for _, t := range handshakeTexts {
		if strings.HasPrefix(err.Error(), t.prefix) {
			return t.counter
		}
	}
	return handshakeOther
}

// handshakeFailed reports whether conn is a TLS connection that never got as
// far as a request.
func handshakeFailed(conn net.Conn) bool {
	secure, ok := conn.(*secureConn)
	return ok && !secure.ConnectionState().HandshakeComplete
}
