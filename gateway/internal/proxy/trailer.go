package proxy

import (
	"bytes"

	"gatehouse/gateway/internal/edge"
)

// Trailers cross, in both directions, when they were announced, would cross as
// headers, and do not have to be known before the body is used (RFC 9110 section
// 6.5.1): some programs look for headers among trailers as well. Others are
// dropped. Those of a request that fasthttp knows to be forbidden do not get here.

// headOnly are headers that mean something only before a body, in lower case, or
// that the edge sets behind the proxy.
var headOnly = set(
	// How the request is meant.
	"cache-control", "pragma", "max-forwards", "range", "prefer", "origin", "idempotency-key",
	"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
	"accept", "accept-charset", "accept-encoding", "accept-language",
	"access-control-request-method", "access-control-request-headers",
	// Who asks.
	"cookie", "set-cookie", "www-authenticate", "authentication-info",
	// How the body is to be read.
	"content-type", "content-encoding", "content-language", "content-location", "content-range", "content-disposition",
	// How the answer is meant.
	"age", "allow", "deprecation", "expires", "link", "location", "retry-after", "sunset", "vary", "warning",
)

func mustLead(name []byte) bool {
	var lower [maxKnownName]byte
	return len(name) <= len(lower) && headOnly.has(lowerInto(lower[:], name))
}

// trailerCrosses reports whether an announced trailer of a request goes on to the
// backend.
func trailerCrosses(name []byte, ex *edge.Exchange) bool {
	return crosses(name, ex) && !mustLead(name) && !contains(connectionOptions(nil, &ex.Fields), name)
}

// appendTrailers appends the trailers of a request that was read to its end.
func appendTrailers(b []byte, ex *edge.Exchange) []byte {
	if !ex.Fields.Trailer {
		return b
	}
	var announced [][]byte
	for lines := ex.Fields.Lines(); ; {
		name, value, ok := lines.Next()
		if !ok {
			break
		}
		if bytes.EqualFold(name, []byte("trailer")) {
			announced = appendOptions(announced, value)
		}
	}
	lines := edge.LinesOf(ex.Ctx.Request.Header.TrailerHeader())
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		if contains(announced, name) && trailerCrosses(name, ex) {
			b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
		}
	}
	return b
}

// announce tells the client which trailers will follow. A name that the answer has
// as a header, too, is left out: fasthttp would make a trailer of that as well.
func announce(h *answerHead, ex *edge.Exchange) {
	header := &ex.Ctx.Response.Header
	lines := edge.LinesOf(h.section)
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		if !bytes.EqualFold(name, []byte("trailer")) {
			continue
		}
		for _, option := range appendOptions(nil, value) {
			if answerCrosses(option) && !mustLead(option) && !contains(h.named, option) && header.PeekBytes(option) == nil {
				// One that fasthttp knows to be forbidden is left out.
				_ = header.AddTrailerBytes(option)
			}
		}
	}
}

// passTrailer passes the announced trailers on.
func passTrailer(section []byte, ex *edge.Exchange) {
	header := &ex.Ctx.Response.Header
	lines := edge.LinesOf(section)
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		for announced := range header.Trailers() {
			if bytes.EqualFold(announced, name) {
				header.AddBytesKV(name, value)
			}
		}
	}
}
