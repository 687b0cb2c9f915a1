package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"gatehouse/internal/stack"
	"gatehouse/loadtest/machine"
)

const (
	contacts = 10_000 // of the tenant
	used     = 16     // contacts that are asked for in turn
)

// system is a backend with a database of its own. All share the servers.
type system struct {
	name  string
	stack *stack.Stack
	token string
	// Of the token, for pgbench.
	tenant, user, session string
}

// bench is what all operations share.
type bench struct {
	settings

	dir      string
	systems  []*system
	pgbench  string // "" when it is not installed
	psql     string
	commands commands
}

func newBench(ctx context.Context, s settings) (_ *bench, err error) {
	b := &bench{settings: s}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := machine.PinSelf(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "gatehouse-backend-"); err != nil {
		return nil, err
	}
	if b.commands, err = readCommands(); err != nil {
		return nil, err
	}
	if b.psql = find("psql"); b.psql == "" {
		return nil, errors.New("there is no psql, which fills the database; install it with: apt-get install postgresql")
	}
	if b.pgbench = find("pgbench"); b.pgbench == "" {
		fmt.Println("there is no pgbench, so there is no limit to compare with; install it with: apt-get install postgresql")
	}
	for _, cache := range []string{"off", "redis"} {
		system, err := b.start(ctx, "CACHE="+cache)
		if err != nil {
			return nil, err
		}
		b.systems = append(b.systems, system)
	}
	return b, nil
}

// find looks for a program of PostgreSQL.
func find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(found) > 0 { // the pattern is constant
		return found[len(found)-1]
	}
	return ""
}

// start starts a backend as production has it, moves it and the servers to their
// core, fills its database and signs in.
func (b *bench) start(ctx context.Context, setting string) (*system, error) {
	o := stack.Options{Gateways: -1, Progress: os.Stderr, Database: "gatehouse", BackendEnv: []string{
		setting, "GOMAXPROCS=1", "MAX_AGE=3600", fmt.Sprintf("DATABASE_MAX_CONNS=%d", b.conns), "ARGON2_MEMORY_KIB=19456", "ARGON2_TIME=2",
		"REDIS_TIMEOUT=1s", // Redis shares its core with what it answers
	}}
	if len(b.systems) > 0 {
		first := b.systems[0].stack
		o.Postgres, o.Redis, o.Database = first.Postgres, first.Redis, "gatehouse_second"
	}
	running, err := stack.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &system{name: "backend, " + setting, stack: running}
	if running.Redis.PID() == 0 {
		err = errors.New("there is no redis-server; install it with: apt-get install redis-server")
	}
	for _, pid := range []int{running.Postgres.PID(), running.Redis.PID(), running.Backends[0].PID()} {
		if err == nil {
			err = machine.Pin(pid)
		}
	}
	if err == nil {
		err = s.fill(ctx, b.psql)
	}
	if err == nil {
		err = s.signIn(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, stop(running))
	}
	return s, nil
}

func (s *system) fill(ctx context.Context, psql string) error {
	out, err := exec.CommandContext(ctx, psql, "-q", "-v", "ON_ERROR_STOP=1", "-c", fmt.Sprintf(`
		insert into tenant.contacts (tenant_id, id, name, name_sort, name_key, gender, age, address, phone, email, email_key, created_at)
		select '%s', ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'Contact ' || i, 'contact ' || i, 'contact ' || i, i %% 2 = 0, i %% 90,
		       'Rua das Flores ' || i, '+55 11 91234-5678', 'c' || i || '@example.com', 'c' || i || '@example.com', now() - i * interval '1 minute'
		from generate_series(1, %d) i`, stack.DemoTenant, contacts), "-c", "analyze tenant.contacts", s.stack.OwnerURL).CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}

// contactID is the id of one of the contacts that are used.
func contactID(i int) string {
	return fmt.Sprintf("00000000-0000-7000-8000-%012d", 1+i%used*(contacts/used))
}

func (s *system) signInBody() string {
	return fmt.Sprintf(`{"username_or_email":%q,"password":%q,"tenant_id":%q}`, stack.DemoUser, s.stack.Secrets.DemoPassword, stack.DemoTenant)
}

func (s *system) signIn(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.stack.Backends[0].API+"/api/v1/auth/login", strings.NewReader(s.signInBody()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			Token string `json:"access_token"`
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data.Token == "" {
		return fmt.Errorf("sign in: %s: %.200s", response.Status, body)
	}
	s.token = answer.Data.Token
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(s.token, ".")[1])
	if err != nil {
		return err
	}
	var c struct {
		User    string `json:"sub"`
		Tenant  string `json:"tenant_id"`
		Session string `json:"login_session"`
	}
	if err := json.Unmarshal(claims, &c); err != nil {
		return err
	}
	s.tenant, s.user, s.session = c.Tenant, c.User, c.Session
	return nil
}

// addr is where the backend listens.
func (s *system) addr() string { return strings.TrimPrefix(s.stack.Backends[0].API, "http://") }

func stop(s *stack.Stack) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return s.Stop(ctx)
}

func (b *bench) close() {
	for _, s := range slices.Backward(b.systems) { // the first one has the servers
		if err := stop(s.stack); err != nil {
			fmt.Fprintln(os.Stderr, "backend:", err)
		}
	}
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// printMachine says where the figures come from.
func (b *bench) printMachine(w io.Writer) {
	first := b.systems[0].stack
	fmt.Fprintf(w, "%s, %d cores, PostgreSQL %s, Redis %s; backend, servers and pgbench on core %s, clients on %s; %d connections, %d contacts, medians of %d rounds\n",
		runtime.Version(), runtime.NumCPU(), first.Postgres.Version, first.Redis.Version, machine.Core, machine.RestOfCores(), b.conns, contacts, b.rounds)
}
