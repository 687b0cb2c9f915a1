package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// wireCase is bytes that a client sends and what must come of them. Behind them
// goes a second request, nextRequest, in the same write.
type wireCase struct {
	name, bytes string
	status      int
	code        string // of the problem; "" for a backend's answer

	// Forwarded is what the backend gets of the bytes, in the form of
	// message.String; nothing for a refused request.
	forwarded string
	// Lives is whether the connection goes on to the second request. Where it
	// does not, the second is neither answered nor forwarded, since it might be
	// a part of the first.
	lives bool
}

const (
	nextRequest = "GET /probe?next HTTP/1.1\r\nHost: x\r\n\r\n"

	// Of a request that somebody smuggles.
	smuggled = "GET /probe?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
)

// wireCases are grouped by what is wrong with them.
func wireCases(token string) map[string][]wireCase {
	auth := "Authorization: Bearer " + token + "\r\n"
	get := "GET /things/7 HTTP/1.1\r\nHost: x\r\n" + auth
	post := "POST /things HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Type: application/json\r\n"
	chunked := post + "Transfer-Encoding: chunked\r\n\r\n"
	login := "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	line := func(what, by string) string { return strings.Replace(get, what, by, 1) + "\r\n" }

	refused := func(name, bytes string) wireCase {
		return wireCase{name: name, bytes: bytes, status: 400, code: "bad_framing"}
	}
	passes := func(name, bytes, forwarded string) wireCase {
		return wireCase{name: name, bytes: bytes, status: 200, forwarded: forwarded, lives: true}
	}
	last := func(c wireCase) wireCase { c.lives = false; return c }

	return map[string][]wireCase{
		"two lengths": {
			refused("both", post+"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
			refused("both, swapped", post+"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
			refused("CL.TE", post+"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+smuggled),
			refused("TE.CL", post+"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2d\r\n"+smuggled+"\r\n0\r\n\r\n"),
			refused("the same twice", post+"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
			refused("two", post+"Content-Length: 2\r\ncontent-length: 7\r\n\r\n{}"),
			refused("a list", post+"Content-Length: 2, 2\r\n\r\n{}"),
			refused("chunked twice", post+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
			refused("chunked, then identity", post+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
		},
		"lengths that are none": {
			refused("empty", post+"Content-Length:\r\n\r\n{}"),
			refused("signed", post+"Content-Length: +2\r\n\r\n{}"),
			refused("negative", post+"Content-Length: -2\r\n\r\n{}"),
			refused("hexadecimal", post+"Content-Length: 0x2\r\n\r\n{}"),
			refused("leading zero", post+"Content-Length: 02\r\n\r\n{}"),
			refused("two zeros", post+"Content-Length: 00\r\n\r\n"),
			refused("a fraction", post+"Content-Length: 2.0\r\n\r\n{}"),
			refused("with a unit", post+"Content-Length: 2 bytes\r\n\r\n{}"),
			refused("beyond 64 bits", post+"Content-Length: 18446744073709551618\r\n\r\n{}"),
			refused("quoted", post+"Content-Length: \"2\"\r\n\r\n{}"),
		},
		"transfer codings": {
			refused("identity", post+"Content-Length: 2\r\nTransfer-Encoding: identity\r\n\r\n{}"),
			refused("identity alone", post+"Transfer-Encoding: identity\r\n\r\n"),
			refused("empty", post+"Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
			refused("gzip, chunked", post+"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
			refused("chunked, identity", post+"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
			refused("chunked, chunked", post+"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
			refused("chunked with a parameter", post+"Transfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n"),
			refused("chunked, quoted", post+"Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
			refused("xchunked", post+"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
			refused("chunked behind a vertical tab", post+"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
			refused("chunked behind a byte over 127", post+"Transfer-Encoding: \xffchunked\r\n\r\n0\r\n\r\n"),
			refused("in HTTP/1.0", strings.Replace(chunked, "1.1", "1.0", 1)+"0\r\n\r\n"),
			refused("space before the colon", post+"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
			refused("folded", post+"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
			last(passes("in capitals", post+"TRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "POST /things {}")),
		},
		"chunked bodies": {
			refused("a chunk that is too long", chunked+"2\r\n{}x\r\n0\r\n\r\n"),
			refused("a chunk that is too short", chunked+"3\r\n{}\r\n0\r\n\r\n"),
			refused("no size", chunked+"\r\n{}\r\n0\r\n\r\n"),
			refused("not a number", chunked+"x\r\n{}\r\n0\r\n\r\n"),
			refused("signed", chunked+"+2\r\n{}\r\n0\r\n\r\n"),
			refused("negative", chunked+"-2\r\n{}\r\n0\r\n\r\n"),
			refused("0x", chunked+"0x2\r\n{}\r\n0\r\n\r\n"),
			refused("underscore", chunked+"0_2\r\n{}\r\n0\r\n\r\n"),
			refused("space before", chunked+" 2\r\n{}\r\n0\r\n\r\n"),
			refused("beyond 64 bits", chunked+"10000000000000002\r\n{}\r\n0\r\n\r\n"),
			refused("size ends in LF", chunked+"2\n{}\r\n0\r\n\r\n"),
			refused("size ends in CR", chunked+"2\r{}\r\n0\r\n\r\n"),
			refused("data ends in LF", chunked+"2\r\n{}\n0\r\n\r\n"),
			refused("data ends in another byte and LF", chunked+"2\r\n{}x\n0\r\n\r\n"),
			refused("LF in an extension", chunked+"2;a\nb\r\n{}\r\n0\r\n\r\n"),
			refused("CR in an extension", chunked+"2;a\rb\r\n{}\r\n0\r\n\r\n"),
			refused("an endless extension", chunked+"1;"+strings.Repeat("x", 100_000)+"\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
			refused("more extensions than data", chunked+strings.Repeat("1;"+strings.Repeat("x", 500)+"\r\nx\r\n", 200)+"0\r\n\r\n"),
			last(passes("tiny chunks", chunked+strings.Repeat("1\r\nx\r\n", 30_000)+"0\r\n\r\n", "POST /things "+strings.Repeat("x", 30_000))),
			refused("a comma behind the size", chunked+"2,2\r\n{}\r\n0\r\n\r\n"),
			{name: "a size of terabytes", bytes: chunked + "fffffffffffffff\r\n" + strings.Repeat(" ", 100_001), status: 413, code: "body_too_large"},
			last(passes("an extension", chunked+"2;a=b;c=\"d\"\r\n{}\r\n0;e\r\n\r\n", "POST /things {}")),
			last(passes("leading zeros", chunked+"0000002\r\n{}\r\n000\r\n\r\n", "POST /things {}")),
			last(passes("blanks behind the size", chunked+"2 \t\r\n{}\r\n0\r\n\r\n", "POST /things {}")),
			last(passes("many chunks", chunked+"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "POST /things {}")),
			last(passes("trailers", chunked+"2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n", "POST /things {}")),
			// What stands behind a chunked body in the same segment might be a
			// part of it to others.
			last(passes("trailers that end in LF", chunked+"2\r\n{}\r\n0\r\n\n"+smuggled, "POST /things {}")),
			last(passes("a trailer and LF", chunked+"2\r\n{}\r\n0\r\nX: 1\r\n\n"+smuggled, "POST /things {}")),
		},
		"trailers": {
			refused("Content-Length", chunked+"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
			refused("Transfer-Encoding", chunked+"2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
			refused("Host", chunked+"2\r\n{}\r\n0\r\nHost: y\r\n\r\n"),
			refused("Authorization", chunked+"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
			refused("Cookie", chunked+"2\r\n{}\r\n0\r\nCookie: a=b\r\n\r\n"),
			refused("X-Forwarded-For", chunked+"2\r\n{}\r\n0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"),
			refused("no colon", chunked+"2\r\n{}\r\n0\r\nX\r\n\r\n"),
			refused("control byte", chunked+"2\r\n{}\r\n0\r\nX: \x01\r\n\r\n"),
			refused("announced Content-Length", strings.Replace(chunked, "\r\n\r\n", "\r\nTrailer: Content-Length\r\n\r\n", 1)+"0\r\n\r\n"),
		},
		"header lines": {
			refused("space before the colon", post+"Content-Length : 2\r\n\r\n{}"),
			refused("tab before the colon", post+"Content-Length\t: 2\r\n\r\n{}"),
			refused("space in a name", get+"X Y: 1\r\n\r\n"),
			refused("space before a name", get+" X: 1\r\n\r\n"),
			refused("space before the first name", "GET /probe HTTP/1.1\r\n X: 1\r\nHost: x\r\n\r\n"),
			refused("folded", get+"X-A: 1\r\n 2\r\n\r\n"),
			refused("folded with a tab", get+"X-A: 1\r\n\t2\r\n\r\n"),
			refused("folded and empty", get+"X-A: 1\r\n \r\n\r\n"),
			refused("bare LF between lines", "GET /probe HTTP/1.1\r\nHost: x\nX-A: 1\r\n\r\n"),
			refused("bare LF before the empty line", get+"X-A: 1\n\r\n"),
			refused("bare LF as the empty line", get+"\n"+smuggled),
			refused("bare CR in a value", get+"X-A: 1\r2\r\n\r\n"),
			refused("two CR at the end", get+"X-A: 1\r\r\n\r\n"),
			refused("bare CR for a line", get+"X-A: 1\rX-B: 2\r\n\r\n"),
			refused("CR in a name", get+"X\r-A: 1\r\n\r\n"),
			refused("NUL in a value", get+"X-A: 1\x002\r\n\r\n"),
			refused("NUL in a name", get+"X\x00A: 1\r\n\r\n"),
			refused("vertical tab in a value", get+"X-A: 1\x0b2\r\n\r\n"),
			refused("escape in a value", get+"X-A: \x1b[31m\r\n\r\n"),
			refused("DEL in a value", get+"X-A: \x7f\r\n\r\n"),
			refused("no colon", get+"X-A\r\n\r\n"),
			refused("no name", get+": 1\r\n\r\n"),
			refused("a bracket in a name", get+"X[A]: 1\r\n\r\n"),
			refused("a quote in a name", get+"\"X\": 1\r\n\r\n"),
			refused("a slash in a name", get+"X/A: 1\r\n\r\n"),
			refused("a byte over 127 in a name", get+"X\xe9: 1\r\n\r\n"),
			passes("tab and bytes over 127 in a value", get+"X-A: a\tb \xc3\xa9\r\n\r\n", "GET /things/7"),
			passes("an empty value", get+"X-A:\r\n\r\n", "GET /things/7"),
			{name: "large", bytes: get + "X-A: " + strings.Repeat("a", 20_000) + "\r\n\r\n", status: 431, code: "headers_too_large"},
			{name: "many", bytes: get + strings.Repeat("X-A: 1\r\n", 3000) + "\r\n", status: 431, code: "headers_too_large"},
		},
		"headers that may come once": {
			refused("Content-Type", post+"content-type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
			refused("X-Tenant-Id", get+"X-Tenant-Id: tenant1\r\nx-tenant-id: tenant2\r\n\r\n"),
			refused("If-Match", get+"If-Match: \"1\"\r\nIf-Match: \"2\"\r\n\r\n"),
			refused("Idempotency-Key", get+"Idempotency-Key: 1\r\nIdempotency-Key: 2\r\n\r\n"),
			refused("Origin", get+"Origin: https://a\r\nOrigin: https://b\r\n\r\n"),
			refused("X-Request-Id", get+"X-Request-Id: aaaaaaaa\r\nX-Request-Id: bbbbbbbb\r\n\r\n"),
			refused("Content-Encoding", post+"Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
			refused("Expect", post+"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"),
			{name: "Authorization", bytes: get + auth + "\r\n", status: 401, code: "unauthenticated", lives: true},
		},
		"Host": {
			refused("none", "GET /probe HTTP/1.1\r\nX-A: 1\r\n\r\n"),
			refused("no header at all", "GET /probe HTTP/1.1\r\n\r\n"),
			refused("empty", "GET /probe HTTP/1.1\r\nHost:\r\n\r\n"),
			refused("two", get+"Host: y\r\n\r\n"),
			refused("the same twice", get+"host: x\r\n\r\n"),
			refused("user information", "GET /probe HTTP/1.1\r\nHost: a@b\r\n\r\n"),
			refused("a path", "GET /probe HTTP/1.1\r\nHost: a/b\r\n\r\n"),
			refused("a list", "GET /probe HTTP/1.1\r\nHost: a, b\r\n\r\n"),
			refused("a space", "GET /probe HTTP/1.1\r\nHost: a b\r\n\r\n"),
			refused("two ports", "GET /probe HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
			refused("a port with letters", "GET /probe HTTP/1.1\r\nHost: a:80@b\r\n\r\n"),
			refused("an open bracket", "GET /probe HTTP/1.1\r\nHost: [::1\r\n\r\n"),
			refused("an escape", "GET /probe HTTP/1.1\r\nHost: %61\r\n\r\n"),
			refused("a quote", "GET /probe HTTP/1.1\r\nHost: a\"b\r\n\r\n"),
			passes("IPv6 and port", "GET /probe HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET /probe"),
		},
		"request lines": {
			refused("HTTP/1.2", line("1.1", "1.2")),
			refused("HTTP/2.0", line("1.1", "2.0")),
			refused("HTTP/0.9", "GET /probe HTTP/0.9\r\nHost: x\r\n\r\n"),
			refused("HTTP/01.1", line("HTTP/1.1", "HTTP/01.1")),
			refused("http/1.1", line("HTTP/1.1", "http/1.1")),
			refused("no version", "GET /probe\r\nHost: x\r\n\r\n"),
			refused("two spaces before the target", line(" /", "  /")),
			refused("two spaces before the version", line(" HTTP", "  HTTP")),
			refused("space behind the version", line("1.1", "1.1 ")),
			refused("tabs", line(" /things/7 ", "\t/things/7\t")),
			refused("space before the method", " "+line("", "")),
			refused("CR behind the version", line("1.1", "1.1\r")),
			refused("NUL before the method", "\x00"+line("", "")),
			refused("method in lower case", line("GET", "get")),
			refused("unknown method", line("GET", "BREW")),
			refused("TRACE", line("GET", "TRACE")),
			refused("CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"),
			refused("CONNECT to a path", line("GET", "CONNECT")),
			refused("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
			refused("TLS on the plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
			refused("PROXY line", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"+get+"\r\n"),
			passes("an empty line before", "\r\n"+get+"\r\n", "GET /things/7"),
			passes("bare LF behind the line", line("HTTP/1.1\r\n", "HTTP/1.1\n"), "GET /things/7"),
			last(passes("HTTP/1.0", "GET /probe HTTP/1.0\r\n\r\n", "GET /probe")),
			passes("HTTP/1.0, kept", "GET /probe HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /probe"),
		},
		"targets": {
			refused("absolute form", line("/things", "http://y/things")),
			refused("absolute form of a path", line("/things", "http:/things")),
			refused("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
			refused("asterisk form of GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n"),
			refused("authority form", "GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
			refused("no slash", line("/things", "things")),
			refused("//", line("/things", "/things/")),
			refused("// at the start", line("/things", "//things")),
			refused("..", line("/things", "/things/../things")),
			refused("dot", line("/things", "/./things")),
			refused("..;", line("/things", "/..;/things%2F..")),
			refused("an escaped dot", line("/7", "/%2E%2E/7")),
			refused("an escaped slash", line("/things/7", "/things%2F7")),
			refused("an escaped backslash", line("/things/7", "/things/%5C7")),
			refused("a backslash", line("/things/7", "/things\\7")),
			refused("an escaped letter", line("/things", "/%74hings")),
			refused("escaped twice", line("/7", "/%252E%252E")),
			refused("an escaped NUL", line("/7", "/7%00")),
			refused("an escaped CR LF", line("/7", "/7%0D%0AX:1")),
			refused("half an escape", line("/7", "/7%2")),
			refused("lower case escape", line("/7", "/%c3%a9")),
			refused("a fragment", line("/7", "/7#a")),
			refused("bytes over 127", line("/7", "/\xc3\xa9")),
			refused("a control byte", line("/7", "/\x01")),
			refused("a control byte in the query", line("/7", "/7?\x01")),
			refused("LF in the target", line("/7", "/7\nX")),
			passes("escapes in the query", line("/7", "/7?a=%2F..%2f&b=//"), "GET /things/7?a=%2F..%2f&b=//"),
			passes("an escaped space", line("/7", "/%20"), "GET /things/%20"),
			{name: "long", bytes: "GET /" + strings.Repeat("a", 8200) + " HTTP/1.1\r\nHost: x\r\n\r\n", status: 414, code: "uri_too_long", lives: true},
		},
		"bodies": {
			refused("on GET", get+"Content-Length: 2\r\n\r\n{}"),
			refused("on GET, chunked", get+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
			refused("on GET, chunked and empty", get+"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
			refused("on HEAD", strings.Replace(get, "GET", "HEAD", 1)+"Content-Length: 2\r\n\r\n{}"),
			refused("on OPTIONS", strings.Replace(get, "GET", "OPTIONS", 1)+"Content-Length: 2\r\n\r\n{}"),
			refused("on DELETE, that takes none", strings.Replace(get, "GET", "DELETE", 1)+"Content-Length: 2\r\n\r\n{}"),
			passes("GET with a length of 0", get+"Content-Length: 0\r\n\r\n", "GET /things/7"),
			passes("POST without a length", login+"\r\n", "POST /login"),
			passes("a request in a body", login+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled))+smuggled, "POST /login "+smuggled),
			{name: "CL.0 on an unknown path", bytes: strings.Replace(login, "/login", "/nowhere", 1) + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled, status: 404, code: "not_found", lives: true},
			{name: "CL.0 on another method", bytes: strings.Replace(login, "POST", "PUT", 1) + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled, status: 405, code: "method_not_allowed", lives: true},
			{name: "above the limit", bytes: login + "Content-Length: 500000\r\n\r\n" + strings.Repeat(" ", 500_000), status: 413, code: "body_too_large"},
			{name: "above the limit, chunked", bytes: login + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + strings.Repeat(" ", 1001) + "\r\n0\r\n\r\n", status: 413, code: "body_too_large"},
			{name: "above the limit in two chunks", bytes: login + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + strings.Repeat(" ", 1000) + "\r\n1\r\n \r\n0\r\n\r\n", status: 413, code: "body_too_large"},
		},
		"the connection's headers": {
			refused("Connection names Content-Length", login+"Connection: close, Content-Length\r\nContent-Length: 2\r\n\r\n{}"),
			refused("Connection names Content-Type", login+"Connection: content-type\r\nContent-Length: 2\r\n\r\n{}"),
			refused("Connection names Host", get+"Connection: Host\r\n\r\n"),
			refused("Connection names Authorization", get+"Connection: keep-alive\r\nConnection: Authorization\r\n\r\n"),
			refused("another expectation", login+"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}"),
			refused("an obscured expectation", login+"Expect: y 100-continue\r\nContent-Length: 2\r\n\r\n{}"),
			passes("Connection names X-Forwarded-For", get+"Connection: X-Forwarded-For, X-Request-Id2\r\n\r\n", "GET /things/7"),
			passes("h2c upgrade", get+"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "GET /things/7"),
			passes("underscores for hyphens", get+"Transfer_Encoding: chunked\r\nContent_Length: 5\r\n\r\n", "GET /things/7"),
			last(passes("close", get+"Connection: close\r\n\r\n", "GET /things/7")),
		},
	}
}

// TestAmbiguousRequestsAreRefused sends, over a raw socket, what two programs
// could read differently. Such a request must be refused as one problem, end its
// connection, and not reach the backend; of every other one the backend gets
// exactly one request, which a strict reader understands.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	t.Parallel()
	strict, addr := newStrictBackend(t)
	r := newRig(t, func(c *Config) { c.Proxy.Backends = []string{addr} })
	token := r.token(t, "tenant1")
	for group, cases := range wireCases(token) {
		for _, c := range cases {
			// One after the other: what the backend got belongs to one case.
			t.Run(group+"/"+c.name, func(t *testing.T) { c.run(t, r, strict) })
		}
	}
	for _, line := range r.logs.lines(t, "request") {
		if line["request_id"] == "" || line["client"] != "127.0.0.1" {
			t.Errorf("log line %v", line)
		}
		if strings.Contains(fmt.Sprint(line), token) {
			t.Errorf("a log line shows the token: %v", line)
		}
	}
}

func (c wireCase) run(t *testing.T, r *rig, strict *strictBackend) {
	strict.take() // of a case before that failed
	conn, err := net.Dial("tcp", r.Addr("http"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, c.bytes+nextRequest); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(c.bytes, " ")
	reader := bufio.NewReader(conn)
	a := readAnswer(t, reader, method)
	for a.status == http.StatusContinue {
		a = readAnswer(t, reader, method)
	}
	if c.code != "" && method != http.MethodHead {
		a.problem(t, c.status, c.code)
	}
	if a.status != c.status {
		t.Fatalf("status = %d, want %d: %s", a.status, c.status, a.body)
	}
	var want []string
	if c.forwarded != "" {
		want = append(want, c.forwarded)
	}
	if c.lives {
		if next := readAnswer(t, reader, "GET"); next.status != 200 || a.header.Get("Connection") == "close" {
			t.Errorf("the second request = %d behind %v", next.status, a.header)
		}
		want = append(want, "GET /probe?next")
	} else {
		c.ended(t, a, reader)
	}
	requests, faults := strict.take()
	var got []string
	for _, m := range requests {
		got = append(got, m.String())
	}
	if !slices.Equal(got, want) || len(faults) > 0 {
		t.Errorf("the backend got %q and %v, want %q", got, faults, want)
	}
}

// ended checks that nothing but refusals come, and then the end.
func (c wireCase) ended(t *testing.T, a answer, reader *bufio.Reader) {
	t.Helper()
	for closed := a.header.Get("Connection") == "close"; ; {
		if _, err := reader.Peek(1); err != nil {
			if !closed || !errors.Is(err, io.EOF) {
				t.Errorf("the end is %v, announced: %v", err, closed)
			}
			return
		}
		if closed {
			rest, _ := io.ReadAll(reader)
			t.Errorf("more came: %q", rest)
			return
		}
		next := readAnswer(t, reader, "GET")
		next.problem(t, 400, "bad_framing")
		closed = next.header.Get("Connection") == "close"
	}
}
