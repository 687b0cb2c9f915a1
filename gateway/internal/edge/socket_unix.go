//go:build unix

package edge

import (
	"net"
	"syscall"
)

// socketOf returns what waits on conn without reading; nil when it is no socket.
func socketOf(conn net.Conn) syscall.RawConn {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// pending reports whether bytes wait to be read on a socket, or whether it has
// ended.
func pending(fd uintptr) (waiting, ended bool) {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false, false
		}
		return n > 0, n <= 0
	}
}
