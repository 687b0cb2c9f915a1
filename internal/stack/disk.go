package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const mebibyte = 1 << 20

// freeBytes returns how much an unprivileged user may still write to the disk
// that holds path.
func freeBytes(path string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	//nolint:unconvert // the fields' types differ between systems; neither is negative here
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// needSpace fails when the disk that holds dir has less than want bytes left.
func needSpace(dir string, want uint64) error {
	free, err := freeBytes(dir)
	if err != nil {
		return err
	}
	if free >= want {
		return nil
	}
	return fmt.Errorf("the disk that holds %s is full: %d MiB are left and %d MiB are needed; free some space and start again",
		dir, free/mebibyte, want/mebibyte)
}

// explain turns what a full or read-only disk or a foreign directory does to
// err into one sentence. Programs that were started report such things as text
// only, so the text is what is looked at.
func explain(err error, dir string) error {
	if err == nil {
		return nil
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		if line, ok := lineWith(err, full); ok {
			return fmt.Errorf("the disk is full: free some space for %s and start again (%s)", dir, line)
		}
	}
	if line, ok := lineWith(err, syscall.EROFS); ok {
		return fmt.Errorf("the disk is read-only: %s must be on one that can be written (%s)", dir, line)
	}
	var denied *fs.PathError
	if errors.As(err, &denied) && errors.Is(err, fs.ErrPermission) && strings.HasPrefix(denied.Path, dir) {
		return fmt.Errorf("%s (%w)", owner(dir), denied)
	}
	return err
}

// lineWith returns the line of err's text that tells of cause.
func lineWith(err error, cause syscall.Errno) (string, bool) {
	for line := range strings.Lines(err.Error()) {
		if strings.Contains(strings.ToLower(line), strings.ToLower(cause.Error())) {
			return strings.TrimSpace(line), true
		}
	}
	return "", false
}

// owner says whose dir, or what there is of its parents, is.
func owner(dir string) string {
	for {
		info, err := os.Stat(dir)
		if err == nil {
			name := "another user"
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				name = "user " + strconv.FormatUint(uint64(st.Uid), 10)
				if u, err := user.LookupId(strconv.FormatUint(uint64(st.Uid), 10)); err == nil {
					name = u.Username
				}
			}
			return fmt.Sprintf("%s belongs to %s; run as that user or change its owner", dir, name)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return dir + " cannot be written"
		}
		dir = parent
	}
}
