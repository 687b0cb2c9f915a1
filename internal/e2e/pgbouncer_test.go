package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gatehouse/internal/requiretest"
	"gatehouse/internal/stack"
)

const (
	pooledDatabase = "pooled"
	pooledPassword = "Pooled-Analytical-Engine-1843"
)

// Many backends' connections share two of PostgreSQL's, through PgBouncer in
// transaction mode, which knows no prepared statements. What a transaction sets is
// gone with it: no tenant ever sees another's rows. When PgBouncer is away requests
// are refused, and go on when it is back.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	program := requiretest.Program(t, "pgbouncer", "pgbouncer", "/usr/sbin/pgbouncer")
	postgres, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Close(); err != nil {
			t.Error(err)
		}
	})
	port, err := stack.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Release)
	start := bouncer(t, program, port.Addr(), postgres.Addr())
	stop := start()
	defer func() { stop() }()
	s := ownStack(t, stack.Options{
		Postgres: postgres, Database: pooledDatabase, Redis: shared.Redis, Backends: 2,
		BackendEnv: []string{
			fmt.Sprintf("DATABASE_URL=postgres://gh_app:%s@%s/%s?sslmode=disable", pooledPassword, port.Addr(), pooledDatabase),
			"DATABASE_POOLER=transaction", "CACHE=off",
		},
	})
	c := newClient(t, s, 0)
	operator := c.operatorOf(s)

	var work sync.WaitGroup
	for i := range 4 {
		id, _, tokens := c.newTenant(operator, "")
		for range 2 {
			work.Go(func() {
				for n := range 15 {
					body := map[string]any{
						"name": "Of " + id, "gender": true, "age": n, "address": "Street", "phone": "+44 20 7946 0000", "email": "a@example.com",
					}
					c.do("POST", "/api/v1/address-book", tokens.Access, body).want(201)
					var list []struct{ Name string }
					c.do("GET", "/api/v1/address-book?limit=500", tokens.Access, nil).want(200).into(&list)
					for _, contact := range list {
						if contact.Name != "Of "+id {
							t.Errorf("tenant %d sees %q", i, contact.Name)
						}
					}
				}
			})
		}
	}
	work.Wait()

	_, _, tokens := c.newTenant(operator, "")
	stop()
	c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(503)
	stop = start()
	eventually(t, "requests are answered again", func() bool {
		return c.do("GET", "/api/v1/address-book", tokens.Access, nil).StatusCode == 200
	})
}

// bouncer returns what starts a PgBouncer in front of a server, and that what stops
// it.
func bouncer(t *testing.T, program, listen, server string) (start func() (stop func())) {
	t.Helper()
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	serverHost, serverPort, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	settings := fmt.Sprintf(`[databases]
%s = host=%s port=%s
[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
auth_type = plain
auth_file = %s
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
`, pooledDatabase, serverHost, serverPort, host, port, filepath.Join(dir, "users"))
	for name, text := range map[string]string{"ini": settings, "users": fmt.Sprintf("%q %q\n", "gh_app", pooledPassword)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{filepath.Join(dir, "ini")}
	if os.Geteuid() == 0 { // which PgBouncer does not run as
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"-u", "nobody"}, args...)
	}
	return func() func() {
		t.Helper()
		cmd := exec.Command(program, args...)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = cmd.Wait() // it is stopped
		}()
		eventually(t, "PgBouncer listens", func() bool {
			conn, err := net.Dial("tcp", listen)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
		return sync.OnceFunc(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-done
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}
