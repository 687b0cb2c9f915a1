package program_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/config"
	"gatehouse/internal/program"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	wrong := &config.Mistakes{}
	wrong.Add("NAME", "is missing")
	for _, tc := range []struct {
		err    error
		code   int
		stderr string
	}{
		{nil, 0, ""},
		{program.ErrUsage, 2, "x: \"keys mend\" is not understood\n\nusage: x\n"},
		{fmt.Errorf("load: %w", wrong), 2, "x: load: 1 setting is wrong:\n  NAME is missing\n"},
		{errors.New("the disk is full"), 1, "x: the disk is full\n"},
	} {
		var stderr strings.Builder
		code := program.Run("x", "usage: x", []string{"keys", "mend"}, &stderr, func(context.Context, []string) error { return tc.err })
		if code != tc.code || stderr.String() != tc.stderr {
			t.Errorf("%v: got %d and %q, want %d and %q", tc.err, code, stderr.String(), tc.code, tc.stderr)
		}
	}
}

// It signals its own process, so it does not run beside other tests of signals.
func TestSignalEndsTheContext(t *testing.T) {
	code := program.Run("x", "", []string{"serve"}, nil, func(ctx context.Context, args []string) error {
		if args[0] != "serve" {
			t.Errorf("got arguments %q", args)
		}
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	if code != 0 {
		t.Errorf("got exit code %d", code)
	}
}

// It signals its own process, so it does not run beside other tests of signals.
func TestHangupReloads(t *testing.T) {
	reloads := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	program.OnHangup(ctx, func() { reloads <- struct{}{} })
	for range 3 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-reloads
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("a hangup ends the context: %v", err)
	}
}
