//go:build !unix

package keystore

import (
	"errors"
	"os"
	"path/filepath"
)

// locked runs fn while nobody else changes the keys in dir. After a crash the
// lock has to be removed by hand.
func locked(dir string, fn func() error) (err error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return errBusy
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close(), os.Remove(lock.Name())) }()
	return fn()
}

// keepOwner does nothing: files inherit their rights from the folder.
func keepOwner(*os.File, os.FileInfo) error { return nil }

// syncDir does nothing: folders cannot be synced.
func syncDir(string) error { return nil }
