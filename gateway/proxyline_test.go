package gateway

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/certs/certtest"
)

// proxyLine is a header of version 2.
func proxyLine(command, family byte, payload []byte) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(payload))), payload...))
}

const (
	local, proxied = 0, 1
	overTCP4       = 0x11
	overTCP6       = 0x21
	overUnix       = 0x31
)

// ends is the source, the destination and their ports.
func ends(source, destination string) []byte {
	b := append(netip.MustParseAddr(source).AsSlice(), netip.MustParseAddr(destination).AsSlice()...)
	return append(b, 0x12, 0x34, 0x01, 0xbb)
}

// behindBalancer is a gateway that trusts loopback to speak the PROXY protocol.
func behindBalancer(change func(*Config)) func(*Config) {
	return func(c *Config) {
		c.Edge.ProxyProtocol = "on"
		c.Edge.TrustedProxies = edge.Trust{netip.MustParsePrefix("127.0.0.0/8")}
		if change != nil {
			change(c)
		}
	}
}

func dialPlain(t testing.TB, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	a := certtest.NewAuthority(t)
	r := secureRig(t, a, []certtest.Files{a.Issue(t, certtest.Leaf{Names: []string{"localhost"}})}, behindBalancer(nil))
	for _, c := range []struct{ name, header, client string }{
		{"version 1", "PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n", "192.0.2.7"},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 4660 443\r\n", "2001:db8::7"},
		{"version 1, unknown", "PROXY UNKNOWN\r\n", "127.0.0.1"},
		{"version 1, unknown with words", "PROXY UNKNOWN 192.0.2.7 whatever\r\n", "127.0.0.1"},
		{"version 2", proxyLine(proxied, overTCP4, ends("192.0.2.7", "10.0.0.1")), "192.0.2.7"},
		{"version 2, IPv6", proxyLine(proxied, overTCP6, ends("2001:db8::7", "2001:db8::1")), "2001:db8::7"},
		{"version 2, IPv4 in IPv6", proxyLine(proxied, overTCP6, ends("::ffff:192.0.2.7", "::ffff:10.0.0.1")), "192.0.2.7"},
		{"version 2, with extras", proxyLine(proxied, overTCP4, append(ends("192.0.2.7", "10.0.0.1"), make([]byte, 2000)...)), "192.0.2.7"},
		{"version 2, of its own", proxyLine(local, 0, nil), "127.0.0.1"},
		{"version 2, of its own with an address", proxyLine(local, overTCP4, ends("192.0.2.7", "10.0.0.1")), "127.0.0.1"},
		{"version 2, from a socket", proxyLine(proxied, overUnix, make([]byte, 216)), "127.0.0.1"},
	} {
		for _, how := range []string{"plain", "TLS", "apart"} {
			conn, reader := dialPlain(t, r.Addr(map[bool]string{true: "tls", false: "http"}[how == "TLS"]))
			// What the client says of itself does not count.
			request := "GET /things/7 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.9\r\nAuthorization: Bearer " + r.token(t, "tenant1") + "\r\n\r\n"
			want := c.client
			if want == "127.0.0.1" {
				want = "198.51.100.9" // the proxy's own word
			}
			switch how {
			case "plain":
				fmt.Fprint(conn, c.header+request)
			case "apart":
				fmt.Fprint(conn, c.header)
				time.Sleep(5 * time.Millisecond)
				fmt.Fprint(conn, request)
			case "TLS":
				fmt.Fprint(conn, c.header)
				secure := tls.Client(conn, tlsClient(a.Pool()))
				fmt.Fprint(secure, request)
				reader = bufio.NewReader(secure)
			}
			if answer := readAnswer(t, reader, "GET"); answer.status != 200 {
				t.Fatalf("%s, %s: %d %s", c.name, how, answer.status, answer.body)
			}
			if got, _ := r.backend.last(); got.header.Get("X-Forwarded-For") != want {
				t.Errorf("%s, %s: X-Forwarded-For = %q, want %s", c.name, how, got.header.Get("X-Forwarded-For"), want)
			}
			lines := r.logs.lines(t, "request")
			if got := lines[len(lines)-1]["client"]; got != want {
				t.Errorf("%s, %s: the log says %v, want %s", c.name, how, got, want)
			}
			_ = conn.Close()
		}
	}
}

func TestProxyProtocolRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, behindBalancer(func(c *Config) { c.Edge.ReceiveTimeout = 500 * time.Millisecond }))
	huge := proxyLine(proxied, overTCP4, make([]byte, 5000))
	for _, c := range []struct{ name, send, reason string }{
		{"no header", "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n", "missing"},
		{"another's first letter", "POST /probe HTTP/1.1\r\nHost: x\r\n\r\n", "missing"},
		{"TLS", "\x16\x03\x01\x00\x05hello", "missing"},
		{"half a signature", "\r\n\r\n\x00\r\nQUIX\n\x21\x11", "missing"},
		{"no address", "PROXY TCP4\r\n", "malformed"},
		{"a name", "PROXY TCP4 example.com 10.0.0.1 1 2\r\n", "malformed"},
		{"IPv6 as IPv4", "PROXY TCP4 2001:db8::7 10.0.0.1 1 2\r\n", "malformed"},
		{"a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "malformed"},
		{"a port too large", "PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n", "malformed"},
		{"a word too many", "PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n", "malformed"},
		{"no CR", "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n", "malformed"},
		{"too long", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", "malformed"},
		{"other protocol", "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", "malformed"},
		{"version 3", "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x00", "malformed"},
		{"command 2", proxyLine(2, overTCP4, ends("192.0.2.7", "10.0.0.1")), "malformed"},
		{"unknown family", proxyLine(proxied, 0x41, ends("192.0.2.7", "10.0.0.1")), "malformed"},
		{"too short for its family", proxyLine(proxied, overTCP6, ends("192.0.2.7", "10.0.0.1")), "malformed"},
		{"too much", huge, "malformed"},
		{"part of version 2", proxyLine(proxied, overTCP4, ends("192.0.2.7", "10.0.0.1"))[:20], "timeout"},
		{"part of a signature", "\r\n\r\n\x00", "timeout"},
		{"silence", "", "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			refused := fmt.Sprintf("gateway_proxy_protocol_refused_total{reason=%q}", c.reason)
			before := metricValue(t, r, refused)
			conn, reader := dialPlain(t, r.Addr("http"))
			fmt.Fprint(conn, c.send)
			// Even behind it nothing is served.
			if c.reason != "timeout" {
				fmt.Fprint(conn, "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n")
			}
			answer, err := io.ReadAll(reader)
			if len(answer) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("answer = %q, %v; want the end", answer, err)
			}
			eventually(t, "it is counted", func() bool { return metricValue(t, r, refused) > before })
		})
	}
	t.Run("dripping", func(t *testing.T) {
		t.Parallel()
		conn, reader := dialPlain(t, r.Addr("http"))
		go func() {
			for _, b := range []byte(proxyLine(proxied, overTCP4, append(ends("192.0.2.7", "10.0.0.1"), make([]byte, 4000)...))) {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		}()
		began := time.Now()
		if answer, _ := io.ReadAll(reader); len(answer) > 0 || time.Since(began) > 5*time.Second {
			t.Errorf("answer = %q after %v", answer, time.Since(began))
		}
	})
	t.Run("a probe that says nothing is no fault", func(t *testing.T) {
		t.Parallel()
		conn, _ := dialPlain(t, r.Addr("http"))
		_ = conn.Close()
	})
	t.Run("silent peers hold up nobody", func(t *testing.T) {
		t.Parallel()
		for range 20 {
			dialPlain(t, r.Addr("http"))
		}
		conn, reader := dialPlain(t, r.Addr("http"))
		fmt.Fprint(conn, "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\nGET /probe HTTP/1.1\r\nHost: x\r\n\r\n")
		if a := readAnswer(t, reader, "GET"); a.status != 200 {
			t.Errorf("status = %d", a.status)
		}
	})
}

// TestProxyProtocolFromStrangers is garbage like any other, while requests of
// theirs are served.
func TestProxyProtocolFromStrangers(t *testing.T) {
	t.Parallel()
	r := newRig(t, behindBalancer(func(c *Config) { c.Edge.TrustedProxies = edge.Trust{netip.MustParsePrefix("10.0.0.0/8")} }))
	if a := r.do(t, "GET", "/probe", nil, ""); a.status != 200 {
		t.Errorf("a request: %d", a.status)
	}
	for _, header := range []string{"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n", proxyLine(proxied, overTCP4, ends("192.0.2.7", "10.0.0.1"))} {
		if a := r.raw(t, header+"GET /probe HTTP/1.1\r\nHost: x\r\n\r\n", "GET"); a.status != 400 {
			t.Errorf("%q: %d, want 400", header, a.status)
		}
	}
	if _, n := r.backend.last(); n != 1 {
		t.Errorf("%d requests came to the backend, want 1", n)
	}
}

// TestProxyProtocolCountsTheClient: the limit on connections is of the address
// that the proxy tells.
func TestProxyProtocolCountsTheClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, behindBalancer(func(c *Config) { c.Edge.MaxPerAddress = 1 }))
	connect := func(client string) (net.Conn, error) {
		t.Helper()
		conn, reader := dialPlain(t, r.Addr("http"))
		fmt.Fprintf(conn, "PROXY TCP6 %s ::1 1 2\r\nGET /probe HTTP/1.1\r\nHost: x\r\n\r\n", client)
		if _, err := reader.Peek(1); err != nil {
			return conn, err
		}
		if a := readAnswer(t, reader, "GET"); a.status != 200 {
			t.Errorf("%s: %d", client, a.status)
		}
		return conn, nil
	}
	first, err := connect("2001:db8::1")
	if err != nil {
		t.Fatal(err)
	}
	const refused = `gateway_connections_refused_total{reason="address"}`
	before := metricValue(t, r, refused)
	if _, err := connect("2001:db8::2"); err == nil { // the same /64
		t.Error("a second connection was served")
	}
	if metricValue(t, r, refused) <= before {
		t.Error("the refusal is not counted")
	}
	if _, err := connect("2001:db8:1::1"); err != nil {
		t.Errorf("another client: %v", err)
	}
	_ = first.Close()
	eventually(t, "the place is free again", func() bool {
		_, err := connect("2001:db8::3")
		return err == nil
	})
	if got := r.edge.Connections(); got > 3 {
		t.Errorf("%d connections are open", got)
	}
}
