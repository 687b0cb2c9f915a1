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

	// What is sent if nothing has arrived.
	turn    func(fd uintptr) bool
	request []byte
	wait    bool
	began   bool
	sent    int
	err     error
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
		p.nothing = noneOn(fd)
		return true // never wait
	}
	p.turn = func(fd uintptr) bool {
		if p.began {
			return true // something has come
		}
		p.began = true
		if p.nothing = noneOn(fd); !p.nothing {
			return true
		}
		p.sent, p.err = writeOnce(fd, p.request)
		return !p.wait || p.sent < len(p.request)
	}
	return p
}

// noneOn reports whether nothing waits to be read on a socket, nor its end.
func noneOn(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == syscall.EAGAIN || err == syscall.EINTR
}

// writeOnce writes what the socket takes at once.
func writeOnce(fd uintptr, b []byte) (int, error) {
	for {
		switch n, err := syscall.Write(int(fd), b); err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
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

// joins reports whether looking, sending and waiting can be one.
func (p *peeker) joins() bool { return p != nil && p.raw != nil }

// send looks, and if nothing has arrived it writes what the socket takes of a
// request at once. When that is all it may wait until something comes back. To do
// it in one turn saves the read that finds nothing: the look was one, and what
// comes after it wakes the reader.
func (p *peeker) send(request []byte, wait bool) (n int, quiet bool, err error) {
	p.request, p.wait, p.began, p.nothing, p.sent, p.err = request, wait, false, false, 0, nil
	err = p.raw.Read(p.turn)
	p.request = nil
	if p.err != nil {
		err = p.err
	}
	return p.sent, p.nothing || err != nil, err
}
