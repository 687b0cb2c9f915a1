package pg

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrForbidden says that a dedicated database has an address where it may not
// be. It is a kind of [Refused].
var ErrForbidden = fmt.Errorf("%w: its address is not allowed (TENANT_DB_LOCAL_NETWORKS)", Refused)

// Reach says where dedicated databases may be: anywhere but at addresses that
// mean something else to this machine than to whoever named them, loopback,
// link-local and those of clouds' own services, which hand out the machine's
// credentials. Of these, the ones in Local are allowed.
type Reach struct {
	Local []netip.Prefix
}

// services are where clouds answer their machines, besides link-local addresses.
var services = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),      // Amazon
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8") // RFC 1122; Linux takes 0.0.0.0 for itself
	broadcast   = netip.MustParseAddr("255.255.255.255")
	// Addresses that a packet is taken out of to be sent on to the IPv4 address in
	// their last four bytes (RFC 4291 section 2.5.5.1, RFC 6052, RFC 8215).
	translated = []netip.Prefix{
		netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	}
	sixToFour = netip.MustParsePrefix("2002::/16") // RFC 3056: in bytes 2 to 5
)

// allows reports whether a database may have the address.
func (r Reach) allows(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return within(r.Local, addr) || !local(addr)
}

func local(addr netip.Addr) bool {
	if addr.IsLoopback() || addr.IsUnspecified() || addr.IsLinkLocalUnicast() || addr.IsMulticast() ||
		addr == broadcast || thisNetwork.Contains(addr) || within(services, addr) {
		return true
	}
	if addr.Is4() {
		return false
	}
	b := addr.As16()
	switch {
	case within(translated, addr):
		return local(netip.AddrFrom4([4]byte(b[12:])))
	case sixToFour.Contains(addr):
		return local(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return false
}

func within(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// lookup makes the driver, which connects to what a lookup returns and to
// nothing else, refuse a host when any of its addresses is not allowed.
func (r Reach) lookup(next pgconn.LookupFunc) pgconn.LookupFunc {
	return func(ctx context.Context, host string) ([]string, error) {
		found, err := next(ctx, host)
		if err != nil {
			return nil, err
		}
		for _, text := range found {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, &net.DNSError{Err: "not an address", Name: host}
			}
			if !r.allows(addr) {
				return nil, ErrForbidden
			}
		}
		return found, nil
	}
}
