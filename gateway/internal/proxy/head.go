package proxy

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"gatehouse/gateway/internal/edge"
)

// appendHead appends the request line and headers that a backend gets. The
// target is the client's, byte for byte. Of the client's headers all cross
// except those that
//
//   - belong to one connection (RFC 9110 section 7.6.1), or are named in its
//     Connection header,
//   - say who the client is or how it came here: the gateway says that itself,
//   - would make a backend see another method, path or host than the gateway
//     did,
//   - hold an underscore, which some backends read as a hyphen.
//
// Authorization crosses only when the gateway has verified it. The length is that
// of the body in bytes, or inChunks.
func appendHead(b []byte, ex *edge.Exchange, host string, length int64, left time.Duration) []byte {
	b = append(b, ex.Method...)
	b = append(b, ' ')
	b = append(b, ex.Target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\n"...)

	var named [][]byte // by Connection
	var space [8][]byte
	if ex.Fields.Connection {
		named = connectionOptions(space[:0], &ex.Fields)
	}
	for lines := ex.Fields.Lines(); ; {
		name, value, ok := lines.Next()
		if !ok {
			break
		}
		if !crosses(name, ex) || contains(named, name) {
			continue
		}
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, "\r\n"...)
	}
	switch {
	case length == inChunks:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		b = appendTrailer(b, ex)
	case length > 0 || expectsBody(ex.Route.Method):
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
	}
	if ex.Route.WebSocket {
		b = append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	}
	if len(ex.Parent) > 0 {
		b = append(b, "Traceparent: "...)
		b = append(b, ex.Parent...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "X-Request-Id: "...)
	b = append(b, ex.RequestID...)
	b = append(b, "\r\nX-Request-Timeout: "...)
	b = strconv.AppendInt(b, max(1, left.Milliseconds()), 10)
	b = appendForwarded(b, ex)
	return append(b, "\r\nVia: 1.1 gatehouse\r\n\r\n"...)
}

// appendTrailer announces the trailers that cross (RFC 9110 section 6.6.2).
func appendTrailer(b []byte, ex *edge.Exchange) []byte {
	if !ex.Fields.Trailer {
		return b
	}
	lines := ex.Fields.Lines()
	for name, value, ok := lines.Next(); ok; name, value, ok = lines.Next() {
		if !bytes.EqualFold(name, []byte("trailer")) {
			continue
		}
		for _, option := range appendOptions(nil, value) {
			if trailerCrosses(option, ex) {
				b = append(append(append(b, "Trailer: "...), option...), "\r\n"...)
			}
		}
	}
	return b
}

// expectsBody reports whether a method without a body should say so with
// Content-Length: 0 (RFC 9110 section 8.6).
func expectsBody(method string) bool {
	return method == "POST" || method == "PUT" || method == "PATCH"
}

// appendForwarded appends who the client is and what it asked for, in the
// standard's form (RFC 7239) and in the older ones.
func appendForwarded(b []byte, ex *edge.Exchange) []byte {
	proto := "http"
	if ex.Secure {
		proto = "https"
	}
	b = append(b, "\r\nX-Forwarded-For: "...)
	b = append(b, ex.ClientText...)
	b = append(b, "\r\nX-Real-Ip: "...)
	b = append(b, ex.ClientText...)
	b = append(b, "\r\nX-Forwarded-Proto: "...)
	b = append(b, proto...)
	if len(ex.Fields.Host) > 0 {
		b = append(b, "\r\nX-Forwarded-Host: "...)
		b = append(b, ex.Fields.Host...)
	}
	b = append(b, "\r\nForwarded: for="...)
	b = appendNode(b, ex.Client, ex.ClientText)
	b = append(b, ";proto="...)
	b = append(b, proto...)
	if len(ex.Fields.Host) > 0 {
		b = append(b, `;host="`...) // checked at the edge: nothing in it needs an escape
		b = append(b, ex.Fields.Host...)
		b = append(b, '"')
	}
	return b
}

// appendNode appends an address as RFC 7239 section 6 wants it: IPv6 in
// brackets and quotes.
func appendNode(b []byte, addr netip.Addr, text string) []byte {
	if addr.Is4() {
		return append(b, text...)
	}
	b = append(b, `"[`...)
	b = append(b, text...)
	return append(b, `]"`...)
}

// crosses reports whether a request header goes on to the backend.
func crosses(name []byte, ex *edge.Exchange) bool {
	if bytes.IndexByte(name, '_') >= 0 {
		return false
	}
	var lower [maxKnownName]byte
	n := lowerInto(lower[:], name[:min(len(name), len(lower))])
	if writtenByProxies(n) {
		return false
	}
	if len(name) > len(lower) {
		return true
	}
	switch string(n) {
	case "authorization":
		return ex.Claims != nil
	case "traceparent":
		return len(ex.Parent) == 0
	}
	return !heldBack.has(n)
}

// writtenByProxies reports whether a name, or its beginning, is of a kind that
// proxies write to say whom they have verified: what a client makes of it must
// not pass for that.
func writtenByProxies(name []byte) bool {
	// Most names begin with another letter than any of these.
	if len(name) == 0 || !proxyLetters[name[0]] {
		return false
	}
	for _, prefix := range proxyPrefixes {
		if len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// proxyPrefixes are in lower case. The third is what oauth2-proxy and its like
// write, the fourth Grafana's, then those of TLS terminators, Envoy and clouds.
var proxyPrefixes = [...]string{
	"x-forwarded", "x-original-", "x-auth-request-", "x-webauth-", "x-ssl-", "ssl-client-", "x-client-cert", "x-envoy-",
	"x-amzn-oidc-", "x-ms-client-principal", "x-goog-authenticated-user-", "x-goog-iap-", "cf-access-",
}

var proxyLetters = func() (first [256]bool) {
	for _, prefix := range proxyPrefixes {
		first[prefix[0]] = true
	}
	return first
}()

// heldBack are request headers that never cross, in lower case.
var heldBack = set(
	// Of the connection.
	"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
	"transfer-encoding", "upgrade", "http2-settings", "expect",
	// Written anew.
	"host", "content-length", "via", "x-request-id", "x-request-timeout",
	"forwarded", "x-real-ip",
	// Who the client is: the verified token says that, or the gateway.
	"x-tenant-id", "x-user-id", "x-user", "x-username", "x-user-email", "x-role", "x-roles", "x-user-roles", "x-groups", "x-user-groups",
	"x-authenticated-user", "x-auth-user", "x-remote-user", "remote-user", "remote-groups", "remote-email", "remote-name",
	"client-ip", "x-client-ip", "x-cluster-client-ip", "x-originating-ip", "x-remote-addr", "x-remote-ip", "true-client-ip",
	"cf-connecting-ip", "fastly-client-ip", "client-cert", "client-cert-chain",
	// Another request than the one that was checked.
	"x-http-method", "x-http-method-override", "x-method-override", "x-rewrite-url", "x-host",
	// Becomes the environment variable HTTP_PROXY in CGI programs.
	"proxy",
)

// lowerInto writes b in lower case; dst has room for it.
func lowerInto(dst, b []byte) []byte {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst[i] = c
	}
	return dst[:len(b)]
}

// connectionOptions appends the names that the Connection headers list.
func connectionOptions(list [][]byte, f *edge.Fields) [][]byte {
	for lines := f.Lines(); ; {
		name, value, ok := lines.Next()
		if !ok {
			return list
		}
		if bytes.EqualFold(name, []byte("connection")) {
			list = appendOptions(list, value)
		}
	}
}

func appendOptions(list [][]byte, value []byte) [][]byte {
	for option := range bytes.SplitSeq(value, []byte{','}) {
		if option = bytes.Trim(option, " \t"); len(option) > 0 {
			list = append(list, option)
		}
	}
	return list
}

func contains(list [][]byte, name []byte) bool {
	for _, option := range list {
		if bytes.EqualFold(option, name) {
			return true
		}
	}
	return false
}
