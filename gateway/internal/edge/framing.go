package edge

import (
	"bytes"

	"gatehouse/gateway/internal/route"
	"gatehouse/internal/problem"
)

// maxTarget is the longest request target in bytes. RFC 9112 section 3 asks
// for 8000 at least.
const maxTarget = 8 << 10

// Framing refuses what two programs might read differently: targets that are
// not in canonical form, and messages whose framing is ambiguous. What passes
// is matched and forwarded byte for byte, so the gateway and the backend cannot
// disagree about it.
func Framing() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if ex.Fault != nil {
				ex.Refuse(ex.Fault)
				return
			}
			if len(ex.Target) > maxTarget {
				ex.Refuse(problem.New(problem.URITooLong))
				return
			}
			if reason := targetFault(ex.Target); reason != "" {
				ex.Refuse(problem.Newf(problem.BadFraming, "%s", reason))
				return
			}
			if reason := ex.messageFault(); reason != "" {
				ex.Refuse(problem.Newf(problem.BadFraming, "%s", reason))
				return
			}
			next(ex)
		}
	}
}

// messageFault says what is wrong with the request line and the headers
// together, or "".
func (ex *Exchange) messageFault() string {
	f := &ex.Fields
	if !route.KnownMethod(ex.Method) {
		return "The method is not one that this service knows."
	}
	switch string(ex.Ctx.Request.Header.Protocol()) {
	case "HTTP/1.1", "HTTP/1.0":
	default:
		return "The protocol version is neither HTTP/1.1 nor HTTP/1.0."
	}
	if !validHost(f.Host) {
		return "The Host header is not a host name with an optional port."
	}
	if f.Expect != nil && !equalFold(f.Expect, "100-continue") {
		return "The Expect header asks for something other than 100-continue."
	}
	if n := f.ContentLength; len(n) > 1 && n[0] == '0' {
		return "The Content-Length has leading zeros."
	}
	if f.TransferEncoding != nil {
		if f.ContentLength != nil {
			return "The request has both Content-Length and Transfer-Encoding."
		}
		if !equalFold(f.TransferEncoding, "chunked") {
			return "The Transfer-Encoding is not chunked."
		}
	}
	if f.HasBody() && (string(ex.Method) == "GET" || string(ex.Method) == "HEAD") {
		return "A GET or HEAD request has a body."
	}
	return ""
}

// targetFault says why a request target is not in the one form that is
// accepted, or "": origin form (RFC 9112 section 3.2.1), no empty or dot
// segment, no byte that has to be escaped, no escape that need not or must not
// be there.
func targetFault(target []byte) string {
	if len(target) == 0 || target[0] != '/' {
		return "The request target does not begin with a slash."
	}
	path, query, _ := bytes.Cut(target, []byte{'?'})
	if reason := pathFault(path); reason != "" {
		return reason
	}
	return queryFault(query)
}

func pathFault(path []byte) string {
	segment := 1 // where the current segment begins
	for i := 1; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			s := path[segment:i]
			switch plain := withoutParameters(s); {
			case len(plain) == 0 && (i < len(path) || len(s) > 0):
				return "The path has an empty segment."
			case len(plain) == 1 && plain[0] == '.', len(plain) == 2 && plain[0] == '.' && plain[1] == '.':
				return "The path has a dot segment."
			}
			segment = i + 1
			continue
		}
		switch c := path[i]; {
		case c == '%':
			decoded, ok := escape(path[i:])
			if !ok {
				return "The path has an incomplete escape."
			}
			if reason := escapeFault(path[i:], decoded); reason != "" {
				return reason
			}
			i += 2
		case !pathByte[c]:
			return "The path holds a byte that has to be escaped."
		}
	}
	return ""
}

// withoutParameters cuts off what follows a semicolon: some servers take it for
// parameters of the segment (RFC 3986 section 3.3) and leave it out.
func withoutParameters(segment []byte) []byte {
	for i, c := range segment {
		if c == ';' || c == '%' && i+2 < len(segment) && segment[i+1] == '3' && segment[i+2] == 'B' {
			return segment[:i]
		}
	}
	return segment
}

// escapeFault says why a complete escape at the start of b is refused, or "".
func escapeFault(b []byte, decoded byte) string {
	switch {
	case isLowerHex(b[1]) || isLowerHex(b[2]):
		return "An escape in the path is not in upper case."
	case decoded == '/' || decoded == '\\':
		return "The path has an escaped slash."
	case decoded < ' ' || decoded == 0x7f:
		return "The path has an escaped control character."
	case unreserved(decoded): // a dot, among others
		return "The path escapes a character that needs no escape."
	case decoded == '%' && len(b) >= 5 && isHex(b[3]) && isHex(b[4]):
		return "The path is escaped twice."
	}
	return ""
}

// queryFault is lenient about what need not be escaped, since the edge does
// not read queries: bytes are visible ASCII, escapes complete.
func queryFault(query []byte) string {
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case c <= ' ' || c >= 0x7f:
			return "The query holds a byte that has to be escaped."
		case c == '#':
			return "The request target has a fragment."
		case c == '%':
			if _, ok := escape(query[i:]); !ok {
				return "The query has an incomplete escape."
			}
			i += 2
		}
	}
	return ""
}

// escape decodes %XX at the start of b.
func escape(b []byte) (decoded byte, ok bool) {
	if len(b) < 3 || !isHex(b[1]) || !isHex(b[2]) {
		return 0, false
	}
	return unhex(b[1])<<4 | unhex(b[2]), true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' || isLowerHex(c)
}

func isLowerHex(c byte) bool { return 'a' <= c && c <= 'f' }

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// unreserved is RFC 3986 section 2.3: characters whose escaped form means the
// same as the plain one.
func unreserved(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
		c == '-', c == '.', c == '_', c == '~':
		return true
	}
	return false
}

// pathByte holds the bytes that may stand in a path as they are: pchar of
// RFC 3986 section 3.3 without the percent sign.
var pathByte = func() (ok [256]bool) {
	for c := range 256 {
		ok[c] = unreserved(byte(c)) || bytes.IndexByte([]byte("!$&'()*+,;=:@"), byte(c)) >= 0
	}
	return ok
}()
