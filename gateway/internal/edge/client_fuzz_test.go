package edge

import (
	"net/netip"
	"strings"
	"testing"

	"gatehouse/internal/mutatetest"
)

var forwardedSeeds = []string{
	"", "203.0.113.1", "a,b", "[::1]:80", "10.0.0.1, 10.0.0.2", "::ffff:10.0.0.1", "1.2.3.4:5", ",,,", "[", "[]", "%", "fe80::1%eth0",
	"203.0.113.1, 10.9.9.9", "1.1.1.1, unknown, 10.9.9.9", "[2001:db8::1]:4711, fd00::1", "0x7f.1", "127.1", " 203.0.113.1\t,",
}

// FuzzForwarded checks that whatever stands in the header, the result is an
// address that the header holds or the peer's; that it is either not ours or the
// leftmost of ours; and that what a client adds on the left of what a proxy
// wrote changes nothing.
func FuzzForwarded(f *testing.F) {
	for _, seed := range forwardedSeeds {
		f.Add(seed)
	}
	f.Fuzz(judgeForwarded)
}

func TestChangedForwarded(t *testing.T) {
	t.Parallel()
	mutatetest.Each(20_000, bytesOf(forwardedSeeds), func(value []byte) { judgeForwarded(t, string(value)) })
}

func judgeForwarded(t *testing.T, value string) {
	t.Helper()
	if strings.ContainsAny(value, "\r\n") {
		return
	}
	peer := netip.MustParseAddr("10.0.0.1")
	found := func(value string) netip.Addr {
		return forwardedClient(&Fields{Raw: []byte("X-Forwarded-For: " + value + "\r\n\r\n")}, testTrust, peer)
	}
	got := found(value)
	if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
		t.Errorf("%q = %v", value, got)
	}
	if want := walked(value, peer); got != want {
		t.Errorf("%q = %v, want %v", value, got, want)
	}
	if moved := found(value + ", 198.51.100.7"); moved.String() != "198.51.100.7" {
		t.Errorf("%q moved the client to %v", value, moved)
	}
	if moved := found(value + ", 198.51.100.7, 10.7.7.7"); moved.String() != "198.51.100.7" {
		t.Errorf("%q moved the client behind two proxies to %v", value, moved)
	}
}

// walked goes through the entries from the right as one would by hand, with no
// bound on them: within the bound it must be the same.
func walked(value string, client netip.Addr) netip.Addr {
	entries := strings.Split(value, ",")
	for i := len(entries) - 1; i >= max(0, len(entries)-maxForwardedHops); i-- {
		entry := strings.Trim(entries[i], " \t")
		addr, err := netip.ParseAddr(entry)
		if err != nil {
			var both netip.AddrPort
			if both, err = netip.ParseAddrPort(entry); err == nil {
				addr = both.Addr()
			} else if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
				if addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil && addr.Is4() {
					return client
				}
			}
		}
		if err != nil || addr.Zone() != "" {
			return client
		}
		if client = addr.Unmap(); !testTrust.Contains(client) {
			return client
		}
	}
	return client
}
