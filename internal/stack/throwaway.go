package stack

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const throwawayPrefix = "gatehouse-stack-"

// A throwaway is a directory that lives as long as this process at most. A
// lock beside it tells others that it is in use; those whose owner was killed
// are removed by the next one.
type throwaway struct {
	path string
	lock *fileLock
}

// newThrowaway makes a directory in memory (/dev/shm with at least 1 GiB free)
// or else among the temporary files. The account that PostgreSQL runs under
// can reach into it.
func newThrowaway(who *account) (*throwaway, error) {
	base := throwawayBase(who)
	removeAbandoned(base)
	path := filepath.Join(base, throwawayPrefix+strings.ToLower(rand.Text()[:12]))
	lock, err := tryLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("throwaway directory: %w", err)
	}
	// 0711: PostgreSQL's account passes through to its own part and cannot
	// list or read the rest.
	if err := errors.Join(os.Mkdir(path, 0o711), os.Chmod(path, 0o711)); err != nil {
		lock.release()
		return nil, fmt.Errorf("throwaway directory: %w", err)
	}
	return &throwaway{path: path, lock: lock}, nil
}

func throwawayBase(who *account) string {
	const memory = "/dev/shm"
	if free, err := freeBytes(memory); err == nil && free >= 1024*mebibyte && probeDir(memory) {
		return memory
	}
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if who.reaches(filepath.Join(dir, "x")) && probeDir(dir) {
			return dir
		}
	}
	return os.TempDir()
}

// probeDir says whether a directory can be made in dir.
func probeDir(dir string) bool {
	path, err := os.MkdirTemp(dir, "gatehouse-probe-")
	if err != nil {
		return false
	}
	return os.Remove(path) == nil
}

// removeAbandoned removes throwaway directories that nobody holds any more.
func removeAbandoned(base string) {
	locks, _ := filepath.Glob(filepath.Join(base, throwawayPrefix+"*.lock"))
	for _, path := range locks {
		lock, err := tryLock(path)
		if err != nil {
			continue // in use, or another user's
		}
		_ = os.RemoveAll(strings.TrimSuffix(path, ".lock"))
		lock.release()
	}
}

// remove deletes the directory and all it holds. A nil one does nothing.
func (t *throwaway) remove() error {
	if t == nil {
		return nil
	}
	err := os.RemoveAll(t.path)
	t.lock.release()
	return err
}
