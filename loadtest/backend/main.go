// Command backend measures what requests cost in the backend, PostgreSQL and Redis
// together, beside the same statements driven by pgbench on the same database: CPU
// time of the process trees, in rounds that take turns. `make bench/backend` starts
// it, and docs/benchmarks.md says how to read what it prints.
//
// What is measured runs on the first core, and what loads it on the others.
// Everything stays on loopback, in a directory of its own that is gone at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// settings is what the flags say.
type settings struct {
	rounds   int
	requests int
	conns    int
	profile  string
}

func main() {
	// A child is ended by the kernel when the thread that started it ends. The
	// main thread does so last.
	runtime.LockOSThread()
	var s settings
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each operation; the tables show their medians")
	flag.IntVar(&s.requests, "requests", 16_000, "requests of a round; pages take a quarter")
	flag.IntVar(&s.conns, "conns", 8, "connections of clients, and of backend and pgbench to PostgreSQL")
	flag.StringVar(&s.profile, "profile", "", "directory for a CPU profile of the backend under each operation")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	var r report
	for i, o := range operations {
		if err := b.measure(ctx, o, &r); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		// Before anything is written, after which PostgreSQL tidies up.
		if i == 0 {
			if err := b.halfLoad(ctx, &r); err != nil {
				return fmt.Errorf("half load: %w", err)
			}
		}
	}
	if err := b.signIns(ctx, &r); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	b.printMachine(os.Stdout)
	r.print(os.Stdout)
	return nil
}
