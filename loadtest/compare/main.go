// Command compare measures what a request costs in the gateway with everything
// on, and in other proxies, in one run: CPU time of the whole process tree for
// each request, in rounds that take turns. `make bench/compare` starts it, and
// docs/benchmarks.md says how to read what it prints.
//
// The proxies run on the first core, and what loads and answers them (this
// process, and Redis) on the others. Everything stays on loopback, in a
// directory of its own that is gone at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// settings is what the flags say.
type settings struct {
	rounds   int
	requests int
	conns    int
	idle     int
	variants string
	gateway  string
	baseline string
	profile  string
}

func main() {
	// A child is ended by the kernel when the thread that started it ends. The
	// main thread does so last.
	runtime.LockOSThread()
	if len(os.Args) == 4 && os.Args[1] == pumpCommand {
		fmt.Fprintln(os.Stderr, runPump(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	var s settings
	flag.IntVar(&s.rounds, "rounds", 7, "rounds of each variant; the table shows their medians")
	flag.IntVar(&s.requests, "requests", 50_000, "requests of a round; variants that are dearer take fewer")
	flag.IntVar(&s.conns, "conns", 64, "connections that clients keep open")
	flag.IntVar(&s.idle, "idle", 10_000, "TLS connections of the variant idle")
	flag.StringVar(&s.variants, "variants", "http,fresh,tls,connect,paced,idle", "variants to run, in this order")
	flag.StringVar(&s.gateway, "gateway", "", "gateway program; empty builds one from the checkout")
	flag.StringVar(&s.baseline, "baseline", "", "second gateway program to measure beside it, such as one from before a change")
	flag.StringVar(&s.profile, "profile", "", "file for a CPU profile of the gateway under this load, instead of a comparison")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	if s.profile != "" {
		return b.writeProfile(ctx, s.profile)
	}
	if err := b.startAll(ctx); err != nil {
		return err
	}
	b.printMachine(os.Stdout)
	for name := range strings.SplitSeq(s.variants, ",") {
		v, ok := findVariant(name)
		if !ok {
			return fmt.Errorf("there is no variant %q", name)
		}
		t, err := v.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.print(os.Stdout)
	}
	return nil
}
