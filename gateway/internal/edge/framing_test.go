package edge

import (
	"strings"
	"testing"
)

func TestTargetFault(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"/", "/a", "/a/", "/a/b?c=d", "/a/b?", "/?", "/a%20b", "/%C3%A9", "/a;b=c", "/a:b@c!$&'()*+,=", "/~a-b_c.d",
		"/...", "/.a", "/a..", "/a.b", "/a%3A", "/a;b", "/a;", "/...;", "/a%3Bb/..a;x", "/a%25", "/a%25zz", "/a?x=%2F%2f..//&y[]=|", "/a?b?c", "/a?%00",
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
		"/..;/a":              "dot segment",
		"/a/.;x=1/b":          "dot segment",
		"/a/..%3Bx":           "dot segment",
		"/;/a":                "empty segment",
		"/a/;x":               "empty segment",
		"/a/%3Bx/b":           "empty segment",
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
