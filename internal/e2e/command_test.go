package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program runs one of the two programs with an environment of its own and
// returns what it printed and its exit code.
func program(t *testing.T, path string, env []string, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append([]string{"LANG=C"}, env...) // a nil Env would inherit ours
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Production refuses what is missing or weak, all of it at once, with exit
// code 2 and without showing a secret.
func TestProductionRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path     string
		required []string
	}{
		"gateway": {shared.Gateways[0].Path(), []string{"JWT_SECRET", "REDIS_URL", "BACKENDS", "TLS_CERT_FILE", "TLS_KEY_FILE"}},
		"backend": {shared.Backends[0].Path(), []string{"JWT_SECRET", "REDIS_URL", "DATABASE_URL", "CURSOR_ENCRYPTION_KEY"}},
	} {
		out, code := program(t, tc.path, nil)
		if code != 2 {
			t.Errorf("%s without configuration: got exit code %d, want 2: %s", name, code, out)
		}
		for _, setting := range tc.required {
			if !strings.Contains(out, "\n  "+setting+" ") {
				t.Errorf("%s does not say that %s is missing: %s", name, setting, out)
			}
		}
		const weak = "my-secret-my-secret-my-secret-my-secret"
		out, code = program(t, tc.path, []string{
			"JWT_SECRET=" + weak, "REDIS_URL=ftp://redis", "DATABASE_URL=postgres://gh_app:hunter2@db/gatehouse", "CURSOR_ENCRYPTION_KEY=short-one",
		})
		if code != 2 || strings.Contains(out, weak) || strings.Contains(out, "hunter2") || strings.Contains(out, "short-one") {
			t.Errorf("%s with weak secrets: got exit code %d: %s", name, code, out)
		}
		if !strings.Contains(out, "JWT_SECRET looks like an example") {
			t.Errorf("%s does not refuse a weak JWT_SECRET: %s", name, out)
		}
	}
}

// A secret may come from a file, and both processes say so when it cannot.
func TestSecretFromFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(file, []byte(shared.Secrets.JWT+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"GATEWAY_TLS_ADDR=off", "GATEWAY_HTTP_ADDR=127.0.0.1:0", "REDIS_URL=redis://127.0.0.1:1/0", "BACKENDS=127.0.0.1:1",
	}
	if out, code := program(t, shared.Gateways[0].Path(), append(env, "JWT_SECRET_FILE="+file), "check"); code != 0 || strings.Contains(out, shared.Secrets.JWT) {
		t.Errorf("got exit code %d: %s", code, out)
	}
	out, code := program(t, shared.Gateways[0].Path(), append(env, "JWT_SECRET_FILE="+file+"x"), "check")
	if code != 2 || !strings.Contains(out, "JWT_SECRET cannot be read from JWT_SECRET_FILE") {
		t.Errorf("a file that is not there: got exit code %d: %s", code, out)
	}
	out, code = program(t, shared.Gateways[0].Path(), append(env, "JWT_SECRET_FILE="+file, "JWT_SECRET="+shared.Secrets.JWT), "check")
	if code != 2 || !strings.Contains(out, "both") {
		t.Errorf("both: got exit code %d: %s", code, out)
	}
}

func TestHealthCommand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ path, setting, ops string }{
		{shared.Gateways[0].Path(), "GATEWAY_OPS_ADDR", shared.Gateways[0].Ops},
		{shared.Backends[0].Path(), "BACKEND_OPS_ADDR", shared.Backends[0].Ops},
	} {
		addr := strings.TrimPrefix(tc.ops, "http://")
		if out, code := program(t, tc.path, []string{tc.setting + "=" + addr}, "health"); code != 0 {
			t.Errorf("%s: got exit code %d: %s", tc.setting, code, out)
		}
		if out, code := program(t, tc.path, []string{tc.setting + "=127.0.0.1:1"}, "health"); code != 1 {
			t.Errorf("%s, nobody there: got exit code %d: %s", tc.setting, code, out)
		}
	}
}
