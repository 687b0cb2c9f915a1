package stack

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestThrowawayStack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var log bytes.Buffer
	s, err := Start(ctx, Options{
		Gateways: 2, Backends: 3, Log: &log,
		GatewayEnv: []string{"LOG_LEVEL=debug", "RATE_LIMIT_KEYS=2000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.WithoutCancel(ctx)) })
	if len(s.Gateways) != 2 || len(s.Backends) != 3 {
		t.Fatalf("%d gateways and %d backends", len(s.Gateways), len(s.Backends))
	}
	gateway, backend := s.Gateways[1], s.Backends[2]
	for _, c := range []struct {
		in   *Process
		want string
	}{
		{gateway.Process, "BACKENDS=" + strings.Join([]string{s.Backends[0].api.reach, s.Backends[1].api.reach, s.Backends[2].api.reach}, ",")},
		{gateway.Process, "GATEWAY_TLS_ADDR=" + strings.TrimPrefix(gateway.HTTPS, "https://")},
		{gateway.Process, "GATEWAY_HTTP_ADDR=" + strings.TrimPrefix(gateway.HTTP, "http://")},
		{gateway.Process, "TLS_CERT_FILE=" + s.CertFile},
		{gateway.Process, "JWT_SECRET=" + s.Secrets.JWT},
		{gateway.Process, "APP_ENV=development"},
		{gateway.Process, "DRAIN_DELAY=0s"},
		{gateway.Process, "LOG_LEVEL=debug"},
		{gateway.Process, "RATE_LIMIT_KEYS=2000"},
		{gateway.Process, "RATE_LIMIT_FLEET_SIZE=2"},
		{gateway.Process, "RATE_LIMIT_FILE=" + s.LimitsFile},
		{gateway.Process, "REDIS_URL=" + s.Redis.URL()},
		{backend.Process, "REDIS_URL=" + s.Redis.URL()},
		{backend.Process, "DATABASE_URL=" + s.Postgres.URL("gh_app", s.Secrets.AppPassword, "gatehouse")},
		{backend.Process, "MIGRATE_DATABASE_URL=" + s.OwnerURL},
		{backend.Process, "MAINT_DATABASE_URL=" + s.MaintURL},
		{backend.Process, "CURSOR_ENCRYPTION_KEY=" + s.Secrets.CursorKey},
		{backend.Process, "ARGON2_MEMORY_KIB=8"},
	} {
		if !strings.Contains(c.in.Output(), "level=INFO env "+c.want+"\n") {
			t.Errorf("%s runs without %s", c.in.Name(), c.want)
		}
	}
	if strings.Contains(backend.Output(), "BOOTSTRAP_") || strings.Contains(gateway.Output(), "DATABASE_URL") {
		t.Error("a process has secrets that it does not need")
	}
	if err := serving(s.Postgres.Addr(), 10*time.Second); err != nil {
		t.Error(err)
	}
	if err := gateway.Restart(ctx); err != nil {
		t.Error(err)
	}

	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	for _, addr := range []string{s.Postgres.Addr(), s.Redis.Addr(), gateway.tls.reach, gateway.ops.reach, backend.api.reach} {
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Errorf("something still listens on %s", addr)
		}
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left (%v)", s.dir, err)
	}
	for _, want := range []string{"backend-3 | ", "gateway-1 | ", "postgres | ", "backend migrate level=INFO env BOOTSTRAP_DATABASE_URL=" + s.AdminURL} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
}

func TestSharedServers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, err := StartPostgres(ctx, PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	r, err := StartRedis(ctx, RedisOptions{Embedded: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	var first string
	for _, database := range []string{"one", "two"} {
		s, err := Start(ctx, Options{Postgres: p, Redis: r, Database: database, Gateways: -1})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Gateways) != 0 || len(s.Backends) != 1 {
			t.Errorf("%d gateways and %d backends, want none and one", len(s.Gateways), len(s.Backends))
		}
		if want := p.URL("gh_owner", s.Secrets.OwnerPassword, database); s.OwnerURL != want {
			t.Errorf("OwnerURL = %s, want %s", s.OwnerURL, want)
		}
		if first == "" {
			first = s.Secrets.AppPassword
		} else if s.Secrets.AppPassword != first {
			t.Error("stacks that share a server disagree on a role's password")
		}
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := serving(p.Addr(), 10*time.Second); err != nil {
			t.Errorf("Stop has stopped a server that it had been given: %v", err)
		}
		dialRedis(t, r)
	}
}

func TestForeignServers(t *testing.T) {
	t.Parallel()
	s := &Stack{Secrets: newSecrets()}
	if err := s.useDatabase("postgresql://admin:pw@db.example.com:6432/shop?sslmode=require&user=x"); err != nil {
		t.Fatal(err)
	}
	if want := "postgresql://gh_app:" + s.Secrets.AppPassword + "@db.example.com:6432/shop?sslmode=require"; s.AppURL != want {
		t.Errorf("AppURL = %s, want %s", s.AppURL, want)
	}
	for _, bad := range []string{"host=localhost password=hush", "mysql://root:hush@h/db", "postgres://u:hush@[::1/db"} {
		err := s.useDatabase(bad)
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  string
		want string
	}{
		"command":       {"FAKE_FAIL=migrate", "backend migrate failed (exit status 1)"},
		"program":       {"FAKE_FAIL=serve", "backend ended before it was ready (exit status 1)"},
		"early gateway": {"FAKE_FAIL=none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{BackendEnv: []string{c.env}}
			if c.want == "" {
				o.GatewayEnv = []string{"FAKE_FAIL=serve"}
				c.want = "gateway ended before it was ready (exit status 1)"
			}
			p, err := StartPostgres(t.Context(), PostgresOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			o.Postgres = p
			var progress bytes.Buffer
			o.Progress = &progress
			_, err = Start(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "is told to fail") {
				t.Errorf("Start = %v, want %q and the last lines", err, c.want)
			}
			for line := range strings.Lines(progress.String()) {
				if _, addr, ok := strings.Cut(strings.TrimSpace(line), " on "); ok && strings.HasPrefix(line, "Redis") {
					if _, err := net.Dial("tcp", addr); err == nil {
						t.Error("Redis still runs")
					}
				}
			}
		})
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(sharedTempDir(t), ".data")
	s, err := Start(t.Context(), Options{Dir: dir, GatewayEnv: []string{"FAKE_DIE=gateway"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another run (PID ") {
		t.Errorf("a second stack in the same directory: %v", err)
	}
	if err := Clean(dir); err == nil || !strings.Contains(err.Error(), "another run (PID ") {
		t.Errorf("Clean of a running stack: %v", err)
	}
	if err := s.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "gateway ended unexpectedly") {
		t.Errorf("Wait = %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "log", "gateway.log")); err != nil || !bytes.Contains(log, []byte("told to die")) {
		t.Errorf("gateway.log is %q (%v)", log, err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(done); err != nil {
		t.Errorf("Wait = %v", err)
	}
}

// A server that somebody else ends comes back by itself, if that is asked for,
// but not again and again.
func TestRevival(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var progress lockedBuffer
	s, err := Start(ctx, Options{Revive: time.Millisecond, Gateways: -1, Backends: -1, Progress: &progress})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.WithoutCancel(ctx)) })
	end := func() { _ = syscall.Kill(s.Postgres.PID(), syscall.SIGINT) }
	end()
	eventually(t, "PostgreSQL is back", func() bool { return strings.Contains(progress.String(), "postgres is back") })
	if err := serving(s.Postgres.Addr(), 10*time.Second); err != nil {
		t.Error(err)
	}
	end()
	if err := s.Wait(ctx); err == nil || !strings.Contains(err.Error(), "postgres ended unexpectedly") {
		t.Errorf("Wait = %v", err)
	}
	if !strings.Contains(progress.String(), "postgres ended unexpectedly (exit status 0); it is started again in 1ms\n") {
		t.Errorf("the end is not reported:\n%s", progress.String())
	}

	lame, err := Start(ctx, Options{Revive: time.Hour, Gateways: -1, Backends: -1})
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(lame.Postgres.PID(), syscall.SIGINT)
	eventually(t, "PostgreSQL has ended", func() bool { return !lame.Postgres.Running() })
	if err := lame.Stop(ctx); err != nil {
		t.Errorf("Stop before the revival: %v", err)
	}
}

// The end of a server and the stop of its stack may meet.
func TestNoRevivalAfterTheStop(t *testing.T) {
	t.Parallel()
	for range 200 {
		s := &Stack{options: Options{Revive: time.Nanosecond}}
		s.running, s.endRunning = context.WithCancel(t.Context())
		var stopped atomic.Bool
		ended := s.revive("postgres", func(context.Context) error {
			if stopped.Load() {
				t.Error("started after the stop")
			}
			return nil
		})
		var both sync.WaitGroup
		both.Go(func() { ended(errors.New("gone")) })
		both.Go(func() {
			s.noMoreRevivals()
			stopped.Store(true)
		})
		both.Wait()
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCanceledStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v, want that it was canceled", err)
	}
}
