package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build compiles the command once for all tests.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "gateway")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestCommand(t *testing.T) {
	program := build(t)
	good := []string{
		"PATH=" + os.Getenv("PATH"),
		"APP_ENV=development",
		"GATEWAY_TLS_ADDR=off",
		"GATEWAY_HTTP_ADDR=" + free(t),
		"GATEWAY_OPS_ADDR=" + free(t),
		"BACKENDS=" + free(t),
		"REDIS_URL=redis://:hunter2@" + free(t) + "/0",
		"JWT_SECRET=a secret for the test of the command, 32+",
		"DRAIN_DELAY=0s",
		"SHUTDOWN_TIMEOUT=2s",
	}
	launch := func(env []string, args ...string) (code int, stdout, stderr string) {
		cmd := exec.Command(program, args...)
		cmd.Env = env
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), out.String(), errs.String()
	}

	if code, stdout, stderr := launch(good, "check"); code != 0 || !strings.HasPrefix(stdout, "OK\n") ||
		!strings.Contains(stdout, "JWT_SECRET=(secret)") || strings.Contains(stdout, "hunter2") {
		t.Errorf("check = %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := launch(good[:1], "check"); code != 2 || !strings.Contains(stderr, "JWT_SECRET is missing") || !strings.Contains(stderr, "BACKENDS is missing") {
		t.Errorf("check of an empty environment = %d\n%s", code, stderr)
	}
	if code, _, stderr := launch(good[:1]); code != 2 || !strings.Contains(stderr, "settings are wrong") {
		t.Errorf("serve in an empty environment = %d\n%s", code, stderr)
	}
	for _, args := range [][]string{{"fly"}, {"serve", "now"}} {
		if code, _, stderr := launch(good, args...); code != 2 || !strings.Contains(stderr, "usage: gateway") {
			t.Errorf("gateway %v = %d\n%s", args, code, stderr)
		}
	}
	if code, stdout, _ := launch(nil, "settings"); code != 0 || !strings.Contains(stdout, `"RATE_LIMIT_KEYS"`) || !strings.Contains(stdout, `"100000"`) {
		t.Errorf("settings = %d\n%s", code, stdout)
	}
	if code, stdout, _ := launch(nil, "version"); code != 0 || stdout == "" {
		t.Errorf("version = %d %q", code, stdout)
	}
	if code, _, _ := launch(good, "health"); code != 1 {
		t.Errorf("health without a gateway = %d, want 1", code)
	}

	serve := exec.Command(program)
	serve.Env = good
	var stderr bytes.Buffer
	serve.Stderr = &stderr
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serve.Process.Kill() }()
	code := 1
	for deadline := time.Now().Add(10 * time.Second); code != 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		code, _, _ = launch(good, "health")
	}
	if code != 0 {
		t.Errorf("health of a running gateway = %d", code)
	}
	if code, _, stderr := launch(good); code != 1 || !strings.Contains(stderr, "address already in use") {
		t.Errorf("a second gateway = %d\n%s", code, stderr)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	for _, want := range []string{`"msg":"listening","service":"gateway","listener":"http"`, `"msg":"ready"`, `"msg":"stopped"`, `"msg":"starting"`} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, stderr.String())
		}
	}
	if strings.Contains(stderr.String(), "hunter2") {
		t.Error("the log shows a secret")
	}
}
