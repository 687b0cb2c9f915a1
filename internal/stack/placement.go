package stack

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// An endpoint is where a process listens and where others reach it.
type endpoint struct{ listen, reach string }

// A placement gives out endpoints. Its first error stays.
type placement struct {
	taken map[string]string // port to the variable that has it
	ports []*Port
	err   error
}

// endpoint returns a free endpoint; want is the address that is asked for by
// the setting called variable, or "" for any.
func (p *placement) endpoint(variable, want string) endpoint {
	if p.err != nil {
		return endpoint{}
	}
	host, port := "127.0.0.1", "0"
	if want != "" {
		var err error
		if host, port, err = net.SplitHostPort(want); err != nil {
			p.err = fmt.Errorf("%s=%s is no address like 127.0.0.1:8443", variable, want)
			return endpoint{}
		}
	}
	if port == "0" {
		reserved, err := ReservePort()
		if err != nil {
			p.err = err
			return endpoint{}
		}
		p.ports = append(p.ports, reserved)
		port = strconv.Itoa(reserved.Number)
	} else if p.err = p.claim(variable, host, port); p.err != nil {
		return endpoint{}
	}
	reach := host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		reach = "127.0.0.1"
	}
	return endpoint{listen: net.JoinHostPort(host, port), reach: net.JoinHostPort(reach, port)}
}

// claim checks that a fixed address can be had.
func (p *placement) claim(variable, host, port string) error {
	if other, ok := p.taken[port]; ok {
		return fmt.Errorf("%s and %s both ask for port %s; give one of them another", other, variable, port)
	}
	p.taken[port] = variable
	err := probe(net.JoinHostPort(host, port))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s is taken by another program: end that program, or choose another port with %s=%s",
			port, variable, freeNear(host, port))
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %s is not ours to use: choose another with %s=%s", port, variable, freeNear(host, port))
	}
	return fmt.Errorf("%s: %w", variable, err)
}

// freeNear proposes a free address.
func freeNear(host, port string) string {
	number, _ := strconv.Atoi(port)
	for n := number%50000 + 1000; n < 1<<16; n++ {
		if addr := net.JoinHostPort(host, strconv.Itoa(n)); probe(addr) == nil {
			return addr
		}
	}
	return net.JoinHostPort(host, "0")
}
