package stack

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errLocked says that somebody else, in this process or another, holds a lock.
var errLocked = errors.New("locked by another process")

// A fileLock is a file that one holder at a time has locked. The kernel drops
// the lock when the holder dies, however it dies; children do not inherit it.
type fileLock struct{ file *os.File }

// tryLock locks the file at path, which it creates if need be, or returns
// errLocked at once.
func tryLock(path string) (*fileLock, error) { return lockFile(path, syscall.LOCK_NB) }

// waitLock locks the file at path as soon as no other holds it.
func waitLock(path string) (*fileLock, error) { return lockFile(path, 0) }

func lockFile(path string, how int) (*fileLock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|how)
		if err == nil && isFile(f, path) {
			return &fileLock{file: f}, nil
		}
		_ = f.Close()
		switch {
		case err == nil || errors.Is(err, syscall.EINTR):
			// The holder before us removed the file on release: what was
			// locked is not what the next comer will find. Try again.
		case errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errLocked
		default:
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

func isFile(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(mine, now)
}

// note writes text into the locked file, for whoever finds it locked.
func (l *fileLock) note(text string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	return err
}

// release removes the file and drops the lock. A nil lock does nothing.
func (l *fileLock) release() {
	if l == nil {
		return
	}
	_ = os.Remove(l.file.Name())
	_ = l.file.Close()
}
