package gateway

import (
	"net/netip"
	"strings"
	"testing"

	"gatehouse/gateway/internal/edge"
)

// parsed reads a setting's text form.
func parsed[T any, P interface {
	*T
	UnmarshalText(text []byte) error
}](t testing.TB, text string) (v T) {
	t.Helper()
	if err := P(&v).UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRedirectToHTTPS(t *testing.T) {
	t.Parallel()
	for _, port := range []string{"443", "8443"} {
		r := newRig(t, func(c *Config) { c.Edge.Redirect = parsed[edge.Redirect](t, port) })
		suffix := strings.TrimPrefix(":"+port, ":443")
		for _, c := range []struct{ request, location string }{
			{"GET /things/7?a=b%20c HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "https://api.example.com" + suffix + "/things/7?a=b%20c"},
			{"HEAD / HTTP/1.1\r\nHost: api.example.com:8080\r\n\r\n", "https://api.example.com" + suffix + "/"},
			{"POST /anything HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 2\r\n\r\nhi", "https://127.0.0.1" + suffix + "/anything"},
			{"DELETE /things/7 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]" + suffix + "/things/7"},
			{"GET /x HTTP/1.1\r\nHost: [::1]\r\n\r\n", "https://[::1]" + suffix + "/x"},
			{"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a_b.test\r\n\r\n", "https://a_b.test" + suffix + "/.well-known/acme-challenge/token"},
			{"GET /x HTTP/1.0\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost:\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: a@b\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: a..b\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: a:b\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: a:1:2\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: a:\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: a:70000\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: [::1\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: [::1]x\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: " + strings.Repeat("a", 64) + "\r\n\r\n", ""},
			{"GET /x HTTP/1.1\r\nHost: " + strings.Repeat("a.", 127) + "\r\n\r\n", ""},
			{"GET //evil.test HTTP/1.1\r\nHost: a\r\n\r\n", ""},
			{"GET http://evil.test/ HTTP/1.1\r\nHost: a\r\n\r\n", ""},
			{"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		} {
			method, _, _ := strings.Cut(c.request, " ")
			a := r.raw(t, c.request, method)
			if c.location == "" {
				a.problem(t, 400, "bad_framing")
				if a.header.Get("Location") != "" {
					t.Errorf("%q: Location = %q", c.request, a.header.Get("Location"))
				}
				continue
			}
			if a.status != 308 || a.header.Get("Location") != c.location || a.body != "" {
				t.Errorf("%q: %d %q %q, want 308 to %s", c.request, a.status, a.header.Get("Location"), a.body, c.location)
			}
			if a.header.Get("X-Request-Id") == "" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%q: header = %v", c.request, a.header)
			}
			if a.header.Get("Strict-Transport-Security") != "" {
				t.Errorf("%q: HSTS without encryption", c.request)
			}
		}
		if _, n := r.backend.last(); n != 0 {
			t.Errorf("%d requests came to the backend", n)
		}
		if n := len(r.logs.lines(t, "request")); n != 22 {
			t.Errorf("%d requests logged, want 22", n)
		}
	}
}

// TestRedirectBehindAProxy: what a proxy had over HTTPS is served.
func TestRedirectBehindAProxy(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) {
		c.Edge.Redirect = parsed[edge.Redirect](t, "443")
		c.Edge.TrustedProxies = edge.Trust{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for proto, status := range map[string]int{"https": 200, "http": 308} {
		if a := r.do(t, "GET", "/probe", map[string]string{"X-Forwarded-Proto": proto}, ""); a.status != status {
			t.Errorf("%s: %d, want %d", proto, a.status, status)
		}
	}
}

func TestHSTS(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"off": "", "max-age=0": "max-age=0", "max-age=63072000; includeSubDomains; preload": "max-age=63072000; includeSubDomains; preload"} {
		r := newRig(t, func(c *Config) {
			c.Edge.HSTS = parsed[edge.HSTS](t, text)
			c.Edge.TrustedProxies = edge.Trust{netip.MustParsePrefix("127.0.0.0/8")}
		})
		if c := r.config.Edge.HSTS.String(); c != text {
			t.Errorf("text form = %q, want %q", c, text)
		}
		for proto, want := range map[string]string{"https": want, "http": ""} {
			a := r.do(t, "GET", "/probe", map[string]string{"X-Forwarded-Proto": proto}, "")
			if got := a.header.Values("Strict-Transport-Security"); strings.Join(got, "|") != want {
				t.Errorf("%s over %s: %q, want %q", text, proto, got, want)
			}
		}
	}
	for _, text := range []string{"", "on", "max-age", "max-age=x", "max-age=1; evil\r\nX: y", "max-age=1; preload; includeSubDomains", "max-age=99999999999"} {
		var h edge.HSTS
		if err := h.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	for _, text := range []string{"", "0", "-1", "65536", "on", "+443", "443 "} {
		var r edge.Redirect
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("redirect to port %q was taken", text)
		}
	}
}
