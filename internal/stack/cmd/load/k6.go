package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// thresholdsCrossed is k6's exit status when a threshold was not kept.
const thresholdsCrossed = 99

// patience is how long k6 may take to end and write its report once it was asked to.
const patience = 20 * time.Second

// k6 runs one script.
type k6 struct {
	path, script string
	stdout       io.Writer
	variables    []string
	used         time.Duration // CPU time of the run
}

// set gives the script a variable; an empty value is none.
func (k *k6) set(name, value string) {
	if value != "" {
		k.variables = append(k.variables, "-e", name+"="+value)
	}
}

// length is how long the script says that it takes at most.
func (k *k6) length(ctx context.Context) (time.Duration, error) {
	cmd := k.command(ctx, "inspect", "--execution-requirements")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return 0, fmt.Errorf("k6 inspect: %w", err)
	}
	var answer struct{ TotalDuration string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return 0, fmt.Errorf("k6 inspect: %w", err)
	}
	return time.ParseDuration(answer.TotalDuration)
}

// samples is about how many points a chart of the report has, and period the least
// time between two of them.
const (
	samples = 300
	period  = 2 * time.Second
)

// run runs the script, which takes about so long, and returns k6's exit status. When
// ctx is done k6 is asked to end, which it does with a summary and a report.
func (k *k6) run(ctx context.Context, report string, length time.Duration) (int, error) {
	args := []string{"run"}
	if !isTerminal(k.stdout) {
		args = append(args, "--quiet") // else a line of progress every second
	}
	cmd := k.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = k.stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		"K6_NO_USAGE_REPORT=true",
		"K6_WEB_DASHBOARD=true", "K6_WEB_DASHBOARD_PORT=-1", "K6_WEB_DASHBOARD_PERIOD="+max(period, (length/samples).Round(time.Second)).String(), "K6_WEB_DASHBOARD_EXPORT="+report,
		"K6_INSECURE_SKIP_TLS_VERIFY=true", // the stack's certificate is its own
	)
	err := cmd.Run()
	state := cmd.ProcessState
	if state == nil || state.ExitCode() < 0 && ctx.Err() == nil { // it did not start, or was killed
		return 0, fmt.Errorf("k6: %w", err)
	}
	k.used = state.UserTime() + state.SystemTime()
	return max(0, state.ExitCode()), nil
}

// command is k6 in a process group of its own, so that a Ctrl-C in the terminal
// reaches us alone: a second one would make it end without a report.
func (k *k6) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.path, append(append(args, k.variables...), k.script)...)
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = patience
	return cmd
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
