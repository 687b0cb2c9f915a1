package edge

import (
	"net/url"
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"": true, "a": true, "api.example.com": true, "api.example.com:8443": true, "A_b-c.d.": true, "192.0.2.1:80": true, "a:": true,
		"[::1]": true, "[2001:db8::1]:443": true, "[::ffff:192.0.2.1]": true,
		":80": false, ":": false, "a:b": false, "a:1:2": false, "a:123456": false, "a@b": false, "a/b": false, "a b": false, "a,b": false,
		"a%41": false, "a~b": false, "é": false, "[": false, "[]": false, "[:]": false, "[::1": false, "::1": false, "[::1]x": false,
		"[::1]80": false, "[::1%25eth0]": false, "[g::1]": false, "a\"": false, "a\\": false, "a#": false, "a?": false,
	} {
		if got := validHost([]byte(host)); got != want {
			t.Errorf("validHost(%q) = %v, want %v", host, got, want)
		}
	}
}

// FuzzHost checks that a host which passes is the same to net/url, and that it
// can stand between quotes in Forwarded.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"a", "a:80", "[::1]:80", "a@b", "a:b:c", "[::1%25en0]", "a/b", "%41", "a\"b", "-", "_", "a:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !validHost([]byte(host)) || host == "" {
			return
		}
		u, err := url.Parse("http://" + host + "/x")
		if err != nil {
			t.Fatalf("%q passed, but net/url refuses it: %v", host, err)
		}
		if u.Host != host || u.User != nil || u.Path != "/x" || u.Hostname() == "" {
			t.Errorf("%q is host %q, user %v, path %q to net/url", host, u.Host, u.User, u.Path)
		}
		if strings.ContainsAny(host, "\"\\, ;=") {
			t.Errorf("%q passed", host)
		}
	})
}

func TestConnectionOptions(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"": false, "close": false, "keep-alive": false, "Upgrade, HTTP2-Settings": false, "close, X-Forwarded-For": false, "TE": false, ",, ,": false,
		"Content-Type": true, "close,content-length": true, "close ,\tHOST ": true, "X-Tenant-Id": true, "authorization": true, "Cookie": true,
	} {
		if got := namesEndToEnd([]byte(value)); got != want {
			t.Errorf("namesEndToEnd(%q) = %v, want %v", value, got, want)
		}
	}
}
