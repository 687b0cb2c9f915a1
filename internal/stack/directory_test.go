package stack

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestCleanThroughALink(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	elsewhere, precious := filepath.Join(base, "elsewhere"), filepath.Join(base, "precious")
	for _, dir := range []string{elsewhere, filepath.Join(elsewhere, "secrets"), precious} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(base, ".data")
	for target, name := range map[string]string{elsewhere: link, precious: filepath.Join(elsewhere, "postgres")} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := Clean(link); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(link); err != nil || len(left) > 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("a directory that this package has not made is gone: %v", err)
	}
}

func TestLockedDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), ".data")
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); err == nil || !strings.Contains(err.Error(), "another run (PID "+strconv.Itoa(os.Getpid())+") uses "+dir) {
		t.Errorf("a second lock: %v", err)
	}
	lock.release()
	lock, err = lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock.release()
}
