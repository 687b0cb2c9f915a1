//go:build !unix

package edge

import (
	"net"
	"syscall"
)

// socketOf returns nil: nothing here waits on a connection without reading.
func socketOf(net.Conn) syscall.RawConn { return nil }

func pending(uintptr) (waiting, ended bool) { return false, false }
