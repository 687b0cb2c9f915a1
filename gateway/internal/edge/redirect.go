package edge

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/problem"
)

// Redirect is the port at which clients reach HTTPS. Its zero value redirects
// nothing.
type Redirect struct{ port uint16 }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Redirect) UnmarshalText(text []byte) error {
	r.port = 0
	if string(text) == "off" {
		return nil
	}
	port, err := strconv.ParseUint(string(text), 10, 16)
	if err == nil && port == 0 {
		err = fmt.Errorf("0 is no port")
	}
	r.port = uint16(port)
	return err
}

// String is the text form.
func (r Redirect) String() string {
	if r.port == 0 {
		return "off"
	}
	return strconv.Itoa(int(r.port))
}

// Step answers requests that did not come encrypted with 308, which keeps the
// method and the body: clients find their way, and learn of HSTS there. A
// request that a trusted proxy had over HTTPS passes. The host is the client's
// own word, so it must be one, or the answer is 400. It is not for long: what
// tells browsers to stay with HTTPS is HSTS, so the answer is not stored.
func (r Redirect) Step() Step {
	return func(next Handler) Handler {
		if r.port == 0 {
			return next
		}
		port := ""
		if r.port != 443 {
			port = ":" + strconv.Itoa(int(r.port))
		}
		return func(ex *Exchange) {
			if ex.Secure {
				next(ex)
				return
			}
			host, ok := hostOf(ex.Fields.Host)
			if !ok {
				ex.Refuse(problem.Newf(problem.BadFraming, "The Host header is not a host name with an optional port."))
				return
			}
			ex.Ctx.Response.Header.Set(fasthttp.HeaderLocation, "https://"+host+port+string(ex.Target))
			ex.Ctx.SetStatusCode(fasthttp.StatusPermanentRedirect)
		}
	}
}

// hostOf returns the host of a Host header without its port: a name, an IPv4
// address, or an IPv6 address in brackets.
func hostOf(header []byte) (host string, ok bool) {
	name, port := header, []byte(nil)
	if len(header) > 0 && header[0] == '[' {
		end := bytes.IndexByte(header, ']')
		if end < 0 {
			return "", false
		}
		name, port = header[:end+1], header[end+1:]
		addr, err := netip.ParseAddr(string(header[1:end]))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
	} else {
		if colon := bytes.IndexByte(header, ':'); colon >= 0 {
			name, port = header[:colon], header[colon:]
		}
		if !isName(name) {
			return "", false
		}
	}
	if len(port) > 0 {
		if _, err := strconv.ParseUint(string(port[1:]), 10, 16); port[0] != ':' || err != nil {
			return "", false
		}
	}
	return string(name), true
}

// isName reports whether b is a host name: labels of 1 to 63 letters, digits,
// hyphens and underscores, 253 bytes in all. IPv4 addresses look the same.
func isName(b []byte) bool {
	if len(b) == 0 || len(b) > 253 {
		return false
	}
	for label := range bytes.SplitSeq(b, []byte{'.'}) {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for _, c := range label {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
