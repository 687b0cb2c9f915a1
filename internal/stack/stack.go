// Package stack starts everything that Gatehouse consists of as real processes
// on free loopback ports: PostgreSQL, Redis, backends and gateways. `make run`,
// the end-to-end, load and fault tests use all of it; integration tests use
// [StartPostgres] and [StartRedis] alone. It is never part of a product.
package stack

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options says what [Start] starts. The zero value is a throwaway stack for
// tests: one gateway, one backend, cheap password hashes, limits that no test
// meets by accident, everything removed at the end.
type Options struct {
	// Dir holds what survives the stack: database, secrets, certificate,
	// programs and the logs of the last run. One stack at a time may use it.
	// "" means a throwaway stack.
	Dir string
	// Gateways and Backends are how many of each are started; 0 means one, a
	// negative number none.
	Gateways, Backends int
	// GatewayEnv and BackendEnv are NAME=value pairs that override what the
	// processes get otherwise. They inherit nothing else.
	GatewayEnv, BackendEnv []string
	// Limits is the gateways' file of limits (docs/limits.md). "" means limits that
	// no test meets by accident, or the built-in ones with Dir.
	Limits string
	// Listen fixes addresses of the first gateway and the first backend.
	Listen Listen

	// Postgres is a server that runs already; Stop leaves it running. Stacks
	// that share one need databases of their own.
	Postgres *Postgres
	// DatabaseURL is, instead, the connection string of a foreign server, for
	// a superuser or a role with CREATEROLE and CREATEDB. The database that it
	// names is used.
	DatabaseURL string
	// Database is the database's name on a private server; "" is gatehouse.
	Database string
	// Redis is a server that runs already; Stop leaves it running.
	Redis *Redis
	// RedisURL is, instead, the connection string of a foreign server.
	RedisURL string
	// Revive is how long after its end PostgreSQL or Redis is started again, on
	// the same port, when it ended though nobody has stopped it through this
	// package. With 0 [Stack.Wait] reports such an end at once, as it does that
	// of a gateway or backend.
	Revive time.Duration

	// Log gets every line that a process writes, after its name and a bar.
	// Without it the last lines are remembered all the same, see
	// [Process.Output].
	Log io.Writer
	// Progress gets a line about each step of the start.
	Progress io.Writer
}

// Listen holds listen addresses, host:port; "" is a free port on 127.0.0.1.
type Listen struct {
	GatewayTLS, GatewayHTTP, GatewayOps string
	BackendAPI, BackendOps              string
}

// A Stack is a running system. Its fields must not be changed.
type Stack struct {
	Postgres *Postgres // nil with a foreign server
	Redis    *Redis    // nil with a foreign server
	Gateways []*Gateway
	Backends []*Backend

	Secrets    Secrets
	CertFile   string // the gateways' certificate, PEM
	LimitsFile string // the gateways' limits; "" for the built-in ones
	RedisURL   string
	// Connection strings of the superuser and of the three roles. All but the
	// first lead to the stack's database.
	AdminURL, OwnerURL, AppURL, MaintURL string

	options     Options
	dir         string
	programs    string
	certificate *certificate
	throwaway   *throwaway
	lock        *fileLock
	ports       []*Port
	log         io.Writer
	deaths      chan error
	running     context.Context // done when the stack is being stopped
	endRunning  context.CancelFunc
	reviving    sync.Mutex // no revival begins once endRunning was called under it
	revivals    sync.WaitGroup
	logsMu      sync.Mutex
	logs        []io.Closer
	stopOnce    sync.Once
	stopErr     error
}

// A Gateway is one gateway process.
type Gateway struct {
	HTTPS, HTTP, Ops string // base URLs, such as https://127.0.0.1:20001

	*Process

	tls, plain, ops endpoint
}

// A Backend is one backend process.
type Backend struct {
	API, Ops string // base URLs, such as http://127.0.0.1:20001

	*Process

	api, ops endpoint
}

// Start starts a stack and returns when every process of it is ready. When it
// fails nothing is left running.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Progress != nil {
		o.Progress = &lineLog{w: o.Progress} // several steps go on at once
	}
	s := &Stack{options: o, deaths: make(chan error, 1)}
	s.running, s.endRunning = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			// How the rest ended does not matter any more.
			_ = s.Stop(stopCtx)
			err = explain(err, s.dir)
		}
	}()
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := s.place(); err != nil {
		return nil, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.build(groupCtx) })
	group.Go(func() error { return s.startPostgres(groupCtx) })
	group.Go(func() error { return s.startRedis(groupCtx) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := s.prepareDatabase(ctx); err != nil {
		return nil, err
	}
	if err := s.startPrograms(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// open takes possession of the stack's directory and reads or makes what it
// holds.
func (s *Stack) open() (err error) {
	if s.options.Dir == "" {
		who, err := serverAccount("")
		if err != nil {
			return err
		}
		if s.throwaway, err = newThrowaway(who); err != nil {
			return err
		}
		s.dir = s.throwaway.path
	} else {
		if s.dir, err = filepath.Abs(s.options.Dir); err != nil {
			return err
		}
		if s.lock, err = lockDir(s.dir); err != nil {
			return err
		}
	}
	if s.options.Log != nil {
		s.log = &lineLog{w: s.options.Log}
	}
	if s.Secrets, err = openSecrets(filepath.Join(s.dir, "secrets")); err != nil {
		return err
	}
	if s.certificate, err = openCertificate(filepath.Join(s.dir, "tls"), time.Now()); err != nil {
		return err
	}
	s.CertFile = s.certificate.certFile
	return s.writeLimits()
}

// died notes the first process that ended though nobody stopped it.
func (s *Stack) died(err error) {
	select {
	case s.deaths <- err:
	default:
	}
}

// Wait returns nil when ctx is done, or an error as soon as a process ends that
// nobody has stopped or killed through this package.
func (s *Stack) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.deaths:
		return err
	}
}

// CertPool returns a pool that trusts the gateways' certificate only.
func (s *Stack) CertPool() *x509.CertPool { return s.certificate.pool() }

// Stop stops the gateways, then the backends, then Redis, then PostgreSQL, and
// removes a throwaway stack's data. When ctx is done it kills what is left.
// Servers that were given to Start keep running. Stopping twice is fine.
func (s *Stack) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Stack) stop(ctx context.Context) error {
	s.noMoreRevivals()
	var errs []error
	var gateways, backends []*Process
	for _, g := range s.Gateways {
		gateways = append(gateways, g.Process)
	}
	for _, b := range s.Backends {
		backends = append(backends, b.Process)
	}
	errs = append(errs, stopAll(ctx, gateways), stopAll(ctx, backends))
	if s.Redis != nil && s.options.Redis == nil {
		errs = append(errs, s.Redis.stop(ctx), s.Redis.Close())
	}
	if s.Postgres != nil && s.options.Postgres == nil {
		errs = append(errs, s.Postgres.stop(ctx), s.Postgres.Close())
	}
	for _, l := range s.logs {
		errs = append(errs, l.Close())
	}
	for _, p := range s.ports {
		p.Release()
	}
	errs = append(errs, s.throwaway.remove())
	s.lock.release()
	return errors.Join(errs...)
}

func stopAll(ctx context.Context, list []*Process) error {
	errs := make([]error, len(list))
	var wait sync.WaitGroup
	for i, p := range list {
		wait.Go(func() {
			if p != nil {
				errs[i] = p.stop(ctx)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// output returns the writer for one process's output.
func (s *Stack) output(name string) (*output, error) {
	o := &output{prefix: name + " | ", log: s.log}
	if s.throwaway != nil {
		return o, nil
	}
	dir := filepath.Join(s.dir, "log")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	s.logsMu.Lock()
	defer s.logsMu.Unlock()
	s.logs = append(s.logs, f)
	o.file = f
	return o, nil
}
