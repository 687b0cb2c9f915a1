// Package dbtest gives each test a database of its own on a real PostgreSQL
// server: a clone of a template that was migrated once for the test process.
package dbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/stack"
)

const (
	template     = "gatehouse_template"
	startTimeout = time.Minute
)

// Main runs a package's tests and then stops the server that they started.
// A package that uses this one calls it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if server.postgres != nil {
		if err := server.postgres.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Local are the networks of the server that tests use.
func Local() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

var server struct {
	sync.Mutex
	postgres *stack.Postgres
	password string
}

// start returns the test process's server, with the template in place.
func start(t testing.TB) *stack.Postgres {
	t.Helper()
	server.Lock()
	defer server.Unlock()
	if server.postgres != nil {
		return server.postgres
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	postgres, err := stack.StartPostgres(ctx, stack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server.postgres = postgres
	server.password = rand.Text()
	url := func(role string) config.Secret { return config.Secret(postgres.URL(role, server.password, template)) }
	if err := pg.Bootstrap(ctx, config.Secret(postgres.AdminURL()), url(pg.OwnerRole), url(pg.AppRole), url(pg.MaintRole)); err != nil {
		t.Fatal(err)
	}
	if _, err := (pg.Migration{Log: slog.New(slog.DiscardHandler)}).Main(ctx, url(pg.OwnerRole)); err != nil {
		t.Fatal(err)
	}
	return postgres
}

// Database is a migrated database that belongs to one test.
type Database struct {
	// DB is reached as the service role, under row-level security.
	*pg.DB
	// URL, MaintURL, OwnerURL and AdminURL are for the service role, the one for
	// housekeeping, the owner and the superuser.
	URL, MaintURL, OwnerURL, AdminURL config.Secret
}

// New clones the template for a test.
func New(t testing.TB) *Database {
	t.Helper()
	postgres := start(t)
	name := "test_" + strings.ToLower(rand.Text())
	Exec(t, config.Secret(postgres.AdminURL()), fmt.Sprintf("create database %s owner %s template %s strategy file_copy", name, pg.OwnerRole, template))
	t.Cleanup(func() {
		Exec(t, config.Secret(postgres.AdminURL()), fmt.Sprintf("drop database %s with (force)", name))
	})
	d := &Database{
		URL:      config.Secret(postgres.URL(pg.AppRole, server.password, name)),
		MaintURL: config.Secret(postgres.URL(pg.MaintRole, server.password, name)),
		OwnerURL: config.Secret(postgres.URL(pg.OwnerRole, server.password, name)),
		AdminURL: config.Secret(strings.Replace(postgres.AdminURL(), "/postgres?", "/"+name+"?", 1)),
	}
	d.DB = Open(t, d.URL)
	return d
}

// Open returns a pool that is closed when the test ends.
func Open(t testing.TB, url config.Secret) *pg.DB {
	t.Helper()
	db, err := pg.Open(pg.Config{URL: url, MaxConns: 4, PoolWait: 10 * time.Second, Pooler: "session"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// AddTenant makes a tenant that lives in the database; signup is its mode.
func (d *Database) AddTenant(t testing.TB, id, signup string) {
	t.Helper()
	owner := Open(t, d.OwnerURL)
	var control controldb.Queries
	if _, err := control.CreateTenant(t.Context(), owner.Control(), controldb.CreateTenantParams{ID: id, Name: id, NameKey: id, Signup: signup}); err != nil {
		t.Fatal(err)
	}
	var tenant tenantdb.Queries
	if err := tenant.AdmitTenant(t.Context(), owner.Control(), id); err != nil {
		t.Fatal(err)
	}
}

// NewDedicated makes an empty database for a tenant of its own and returns the
// URL of the role that owns it, which may create roles and nothing more.
func NewDedicated(t testing.TB) config.Secret {
	t.Helper()
	postgres := start(t)
	admin := config.Secret(postgres.AdminURL())
	name := "dedicated_" + strings.ToLower(rand.Text())
	Exec(t, admin, fmt.Sprintf("create role %s login createrole password '%s'", name, server.password))
	Exec(t, admin, fmt.Sprintf("create database %s owner %s", name, name))
	t.Cleanup(func() { Exec(t, admin, fmt.Sprintf("drop database %s with (force)", name)) })
	return config.Secret(postgres.URL(name, server.password, name))
}

// Exec runs a statement on a connection of its own, for what only a superuser
// may do.
func Exec(t testing.TB, url config.Secret, sql string, args ...any) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Value reads one value on a connection of its own.
func Value[T any](t testing.TB, url config.Secret, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}
