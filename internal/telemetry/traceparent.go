package telemetry

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
	if len(parent) < traceParents || parent[2] != '-' || parent[traceEnd] != '-' || parent[parentEnd] != '-' {
		return ""
	}
	version, flags := parent[:2], parent[parentEnd+1:traceParents]
	trace, span := parent[traceStart:traceEnd], parent[parentStart:parentEnd]
	if !isHex(version) || !isHex(flags) || string(version) == "ff" || !names(trace) || !names(span) {
		return ""
	}
	if rest := parent[traceParents:]; len(rest) > 0 && (string(version) == "00" || rest[0] != '-') {
		return ""
	}
	return string(trace)
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
