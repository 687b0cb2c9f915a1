package stack

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestThrowawayPostgres(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, err := StartPostgres(ctx, PostgresOptions{Settings: []string{"log_connections=on"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	addr := p.Addr()
	check := func(when string, wantServing bool) {
		t.Helper()
		patience := 10 * time.Second
		if !wantServing {
			patience = 300 * time.Millisecond
		}
		if err := serving(addr, patience); (err == nil) != wantServing {
			t.Fatalf("%s: serving %v, want %v (%v)", when, err == nil, wantServing, err)
		}
	}
	check("after StartPostgres", true)
	if got, want := p.URL("a b", "p/w?", "db"), "postgres://a%20b:p%2Fw%3F@"+addr+"/db?sslmode=disable"; got != want {
		t.Errorf("URL = %s, want %s", got, want)
	}
	u, err := url.Parse(p.AdminURL())
	if err != nil || u.User.Username() != "postgres" || u.Path != "/postgres" {
		t.Errorf("AdminURL = %s (%v)", p.AdminURL(), err)
	}
	if err := p.Start(ctx); err == nil {
		t.Error("a second Start succeeded")
	}

	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	check("after Stop", false)
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	check("after Start", true)
	if got := p.Addr(); got != addr {
		t.Errorf("the second start listens on %s, the first on %s", got, addr)
	}

	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	check("after Kill", false)
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	check("after Kill and Start", true)

	if err := p.Pause(); err != nil {
		t.Error(err)
	}
	check("after Pause", false)
	if err := p.Resume(); err != nil {
		t.Error(err)
	}
	check("after Resume", true)

	if err := p.Pause(); err != nil {
		t.Error(err)
	}
	if err := p.Restart(ctx); err != nil {
		t.Errorf("Restart of a paused server: %v", err)
	}
	check("after Pause and Restart", true)

	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.throwaway.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Close left %s (%v)", p.throwaway.path, err)
	}
}

func TestPersistentPostgres(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := filepath.Join(sharedTempDir(t), "postgres")
	p, err := StartPostgres(ctx, PostgresOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	password := p.password
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if p, err = StartPostgres(ctx, PostgresOptions{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if p.password != password {
		t.Error("the password is another one at the second start")
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}

	broken := func(what, want string) {
		t.Helper()
		p, err := StartPostgres(ctx, PostgresOptions{Dir: dir})
		if err == nil {
			_ = p.Close()
			t.Fatalf("%s: it starts", what)
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "`make clean`") {
			t.Errorf("%s: the message is %q, want %q and `make clean` in it", what, err, want)
		}
	}
	data := filepath.Join(dir, "data")
	control := filepath.Join(data, "global", "pg_control")
	content, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(control, 0); err != nil {
		t.Fatal(err)
	}
	broken("truncated pg_control", "does not start")
	if err := os.WriteFile(control, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken("another major version", "was made by PostgreSQL 99")
	if err := os.Truncate(filepath.Join(data, "PG_VERSION"), 0); err != nil {
		t.Fatal(err)
	}
	broken("no version", "is no PostgreSQL cluster")
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(strings.Split(p.Version, ".")[0]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "password")); err != nil {
		t.Fatal(err)
	}
	broken("no password", "password")
}

// Root's checkout may be closed to the account that PostgreSQL runs under.
func TestPostgresBelowAClosedDirectory(t *testing.T) {
	t.Parallel()
	base := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, ".data")
	link := filepath.Join(dir, "postgres")
	for range 2 {
		p, err := StartPostgres(t.Context(), PostgresOptions{Dir: link})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	target, err := os.Readlink(link)
	if isRoot := os.Geteuid() == 0; (err == nil) != isRoot {
		t.Fatalf("root: %v, but the link leads to %q (%v)", isRoot, target, err)
	}
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, target} {
		if _, err := os.Stat(path); path != "" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Clean left %s (%v)", path, err)
		}
	}
}
