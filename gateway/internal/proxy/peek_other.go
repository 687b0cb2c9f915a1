//go:build !unix

package proxy

import "net"

// peeker looks whether anything has arrived on a socket. On this system it
// cannot be done without taking it, so every connection counts as quiet.
type peeker struct{}

func newPeeker(net.Conn) *peeker { return nil }

func (p *peeker) quiet() bool { return true }

func (p *peeker) joins() bool { return false }

func (p *peeker) send([]byte, bool) (n int, quiet bool, err error) { return 0, true, nil }
