package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// RedisOptions says how [StartRedis] starts a server.
type RedisOptions struct {
	// Embedded asks for the embedded server even where a real one is
	// installed.
	Embedded bool
	// Log gets what a real server writes.
	Log io.Writer

	// onEnd is called when a real server ends though nobody has stopped it.
	onEnd func(error)
}

// A Redis is a private Redis server on a loopback port of its own, with a
// password and without persistence: what it holds is gone when it stops. It is
// a real redis-server or valkey-server where one is installed, else a server
// embedded in this process, which does what Gatehouse needs but is far slower.
type Redis struct {
	// Version is the real server's version, or "embedded".
	Version string

	port     *Port
	bus      *Port // of a cluster's node: where the others reach it
	password string
	process  *Process  // the real server, or
	embedded *embedded // the one in this process
}

// StartRedis starts a private server. With GATEHOUSE_REQUIRE_ALL in the
// environment it does not put up with the embedded one unless asked for it.
func StartRedis(ctx context.Context, o RedisOptions) (_ *Redis, err error) {
	r := &Redis{password: rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.port, err = ReservePort(); err != nil {
		return nil, err
	}
	program := ""
	if !o.Embedded {
		program, r.Version = findRedis(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err // the search was cut short, so it says nothing
		}
		if program == "" && os.Getenv(requireAll) != "" {
			return nil, fmt.Errorf("%s asks for a real Redis, and %w", requireAll, errNoRedis(oldestRedis))
		}
	}
	if program == "" {
		r.Version = "embedded"
		r.embedded = &embedded{addr: r.port.Addr(), password: r.password}
	} else {
		r.process = r.server(program, o)
	}
	if err := r.Start(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// requireAll is the variable by which those who run tests ask for every program that
// tests can use.
const requireAll = "GATEHOUSE_REQUIRE_ALL"

// oldestRedis is the oldest version with all commands that Gatehouse uses.
const oldestRedis = "6.2"

func errNoRedis(oldest string) error {
	return fmt.Errorf("there is no redis-server or valkey-server %s or newer in PATH: run `%s`", oldest, installCommand("redis-server"))
}

var redisVersion = regexp.MustCompile(`v=((\d+)\.(\d+)\S*)`)

// findRedis returns the path and version of a real server, or "".
func findRedis(ctx context.Context) (program, version string) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		m := redisVersion.FindSubmatch(out)
		if err != nil || m == nil {
			continue
		}
		major, _ := strconv.Atoi(string(m[2]))
		minor, _ := strconv.Atoi(string(m[3]))
		if major > 6 || major == 6 && minor >= 2 {
			return path, string(m[1])
		}
	}
	return "", ""
}

func (r *Redis) server(program string, o RedisOptions) *Process {
	// The settings come through standard input, where no list of processes
	// shows the password.
	p := newProcess("redis", program, "-")
	p.input = r.settings()
	p.dir = os.TempDir() // nothing is written there
	return r.supervised(p, o)
}

// settings returns a server's settings, and those of more.
func (r *Redis) settings(more ...string) string {
	lines := append([]string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(r.port.Number),
		"requirepass " + r.password,
		`save ""`,
		"appendonly no",
		"daemonize no",
	}, more...)
	return strings.Join(lines, "\n") + "\n"
}

// supervised sets how a server is started and stopped.
func (r *Redis) supervised(p *Process, o RedisOptions) *Process {
	p.env = serverEnv()
	p.ready = r.answers
	p.patience = 15 * time.Second
	p.grace = time.Second // it has nothing to save
	p.out.log = o.Log
	p.onEnd = o.onEnd
	return p
}

// answers says whether the server answers a PING.
func (r *Redis) answers(ctx context.Context, _ int) bool {
	answer, err := r.command(ctx, "PING")
	return err == nil && answer == "PONG"
}

// URL returns the server's connection string.
func (r *Redis) URL() string {
	return "redis://:" + r.password + "@" + r.port.Addr() + "/0"
}

// Addr returns the server's address, such as 127.0.0.1:20001.
func (r *Redis) Addr() string { return r.port.Addr() }

// Embedded says whether the server is the embedded one.
func (r *Redis) Embedded() bool { return r.embedded != nil }

// PID returns the process ID of a real server, or 0 when none runs.
func (r *Redis) PID() int {
	if r.process == nil {
		return 0
	}
	return r.process.PID()
}

// Start starts the server again after Stop or Kill, on the same port, empty.
func (r *Redis) Start(ctx context.Context) error {
	if r.embedded != nil {
		return r.embedded.start()
	}
	return r.process.Start(ctx)
}

// Stop ends the server and all connections to it.
func (r *Redis) Stop() error { return r.stop(context.Background()) }

func (r *Redis) stop(ctx context.Context) error {
	switch {
	case r.embedded != nil:
		r.embedded.stop()
		return nil
	case r.process != nil:
		return r.process.stop(ctx)
	}
	return nil
}

// Kill ends the server at once.
func (r *Redis) Kill() error {
	if r.embedded != nil {
		r.embedded.stop()
		return nil
	}
	return r.process.Kill()
}

// Pause makes the server hang: connections are accepted and nothing is
// answered.
func (r *Redis) Pause() error {
	if r.embedded != nil {
		r.embedded.pause()
		return nil
	}
	return r.process.Pause()
}

// Resume lets a paused server go on; it answers what was asked meanwhile.
func (r *Redis) Resume() error {
	if r.embedded != nil {
		r.embedded.resume()
		return nil
	}
	return r.process.Resume()
}

// Output returns what a real server has written.
func (r *Redis) Output() string {
	if r.process == nil {
		return ""
	}
	return r.process.Output()
}

// Close stops the server for good.
func (r *Redis) Close() error {
	err := r.Stop()
	r.port.Release()
	r.bus.Release()
	return err
}
