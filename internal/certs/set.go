package certs

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// Set is the certificates of a listener, of which each client is shown the one
// for the name that it asks for. It is safe for concurrent use.
type Set struct {
	pairs []*Pair

	mu    sync.Mutex // held while the names are put together
	names atomic.Pointer[map[string][]*tls.Certificate]
}

// OpenSet reads the pairs of certificate and key at the same places of both
// lists. The first is for clients that ask for no name or an unknown one.
func OpenSet(o Options, certFiles, keyFiles []string) (*Set, error) {
	if len(certFiles) == 0 || len(certFiles) != len(keyFiles) {
		return nil, fmt.Errorf("there are %d certificates and %d keys", len(certFiles), len(keyFiles))
	}
	s := &Set{}
	name := o.Name
	for i := range certFiles {
		if i > 0 {
			o.Name = fmt.Sprintf("%s_%d", name, i+1)
		}
		p, err := openPair(o, certFiles[i], keyFiles[i], s.index)
		if err != nil {
			return nil, err
		}
		s.pairs = append(s.pairs, p)
	}
	s.index()
	return s, nil
}

// Pairs returns what is followed.
func (s *Set) Pairs() []*Pair { return s.pairs }

// index notes who is called what. A wildcard stands for one label, as in
// RFC 9525 section 6.3.
func (s *Set) index() {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := map[string][]*tls.Certificate{}
	for _, p := range s.pairs {
		certificate := p.Get()
		for _, name := range certificate.Leaf.DNSNames {
			name = strings.ToLower(name)
			names[name] = append(names[name], certificate)
		}
	}
	s.names.Store(&names)
}

// Get chooses by the name that the client asks for; among several for one name,
// say with keys of different kinds, the first that the client can use. It is
// meant for tls.Config.GetCertificate.
func (s *Set) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	list := s.find(strings.ToLower(hello.ServerName))
	for _, certificate := range list {
		if len(list) == 1 || hello.SupportsCertificate(certificate) == nil {
			return certificate, nil
		}
	}
	return s.pairs[0].Get(), nil
}

func (s *Set) find(name string) []*tls.Certificate {
	names := *s.names.Load()
	if list := names[name]; list != nil {
		return list
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		return names["*."+parent]
	}
	return nil
}
