// Command gateway is the edge of Gatehouse: it checks clients' requests and
// passes them on to backends.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"gatehouse/internal/config"
)

const usage = `usage: gateway [command]

  serve     answer requests (the default)
  check     check the configuration and show it, without secrets
  health    ask the running gateway whether it is ready
  settings  print every setting with its default, as JSON
  version   print the version

Settings come from the environment; docs/configuration.md lists them.`

// errUsage says that the command line is not understood.
var errUsage = errors.New("command not understood")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(exitCode(run(ctx, os.Args[1:])))
}

// exitCode prints what went wrong: 2 is the operator's configuration or command
// line, 1 anything else.
func exitCode(err error) int {
	var mistakes *config.Mistakes
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, usage)
		return 2
	case errors.As(err, &mistakes):
		fmt.Fprintf(os.Stderr, "gateway: %v\n", err)
		return 2
	default:
		fmt.Fprintf(os.Stderr, "gateway: %v\n", err)
		return 1
	}
}
