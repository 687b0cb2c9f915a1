package edge

import (
	"bufio"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestTargetFault(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"/", "/a", "/a/", "/a/b?c=d", "/a/b?", "/?", "/a%20b", "/%C3%A9", "/a;b=c", "/a:b@c!$&'()*+,=", "/~a-b_c.d",
		"/...", "/.a", "/a..", "/a.b", "/a%3A", "/a%25", "/a%25zz", "/a?x=%2F%2f..//&y[]=|", "/a?b?c", "/a?%00",
	} {
		if reason := targetFault([]byte(target)); reason != "" {
			t.Errorf("%s was refused: %s", target, reason)
		}
	}
	for target, want := range map[string]string{
		"":                    "begin with a slash",
		"a":                   "begin with a slash",
		"*":                   "begin with a slash",
		"http://a/b":          "begin with a slash",
		"//":                  "empty segment",
		"//a":                 "empty segment",
		"/a//b":               "empty segment",
		"/a//":                "empty segment",
		"/.":                  "dot segment",
		"/..":                 "dot segment",
		"/./a":                "dot segment",
		"/a/../b":             "dot segment",
		"/a/..?b":             "dot segment",
		"/a/.":                "dot segment",
		"/%2E":                "needs no escape",
		"/%2E%2E/a":           "needs no escape",
		"/.%2E/a":             "needs no escape",
		"/%61":                "needs no escape",
		"/%7E":                "needs no escape",
		"/a%2Fb":              "escaped slash",
		"/a%5Cb":              "escaped slash",
		"/a%2fb":              "upper case",
		"/%c3%a9":             "upper case",
		"/a%00":               "escaped control",
		"/a%0D%0AX:1":         "escaped control",
		"/a%7F":               "escaped control",
		"/%252E%252E/":        "escaped twice",
		"/a%252Fb":            "escaped twice",
		"/a%":                 "incomplete escape",
		"/a%2":                "incomplete escape",
		"/a%2x":               "incomplete escape",
		"/a\\b":               "has to be escaped",
		"/a b":                "has to be escaped",
		"/a\tb":               "has to be escaped",
		"/a\x00":              "has to be escaped",
		"/a\x7f":              "has to be escaped",
		"/é":                  "has to be escaped",
		"/a\"b":               "has to be escaped",
		"/a<b>":               "has to be escaped",
		"/a{b}":               "has to be escaped",
		"/a|b":                "has to be escaped",
		"/a^b":                "has to be escaped",
		"/a[b]":               "has to be escaped",
		"/a#b":                "has to be escaped",
		"/a?b#c":              "fragment",
		"/a?b c":              "has to be escaped",
		"/a?b\xff":            "has to be escaped",
		"/a?%":                "incomplete escape",
		"/a?%zz":              "incomplete escape",
		"/a?b=%2":             "incomplete escape",
		"/a/%2e%2e/b":         "upper case",
		"/a/%2E./b":           "needs no escape",
		"/a\r\nHost: b":       "has to be escaped",
		"/a/b/c/../../../etc": "dot segment",
	} {
		if reason := targetFault([]byte(target)); !strings.Contains(reason, want) {
			t.Errorf("%q: %q, want it refused for %q", target, reason, want)
		}
	}
}

// FuzzTarget checks that a target which passes means the same to everybody: it
// is its own normal form, whoever normalises it.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{
		"/", "/a/b?c=d", "/%2E%2E/a", "/a//b", "/a%2Fb", "/a%252Fb", "/a%20b", "/a;b", "/..;/a", "/a/.%2e/b", "/a\\b", "/%C3%A9", "/a?b#c", "/%25",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if targetFault([]byte(target)) != "" {
			return
		}
		p, query, _ := strings.Cut(target, "?")
		decoded, err := url.PathUnescape(p)
		if err != nil {
			t.Fatalf("%q passed, but cannot be decoded: %v", target, err)
		}
		// Dots and slashes were all there before decoding: cleaning changes
		// nothing but a trailing slash.
		if clean := path.Clean(decoded); clean != strings.TrimSuffix(decoded, "/") && clean != decoded {
			t.Errorf("%q decodes to %q, which cleans to %q", target, decoded, clean)
		}
		if strings.Count(decoded, "/") != strings.Count(p, "/") || strings.ContainsAny(decoded, "\\\x00\r\n") {
			t.Errorf("%q decodes to %q", target, decoded)
		}
		// Decoding what was decoded finds nothing new.
		if twice, err := url.PathUnescape(decoded); err == nil && twice != decoded {
			t.Errorf("%q decodes to %q and then to %q", target, decoded, twice)
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatalf("%q passed, but net/url refuses it: %v", target, err)
		}
		if u.EscapedPath() != p || u.RawQuery != query || u.Host != "" || u.Fragment != "" {
			t.Errorf("%q is path %q, query %q, host %q to net/url", target, u.EscapedPath(), u.RawQuery, u.Host)
		}
		// fasthttp, which the backend may run on, must see the same path.
		var uri fasthttp.URI
		if err := uri.Parse([]byte("h"), []byte(target)); err != nil {
			t.Fatalf("%q passed, but fasthttp refuses it: %v", target, err)
		}
		if got := string(uri.Path()); got != decoded {
			t.Errorf("%q is %q to fasthttp, want %q", target, got, decoded)
		}
	})
}

func fieldsOf(lines string) (*Fields, string) {
	f := &Fields{}
	return f, f.read([]byte(lines))
}

func TestFields(t *testing.T) {
	t.Parallel()
	f, reason := fieldsOf("HOST: h\r\nauthorization:Bearer t\r\nX-Tenant-ID:  a \t\r\nContent-Length:0\r\nOrigin:\r\n" +
		"Connection: x\r\nX-Forwarded-For: 1\r\nX-Forwarded-For: 2\r\n\r\n")
	if reason != "" {
		t.Fatal(reason)
	}
	if string(f.Host) != "h" || string(f.Authorization) != "Bearer t" || string(f.TenantID) != "a" || f.HasBody() ||
		!f.Connection || !f.ForwardedFor || f.Origin == nil || f.ContentType != nil {
		t.Errorf("fields = %+v", f)
	}
	for lines, twice := range map[string]bool{
		"Authorization: a\r\n\r\n": false, "Authorization: a\r\nauthorization: a\r\n\r\n": true, "Authorization:\r\nAuthorization:\r\n\r\n": true,
		"Authorization: a\r\nAuthorization: b\r\nAuthorization: c\r\n\r\n": true,
	} {
		if f, reason := fieldsOf(lines); reason != "" || f.Twice != twice {
			t.Errorf("%q: twice = %v (%s), want %v", lines, f.Twice, reason, twice)
		}
	}
	for _, lines := range []string{
		"A: 1\n\r\n", "A: 1", "A: 1\r\n B\r\n\r\n", " A: 1\r\n\r\n", ": 1\r\n\r\n", "A 1\r\n\r\n", "A : 1\r\n\r\n", "A\x00: 1\r\n\r\n",
		"A\x7f: 1\r\n\r\n", "Ä: 1\r\n\r\n", "A: 1\r\n\r\nB: 2\r\n\r\n", "\r\nA: 1\r\n\r\n", "Host: a\r\nHost: a\r\n\r\n",
	} {
		if _, reason := fieldsOf(lines); reason == "" {
			t.Errorf("%q passed", lines)
		}
	}
}

// FuzzFields checks the edge's own reading of header lines against fasthttp's:
// where both accept, they must agree about every field that decides something.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{
		"Content-Length: 5\r\n", "X: 1\r\n 2\r\n", "X Y: 1\r\n", "X-Tenant-Id: a\r\nx-tenant-id: b\r\n", "Authorization:\r\n", "A: 1\nB: 2\r\n",
		"Transfer-Encoding: chunked\r\n", "Content-Type: a\r\nContent-Type: b\r\n", "Host : b\r\n", "Connection: close\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		var h fasthttp.RequestHeader
		if err := h.Read(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n"))); err != nil {
			return
		}
		fields := &Fields{}
		if fields.read(h.RawHeaders()) != "" || fields.Twice {
			return
		}
		for name, got := range map[string][]byte{
			"Host": fields.Host, "Authorization": fields.Authorization, "Content-Type": fields.ContentType,
			"X-Tenant-Id": fields.TenantID, "X-Request-Id": fields.RequestID, "Origin": fields.Origin, "Content-Encoding": fields.ContentEncoding,
		} {
			if want := string(h.Peek(name)); string(got) != want {
				t.Errorf("%s is %q to the edge and %q to fasthttp in %q", name, got, want, lines)
			}
			if n := len(h.PeekAll(name)); n > 1 {
				t.Errorf("%s came %d times in %q", name, n, lines)
			}
		}
	})
}
