package cache

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
)

// rig is a Redis of a test's own.
type rig struct {
	t      *testing.T
	server *stack.Redis
}

// onBoth runs a test against the installed server, whose absence is a failure
// with GATEHOUSE_REQUIRE_ALL, and the embedded one.
func onBoth(t *testing.T, test func(*rig)) {
	t.Helper()
	t.Parallel()
	for name, o := range map[string]stack.RedisOptions{"installed": {}, "embedded": {Embedded: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := stack.StartRedis(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			test(&rig{t: t, server: server})
		})
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// client returns a client as the processes have it, with a longer timeout, so
// that a busy machine does not make Redis look dead.
func (r *rig) client() *redisconn.Client {
	r.t.Helper()
	c, err := redisconn.Open(redisconn.Config{URL: config.Secret(r.server.URL()), Timeout: time.Second}, slog.New(slog.DiscardHandler))
	r.must(err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// cache returns that of a process of its own.
func (r *rig) cache() *Cache {
	r.t.Helper()
	c := New(Config{Mode: inRedis}, r.client())
	ctx, stop := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	r.t.Cleanup(func() { stop(); <-done })
	return c
}

// table is a database of one row.
type table struct {
	row   string // "" when there is none
	loads int
	admit error
}

func (d *table) reader() Reader {
	return Reader{
		Load: func(context.Context) ([]byte, error) {
			d.loads++
			if d.row == "" {
				return nil, problem.New(problem.NotFound)
			}
			return []byte(d.row), nil
		},
		Admit: func(context.Context) error { return d.admit },
	}
}

var entry = Entry{Tenant: "acme", Kind: Contacts, Key: "1"}

// reads fails the test unless the entry reads like this, after so many loads.
func (d *table) reads(t *testing.T, c *Cache, want string, loads int) {
	t.Helper()
	got, err := c.Read(t.Context(), entry, d.reader())
	if want == "" && !problem.Is(err, problem.NotFound) || want != "" && err != nil || string(got) != want || d.loads != loads {
		t.Fatalf("got %q, %v after %d loads; want %q after %d", got, err, d.loads, want, loads)
	}
}

var errRefused = errors.New("not you")

// eventually waits for something that happens in the background.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still not: " + what)
		}
	}
}
