package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// What a start needs on the disk: for programs and a new cluster, or for the
// growth of one that is there.
const (
	spaceForNew = 200 * mebibyte
	spaceForOld = 32 * mebibyte
)

// lockDir makes a persistent stack's directory and locks it.
func lockDir(dir string) (*fileLock, error) {
	if err := openToAll(dir); err != nil {
		return nil, err
	}
	lock, err := lockOrHolder(dir)
	if err != nil {
		return nil, err
	}
	space := uint64(spaceForNew)
	if _, err := os.Stat(filepath.Join(dir, "postgres", "data")); err == nil {
		space = spaceForOld
	}
	if err = needSpace(dir, space); err == nil {
		err = lock.note(strconv.Itoa(os.Getpid()) + "\n")
	}
	if err != nil {
		lock.release()
		return nil, err
	}
	return lock, nil
}

// openToAll makes dir if need be. PostgreSQL's account can pass through it,
// whatever the umask says.
func openToAll(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	return errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755))
}

// lockOrHolder locks dir or says who has locked it.
func lockOrHolder(dir string) (*fileLock, error) {
	path := filepath.Join(dir, "lock")
	lock, err := tryLock(path)
	if errors.Is(err, errLocked) {
		content, _ := os.ReadFile(path)
		pid := strings.TrimSpace(string(content))
		return nil, fmt.Errorf("another run (PID %s) uses %s: stop it with Ctrl-C in its terminal or with `kill %s`", pid, dir, pid)
	}
	return lock, err
}

// Clean removes a persistent stack's directory and its database, also where
// that lies elsewhere. It refuses while a stack uses them.
func Clean(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := lockOrHolder(dir)
	if err != nil {
		return explain(err, dir)
	}
	defer lock.release()
	data := filepath.Join(dir, "postgres")
	target, linkErr := os.Readlink(data)
	if linkErr == nil {
		data = target
	}
	// The server of a run that was killed a moment ago may still be ending.
	if err := (&Postgres{Dir: data}).awaitPredecessor(context.Background()); err != nil {
		return explain(err, dir)
	}
	// A link leads to the place that openDir chose; one that somebody made by
	// hand leads to a place that is not ours to remove.
	if linkErr == nil && filepath.Dir(target) == rootHome {
		if err := os.RemoveAll(target); err != nil {
			return explain(err, dir)
		}
	}
	return explain(removeThrough(dir), dir)
}

// removeThrough removes dir and all it holds; of a link it leaves the link and
// an empty directory, which somebody has put there on purpose.
func removeThrough(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
