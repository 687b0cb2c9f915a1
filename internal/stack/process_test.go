package stack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// backend returns a process that runs the fake backend on a port of its own.
func backend(t *testing.T, env ...string) *Process {
	t.Helper()
	port, err := ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess("backend", filepath.Join(os.Getenv("GATEHOUSE_BIN"), "backend"), "serve")
	p.env = mergeEnv([]string{"BACKEND_ADDR=127.0.0.1:0", "BACKEND_OPS_ADDR=" + port.Addr()}, env)
	p.ready = func(ctx context.Context, _ int) bool { return healthy(ctx, "http://"+port.Addr()+"/health/ready") }
	t.Cleanup(func() {
		_ = p.Kill()
		port.Release()
	})
	return p
}

func TestProcessLife(t *testing.T) {
	t.Parallel()
	p := backend(t, "X=1")
	if p.Running() || p.PID() != 0 {
		t.Error("it runs before its start")
	}
	if err := errors.Join(p.Stop(), p.Kill()); err != nil {
		t.Errorf("to stop what does not run: %v", err)
	}
	if err := p.Pause(); err == nil {
		t.Error("what does not run was paused")
	}
	for range 2 {
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !p.Running() || p.PID() == 0 {
			t.Error("it does not run after its start")
		}
		if err := p.Start(t.Context()); err == nil {
			t.Error("a second Start succeeded")
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	p.Setenv("X=2")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(); err != nil {
		t.Error(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Errorf("Restart of a paused process: %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if p.Running() {
		t.Error("it runs after Kill")
	}
	for want, n := range map[string]int{"env X=1\n": 2, "env X=2\n": 2} {
		if got := strings.Count(p.Output(), want); got != n {
			t.Errorf("the output has %d times %q, want %d:\n%s", got, want, n, p.Output())
		}
	}
}

func TestProcessThatNeverGetsReady(t *testing.T) {
	t.Parallel()
	p := backend(t, "FAKE_FAIL=serve")
	err := p.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "is told to fail") {
		t.Errorf("Start = %v, want the exit status and the last lines", err)
	}
	p = backend(t)
	p.ready = func(context.Context, int) bool { return false }
	p.patience = 50 * time.Millisecond
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "not ready within 50ms") {
		t.Errorf("Start = %v, want that it is not ready", err)
	}
	if p.Running() {
		t.Error("it still runs")
	}
	p = backend(t)
	p.path = "/nowhere/backend"
	if err := p.Start(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start = %v, want that there is no program", err)
	}
}

func TestStubbornProcessIsKilled(t *testing.T) {
	t.Parallel()
	p := backend(t, "FAKE_STUBBORN=1")
	p.grace = 100 * time.Millisecond
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "did not stop in time") {
		t.Errorf("Stop = %v", err)
	}
	if p.Running() {
		t.Error("it still runs")
	}
}

func TestUnexpectedEnd(t *testing.T) {
	t.Parallel()
	p := backend(t, "FAKE_DIE=backend")
	ends := make(chan error, 3)
	p.onEnd = func(err error) { ends <- err }
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ends; !strings.Contains(err.Error(), "ended unexpectedly (exit status 2)") ||
		!strings.Contains(err.Error(), "told to die") {
		t.Errorf("the end is reported as %q", err)
	}
	p = backend(t)
	p.onEnd = func(err error) { ends <- err }
	for _, end := range []func() error{p.Stop, p.Kill} {
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-ends:
		t.Errorf("an end that was asked for is reported: %v", err)
	default:
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	var log, file bytes.Buffer
	o := &output{prefix: "x | ", log: &log, file: &file}
	for _, part := range []string{"one\ntw", "o", "\n\nthree"} {
		_, _ = o.Write([]byte(part))
	}
	if got, want := log.String(), "x | one\nx | two\nx | \n"; got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
	o.flush()
	if got, want := log.String(), "x | one\nx | two\nx | \nx | three\n"; got != want {
		t.Errorf("the log is %q, want %q", got, want)
	}
	if got, want := file.String(), "one\ntwo\n\nthree"; got != want || o.String() != want {
		t.Errorf("the file has %q, the memory %q, want %q", got, o.String(), want)
	}
	chunk := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16) // 1 MiB
	for range 10 {
		_, _ = o.Write(chunk)
	}
	if got := len(o.String()); got != outputLimit {
		t.Errorf("%d bytes are remembered, want %d", got, outputLimit)
	}
	if got := strings.Count(o.quote(), "\n"); got != quotedLines {
		t.Errorf("%d lines are quoted, want %d", got, quotedLines)
	}
}

// What is quoted tells why: not the last of many stacks, nor that all was well.
func TestQuote(t *testing.T) {
	t.Parallel()
	stacks := strings.Repeat("\ngoroutine 7 [select]:\nmain.wait(...)\n\t/src/wait.go:1 +0x1\n", 40)
	for name, c := range map[string]struct{ text, want string }{
		"nothing": {"\n", ""},
		"a crash": {
			"level=INFO msg=ready\npanic: first\nlevel=WARN msg=again\npanic: oh\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1\n" + stacks,
			":\n    panic: oh\n    \n    goroutine 1 [running]:\n    main.main()\n    \t/src/main.go:7 +0x1\n    ",
		},
		"a fatal error": {"fatal error: all goroutines are asleep - deadlock!", ":\n    fatal error: all goroutines are asleep - deadlock!"},
		"trouble":       {"level=INFO msg=a\nlevel=WARN msg=b\n{\"level\":\"INFO\"}\nusage: x", ":\n    level=WARN msg=b\n    usage: x"},
		"nothing worse": {"level=INFO msg=a\nlevel=DEBUG msg=b", ":\n    level=INFO msg=a\n    level=DEBUG msg=b"},
	} {
		o := &output{}
		_, _ = o.Write([]byte(c.text))
		if got := o.quote(); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestMergeEnv(t *testing.T) {
	t.Parallel()
	got := mergeEnv([]string{"A=1", "B=1", "S_FILE=x"}, []string{"A=2", "S=1"}, []string{"B_FILE=y=z"})
	if want := "A=2 S=1 B_FILE=y=z"; strings.Join(got, " ") != want {
		t.Errorf("mergeEnv = %v, want %s", got, want)
	}
}
