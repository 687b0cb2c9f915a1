package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PostgresOptions says how [StartPostgres] starts a server. The zero value is
// a fast throwaway server for tests.
type PostgresOptions struct {
	// Dir holds the cluster from one start to the next, with every write on
	// disk before it is acknowledged. "" means a throwaway cluster in memory
	// or among the temporary files, without such care, that Close removes.
	Dir string
	// Log gets what the server writes, besides [Process.Output].
	Log io.Writer
	// Settings are further server settings, such as "log_statement=all".
	Settings []string
	// Progress gets a line about anything that takes long.
	Progress io.Writer

	// search finds the server's programs; nil is the machine at hand.
	search *postgresSearch
	// onEnd is called when the server ends though nobody has stopped it.
	onEnd func(error)
}

// A Postgres is a private PostgreSQL server on a loopback port of its own.
// It listens on TCP only and asks everyone for a password (scram-sha-256).
type Postgres struct {
	*Process

	// Version is the server's version, such as 15.18.
	Version string
	// Dir holds the cluster: the server's data and its superuser's password.
	Dir string

	port      *Port
	password  string
	programs  postgresPrograms
	who       *account
	throwaway *throwaway
}

// StartPostgres starts a private server: with programs that are installed, or
// with fetched ones. It makes the cluster first when there is none.
func StartPostgres(ctx context.Context, o PostgresOptions) (_ *Postgres, err error) {
	p := &Postgres{Dir: o.Dir}
	defer func() {
		if err != nil {
			err = explain(errors.Join(err, p.Close()), p.Dir)
		}
	}()
	if o.search == nil {
		o.search = newPostgresSearch(o.Progress)
	}
	if p.who, err = serverAccount(o.Dir); err != nil {
		return nil, err
	}
	if o.Dir == "" {
		if p.throwaway, err = newThrowaway(p.who); err != nil {
			return nil, err
		}
		p.Dir = filepath.Join(p.throwaway.path, "postgres")
	}
	if err := p.openDir(); err != nil {
		return nil, err
	}
	if p.programs, err = o.search.find(ctx, p.clusterMajor()); err != nil {
		return nil, err
	}
	p.Version = p.programs.version
	// Data that stays is found at the same address tomorrow.
	if p.throwaway == nil {
		p.port, err = ReservePortFor(p.Dir)
	} else {
		p.port, err = ReservePort()
	}
	if err != nil {
		return nil, err
	}
	if err := p.openCluster(ctx); err != nil {
		return nil, err
	}
	p.Process = p.server(o)
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Postgres) server(o PostgresOptions) *Process {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(p.port.Number),
		// The default directory may not be ours to write to.
		"unix_socket_directories=",
		"password_encryption=scram-sha-256",
		"cluster_name=gatehouse",
		"timezone=UTC",
		"log_timezone=UTC",
	}
	if p.throwaway != nil {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0", "autovacuum=off", "max_connections=300",
			// In the data directory, which goes away even when the server could
			// not clean up.
			"dynamic_shared_memory_type=mmap")
	}
	args := []string{"-D", p.data()}
	for _, s := range append(settings, o.Settings...) {
		args = append(args, "-c", s)
	}
	server := newProcess("postgres", filepath.Join(p.programs.dir, "postgres"), args...)
	server.dir = p.data()
	server.env = serverEnv()
	server.who = p.who
	server.ready = p.ready
	server.onEnd = o.onEnd
	server.out.log = o.Log
	server.patience = time.Minute // recovery after a crash may take its time
	// SIGINT ends sessions and leaves a clean cluster. SIGQUIT is quicker and
	// leaves the next start to recover; unlike SIGKILL it leaves no shared
	// memory behind.
	server.stopSignal, server.quitSignal, server.orphanSignal = syscall.SIGINT, syscall.SIGQUIT, syscall.SIGINT
	if p.throwaway != nil {
		server.orphanSignal = syscall.SIGQUIT
	}
	return server
}

// serverEnv is all of our environment that PostgreSQL's programs get: its own
// variables, such as PGPORT, would change what they do.
func serverEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// ready reads the status line that the server keeps in its lock file, which
// needs no SQL client.
func (p *Postgres) ready(_ context.Context, pid int) bool {
	lines := p.lockLines()
	return len(lines) > 7 && lines[0] == strconv.Itoa(pid) && lines[7] == "ready"
}

func (p *Postgres) lockLines() []string {
	content, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return nil
	}
	var lines []string
	for line := range bytes.Lines(content) {
		lines = append(lines, strings.TrimSpace(string(line)))
	}
	return lines
}

// URL returns the connection string of a user to a database of this server.
func (p *Postgres) URL(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: p.port.Addr(),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// AdminURL returns the connection string of the superuser postgres to the
// database postgres.
func (p *Postgres) AdminURL() string { return p.URL("postgres", p.password, "postgres") }

// Addr returns the server's address, such as 127.0.0.1:20001.
func (p *Postgres) Addr() string { return p.port.Addr() }

// Start starts the server again after Stop or Kill, on the same port.
func (p *Postgres) Start(ctx context.Context) error {
	if p.Running() {
		return errors.New("postgres runs already")
	}
	if err := p.awaitPredecessor(ctx); err != nil {
		return err
	}
	err := p.Process.Start(ctx)
	if err != nil && p.throwaway == nil && ctx.Err() == nil {
		return fmt.Errorf("the PostgreSQL cluster in %s does not start; `make clean` removes it and its data: %w", p.Dir, err)
	}
	return err
}

// Stop ends the server: sessions are cut off, the data stays.
func (p *Postgres) Stop() error { return p.stop(context.Background()) }

func (p *Postgres) stop(ctx context.Context) error {
	if !p.Running() {
		return nil
	}
	sessions := p.sessions()
	_ = p.Resume()
	if err := p.Process.stop(ctx); err != nil {
		return errors.Join(err, end(sessions))
	}
	return nil
}

// Restart is Stop and Start.
func (p *Postgres) Restart(ctx context.Context) error {
	return errors.Join(p.Stop(), p.Start(ctx))
}

// Close stops the server for good; a throwaway cluster is removed.
func (p *Postgres) Close() error {
	var err error
	if p.Process != nil {
		err = p.Stop()
	}
	err = errors.Join(err, p.throwaway.remove())
	p.port.Release()
	return err
}

// Kill ends the server and its sessions at once, as a power cut would.
func (p *Postgres) Kill() error {
	sessions := p.sessions()
	return errors.Join(p.Process.Kill(), end(sessions))
}

// end kills a dead server's sessions and waits for their end: the next start
// is refused while one of them still holds shared memory.
func end(sessions []int) error {
	for _, pid := range sessions {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for range 500 {
		alive, err := processes()
		if err != nil {
			return err
		}
		sessions = slices.DeleteFunc(sessions, func(pid int) bool { _, ok := alive[pid]; return !ok })
		if len(sessions) == 0 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("postgres: sessions outlive their server")
}

// Pause freezes the server and all its sessions (SIGSTOP): connections are
// accepted by the kernel and never answered.
func (p *Postgres) Pause() error {
	// The server first, or it would start further sessions meanwhile.
	if err := p.Process.Pause(); err != nil {
		return err
	}
	for _, pid := range p.sessions() {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	return nil
}

// Resume lets a paused server go on.
func (p *Postgres) Resume() error {
	for _, pid := range p.sessions() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	return p.Process.Resume()
}

// sessions returns the server's own children: sessions and background workers.
func (p *Postgres) sessions() []int {
	server := p.PID()
	if server == 0 {
		return nil
	}
	all, _ := processes()
	var pids []int
	for pid, parent := range all {
		if parent == server {
			pids = append(pids, pid)
		}
	}
	return pids
}
