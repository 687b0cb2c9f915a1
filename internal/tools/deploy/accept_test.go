package deploy

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// accepted runs a program with the settings of a container, and with its files in
// place of /run/secrets: it must take all of them, as production's rules ask. There
// is nothing behind its addresses, so a command that gets beyond its settings fails
// at the first connection.
func accepted(t *testing.T, at, name string, args []string, env map[string]string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	nowhere := strings.NewReplacer("@postgres:5432", "@127.0.0.1:1", "@redis:6379", "@127.0.0.1:1")
	for path, content := range files {
		path = filepath.Join(dir, strings.TrimPrefix(path, "/run/secrets/"))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(nowhere.Replace(content)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := built(t, name, args)
	if name == "gateway" {
		args = []string{"check"}
	}
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	for name, value := range env {
		if rest, ok := strings.CutPrefix(value, "/run/secrets/"); ok {
			value = filepath.Join(dir, rest)
		}
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var stderr bytes.Buffer
	if name == "backend" && slices.Equal(args, []string{"serve"}) {
		pipe, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer end.Stop()
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			stderr.Write(append(lines.Bytes(), '\n'))
			if strings.Contains(lines.Text(), `"msg":"starting"`) {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				return
			}
		}
		t.Errorf("%s: backend serve: %v\n%s", at, cmd.Wait(), stderr.String())
		return
	}
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	refused := errors.As(err, &exit) && exit.ExitCode() != 1 || name == "gateway" && err != nil
	if refused || err != nil && exit == nil {
		t.Errorf("%s: %s %v: %v\n%s", at, name, args, err, stderr.String())
	}
}

// The programs take the settings of the overlay for development, which has all of
// its secrets.
func TestSettingsAreAccepted(t *testing.T) {
	for _, c := range overlays(t) {
		if c.overlay != "dev" {
			continue
		}
		ran := 0
		for _, w := range c.workloads() {
			for _, k := range w.containers() {
				if ours(k) == "" {
					continue
				}
				ran++
				accepted(t, w.name+", container "+k.Name, ours(k), k.Args, c.environment(t, k), c.files(t, w, k))
			}
		}
		if ran != 5 {
			t.Errorf("%d containers ran, want gateway, backend, bootstrap, migrate and seed", ran)
		}
	}
}
