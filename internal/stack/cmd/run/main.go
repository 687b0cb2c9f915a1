// Run starts Gatehouse on this machine, for `make run`: PostgreSQL, Redis, a
// backend and a gateway, with everything that they need under .data in the
// checkout, until Ctrl-C. With -clean it removes what it has made.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gatehouse/internal/stack"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status: 0 after Ctrl-C or a successful -clean, 1 when
// something failed, 2 for a mistake in the arguments.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	verbose := flags.Bool("v", false, "show everything that the processes write")
	clean := flags.Bool("clean", false, "remove .data, database and all, instead")
	gateways := flags.Int("gateways", 1, "`number` of gateways")
	backends := flags.Int("backends", 1, "`number` of backends")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *gateways < 1 || *backends < 1 {
		_, _ = fmt.Fprintln(stderr, "run: at least one gateway and one backend, and no arguments are wanted")
		return 2
	}
	root, err := stack.Root()
	if err == nil {
		dir := filepath.Join(root, ".data")
		if *clean {
			err = stack.Clean(dir)
		} else {
			o := options(dir, os.LookupEnv, os.Environ())
			o.Gateways, o.Backends = *gateways, *backends
			o.Log = &filter{w: stderr, all: *verbose}
			o.Progress = stdout
			err = serve(o, stdout)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "run:", err)
		return 1
	}
	return 0
}
