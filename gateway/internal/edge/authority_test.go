package edge

import "testing"

func TestValidHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"": true, "a": true, "api.example.com": true, "api.example.com:8443": true, "A_b-c.d.": true, "192.0.2.1:80": true, "a:": true,
		"[::1]": true, "[2001:db8::1]:443": true, "[::ffff:192.0.2.1]": true,
		":80": false, ":": false, "a:b": false, "a:1:2": false, "a:123456": false, "a:65535": true, "a:65536": false, "a:99999": false, "a:000080": false, "[::1]:70000": false, "a@b": false, "a/b": false, "a b": false, "a,b": false,
		"a%41": false, "a~b": false, "é": false, "[": false, "[]": false, "[:]": false, "[::1": false, "::1": false, "[::1]x": false,
		"[::1]80": false, "[::1%25eth0]": false, "[g::1]": false, "a\"": false, "a\\": false, "a#": false, "a?": false,
	} {
		if got := validHost([]byte(host)); got != want {
			t.Errorf("validHost(%q) = %v, want %v", host, got, want)
		}
	}
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
