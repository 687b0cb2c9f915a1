package edge

import (
	"bytes"
	"net/netip"
)

// maxForwardedHops bounds how many entries of X-Forwarded-For are looked at.
const maxForwardedHops = 32

// Trust is the networks whose word about a request is believed.
type Trust []netip.Prefix

// Contains reports whether addr lies in one of the networks.
func (t Trust) Contains(addr netip.Addr) bool {
	for _, p := range t {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Client finds out who sent the request: the peer of the connection, or, when
// that is one of our own proxies, the last address in X-Forwarded-For that is
// not. Whatever stands left of that address was written by the client itself
// and proves nothing.
func Client(trust Trust) Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			peer := connOf(ex.Ctx.Conn())
			ex.Client, ex.ClientText = peer.addr()
			ex.held = peer.bucketHeld()
			ex.Secure = ex.Ctx.IsTLS()
			if ex.Trusted = trust.Contains(ex.Client); ex.Trusted {
				if ex.Fields.ForwardedFor {
					if client := forwardedClient(&ex.Fields, trust, ex.Client); client != ex.Client {
						ex.Client, ex.ClientText, ex.held = client, client.String(), nil
					}
				}
				if ex.Fields.ForwardedProto != nil {
					ex.Secure = equalFold(ex.Fields.ForwardedProto, "https")
				}
			}
			next(ex)
		}
	}
}

// forwardedClient walks X-Forwarded-For from its end, through trusted proxies,
// to the first address that is not one. At an entry that is no address it stops
// and returns the proxy that passed it on.
func forwardedClient(f *Fields, trust Trust, peer netip.Addr) netip.Addr {
	var values [maxForwardedHops][]byte
	n := 0
	for lines := f.Lines(); ; {
		name, value, ok := lines.Next()
		if !ok {
			break
		}
		if !equalFold(name, "x-forwarded-for") {
			continue
		}
		for entry := range bytes.SplitSeq(value, []byte{','}) {
			// Only the last entries matter; older ones make room.
			values[n%len(values)] = trim(entry)
			n++
		}
	}
	client := peer
	for i := n - 1; i >= max(0, n-len(values)); i-- {
		addr, ok := parseForwarded(values[i%len(values)])
		if !ok {
			return client
		}
		if client = addr; !trust.Contains(addr) {
			return client
		}
	}
	return client
}

// parseForwarded reads one entry: an address, in brackets or with a port in
// the forms that proxies write.
func parseForwarded(entry []byte) (netip.Addr, bool) {
	const longest = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535")
	if len(entry) == 0 || len(entry) > longest {
		return netip.Addr{}, false
	}
	text := string(entry)
	if addr, err := netip.ParseAddr(text); err == nil {
		return plain(addr)
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(withPort.Addr())
	}
	if text[0] == '[' && text[len(text)-1] == ']' {
		if addr, err := netip.ParseAddr(text[1 : len(text)-1]); err == nil && addr.Is6() {
			return plain(addr)
		}
	}
	return netip.Addr{}, false
}

// plain turns IPv4 in IPv6 clothes into IPv4, and refuses zones, which mean
// nothing beyond the machine that wrote them.
func plain(addr netip.Addr) (netip.Addr, bool) {
	return addr.Unmap(), addr.Zone() == ""
}
