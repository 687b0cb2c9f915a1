package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/stack/programtest"
)

func TestMain(m *testing.M) {
	programtest.Main()
	if os.Getenv("RUN_TEST_AS_RUN") == "1" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	_ = flag.Set("test.parallel", "8") // these wait more than they work
	os.Exit(m.Run())
}

// A checkout is an empty workspace with stand-ins for gateway and backend.
type checkout struct {
	t    *testing.T
	root string
	bin  string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	root, bin := t.TempDir(), t.TempDir()
	// PostgreSQL's account has to reach it when the test runs as root.
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.work"), []byte("go 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := programtest.Install(bin); err != nil {
		t.Fatal(err)
	}
	return &checkout{t, root, bin}
}

// A session is one run of the program.
type session struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed at the end

	mu  sync.Mutex
	out bytes.Buffer
}

func (s *session) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *session) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// command starts the program in the checkout, on free ports unless env, a list
// of NAME=value, says otherwise.
func (c *checkout) command(env []string, args ...string) *session {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	s := &session{t: c.t, cmd: exec.Command(self, args...), done: make(chan struct{})}
	s.cmd.Dir = c.root
	s.cmd.Env = append(os.Environ(), "RUN_TEST_AS_RUN=1", "GATEHOUSE_BIN="+c.bin,
		"GATEWAY_TLS_ADDR=127.0.0.1:0", "GATEWAY_HTTP_ADDR=127.0.0.1:0", "GATEWAY_OPS_ADDR=127.0.0.1:0",
		"BACKEND_ADDR=127.0.0.1:0", "BACKEND_OPS_ADDR=127.0.0.1:0", "DATABASE_URL=", "REDIS_URL=")
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the tests read the exit status
		close(s.done)
	}()
	c.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// ready waits for the report and returns the output so far.
func (s *session) ready() string {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if out := s.output(); strings.Contains(out, "Ctrl-C stops everything") {
			return out
		}
		select {
		case <-s.done:
			s.t.Fatalf("it has ended:\n%s", s.output())
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not ready:\n%s", s.output())
		}
	}
}

// end waits for the end and returns the exit status and the output.
func (s *session) end() (int, string) {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(60 * time.Second):
		s.t.Fatalf("it does not end:\n%s", s.output())
	}
	return s.cmd.ProcessState.ExitCode(), s.output()
}

// interrupt is Ctrl-C; the end must come within 5 s, and some for a machine
// under load.
func (s *session) interrupt(sig os.Signal) (int, string) {
	s.t.Helper()
	begin := time.Now()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	status, out := s.end()
	if took := time.Since(begin); took > 8*time.Second {
		s.t.Errorf("the end took %v", took)
	}
	return status, out
}

var addresses = regexp.MustCompile(`127\.0\.0\.1:\d+|localhost:\d+`)

// wantNothingLeft checks that none of the addresses in a report answers.
func wantNothingLeft(t *testing.T, report string) {
	t.Helper()
	found := addresses.FindAllString(report, -1)
	if len(found) < 7 {
		t.Fatalf("the report has only %v:\n%s", found, report)
	}
	for _, addr := range found {
		if err := dial(addr); err == nil {
			t.Errorf("something still listens on %s", addr)
		}
	}
}

func TestTwoRunsAndCleaning(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	first := c.command(nil)
	report := first.ready()
	for _, want := range []string{"demo ", "operator ", "TOKEN=$(curl ", c.root + "/.data/tls/cert.pem", "/api/v1/address-book", "PostgreSQL ", "Redis"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report has no %q:\n%s", want, report)
		}
	}
	if strings.Contains(report, "level=INFO") {
		t.Errorf("the terminal shows everything:\n%s", report)
	}
	shell := exec.Command("sh", "-euc", `. .data/env; command -v backend; echo "$BOOTSTRAP_DATABASE_URL $MAINT_DATABASE_URL $REDIS_URL $TENANT_DB_KEY"`)
	shell.Dir = c.root
	out, err := shell.CombinedOutput()
	if words := strings.Fields(string(out)); err != nil || len(words) != 5 || words[0] != filepath.Join(c.bin, "backend") ||
		!strings.HasPrefix(words[1], "postgres://postgres:") || !strings.HasPrefix(words[2], "postgres://gh_maint:") || !strings.HasPrefix(words[3], "redis://") {
		t.Errorf(".data/env: %v: %s", err, out)
	}
	if info, err := os.Stat(filepath.Join(c.root, ".data", "env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	for _, args := range [][]string{nil, {"-clean"}} {
		status, out := c.command(nil, args...).end()
		if status != 1 || !strings.Contains(out, "another run (PID ") || !strings.Contains(out, "kill ") || strings.Count(out, "\n") != 1 {
			t.Errorf("a second run %v: exit status %d, %q", args, status, out)
		}
	}
	if status, out := first.interrupt(syscall.SIGINT); status != 0 || !strings.Contains(out, "stopped (") {
		t.Errorf("Ctrl-C: exit status %d:\n%s", status, out)
	}
	wantNothingLeft(t, report)

	second := c.command(nil, "-v", "-gateways", "2")
	again := second.ready()
	password := regexp.MustCompile(`password \S+`)
	if got, want := password.FindString(again), password.FindString(report); got != want {
		t.Errorf("the second run has %s, the first %s", got, want)
	}
	if !strings.Contains(again, "gateway-2 | ") || !strings.Contains(again, "level=INFO") {
		t.Errorf("-v does not show everything:\n%s", again)
	}
	if status, out := second.interrupt(syscall.SIGTERM); status != 0 {
		t.Errorf("SIGTERM: exit status %d:\n%s", status, out)
	}
	_, again, _ = strings.Cut(again, "Gatehouse is ready")
	wantNothingLeft(t, again)

	if status, out := c.command(nil, "-clean").end(); status != 0 || out != "" {
		t.Errorf("-clean: exit status %d, %q", status, out)
	}
	if _, err := os.Stat(filepath.Join(c.root, ".data")); !os.IsNotExist(err) {
		t.Errorf("-clean left .data (%v)", err)
	}
	if status, out := c.command(nil, "-clean").end(); status != 0 || out != "" {
		t.Errorf("-clean of nothing: exit status %d, %q", status, out)
	}
}

func TestOneClearMessage(t *testing.T) {
	t.Parallel()
	taken := listen(t)
	for name, test := range map[string]struct {
		env   []string
		spoil func(data string) error
		want  []string
		lines int // of the message
		shown int // of the gateway's own lines besides
	}{
		"taken port": {
			env:  []string{"GATEWAY_OPS_ADDR=" + taken},
			want: []string{"port " + taken[strings.LastIndex(taken, ":")+1:] + " is taken", "GATEWAY_OPS_ADDR=127.0.0.1:"},
		},
		"one port twice": {
			env:  []string{"GATEWAY_HTTP_ADDR=127.0.0.1:19997", "BACKEND_ADDR=127.0.0.1:19997"},
			want: []string{"BACKEND_ADDR and GATEWAY_HTTP_ADDR both ask for port 19997"},
		},
		"no address":      {env: []string{"BACKEND_ADDR=8081"}, want: []string{"BACKEND_ADDR=8081 is no address like"}},
		"foreign URL":     {env: []string{"DATABASE_URL=mysql://root@h/x"}, want: []string{"DATABASE_URL is no connection string"}},
		"no PostgreSQL":   {env: []string{"PG_BIN=/nowhere"}, want: []string{"PG_BIN=/nowhere: there is no initdb"}},
		"migration fails": {env: []string{"FAKE_FAIL=migrate"}, want: []string{"backend migrate failed (exit status 1)", "is told to fail"}, lines: 14},
		"gateway dies":    {env: []string{"FAKE_DIE=gateway"}, want: []string{"gateway ended unexpectedly (exit status 2)", "panic: told to die", "programtest.act", filepath.Join(".data", "log")}, lines: 8, shown: 2},
		"a file in the way": {
			spoil: func(data string) error { return os.WriteFile(data, nil, 0o600) },
			want:  []string{".data"},
		},
		"a spoiled secret": {
			spoil: func(data string) error {
				if err := os.MkdirAll(filepath.Join(data, "secrets"), 0o700); err != nil {
					return err
				}
				return os.WriteFile(filepath.Join(data, "secrets", "jwt_secret"), nil, 0o600)
			},
			want: []string{"the secret ", "`make clean`"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			if test.spoil != nil {
				if err := test.spoil(filepath.Join(c.root, ".data")); err != nil {
					t.Fatal(err)
				}
			}
			status, out := c.command(test.env).end()
			before, message, _ := strings.Cut(out, "run: ")
			if status != 1 {
				t.Errorf("the exit status is %d", status)
			}
			for _, want := range test.want {
				if !strings.Contains(message, want) {
					t.Errorf("the message %q has no %q", message, want)
				}
			}
			if got := strings.Count(message, "\n"); got > max(1, test.lines) {
				t.Errorf("the message has %d lines:\n%s", got, message)
			}
			if got := strings.Count(before, "gateway | "); got > test.shown {
				t.Errorf("%d lines of the gateway stand above it:\n%s", got, before)
			}
		})
	}
}

func TestBrokenCluster(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	s := c.command(nil)
	s.ready()
	if status, out := s.interrupt(syscall.SIGINT); status != 0 {
		t.Fatalf("exit status %d:\n%s", status, out)
	}
	data, err := filepath.EvalSymlinks(filepath.Join(c.root, ".data", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(data, "data", "global", "pg_control"), 0); err != nil {
		t.Fatal(err)
	}
	status, out := c.command(nil).end()
	if status != 1 || !strings.Contains(out, "does not start; `make clean`") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	if status, out := c.command(nil, "-clean").end(); status != 0 {
		t.Errorf("-clean: exit status %d:\n%s", status, out)
	}
	s = c.command(nil)
	s.ready()
	s.interrupt(syscall.SIGINT)
}

func TestCtrlCWhileStarting(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	s := c.command(nil)
	for !strings.Contains(s.output(), "Redis") { // initdb is at work
		time.Sleep(time.Millisecond)
	}
	if status, out := s.interrupt(syscall.SIGINT); status != 0 || !strings.Contains(out, "stopping") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	s = c.command(nil)
	s.ready()
	s.interrupt(syscall.SIGINT)
}

func TestSecondCtrlCKills(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	s := c.command([]string{"FAKE_STUBBORN=1"})
	report := s.ready()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(s.output(), "stopping") {
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
	status, out := s.interrupt(syscall.SIGINT)
	if took := time.Since(begin); status != 130 || took > 4*time.Second {
		t.Errorf("exit status %d after %v:\n%s", status, took, out)
	}
	eventuallyNothingLeft(t, report)
}

func TestStubbornProcessesAreKilledInTime(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	s := c.command([]string{"FAKE_STUBBORN=1"})
	report := s.ready()
	if status, out := s.interrupt(syscall.SIGINT); status != 1 || !strings.Contains(out, "gateway did not stop in time") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	wantNothingLeft(t, report)
}

func TestMistakesInArguments(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	for _, args := range [][]string{{"-gateways", "0"}, {"-no-such-flag"}, {"serve"}} {
		if status, out := c.command(nil, args...).end(); status != 2 {
			t.Errorf("%v: exit status %d:\n%s", args, status, out)
		}
	}
	if err := os.Remove(filepath.Join(c.root, "go.work")); err != nil {
		t.Fatal(err)
	}
	if status, out := c.command(nil).end(); status != 1 || !strings.Contains(out, "lies in no checkout") {
		t.Errorf("outside of a checkout: exit status %d:\n%s", status, out)
	}
}
