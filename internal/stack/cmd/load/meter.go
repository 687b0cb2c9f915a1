package main

import (
	"fmt"
	"strings"
	"time"

	"gatehouse/internal/stack"
	"gatehouse/loadtest/machine"
)

// A meter tells what the processes used between two moments, where the system has
// /proc.
type meter struct {
	processes []*measured
	begin     time.Time
}

type measured struct {
	name   string
	pid    int
	memory bool // PostgreSQL's processes share most of theirs, so a sum means nothing
	before usage
}

type usage struct {
	cpu time.Duration
	mib float64
}

func newMeter(s *stack.Stack) *meter {
	m := &meter{begin: time.Now()}
	for _, g := range s.Gateways {
		m.add(g.Name(), g.PID(), true)
	}
	for _, b := range s.Backends {
		m.add(b.Name(), b.PID(), true)
	}
	m.add("PostgreSQL", s.Postgres.PID(), false)
	m.add("Redis", s.Redis.PID(), true)
	return m
}

func (m *meter) add(name string, pid int, memory bool) {
	if pid == 0 { // the embedded Redis is no process
		return
	}
	p := &measured{name: name, pid: pid, memory: memory}
	if use, err := p.use(); err == nil {
		p.before = use
		m.processes = append(m.processes, p)
	}
}

func (p *measured) use() (usage, error) {
	cpu, err := machine.CPUTime(p.pid)
	if err != nil {
		return usage{}, err
	}
	mib, err := machine.Resident(p.pid)
	return usage{cpu, mib}, err
}

// table is the summary's last section, "" where nothing is known.
func (m *meter) table(k6 time.Duration) string {
	if len(m.processes) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n## Processes\n\n| process | CPU s | cores | MiB before | MiB after |\n| --- | --- | --- | --- | --- |\n")
	took := time.Since(m.begin)
	for _, p := range m.processes {
		use, err := p.use()
		if err != nil {
			continue
		}
		cpu := use.cpu - p.before.cpu
		memory := "| | "
		if p.memory {
			memory = fmt.Sprintf("| %.0f | %.0f", p.before.mib, use.mib)
		}
		fmt.Fprintf(&b, "| %s | %.1f | %.2f %s |\n", p.name, cpu.Seconds(), cpu.Seconds()/took.Seconds(), memory)
	}
	fmt.Fprintf(&b, "| k6 | %.1f | %.2f | | |\n", k6.Seconds(), k6.Seconds()/took.Seconds())
	return b.String()
}
