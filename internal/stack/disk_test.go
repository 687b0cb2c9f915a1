package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pathError := func(cause error) error {
		return fmt.Errorf("secrets: %w", &fs.PathError{Op: "open", Path: filepath.Join(dir, "x"), Err: cause})
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"full":                   {pathError(syscall.ENOSPC), "the disk is full: free some space for " + dir},
		"over quota":             {pathError(syscall.EDQUOT), "the disk is full: "},
		"full, told by a child":  {errors.New("initdb failed:\n    creating\n    could not write: No space left on device\n    removing"), "(could not write: No space left on device)"},
		"read-only":              {pathError(syscall.EROFS), "the disk is read-only: " + dir},
		"read-only, by a child":  {errors.New("go build failed:\n    mkdir x: read-only file system"), "the disk is read-only: "},
		"somebody else's":        {pathError(syscall.EACCES), dir + " belongs to "},
		"somebody else's, moved": {&fs.PathError{Op: "open", Path: "/elsewhere", Err: syscall.EACCES}, "open /elsewhere: permission denied"},
		"anything else":          {errors.New("one\ntwo"), "one\ntwo"},
	} {
		got := explain(c.err, dir)
		if !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s: %q, want %q in it", name, got, c.want)
		}
		if name != "anything else" && strings.Contains(got.Error(), "\n") {
			t.Errorf("%s: %q has several lines", name, got)
		}
	}
	if err := explain(nil, dir); err != nil {
		t.Errorf("explain(nil) = %v", err)
	}
	if got := owner(filepath.Join(dir, "not", "there")); !strings.HasPrefix(got, dir+" belongs to ") {
		t.Errorf("owner = %q", got)
	}
}

func TestNeedSpace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := needSpace(dir, 1); err != nil {
		t.Error(err)
	}
	if err := needSpace(dir, 1<<62); err == nil || !strings.Contains(err.Error(), "MiB are left") {
		t.Errorf("an endless need is met: %v", err)
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	closed := filepath.Join(base, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(closed, "data")
	var self *account
	if !self.reaches(path) {
		t.Error("this process's account is refused a directory of its own")
	}
	stranger := &account{uid: 4000000, gid: 4000000}
	if stranger.reaches(path) {
		t.Error("a stranger reaches into a closed directory")
	}
	owner := &account{uid: uint32(os.Getuid())}
	if !owner.reaches(path) {
		t.Error("the owner does not reach into a closed directory")
	}
	if !stranger.reaches("/tmp/x") {
		t.Error("a stranger does not reach /tmp")
	}
}
