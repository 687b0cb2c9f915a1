package e2e

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

// BenchmarkStart reports how long each program takes from its start until it is
// ready, and what memory it holds then.
func BenchmarkStart(b *testing.B) {
	s, err := stack.Start(b.Context(), stack.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Stop(b.Context()); err != nil {
			b.Error(err)
		}
	}()
	for _, p := range []*stack.Process{s.Gateways[0].Process, s.Backends[0].Process} {
		b.Run(p.Name(), func(b *testing.B) {
			var ready time.Duration
			for b.Loop() {
				if err := p.Stop(); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				if err := p.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
				ready += time.Since(start)
			}
			b.ReportMetric(float64(ready.Milliseconds())/float64(b.N), "ms-to-ready/op")
			b.ReportMetric(residentMiB(b, p.PID()), "MiB-resident")
		})
	}
}

// What a process has of memory now, and what it has had at most.
var (
	resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
	peak     = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
)

func residentMiB(b *testing.B, pid int) float64 { return memoryMiB(b, pid, resident) }

// memoryMiB reads a process's memory; it is 0 where there is no /proc.
func memoryMiB(b *testing.B, pid int, line *regexp.Regexp) float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	m := line.FindSubmatch(status)
	if m == nil {
		b.Fatalf("no %v", line)
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// BenchmarkPath reports the time of a contact read through gateway and backend,
// one request at a time over one TLS connection.
func BenchmarkPath(b *testing.B) {
	for name, request := range map[string]string{"ping": "/api/v1/ping", "me": "/api/v1/auth/me", "list": "/api/v1/address-book?limit=10"} {
		b.Run(name, func(b *testing.B) {
			c := newClient(b, shared, 0)
			access := c.login(stack.DemoUser, shared.Secrets.DemoPassword, stack.DemoTenant).Access
			c.unchecked = true
			for b.Loop() {
				c.do("GET", request, access, nil).want(200)
			}
		})
	}
}
