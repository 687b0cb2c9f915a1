//go:build unix

package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// locked runs fn while nobody else changes the keys in dir. The kernel drops the
// lock when its holder dies, however it dies.
func locked(dir string, fn func() error) (err error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	switch err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errBusy
	case err != nil:
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return fn()
}

// keepOwner gives the file to the owner and the group that old belongs to.
func keepOwner(file *os.File, old os.FileInfo) error {
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	is, isOK := mine.Sys().(*syscall.Stat_t)
	was, wasOK := old.Sys().(*syscall.Stat_t)
	if !isOK || !wasOK || is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	if err := file.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return fmt.Errorf("keep the owner of %s (run this as that user, or as root): %w", old.Name(), err)
	}
	return nil
}

// syncDir makes a rename outlast a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
