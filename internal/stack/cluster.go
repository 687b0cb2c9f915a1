package stack

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// rootHome is where root keeps what PostgreSQL's unprivileged account has to
// reach when the checkout is in a place closed to others, such as /root.
const rootHome = "/var/lib/gatehouse"

// data returns the server's data directory.
func (p *Postgres) data() string { return filepath.Join(p.Dir, "data") }

func (p *Postgres) passwordFile() string { return filepath.Join(p.Dir, "password") }

// openDir makes Dir, private to the server's account, if it is not there. When
// the account could not reach it, Dir becomes a link to a directory that it
// can reach.
func (p *Postgres) openDir() error {
	// A relative path would mean another place to the server, and a link in it
	// another place later.
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { // the server's account passes through it
		return fmt.Errorf("postgres: %w", err)
	}
	info, err := os.Lstat(dir)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(dir)
		if err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(dir), target)
		}
		dir = target
	case errors.Is(err, fs.ErrNotExist) && !p.who.reaches(filepath.Join(dir, "data")):
		link := dir
		sum := sha256.Sum256([]byte(link))
		dir = filepath.Join(rootHome, hex.EncodeToString(sum[:6]))
		if err := openToAll(rootHome); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		if err := os.Symlink(dir, link); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = p.who.own(dir)
		if err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("postgres: %w", err)
	}
	p.Dir = dir
	return nil
}

// clusterMajor returns the major version of the server that made the cluster,
// or 0 when there is none yet.
func (p *Postgres) clusterMajor() int {
	content, err := os.ReadFile(filepath.Join(p.data(), "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, _ := strconv.Atoi(strings.TrimSpace(string(content)))
	return major
}

// openCluster makes the cluster if it is not there and reads its password.
func (p *Postgres) openCluster(ctx context.Context) error {
	switch _, err := os.Stat(p.data()); {
	case errors.Is(err, fs.ErrNotExist):
		if err := p.createCluster(ctx); err != nil {
			return fmt.Errorf("create a PostgreSQL cluster in %s: %w", p.Dir, err)
		}
	case err != nil:
		return err
	}
	if major := p.clusterMajor(); major == 0 {
		return fmt.Errorf("%s is no PostgreSQL cluster; `make clean` removes it", p.data())
	} else if major != p.programs.major {
		return fmt.Errorf("the cluster in %s was made by PostgreSQL %d, but only %d is at hand (%s): install PostgreSQL %d, or remove the cluster and its data with `make clean`",
			p.Dir, major, p.programs.major, p.programs.dir, major)
	}
	password, err := os.ReadFile(p.passwordFile())
	p.password = strings.TrimSpace(string(password))
	if err != nil || p.password == "" {
		return fmt.Errorf("the password of the cluster in %s cannot be read (%w); `make clean` removes the cluster and its data",
			p.Dir, errors.Join(err, errEmpty(p.password)))
	}
	return nil
}

func errEmpty(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	return nil
}

func (p *Postgres) createCluster(ctx context.Context) error {
	if err := os.WriteFile(p.passwordFile(), []byte(rand.Text()+"\n"), 0o600); err != nil {
		return err
	}
	if err := p.who.own(p.passwordFile()); err != nil {
		return err
	}
	// Under another name until it is complete: an interrupted initdb leaves
	// nothing that looks like a cluster.
	fresh := p.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	args := []string{
		"-D", fresh, "--username=postgres", "--pwfile=" + p.passwordFile(), "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--lc-ctype=" + characterType(), "--no-instructions",
	}
	if p.throwaway != nil {
		args = append(args, "--no-sync")
	}
	initdb := newProcess("initdb", filepath.Join(p.programs.dir, "initdb"), args...)
	initdb.dir = p.Dir
	initdb.env = serverEnv()
	initdb.who = p.who
	if err := initdb.run(ctx); err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	return os.Rename(fresh, p.data())
}

// characterType is a locale in which letters outside ASCII have upper and
// lower case; sorting stays by code point, which is the same on every machine.
func characterType() string {
	if runtime.GOOS == "darwin" {
		return "UTF-8"
	}
	return "C.UTF-8"
}

// awaitPredecessor waits for a server of an earlier, killed run, which the
// kernel has told to end, to be gone.
func (p *Postgres) awaitPredecessor(ctx context.Context) error {
	var pid int
	for range 500 {
		lines := p.lockLines()
		if len(lines) == 0 {
			return nil
		}
		if pid, _ = strconv.Atoi(lines[0]); pid <= 0 {
			return nil // the server itself says what is wrong with it
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return nil
		}
		if name := programName(pid); name != "postgres" && name != "postmaster" {
			// After a crash of the machine the number belongs to somebody
			// else, which the server itself would not notice.
			return os.Remove(filepath.Join(p.data(), "postmaster.pid"))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("another PostgreSQL (PID %d) uses the cluster in %s; stop it with `kill -INT %d`", pid, p.Dir, pid)
}
