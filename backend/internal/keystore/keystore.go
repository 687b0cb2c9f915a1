// Package keystore reads and changes the key file of an installation for the
// commands of an operator. Running processes only read it (package watch), so a
// change is one rename: they see the old keys or the new ones, never a part.
package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gatehouse/internal/token"
	"gatehouse/internal/watch"
)

// ErrExists says that there is a key file already.
var ErrExists = errors.New("it exists already")

// errBusy says that another command holds the lock.
var errBusy = errors.New("another command is changing the keys")

// lockName is the file that whoever changes the keys has locked. It stays, empty.
const lockName = "." + token.KeyFile + ".lock"

// Read returns the keys of the file in dir.
func Read(dir string) (keys []token.StoredKey, err error) {
	err = watch.Check(path(dir), func(content []byte) error {
		keys, err = token.ParseKeys(content)
		return err
	})
	return keys, err
}

// Create writes the first key file into dir, which it makes if need be. It fails
// with [ErrExists] when there is one.
func Create(dir string, keys []token.StoredKey) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return locked(dir, func() error {
		switch _, err := os.Lstat(path(dir)); {
		case err == nil:
			return fmt.Errorf("%s: %w", path(dir), ErrExists)
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
		return write(dir, keys, nil)
	})
}

// Change replaces the keys in dir by what fn makes of them, and returns them.
// When fn fails nothing changes. Two changes at once are refused.
func Change(dir string, fn func([]token.StoredKey) ([]token.StoredKey, error)) (keys []token.StoredKey, err error) {
	err = locked(dir, func() error {
		info, err := os.Lstat(path(dir))
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			// A rename would put a file in its place, and whatever it points to
			// would stay as it is.
			return fmt.Errorf("%s: is no regular file; change the keys where it comes from", path(dir))
		}
		if keys, err = Read(dir); err != nil {
			return err
		}
		if keys, err = fn(keys); err != nil {
			return err
		}
		return write(dir, keys, info)
	})
	return keys, err
}

func path(dir string) string { return filepath.Join(dir, token.KeyFile) }

// write replaces the file. It has the mode and the owner of the old one, or is
// its owner's alone and belongs to whom dir belongs: an operator may be root and
// the process that has to read it not.
func write(dir string, keys []token.StoredKey, old os.FileInfo) error {
	content, err := token.FormatKeys(keys)
	if err != nil {
		return err
	}
	if _, err := token.ParseKeys(content); err != nil {
		return fmt.Errorf("the new keys: %w", err)
	}
	mode := os.FileMode(0o600)
	if old != nil {
		mode = old.Mode().Perm()
	} else if old, err = os.Stat(dir); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "."+token.KeyFile+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), keepOwner(file, old), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path(dir))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(dir)
}
