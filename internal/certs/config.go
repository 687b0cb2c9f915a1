package certs

import (
	"crypto/tls"
	"sync/atomic"
)

// suites are those of TLS 1.2 with forward secrecy and authenticated encryption.
// TLS 1.3 has no others, and none to choose from.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Config returns what all our connections share: TLS 1.2 at least, HTTP/1.1, and
// Go's own choice of key exchanges, X25519MLKEM768 first.
func Config() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites,
		NextProtos:   []string{"http/1.1"},
		// Messages are written whole, so small records would only make more of
		// them.
		DynamicRecordSizingDisabled: true,
	}
}

// Server returns the settings of a listener. Clients is who may issue clients'
// certificates; nil means that none is asked for.
//
// The result lives as long as the listener, however often files change: it holds
// the keys of session tickets, which Go makes anew each day and drops after a
// week. So sessions are resumed across a change of certificates, and what a
// client's certificate was is held against the authorities of the moment.
func Server(set *Set, clients *Pool, auth tls.ClientAuthType) *tls.Config {
	outer := Config()
	outer.GetCertificate = set.Get
	if clients == nil {
		return outer
	}
	outer.ClientAuth = auth
	base := outer.Clone()
	var current atomic.Pointer[tls.Config]
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool := clients.Get()
		c := current.Load()
		if c == nil || c.ClientCAs != pool {
			c = base.Clone()
			c.ClientCAs = pool
			current.Store(c)
		}
		return c, nil
	}
	return outer
}
