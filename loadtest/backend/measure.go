package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gatehouse/loadtest/load"
	"gatehouse/loadtest/machine"
)

// spent is the CPU time that each part has had.
type spent struct{ client, postgres, redis time.Duration }

func (s spent) minus(t spent) spent {
	return spent{s.client - t.client, s.postgres - t.postgres, s.redis - t.redis}
}

// spent returns the CPU time of the backend, which is PostgreSQL's client, and of the
// servers.
func (s *system) spent() (t spent, err error) {
	for _, part := range []struct {
		pid  int
		time *time.Duration
	}{{s.stack.Backends[0].PID(), &t.client}, {s.stack.Postgres.PID(), &t.postgres}, {s.stack.Redis.PID(), &t.redis}} {
		if *part.time, err = machine.CPUTime(part.pid); err != nil {
			return t, err
		}
	}
	return t, nil
}

// measure lets pgbench and the systems carry an operation out in turns, each time in
// another order.
func (b *bench) measure(ctx context.Context, o operation, r *report) error {
	n := b.requests / o.share
	turns := []func() (string, spent, time.Duration, error){}
	for _, s := range b.systems {
		turns = append(turns, func() (string, spent, time.Duration, error) {
			cpu, took, err := s.turn(ctx, b, o, n)
			return s.name, cpu, took, err
		})
	}
	if b.pgbench != "" {
		turns = append(turns, func() (string, spent, time.Duration, error) {
			cpu, took, err := b.drive(ctx, o, n)
			return pgbenchName, cpu, took, err
		})
	}
	for round := range b.rounds + 1 {
		for i := range turns {
			name, cpu, took, err := turns[(i+round)%len(turns)]()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if round > 0 { // the first one warms up
				r.add(o.name, name, n, cpu, took)
			}
		}
	}
	if b.profile != "" {
		return b.profiles(ctx, o)
	}
	return nil
}

func (b *bench) load(s *system, o operation, n int) *load.Load {
	requests := make([][]byte, used)
	for i := range requests {
		requests[i] = o.request(s, i)
	}
	return &load.Load{
		Addr: s.addr(), Conns: b.conns, Requests: n, Check: checkOK,
		Request: func(i int) []byte { return requests[i%used] },
	}
}

// turn sends an operation's requests to a system.
func (s *system) turn(ctx context.Context, b *bench, o operation, n int) (spent, time.Duration, error) {
	l := b.load(s, o, n)
	before, err := s.spent()
	if err != nil {
		return spent{}, 0, err
	}
	start := time.Now()
	if _, err := l.Run(ctx); err != nil {
		return spent{}, 0, err
	}
	took := time.Since(start)
	after, err := s.spent()
	return after.minus(before), took, err
}

// drive has pgbench carry out the statements of an operation on the database of the
// first system.
func (b *bench) drive(ctx context.Context, o operation, n int) (cpu spent, took time.Duration, err error) {
	s := b.systems[0]
	args := []string{
		"-c", machine.Core, b.pgbench, "--no-vacuum", "--protocol=prepared", fmt.Sprintf("--client=%d", b.conns), "--jobs=1",
		fmt.Sprintf("--transactions=%d", n/b.conns), "-D", "tenant_id=" + s.tenant, "-D", fmt.Sprintf("for_write=%t", o.write), "-D", "timeout_ms=10000",
		"-D", "user_id=" + s.user, "-D", "session_id=" + s.session,
	}
	for name, value := range o.values {
		args = append(args, "-D", name+"="+value)
	}
	for i := range used {
		file := filepath.Join(b.dir, fmt.Sprintf("%s-%d.sql", o.statement, i))
		if err := os.WriteFile(file, []byte(b.commands.script(o, i)), 0o600); err != nil {
			return cpu, 0, err
		}
		args = append(args, "-D", fmt.Sprintf("id%d=%s", i, contactID(i)), "-f", file)
	}
	before, err := s.spent()
	if err != nil {
		return cpu, 0, err
	}
	start := time.Now()
	cmd := exec.CommandContext(ctx, "taskset", append(args, s.stack.AppURL)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return cpu, 0, fmt.Errorf("%w: %s", err, out)
	}
	took = time.Since(start)
	after, err := s.spent()
	cpu = after.minus(before)
	cpu.client = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return cpu, took, err
}

var errSlow = errors.New("no throughput was measured")

const halfLoadTime = 2 * time.Second

// halfLoad measures latency of the first operation at half the rate that each system
// has reached just before, in rounds.
func (b *bench) halfLoad(ctx context.Context, r *report) error {
	for range b.rounds {
		for _, s := range b.systems {
			_, took, err := s.turn(ctx, b, operations[0], b.requests)
			if err != nil {
				return err
			}
			l := b.load(s, operations[0], 0)
			if l.PerSecond = int(float64(b.requests) / took.Seconds() / 2); l.PerSecond == 0 {
				return errSlow
			}
			l.Requests = l.PerSecond * int(halfLoadTime/time.Second)
			times, err := l.Run(ctx)
			if err != nil {
				return err
			}
			r.addHalfLoad(s.name, latency{float64(l.PerSecond), times[len(times)/2], times[len(times)*99/100]})
		}
	}
	return nil
}
