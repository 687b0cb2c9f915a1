//go:build unix

package proxy

import (
	"net"
	"syscall"
)

// peeker looks whether anything has arrived on a socket, without taking it.
type peeker struct {
	raw     syscall.RawConn
	look    func(fd uintptr) bool // made once, not for each look
	nothing bool
	secure  *secured // looks for itself
}

// newPeeker returns nil for connections that are no sockets.
func newPeeker(conn net.Conn) *peeker {
	if s, ok := conn.(*secured); ok {
		return &peeker{secure: s}
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	p := &peeker{raw: raw}
	p.look = func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		p.nothing = err == syscall.EAGAIN || err == syscall.EINTR
		return true // never wait
	}
	return p
}

// quiet reports whether neither bytes nor the end of the connection have
// arrived.
func (p *peeker) quiet() bool {
	if p == nil {
		return true
	}
	if p.secure != nil {
		return p.secure.quiet()
	}
	p.nothing = false
	return p.raw.Read(p.look) == nil && p.nothing
}
