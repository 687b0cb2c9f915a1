package proxy

import (
	"net"
	"strings"
	"time"

	"gatehouse/internal/config"
)

// maxBackends is the most backends at a time, those that names stand for
// included: choosing looks at each of them, and each has series of its own in
// the metrics.
const maxBackends = 64

// off switches the health checks off.
const off = "off"

// Config is where the backends are, and how the gateway learns how they are.
type Config struct {
	Backends        []string      `env:"BACKENDS" doc:"Required. Addresses of the backends; a name stands for all addresses that it has" example:"127.0.0.1:8081" kind:"a comma-separated list of host:port or unix:/path"`
	ResolveInterval time.Duration `env:"BACKEND_RESOLVE_INTERVAL" envDefault:"5s" doc:"How often the names in BACKENDS are looked up again"`
	HealthPath      string        `env:"BACKEND_HEALTH_PATH" envDefault:"/health/ready" doc:"Where each backend is asked whether it is ready: 503 says no, any other answer below 500 says yes; off asks nobody" kind:"a path or off"`
	HealthInterval  time.Duration `env:"BACKEND_HEALTH_INTERVAL" envDefault:"2s" doc:"How often each backend is asked; at most half the backends' DRAIN_DELAY"`
	DialTimeout     time.Duration `env:"BACKEND_DIAL_TIMEOUT" envDefault:"1s" doc:"Longest that connecting to a backend may take before another one is tried"`
	MaxConns        int           `env:"BACKEND_MAX_CONNS" envDefault:"512" doc:"Most connections to each backend; requests above it are refused"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if len(c.Backends) == 0 {
		m.Add("BACKENDS", "is missing; at least one host:port or unix:/path is wanted")
	}
	if len(c.Backends) > maxBackends {
		m.Add("BACKENDS", "holds %d addresses; at most %d are allowed", len(c.Backends), maxBackends)
	}
	seen := map[string]bool{}
	for _, addr := range c.Backends {
		if !validAddr(addr) {
			m.Add("BACKENDS", "holds %q; host:port or unix:/path is wanted", addr)
		}
		if seen[addr] {
			m.Add("BACKENDS", "holds %q twice", addr)
		}
		seen[addr] = true
	}
	if c.HealthPath != off && !validPath(c.HealthPath) {
		m.Add("BACKEND_HEALTH_PATH", "is %q; a path such as /health/ready, or off, is wanted", c.HealthPath)
	}
	for _, d := range []struct {
		name              string
		value, low, most  time.Duration
		lowText, mostText string
	}{
		{"BACKEND_RESOLVE_INTERVAL", c.ResolveInterval, 100 * time.Millisecond, time.Hour, "100ms", "1h"},
		{"BACKEND_HEALTH_INTERVAL", c.HealthInterval, 100 * time.Millisecond, time.Minute, "100ms", "1m"},
		{"BACKEND_DIAL_TIMEOUT", c.DialTimeout, 10 * time.Millisecond, time.Minute, "10ms", "1m"},
	} {
		if d.value < d.low || d.value > d.most {
			m.Add(d.name, "is %v; %s to %s is allowed", d.value, d.lowText, d.mostText)
		}
	}
	m.Range("BACKEND_MAX_CONNS", c.MaxConns, 1, 65535)
}

func validAddr(addr string) bool {
	if path, ok := socketPath(addr); ok {
		return strings.HasPrefix(path, "/")
	}
	host, port, err := net.SplitHostPort(addr)
	return err == nil && host != "" && port != ""
}

// validPath reports whether a request line can hold the path as it is.
func validPath(path string) bool {
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return strings.HasPrefix(path, "/")
}
