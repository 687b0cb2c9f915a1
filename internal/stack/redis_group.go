package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// oldestRedisGroup is the oldest version whose servers can be given both of the
// ports that a cluster needs.
const oldestRedisGroup = "7.0"

// A redisGroup is several servers that know each other, in one directory for
// what each has to keep, with one password.
type redisGroup struct {
	program   string
	password  string
	throwaway *throwaway

	mu      sync.Mutex
	members []*Redis
}

// newRedisGroup looks for the program. There is no embedded substitute.
func newRedisGroup(ctx context.Context) (*redisGroup, error) {
	program, version := findRedis(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if program == "" || strings.HasPrefix(version, "6.") {
		return nil, errNoRedis(oldestRedisGroup)
	}
	dir, err := newThrowaway(nil)
	if err != nil {
		return nil, err
	}
	return &redisGroup{program: program, password: rand.Text(), throwaway: dir}, nil
}

// member makes a server with a directory of its own, which is not started yet.
func (g *redisGroup) member(name string) (r *Redis, dir string, err error) {
	dir = filepath.Join(g.throwaway.path, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, "", err
	}
	r = &Redis{password: g.password}
	if r.port, err = ReservePort(); err != nil {
		return nil, "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, r)
	return r, dir, nil
}

// run gives a member its process and starts it.
func (g *redisGroup) run(ctx context.Context, r *Redis, name, dir, input string, args ...string) error {
	p := newProcess(name, g.program, args...)
	p.input, p.dir = input, dir
	r.process = r.supervised(p, RedisOptions{})
	return r.Start(ctx)
}

// server starts a member with more settings than any server has.
func (g *redisGroup) server(ctx context.Context, name string, more func(*Redis) ([]string, error)) (*Redis, error) {
	r, dir, err := g.member(name)
	if err != nil {
		return nil, err
	}
	lines, err := more(r)
	if err != nil {
		return nil, err
	}
	return r, g.run(ctx, r, name, dir, r.settings(lines...), "-")
}

// url returns a connection string with the addresses of some members.
func (g *redisGroup) url(scheme string, members []*Redis, tail string) string {
	addrs := make([]string, len(members))
	for i, r := range members {
		addrs[i] = r.Addr()
	}
	return fmt.Sprintf("%s://:%s@%s%s", scheme, g.password, strings.Join(addrs, ","), tail)
}

// output returns what all members have written.
func (g *redisGroup) output() string {
	var b strings.Builder
	for _, r := range g.members {
		fmt.Fprintf(&b, "%s:\n%s", r.Addr(), r.Output())
	}
	return b.String()
}

// close stops all members for good. Those that hang are killed.
func (g *redisGroup) close() error {
	var errs []error
	for _, r := range g.members {
		if r.process != nil {
			errs = append(errs, r.Kill()) // nothing is worth saving
		}
		errs = append(errs, r.Close())
	}
	return errors.Join(append(errs, g.throwaway.remove())...)
}
