package proxy

import (
	"context"
	"net"
	"strings"
)

// Dialer connects to a backend: host:port, or unix:/path for a socket on this
// machine. Ctx bounds it, and tells [NameOf] under which name the backend was
// configured.
type Dialer func(ctx context.Context, addr string) (net.Conn, error)

// Dial connects without TLS.
func Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	if path, ok := socketPath(addr); ok {
		return d.DialContext(ctx, "unix", path)
	}
	return d.DialContext(ctx, "tcp", addr)
}

type nameKey struct{}

// NameOf returns the host under which the backend that is being dialed was
// configured: what its certificate is held against, since the address of a
// backend found by name says nothing about who answers there. It is empty for a
// socket on this machine.
func NameOf(ctx context.Context) string {
	name, _ := ctx.Value(nameKey{}).(string)
	return name
}

// socketPath returns the path of unix:/path.
func socketPath(addr string) (string, bool) { return strings.CutPrefix(addr, "unix:") }

// hostOf returns what the Host header of requests to a configured address says,
// and the name that its certificate bears.
func hostOf(entry string) (host, name string) {
	if _, ok := socketPath(entry); ok {
		return "localhost", ""
	}
	name, _, _ = net.SplitHostPort(entry) // validated
	return entry, name
}
