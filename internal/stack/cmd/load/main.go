// Load runs a load test on this machine, for `make load`: it starts a throwaway
// Gatehouse on free loopback ports, with the limits, tenants, users and contacts that
// the scenario needs, has k6 run the scenario of loadtest/scenarios against it, and
// leaves a report and a summary in loadtest/results. docs/load-testing.md tells how to
// read them.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"gatehouse/internal/stack"
)

// errCrossed is a run that came to its end and did not keep its thresholds.
var errCrossed = errors.New("thresholds were crossed")

// errInterrupted is a run that was ended by a signal.
var errInterrupted = errors.New("interrupted")

func main() {
	// A child is ended by the kernel when the thread that started it ends. The
	// main thread does so last.
	runtime.LockOSThread()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit status: 0 when all thresholds were kept, 1 when one was
// crossed or something failed, 2 for a mistake in the arguments, 130 after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	var wanted *scenario
	if len(args) == 1 {
		wanted = find(args[0])
	}
	if wanted == nil {
		_, _ = fmt.Fprintf(stderr, "load: name one scenario, as in `make load SCENARIO=smoke`: %s\n", strings.Join(names(), ", "))
		return 2
	}
	root, err := stack.Root()
	if err == nil {
		err = (&job{scenario: *wanted, settings: readSettings(os.Getenv), root: root, stdout: stdout}).run()
	}
	switch {
	case errors.Is(err, errInterrupted):
		return 130
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "load:", err)
		return 1
	}
	return 0
}
