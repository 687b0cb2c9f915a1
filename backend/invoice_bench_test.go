package backend

import (
	"testing"

	"gatehouse/internal/token"
)

// BenchmarkNfe writes and reads whole documents of the most lines that there may be
// and of few, by HTTP and in PostgreSQL. Of 990 lines a write has 250 ms.
func BenchmarkNfe(b *testing.B) {
	s := newTestServer(b)
	ana := s.actor("acme", "ana", token.Member).Access
	emitter := s.emitter("acme")
	for _, size := range []struct {
		name  string
		lines int
	}{{"990", 990}, {"10", 10}} {
		body := encode(b, nfeBody(emitter, size.lines))
		b.Run("create/"+size.name, func(b *testing.B) {
			for b.Loop() {
				s.do("POST", "/api/v1/nfe", ana, body).want(b, 201)
			}
		})
		var d invoiceBody
		s.do("POST", "/api/v1/nfe", ana, body).want(b, 201).into(b, &d)
		b.Run("get/"+size.name, func(b *testing.B) {
			for b.Loop() {
				s.do("GET", d.path(), ana, nil).want(b, 200)
			}
		})
		b.Run("validate/"+size.name, func(b *testing.B) {
			for b.Loop() {
				s.do("POST", "/api/v1/nfe/validate", ana, body).want(b, 200)
			}
		})
	}
}
