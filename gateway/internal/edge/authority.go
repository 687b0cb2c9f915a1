package edge

import (
	"bytes"
	"math"
	"net/netip"
)

// validHost checks the Host header: a name, an IPv4 address or an IPv6 address
// in brackets, and perhaps a port (RFC 9110 section 7.2). User information,
// which fasthttp would cut off, and escapes are refused. HTTP/1.0 may do
// without Host; in HTTP/1.1 fasthttp asks for it.
func validHost(host []byte) bool {
	if len(host) > 0 && host[0] == '[' {
		end := bytes.IndexByte(host, ']')
		if end < 0 || !validPort(host[end+1:]) {
			return false
		}
		addr, err := netip.ParseAddr(string(host[1:end]))
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	name, port := host, []byte(nil)
	if i := bytes.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i:]
	}
	return (len(name) > 0 || port == nil) && validPort(port) && all(name, func(c byte) bool { return c != '~' && unreserved(c) })
}

// validPort checks what follows the host: nothing, or a colon and perhaps a
// number up to 65535.
func validPort(port []byte) bool {
	if len(port) == 0 {
		return true
	}
	n := 0
	for _, c := range port[1:] {
		if c < '0' || c > '9' {
			return false
		}
		if n = 10*n + int(c-'0'); n > math.MaxUint16 {
			return false
		}
	}
	return port[0] == ':' && len(port) <= len(":65535")
}

func all(b []byte, ok func(byte) bool) bool {
	for _, c := range b {
		if !ok(c) {
			return false
		}
	}
	return true
}

// namesEndToEnd reports whether the value of a Connection header names
// something that the edge decides by or that the backend is meant to get: what
// is named there does not cross, so the backend would judge another request than
// the edge did.
func namesEndToEnd(connection []byte) bool {
	for option := range bytes.SplitSeq(connection, []byte{','}) {
		if endToEnd(trim(option)) {
			return true
		}
	}
	return false
}

// endToEnd reports whether a name is that of a header that says something about
// the request, and not about the connection.
func endToEnd(name []byte) bool {
	for _, header := range endToEndNames {
		if equalFold(name, header) {
			return true
		}
	}
	return false
}

// endToEndNames are in lower case. Forwarded and its like are not among them:
// the gateway writes its own.
var endToEndNames = [...]string{
	"authorization", "content-encoding", "content-length", "content-type", "cookie", "date", "host", "idempotency-key",
	"if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "origin", "range", "x-request-id", "x-tenant-id",
}
