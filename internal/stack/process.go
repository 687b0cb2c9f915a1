package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Process is one program that this package runs as a child: it can be
// stopped, killed, paused and started again with the same arguments and on the
// same ports. Its methods may be called from several goroutines.
//
// A child does not outlive the process that started it, even when that one is
// killed, on Linux; elsewhere a killed parent leaves its children running.
type Process struct {
	name  string
	path  string
	args  []string
	dir   string
	input string   // what the child reads from standard input
	who   *account // nil: the account of this process

	// ready says whether a child that was started is ready to serve.
	ready func(ctx context.Context, pid int) bool
	// patience bounds the time until it is.
	patience time.Duration
	// onEnd is called when a child that was ready ends and nobody asked it to.
	onEnd func(error)

	stopSignal   syscall.Signal // asks the child to end
	quitSignal   syscall.Signal // ends the child at once
	orphanSignal syscall.Signal // is sent by the kernel when this process dies
	grace        time.Duration  // from stopSignal to quitSignal

	out *output

	mu    sync.Mutex
	env   []string
	child *child
}

// A child is one life of a Process.
type child struct {
	cmd     *exec.Cmd
	watched atomic.Bool   // its end, when nobody asked for it, is worth a call of onEnd
	done    chan struct{} // closed when it has ended
	err     error         // of exec.Cmd.Wait; to be read after done
}

func newProcess(name, path string, args ...string) *Process {
	return &Process{
		name: name, path: path, args: args, out: &output{},
		patience: 30 * time.Second, grace: 10 * time.Second,
		stopSignal: syscall.SIGTERM, quitSignal: syscall.SIGKILL, orphanSignal: syscall.SIGKILL,
	}
}

// Name returns the process's name in logs and messages, such as gateway-2.
func (p *Process) Name() string { return p.name }

// Path returns the program's path.
func (p *Process) Path() string { return p.path }

// PID returns the process ID of the running child, or 0.
func (p *Process) PID() int {
	if c := p.current(); c != nil {
		return c.cmd.Process.Pid
	}
	return 0
}

// Running says whether the child runs (it may be paused).
func (p *Process) Running() bool { return p.current() != nil }

// Output returns what the process has written to standard output and standard
// error in all its lives, at most the last 4 MiB of it.
func (p *Process) Output() string { return p.out.String() }

// Setenv adds NAME=value pairs to the environment of the next Start, where
// they replace earlier values.
func (p *Process) Setenv(pairs ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.env = mergeEnv(p.env, pairs)
}

// Start starts the process and waits until it is ready. It fails when it runs
// already, and when it ends or ctx is done before it is ready; then nothing is
// left running.
func (p *Process) Start(ctx context.Context) error {
	c, err := p.launch()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.patience, fmt.Errorf("not ready within %v", p.patience))
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !p.ready(ctx, c.cmd.Process.Pid) {
		select {
		case <-c.done:
			return p.failure("ended before it was ready", c)
		case <-ctx.Done():
			p.quit(c)
			return fmt.Errorf("%s: %w%s", p.name, context.Cause(ctx), p.out.quote())
		case <-tick.C:
		}
	}
	c.watched.Store(true)
	if c.ended() && c.watched.CompareAndSwap(true, false) {
		return p.failure("ended as soon as it was ready", c)
	}
	return nil
}

// run starts the process and waits for its end, which is wanted to be a
// success.
func (p *Process) run(ctx context.Context) error {
	c, err := p.launch()
	if err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		p.quit(c)
		return fmt.Errorf("%s: %w", p.name, context.Cause(ctx))
	}
	if c.err != nil {
		return p.failure("failed", c)
	}
	return nil
}

func (p *Process) launch() (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child != nil && !p.child.ended() {
		return nil, fmt.Errorf("%s runs already", p.name)
	}
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir = p.dir
	cmd.Env = p.env
	cmd.Stdin = strings.NewReader(p.input)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	cmd.SysProcAttr = attributes(p.orphanSignal, p.who.credential())
	// A grandchild may hold the pipe open when the child has ended.
	cmd.WaitDelay = 500 * time.Millisecond
	if err := children().start(p, cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	c := &child{cmd: cmd, done: make(chan struct{})}
	p.child = c
	go func() {
		c.err = cmd.Wait()
		if errors.Is(c.err, exec.ErrWaitDelay) {
			c.err = nil
		}
		children().forget(p)
		p.out.flush()
		close(c.done)
		if c.watched.CompareAndSwap(true, false) && p.onEnd != nil {
			p.onEnd(p.failure("ended unexpectedly", c))
		}
	}()
	return c, nil
}

// failure describes the end of c, with the last lines that it wrote.
func (p *Process) failure(what string, c *child) error {
	how := "exit status 0"
	if c.err != nil {
		how = c.err.Error()
	}
	return fmt.Errorf("%s %s (%s)%s", p.name, what, how, p.out.quote())
}

// Stop asks the process to end, kills it when it has not within its grace, and
// waits for its end. It reports a process that had to be killed or ended with
// an error; one that does not run is fine.
func (p *Process) Stop() error { return p.stop(context.Background()) }

// stop is Stop with a grace that is over when ctx is done.
func (p *Process) stop(ctx context.Context) error {
	c := p.current()
	if c == nil {
		return nil
	}
	c.watched.Store(false)
	c.signal(p.stopSignal)
	c.signal(syscall.SIGCONT) // a paused one would not see it
	grace := time.NewTimer(p.grace)
	defer grace.Stop()
	select {
	case <-c.done:
		if c.err != nil {
			return p.failure("did not stop cleanly", c)
		}
		return nil
	case <-grace.C:
	case <-ctx.Done():
	}
	p.quit(c)
	return fmt.Errorf("%s did not stop in time and was killed%s", p.name, p.out.quote())
}

// quit ends c within half a second.
func (p *Process) quit(c *child) {
	c.signal(p.quitSignal)
	c.signal(syscall.SIGCONT)
	select {
	case <-c.done:
	case <-time.After(500 * time.Millisecond):
		c.signal(syscall.SIGKILL)
		<-c.done
	}
}

// Kill ends the process at once with SIGKILL and waits for its end.
func (p *Process) Kill() error {
	c := p.current()
	if c == nil {
		return nil
	}
	c.watched.Store(false)
	c.signal(syscall.SIGKILL)
	<-c.done
	return nil
}

// Restart is Stop and Start.
func (p *Process) Restart(ctx context.Context) error {
	return errors.Join(p.Stop(), p.Start(ctx))
}

// Pause freezes the process (SIGSTOP): its sockets stay open and nothing is
// answered.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Signal sends a signal, such as SIGHUP to have files read again.
func (p *Process) Signal(sig os.Signal) error {
	c := p.current()
	if c == nil {
		return fmt.Errorf("%s does not run", p.name)
	}
	if err := c.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// current returns the running child, or nil.
func (p *Process) current() *child {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child == nil || p.child.ended() {
		return nil
	}
	return p.child
}

func (c *child) signal(sig syscall.Signal) { _ = c.cmd.Process.Signal(sig) }

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
