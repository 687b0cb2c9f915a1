package edge

import "bytes"

// Fields are the request headers that decide something at the edge, found in
// one pass over the lines as they were received. Where a header is absent its
// value is nil.
type Fields struct {
	Raw []byte // all lines, with the empty one that ends them

	Host             []byte
	Authorization    []byte
	ContentType      []byte
	ContentLength    []byte
	ContentEncoding  []byte
	TransferEncoding []byte
	Origin           []byte
	PreflightMethod  []byte // Access-Control-Request-Method
	Expect           []byte
	RequestID        []byte
	TenantID         []byte
	TraceParent      []byte
	ForwardedProto   []byte

	// Twice says that Authorization came more than once: whose request it is
	// cannot be told, which is for the step Authenticate to refuse.
	Twice bool

	// ForwardedFor and Connection may come on several lines.
	ForwardedFor bool
	Connection   bool

	// Trailer announces what follows a body in chunks.
	Trailer bool

	IdempotencyKey []byte
	ifMatch        []byte
}

// HasBody reports whether the request frames a body that is not empty.
func (f *Fields) HasBody() bool {
	return len(f.TransferEncoding) > 0 || len(f.ContentLength) > 0 && string(f.ContentLength) != "0"
}

// read finds the fields and returns why the lines cannot be trusted, or "".
//
// fasthttp has accepted them, but it is more lenient than a gateway may be: it
// joins folded lines, takes a name with a space in it, both kinds of length at
// once, and keeps the first of several values while it forwards all of them.
func (f *Fields) read(raw []byte) (reason string) {
	f.Raw = raw
	lines := Lines{rest: raw}
	for {
		name, value, ok := lines.Next()
		if !ok {
			return lines.fault
		}
		if bad := f.note(name, value); bad != "" {
			return bad
		}
	}
}

// note records one line. Headers whose first and last value could be read
// differently by two programs must come once.
func (f *Fields) note(name, value []byte) (reason string) {
	var single *[]byte
	switch len(name) {
	case 4:
		if equalFold(name, "host") {
			single = &f.Host
		}
	case 6:
		if equalFold(name, "origin") {
			single = &f.Origin
		} else if equalFold(name, "expect") {
			single = &f.Expect
		}
	case 7:
		f.Trailer = f.Trailer || equalFold(name, "trailer")
	case 8:
		if equalFold(name, "if-match") {
			single = &f.ifMatch
		}
	case 10:
		if equalFold(name, "connection") {
			f.Connection = true
			if namesEndToEnd(value) {
				return "The Connection header names a header that is not the connection's."
			}
		}
	case 11:
		if equalFold(name, "x-tenant-id") {
			single = &f.TenantID
		}
		if equalFold(name, "traceparent") {
			if f.TraceParent != nil {
				value = value[:0] // of several none counts
			}
			f.TraceParent = value
		}
	case 12:
		if equalFold(name, "content-type") {
			single = &f.ContentType
		} else if equalFold(name, "x-request-id") {
			single = &f.RequestID
		}
	case 13:
		if equalFold(name, "authorization") {
			f.Twice = f.Authorization != nil
			f.Authorization = value
		}
	case 14:
		if equalFold(name, "content-length") {
			single = &f.ContentLength
		}
	case 15:
		f.ForwardedFor = f.ForwardedFor || equalFold(name, "x-forwarded-for")
		if equalFold(name, "idempotency-key") {
			single = &f.IdempotencyKey
		}
	case 16:
		if equalFold(name, "content-encoding") {
			single = &f.ContentEncoding
		}
	case 17:
		if equalFold(name, "transfer-encoding") {
			single = &f.TransferEncoding
		} else if equalFold(name, "x-forwarded-proto") {
			f.ForwardedProto = value
		}
	case 29:
		if equalFold(name, "access-control-request-method") {
			f.PreflightMethod = value
		}
	}
	if single == nil {
		return ""
	}
	if *single != nil {
		return "A header that may come once came twice."
	}
	*single = value // never nil, even when empty
	return ""
}

// Lines walks the header lines of a request.
type Lines struct {
	rest  []byte
	fault string
}

// Lines returns a walk over all header lines in the order they came.
func (f *Fields) Lines() Lines { return Lines{rest: f.Raw} }

// LinesOf returns a walk over the lines of a header section, its end included.
func LinesOf(section []byte) Lines { return Lines{rest: section} }

// Fault says why Next stopped before the end, or "".
func (l *Lines) Fault() string { return l.fault }

// Next returns the next name and value. It stops at the end, and at a line
// that is not exactly name, colon, value, CR LF (RFC 9112 section 5).
func (l *Lines) Next() (name, value []byte, ok bool) {
	end := bytes.IndexByte(l.rest, '\n')
	if end < 0 {
		if len(l.rest) > 0 {
			l.fault = "A header line does not end in CR LF."
		}
		return nil, nil, false
	}
	line := l.rest[:end]
	l.rest = l.rest[end+1:]
	if len(line) == 0 || line[len(line)-1] != '\r' {
		l.fault = "A header line does not end in CR LF."
		return nil, nil, false
	}
	line = line[:len(line)-1]
	if len(line) == 0 { // the empty line; nothing may follow
		if len(l.rest) > 0 {
			l.fault = "The header section is malformed."
		}
		return nil, nil, false
	}
	if line[0] == ' ' || line[0] == '\t' {
		l.fault = "A header is folded over several lines."
		return nil, nil, false
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		l.fault = "A header line has no name."
		return nil, nil, false
	}
	name, value = line[:colon], line[colon+1:]
	for _, c := range name {
		if !tokenByte[c] {
			l.fault = "A header name holds a character that names do not have."
			return nil, nil, false
		}
	}
	return name, trim(value), true
}

// tokenByte holds the bytes of which names consist (RFC 9110 section 5.6.2).
var tokenByte = func() (ok [256]bool) {
	for c := range 256 {
		ok[c] = unreserved(byte(c)) || bytes.IndexByte([]byte("!#$%&'*+^`|"), byte(c)) >= 0
	}
	return ok
}()

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// equalFold compares with a name in lower case, ignoring ASCII case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
