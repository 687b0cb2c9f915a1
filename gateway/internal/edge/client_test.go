package edge

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/ratelimit"
)

var testTrust = Trust{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestForwardedClient(t *testing.T) {
	t.Parallel()
	const peer = "10.0.0.1"
	for value, want := range map[string]string{
		"":                               peer,
		"203.0.113.1":                    "203.0.113.1",
		"1.1.1.1, 203.0.113.1":           "203.0.113.1", // the client wrote the first
		"1.1.1.1, 203.0.113.1, 10.9.9.9": "203.0.113.1",
		"203.0.113.1,10.9.9.9,fd00::1":   "203.0.113.1",
		"10.1.1.1, 10.2.2.2":             "10.1.1.1", // all ours: the first of them
		"203.0.113.1:4711":               "203.0.113.1",
		"[2001:db8::1]:4711":             "2001:db8::1",
		"[2001:db8::1]":                  "2001:db8::1",
		"2001:db8::1":                    "2001:db8::1",
		"::ffff:203.0.113.1":             "203.0.113.1",
		"203.0.113.1, unknown":           peer, // our proxy did not know
		"203.0.113.1, unknown, 10.9.9.9": "10.9.9.9",
		"203.0.113.1,":                   peer,
		"fe80::1%eth0":                   peer,
		"203.0.113.1\x00":                peer,
		strings.Repeat("1.1.1.1,", 500) + "  2.2.2.2": "2.2.2.2",
		strings.Repeat("10.1.1.1,", 500) + "10.2.2.2": "10.1.1.1",
		"[203.0.113.1]": peer,
		"0xcb007101":    peer,
		"203.0.113.01":  peer,
	} {
		f := &Fields{Raw: []byte("X-Forwarded-For: " + value + "\r\n\r\n")}
		if got := forwardedClient(f, testTrust, netip.MustParseAddr(peer)); got.String() != want {
			t.Errorf("%.60q = %s, want %s", value, got, want)
		}
	}
	f := &Fields{Raw: []byte("X-Forwarded-For: 203.0.113.1\r\nAccept: x\r\nx-forwarded-for: 203.0.113.2, 10.3.3.3\r\n\r\n")}
	if got := forwardedClient(f, testTrust, netip.MustParseAddr(peer)); got.String() != "203.0.113.2" {
		t.Errorf("two lines = %s, want the last one's", got)
	}
}

func TestBucketAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"203.0.113.1":          "203.0.113.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2::":       "2001:db8:1:2::",
		"2001:db8:1:3::1":      "2001:db8:1:3::",
	} {
		if got := string(appendBucketAddr(nil, netip.MustParseAddr(addr))); got != want {
			t.Errorf("%s is counted as %s, want %s", addr, got, want)
		}
	}
}

// A connection of a proxy carries requests of many clients, each with a bucket of
// its own; only that of a client itself is held with the connection.
func TestBucketsAreHeldForTheirOwnClient(t *testing.T) {
	t.Parallel()
	const peer = "10.0.0.1"
	conn := &Conn{peer: netip.MustParseAddr(peer), text: peer}
	var got *ratelimit.Held
	step := Client(testTrust)(func(ex *Exchange) { got = ex.held })
	for value, held := range map[string]bool{"": true, "203.0.113.1": false, peer: true} {
		ex := &Exchange{Ctx: &fasthttp.RequestCtx{}}
		ex.Ctx.Init2(conn, nil, false)
		if value != "" {
			ex.Fields.Raw, ex.Fields.ForwardedFor = []byte("X-Forwarded-For: "+value+"\r\n\r\n"), true
		}
		step(ex)
		if (got == &conn.held) != held || !held && got != nil {
			t.Errorf("%q: held %v", value, got != nil)
		}
	}
}
