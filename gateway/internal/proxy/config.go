package proxy

import (
	"net"
	"time"

	"gatehouse/internal/config"
)

// maxBackends is the width of the set of backends that a request has tried.
const maxBackends = 64

// Config is where the backends are.
type Config struct {
	Backends    []string      `env:"BACKENDS" doc:"Addresses of the backends" example:"127.0.0.1:8081" kind:"a comma-separated list of host:port"`
	DialTimeout time.Duration `env:"BACKEND_DIAL_TIMEOUT" envDefault:"1s" doc:"Longest that connecting to a backend may take before another one is tried"`
	MaxConns    int           `env:"BACKEND_MAX_CONNS" envDefault:"512" doc:"Most connections to each backend; requests above it are refused"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if len(c.Backends) == 0 {
		m.Add("BACKENDS", "is missing; at least one host:port is wanted")
	}
	if len(c.Backends) > maxBackends {
		m.Add("BACKENDS", "holds %d addresses; at most %d are allowed", len(c.Backends), maxBackends)
	}
	seen := map[string]bool{}
	for _, addr := range c.Backends {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" || port == "" {
			m.Add("BACKENDS", "holds %q; host:port is wanted", addr)
		}
		if seen[addr] {
			m.Add("BACKENDS", "holds %q twice", addr)
		}
		seen[addr] = true
	}
	if c.DialTimeout < 10*time.Millisecond || c.DialTimeout > time.Minute {
		m.Add("BACKEND_DIAL_TIMEOUT", "is %v; 10ms to 1m is allowed", c.DialTimeout)
	}
	m.Range("BACKEND_MAX_CONNS", c.MaxConns, 1, 65535)
}
