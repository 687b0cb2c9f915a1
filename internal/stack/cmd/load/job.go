package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatehouse/internal/stack"
)

// stopTime is how long the stack may take to stop before what is left is killed.
const stopTime = 30 * time.Second

// A job is one run of a scenario.
type job struct {
	scenario
	settings

	root   string
	stdout io.Writer
}

func (j *job) run() (err error) {
	ctx, cancel := untilSignal(j.stdout)
	defer cancel()
	defer func() {
		if ctx.Err() != nil && !errors.Is(err, errDied) {
			err = errInterrupted // all else follows from it
		}
	}()
	k := &k6{path: filepath.Join(j.root, "bin", "k6"), script: filepath.Join(j.root, j.script()), stdout: j.stdout}
	if _, err := os.Stat(k.script); err != nil {
		return fmt.Errorf("%w; `make load/replay LOG=…` writes the script of a replay", err)
	}
	k.set("SCENARIO", j.name)
	k.set("DURATION", j.duration)
	k.set("SCALE", j.scale)
	// A mistake in the settings is found before anything is started.
	length, err := k.length(ctx)
	if err != nil {
		return err
	}
	tenants, err := j.population()
	if err != nil {
		return err
	}
	s, err := j.start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		err = errors.Join(err, s.Stop(stop))
	}()
	begin := time.Now()
	accounts, err := seed(ctx, s, tenants)
	if err != nil {
		return err
	}
	j.say("%d tenants with %d users (%.1f s)", len(tenants), len(accounts), time.Since(begin).Seconds())
	return j.load(ctx, s, k, accounts, length)
}

// population is the scenario's tenants at this scale.
func (j *job) population() ([]tenant, error) {
	tenants := slices.Clone(j.tenants)
	for i := range tenants {
		var err error
		if tenants[i].users, err = j.accounts(tenants[i].users); err != nil {
			return nil, err
		}
	}
	return tenants, nil
}

func (j *job) start(ctx context.Context) (*stack.Stack, error) {
	gateway, backend := j.scenario.environment()
	more, err := j.settings.environment()
	if err != nil {
		return nil, err
	}
	return stack.Start(ctx, stack.Options{
		Gateways: j.gateways, Backends: j.backends, Limits: j.limits(),
		GatewayEnv: append(gateway, more...), BackendEnv: backend, Progress: j.stdout,
	})
}

// load has k6 run against the stack, within a minute of what it says it takes, and
// writes what comes of it.
func (j *job) load(ctx context.Context, s *stack.Stack, k *k6, accounts []account, length time.Duration) (err error) {
	results := filepath.Join(j.root, "loadtest", "results", j.name+"-"+time.Now().UTC().Format("20060102-150405"))
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	private, err := os.MkdirTemp("", "gatehouse-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(private)) }()
	users := filepath.Join(private, "users.json")
	if err := writeJSON(users, accounts); err != nil {
		return err
	}
	summary, report := filepath.Join(results, "summary.md"), filepath.Join(results, "report.html")
	bases, unbalance, err := j.bases(ctx, s)
	if err != nil {
		return err
	}
	defer unbalance()
	k.set("BASE_URL", strings.Join(bases, ","))
	k.set("USERS", users)
	k.set("SUMMARY", summary)
	k.set("MACHINE", machineName())
	k.set("SYSTEM", j.system(s, len(accounts)))
	k.set("COMMIT", commit(ctx, j.root))

	j.say("k6 runs %s for at most %v; Ctrl-C ends it", j.name, length.Round(time.Second))
	runCtx, cancel := context.WithTimeoutCause(ctx, length+setupTime, fmt.Errorf("k6 did not end within %v", length+setupTime))
	defer cancel()
	meter := newMeter(s)
	died := make(chan error, 1)
	go func() {
		err := s.Wait(runCtx)
		if err != nil {
			cancel()
		}
		died <- err
	}()
	profiled := j.profiles(runCtx, s, results, length)
	rolled := j.roll(runCtx, s, length)
	status, err := k.run(runCtx, report, length)
	cause := context.Cause(runCtx)
	cancel()
	rounds := <-rolled
	if death := <-died; death != nil {
		return fmt.Errorf("%w: %w\n%s", errDied, death, s.Output())
	}
	err = errors.Join(err, <-profiled)
	if err == nil {
		used := rounds.String() + meter.table(k.used)
		if cause != nil {
			used += "\nThis run was ended before its time, so what it kept says little.\n"
		}
		j.say("%s", used)
		err = appendTo(summary, used)
	}
	err = errors.Join(err, rounds.err)
	j.say("summary %s\nreport  %s", summary, report)
	switch {
	case err != nil:
		return err
	case cause != nil:
		return cause
	case status == thresholdsCrossed:
		return errCrossed
	case status != 0:
		return fmt.Errorf("k6 ended with status %d", status)
	}
	return nil
}

// bases are where k6 finds the gateways. A fleet that is restarted is behind a load
// balancer, which the function that is returned stops.
func (j *job) bases(ctx context.Context, s *stack.Stack) ([]string, func(), error) {
	if j.rolling {
		return balanced(ctx, s)
	}
	var bases []string
	for _, g := range s.Gateways {
		bases = append(bases, g.HTTPS)
	}
	return bases, func() {}, nil
}

// errDied is the end of a process of the stack that nobody stopped.
var errDied = errors.New("the system under load broke down")

// setupTime is what a run may take beyond its own length: what a script prepares,
// and the report.
const setupTime = 3 * time.Minute

func (j *job) say(format string, args ...any) { _, _ = fmt.Fprintf(j.stdout, format+"\n", args...) }

func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// untilSignal returns a context that the first Ctrl-C ends. The second kills
// everything at once.
func untilSignal(stdout io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Without this a closed pipe on standard output would end us, with nothing
	// stopped. The error of the write is enough.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		<-signals
		_, _ = fmt.Fprintln(stdout, "\nstopping; Ctrl-C again kills everything at once")
		cancel()
		<-signals
		stack.KillAll()
		os.Exit(130)
	}()
	return ctx, cancel
}
