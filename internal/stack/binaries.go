package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Root returns the checkout's root: the nearest directory, from the working
// directory upward, that holds go.work.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s lies in no checkout of Gatehouse: there is no go.work in it or above it", start)
		}
	}
}

// buildPrograms returns the directory that holds the programs gateway and
// backend, which it builds from the checkout into dir. With dir "" it builds
// into a directory that all processes of the checkout share. GATEHOUSE_BIN
// names a directory that holds them already; GATEHOUSE_RACE=1 builds them with
// the race detector.
func buildPrograms(ctx context.Context, dir string, progress io.Writer) (string, error) {
	if ready := os.Getenv("GATEHOUSE_BIN"); ready != "" {
		ready, err := filepath.Abs(ready)
		if err != nil {
			return "", err
		}
		for _, name := range []string{"gateway", "backend"} {
			if _, err := exec.LookPath(filepath.Join(ready, name)); err != nil {
				return "", fmt.Errorf("GATEHOUSE_BIN=%s holds no program %s", ready, name)
			}
		}
		return ready, nil
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	args := []string{"build", "-pgo=off"} // to build by the profile takes minutes
	if os.Getenv("GATEHOUSE_RACE") == "1" {
		args = append(args, "-race")
	}
	if dir == "" {
		// Other options make other programs.
		sum := sha256.Sum256([]byte(root + "\n" + strings.Join(args, " ")))
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("gatehouse-bin-%d", os.Getuid()), hex.EncodeToString(sum[:6]))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	args = append(args, "-o", dir+string(filepath.Separator), "./gateway/cmd/gateway", "./backend/cmd/backend")
	if _, err := os.Stat(filepath.Join(dir, "gateway")); err != nil {
		say(progress, "building gateway and backend; the first time takes a while")
	}
	lock, err := waitLock(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", err
	}
	defer lock.release()
	return dir, goCommand(ctx, root, args...)
}

// goCommand runs the go command in the workspace.
func goCommand(ctx context.Context, root string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	inGroup(cmd)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("go build: %w:\n    %s", err, strings.ReplaceAll(strings.TrimSpace(out.String()), "\n", "\n    "))
	}
	return err
}

// inGroup makes the end of cmd's context end all that cmd has started, too.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
}
