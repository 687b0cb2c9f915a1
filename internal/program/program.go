// Package program is what the commands of both processes have in common: how
// they end on a signal and with which exit code.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"gatehouse/internal/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // something went wrong at run time
	exitUsage  = 2 // the command line or the configuration is wrong
)

// ErrUsage says that the command line is not understood.
var ErrUsage = errors.New("command not understood")

// Run runs a command until it returns and gives the exit code. Its context ends
// on SIGTERM or SIGINT; a second signal ends the process at once. What went
// wrong is written to stderr: the usage text, all mistakes in the
// configuration, or one line.
func Run(name, usage string, args []string, stderr io.Writer, run func(ctx context.Context, args []string) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()

	err := run(ctx, args)
	var mistakes *config.Mistakes
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, ErrUsage):
		fmt.Fprintf(stderr, "%s: %q is not understood\n\n%s\n", name, strings.Join(args, " "), usage)
		return exitUsage
	case errors.As(err, &mistakes):
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return exitFailed
	}
}

// OnHangup calls reload, in a goroutine of its own and never twice at once, for
// every SIGHUP until ctx ends. Hangups that come while it runs become one more.
func OnHangup(ctx context.Context, reload func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				reload()
			}
		}
	}()
}
