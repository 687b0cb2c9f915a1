package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gatehouse/internal/stack"
)

// stopTime is how long the stack may take to stop before what is left is
// killed.
const stopTime = 4500 * time.Millisecond

// serve runs a stack until it is told to stop or one of its processes ends.
func serve(o stack.Options, stdout io.Writer) error {
	begin := time.Now()
	ctx, stopping := untilSignal(stdout)
	defer stopping()

	s, err := stack.Start(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting: all of it is gone again
		}
		return err
	}
	report(stdout, s, o, time.Since(begin))
	if err = s.Wait(ctx); err != nil {
		err = fmt.Errorf("%w\n    All that was written is in %s", err, filepath.Join(o.Dir, "log"))
	}
	stopCtx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	start := time.Now()
	err = errors.Join(err, s.Stop(stopCtx))
	if err == nil {
		_, _ = fmt.Fprintf(stdout, "stopped (%.1f s)\n", time.Since(start).Seconds())
	}
	return err
}

// untilSignal returns a context that the first Ctrl-C ends (so do SIGTERM, a
// closed terminal and, under `go run`, the end of that command). The second
// kills everything at once.
func untilSignal(stdout io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Without this a closed pipe on standard output would end us, with nothing
	// stopped. The error of the write is enough.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		select {
		case <-signals:
		case <-parentGone():
		}
		_, _ = fmt.Fprintln(stdout, "\nstopping; Ctrl-C again kills everything at once")
		cancel()
		<-signals
		stack.KillAll()
		os.Exit(130)
	}()
	return ctx, cancel
}

// parentGone returns a channel that is closed when the `go run` command that
// started us has ended: it does not pass SIGTERM on.
func parentGone() <-chan struct{} {
	gone := make(chan struct{})
	parent := os.Getppid()
	if program(parent) != "go" {
		return gone
	}
	go func() {
		for os.Getppid() == parent {
			time.Sleep(200 * time.Millisecond)
		}
		close(gone)
	}()
	return gone
}

// program returns the name of a process's program, or "".
func program(pid int) string {
	id := strconv.Itoa(pid)
	name, err := os.ReadFile("/proc/" + id + "/comm")
	if err != nil { // no Linux
		name, _ = exec.Command("ps", "-o", "comm=", "-p", id).Output()
	}
	return filepath.Base(strings.TrimSpace(string(name)))
}
