package telemetry

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"
)

// TraceParent is the header that ties a request to a trace (W3C Trace Context).
const TraceParent = "Traceparent"

// The parts of a traceparent: version, trace, parent and flags, in lower-case
// hexadecimal digits with hyphens between them.
const (
	traceStart   = 3
	traceEnd     = traceStart + 32
	parentStart  = traceEnd + 1
	parentEnd    = parentStart + 16
	traceParents = parentEnd + 3 // the length of version 00
)

// TraceID returns the trace that a traceparent names, 32 hexadecimal digits, or
// "" when it is none that the standard allows. What a later version of the
// standard adds at its end is skipped.
func TraceID(parent []byte) string {
	if !validParent(parent) {
		return ""
	}
	return string(parent[traceStart:traceEnd])
}

func validParent(parent []byte) bool {
	if len(parent) < traceParents || parent[2] != '-' || parent[traceEnd] != '-' || parent[parentEnd] != '-' {
		return false
	}
	version, flags := parent[:2], parent[parentEnd+1:traceParents]
	trace, span := parent[traceStart:traceEnd], parent[parentStart:parentEnd]
	if !isHex(version) || !isHex(flags) || string(version) == "ff" || !names(trace) || !names(span) {
		return false
	}
	if rest := parent[traceParents:]; len(rest) > 0 && (string(version) == "00" || rest[0] != '-') {
		return false
	}
	return true
}

// parseParent reads a traceparent, and reports whether it is one.
func parseParent(parent []byte) (trace.SpanContext, bool) {
	if !validParent(parent) {
		return trace.SpanContext{}, false
	}
	c := trace.SpanContextConfig{Remote: true}
	var flags [1]byte
	// The digits were looked at.
	_, _ = hex.Decode(c.TraceID[:], parent[traceStart:traceEnd])
	_, _ = hex.Decode(c.SpanID[:], parent[parentStart:parentEnd])
	_, _ = hex.Decode(flags[:], parent[parentEnd+1:traceParents])
	c.TraceFlags = trace.TraceFlags(flags[0])
	return trace.NewSpanContext(c), true
}

// newContext names a new trace that is not recorded.
func newContext() trace.SpanContext {
	var c trace.SpanContextConfig
	// Not zero, which would name nothing.
	binary.BigEndian.PutUint64(c.TraceID[:8], rand.Uint64()|1) //nolint:gosec // a name and no secret
	binary.BigEndian.PutUint64(c.TraceID[8:], rand.Uint64())   //nolint:gosec // likewise
	binary.BigEndian.PutUint64(c.SpanID[:], rand.Uint64()|1)   //nolint:gosec // likewise
	return trace.NewSpanContext(c)
}

// appendParent appends the traceparent of a span, in version 00.
func appendParent(b []byte, c trace.SpanContext) []byte {
	id, span := c.TraceID(), c.SpanID()
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, id[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, span[:])
	b = append(b, '-')
	return hex.AppendEncode(b, []byte{byte(c.TraceFlags())})
}

// names reports whether digits are an identifier, which is not all zeros.
func names(digits []byte) bool {
	for _, c := range digits {
		if c != '0' {
			return isHex(digits)
		}
	}
	return false
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
