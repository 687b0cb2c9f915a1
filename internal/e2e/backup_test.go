package e2e

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/requiretest"
	"gatehouse/internal/stack"
)

// The commands of docs/backup.md bring back what was there when the dump was made.
// Nobody who was shut out since is let in, and everybody else can sign in.
func TestBackup(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 4 {
		t.Fatalf("the page has %d blocks of commands; this test knows four", len(blocks))
	}
	for _, name := range []string{"pg_dump", "psql", "redis-cli"} {
		requiretest.Program(t, "postgresql redis-server", name)
	}
	database := "backup_" + strings.ToLower(rand.Text()[:8])
	s := ownStack(t, stack.Options{Postgres: shared.Postgres, Database: database})
	main, err := url.Parse(s.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	main.Path = "/" + database
	dir := t.TempDir()
	run := func(n int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", blocks[n][1])
		cmd.Dir = dir
		cmd.Env = []string{
			"LC_ALL=C", "PATH=" + filepath.Dir(s.Backends[0].Path()) + ":" + os.Getenv("PATH"),
			"ADMIN_URL=" + s.AdminURL, "MAIN_URL=" + main.String(), "DATABASE=" + database, "REDIS_URL=" + s.RedisURL,
			"MIGRATE_DATABASE_URL=" + s.OwnerURL, "TENANT_DB_KEY=" + s.Secrets.TenantKey,
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, blocks[n][1], out)
		}
	}

	c := newClient(t, s, 0)
	operator := c.operatorOf(s)
	id, admin, tokens := c.newTenant(operator, "")
	contact := map[string]any{
		"name": "Before the dump", "gender": true, "age": 1, "address": "Street", "phone": "+44 20 7946 0000", "email": "a@example.com",
	}
	var made struct{ ID string }
	c.do("POST", "/api/v1/address-book", tokens.Access, contact).want(201).into(&made)
	run(0) // dump

	contact["name"] = "After the dump"
	c.do("POST", "/api/v1/address-book", tokens.Access, contact).want(201)
	c.do("POST", "/api/v1/auth/logout", tokens.Access, nil).want(200)
	if err := s.Backends[0].Stop(); err != nil {
		t.Fatal(err)
	}
	run(1) // restore
	run(2) // end sessions
	run(3) // migrate
	if err := s.Backends[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service is back", func() bool { return c.do("GET", "/api/v1/health", "", nil).StatusCode == 200 })

	c.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": tokens.Refresh}).want(401)
	c.do("GET", "/api/v1/address-book", tokens.Access, nil).want(401)
	again := c.login(admin, password, id)
	var list []struct{ ID, Name string }
	c.do("GET", "/api/v1/address-book", again.Access, nil).want(200).into(&list)
	if got, want := fmt.Sprint(list), fmt.Sprintf("[{%s Before the dump}]", made.ID); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
