package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// mover is the command that moves a tenant.
func mover(t *testing.T, input string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shared.Backends[0].Path(), append([]string{"tenant", "move"}, args...)...)
	cmd.Env = []string{
		"LANG=C", "MIGRATE_DATABASE_URL=" + shared.OwnerURL, "TENANT_DB_KEY=" + shared.Secrets.TenantKey,
		"TENANT_DB_LOCAL_NETWORKS=127.0.0.0/8,::1/128", "TENANT_DB_ON_MAIN_SERVER=allow",
	}
	cmd.Stdin = strings.NewReader(input + "\n")
	return cmd
}

// A tenant is moved there and back while its users work through the gateways.
// Whoever moves it is killed after a little longer each time, until it gets
// through. Nothing that was acknowledged is lost, and clients meet nothing but a
// moment in which they are asked to come again.
func TestTenantMoves(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared, 0)
	operator := c.operator()
	id, admin, tokens := c.newTenant(operator, "")
	database := newDatabase(t)

	var added atomic.Int64
	stop := make(chan struct{})
	var working sync.WaitGroup
	for i := range 4 {
		client := newClient(t, shared, i%2)
		working.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond): // users think
				}
				client.work(tokens.Access, fmt.Sprintf("Contact %d-%d", i, n), &added)
			}
		})
	}
	endWork := sync.OnceFunc(func() { close(stop); working.Wait() })
	t.Cleanup(endWork)

	for _, to := range []string{"dedicated", "shared"} {
		killed := 0
		for patience := 20 * time.Millisecond; ; patience += patience / 3 {
			cmd := mover(t, database, id, "-to", to)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			kill := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
			err := cmd.Wait()
			kill.Stop()
			if err == nil {
				t.Logf("%d killed; %s", killed, out.String())
				break
			}
			if cmd.ProcessState.ExitCode() >= 0 { // not by us
				t.Fatalf("move to %s: %v: %s", to, err, out.String())
			}
			killed++
		}
		if killed < 3 {
			t.Errorf("only %d were killed", killed)
		}
		var tenant struct{ Placement, Status string }
		c.do("GET", "/api/v1/admin/tenants/"+id, operator, nil).want(200).into(&tenant)
		if tenant.Placement != to || tenant.Status != "active" {
			t.Errorf("got %+v", tenant)
		}
	}
	// It is the same tenant: who was signed in still is, and who was not can.
	c.login(admin, password, id)
	endWork()
	list := c.do("GET", "/api/v1/address-book?limit=1&count=exact", tokens.Access, nil).want(200)
	if want := fmt.Sprintf(`"total":%d`, added.Load()); !strings.Contains(strings.ReplaceAll(string(list.body), " ", ""), want) {
		t.Errorf("%d contacts were acknowledged; got %s", added.Load(), list.body)
	}
	if added.Load() < 50 {
		t.Errorf("only %d contacts were added", added.Load())
	}
}

// work adds a contact and finds it.
func (c *client) work(access, name string, added *atomic.Int64) {
	body := contactBody()
	body["name"] = name
	a, err := c.try("POST", "/api/v1/address-book", access, body)
	if c.t.Context().Err() != nil {
		return // the test has failed
	}
	if err != nil {
		c.t.Errorf("add: %v", err)
		return
	}
	if comeAgain(a) {
		return
	}
	if a.StatusCode != 201 {
		c.t.Errorf("add: got %d: %s", a.StatusCode, a.body)
		return
	}
	added.Add(1)
	var made struct{ ID string }
	a.into(&made)
	a, err = c.try("GET", "/api/v1/address-book/"+made.ID, access, nil)
	if c.t.Context().Err() != nil {
		return
	}
	if err != nil {
		c.t.Errorf("read what was added: %v", err)
	} else if a.StatusCode != 200 && !comeAgain(a) {
		c.t.Errorf("read what was added: got %d: %s", a.StatusCode, a.body)
	}
}

// comeAgain reports an answer that the tenant is being moved.
func comeAgain(a answer) bool {
	return a.StatusCode == 503 && strings.Contains(string(a.body), `"tenant_moving"`) && a.Header.Get("Retry-After") != ""
}
