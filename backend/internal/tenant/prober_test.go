package tenant

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/internal/problem"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newTestProber(t *testing.T, main *dbtest.Database) (*Prober, *clock) {
	t.Helper()
	c := &clock{now: time.Now()}
	directory, err := placement.New(placement.Config{Key: "Vq3xTnB8yKZ5sJ0wRfLm7dHcPe2gUaXoIt9vCb4Q", Pools: 1, PoolConns: 1, OnMain: "allow", Local: dbtest.Local(), Connect: 10 * time.Second},
		main.DB, pg.Config{PoolWait: time.Second}, slog.New(slog.DiscardHandler), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	p := NewProber(dbtest.Open(t, main.MaintURL), directory, slog.New(slog.DiscardHandler), c.Now)
	t.Cleanup(directory.Close)
	t.Cleanup(p.Close)
	return p, c
}

// ask asks until the look is complete: on a slow machine an answer may come
// before.
func ask(t *testing.T, p *Prober) Overview {
	t.Helper()
	for t.Context().Err() == nil {
		o, err := p.Ask(t.Context())
		p.mu.Lock()
		complete := p.fresh()
		p.mu.Unlock()
		if complete {
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
	}
	t.Fatal("the look does not end")
	return Overview{}
}

func TestOverviewIsKept15Seconds(t *testing.T) {
	t.Parallel()
	main := dbtest.New(t)
	main.AddTenant(t, "acme", "open")
	p, c := newTestProber(t, main)
	began := c.Now()
	first := ask(t, p)
	want := Overview{AsOf: began, Tenants: []State{{ID: "acme", Name: "acme", Status: "active"}, {ID: "platform", Name: "Platform operators", Status: "active"}}}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	dbtest.Exec(t, main.AdminURL, "update control.tenants set name = 'Renamed' where id = 'acme'")
	c.pass(overviewLifetime - time.Millisecond)
	if diff := cmp.Diff(want, ask(t, p)); diff != "" {
		t.Errorf("after less than 15 s (-want +got):\n%s", diff)
	}
	c.pass(time.Millisecond)
	want.AsOf, want.Tenants[0].Name = c.Now(), "Renamed"
	if diff := cmp.Diff(want, ask(t, p)); diff != "" {
		t.Errorf("after 15 s (-want +got):\n%s", diff)
	}
	// A change by this process shows at once.
	dbtest.Exec(t, main.AdminURL, "update control.tenants set status = 'suspended' where id = 'acme'")
	c.pass(time.Second)
	p.Expire()
	want.AsOf, want.Tenants[0].Status = c.Now(), "suspended"
	if diff := cmp.Diff(want, ask(t, p)); diff != "" {
		t.Errorf("after a change (-want +got):\n%s", diff)
	}
	// Deleted tenants are not in it.
	dbtest.Exec(t, main.AdminURL, "update control.tenants set status = 'deleted' where id = 'acme'")
	p.Expire()
	if want.Tenants = want.Tenants[1:]; cmp.Diff(want, ask(t, p)) != "" {
		t.Errorf("got %+v", ask(t, p))
	}
}

// Whoever asks at the same time shares one look.
func TestOneLookForAll(t *testing.T) {
	t.Parallel()
	main := dbtest.New(t)
	p, c := newTestProber(t, main)
	p.mu.Lock()
	l := p.begin()
	if p.begin() != l {
		t.Error("two looks at once")
	}
	p.mu.Unlock()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { ask(t, p) })
	}
	wg.Wait()
	if p.last != l || !l.began.Equal(c.Now()) {
		t.Error("another look was made")
	}
}

func TestOverviewWithoutTheMainDatabase(t *testing.T) {
	t.Parallel()
	main := dbtest.New(t)
	p, c := newTestProber(t, main)
	up, down := p.maint, dbtest.Open(t, "postgres://gh_maint:x@127.0.0.1:1/gatehouse?sslmode=disable")
	p.maint = down
	if _, err := p.Ask(t.Context()); !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
	p.maint = up
	known := ask(t, p)
	p.maint = down
	c.pass(overviewLifetime)
	got, err := p.Ask(t.Context())
	if diff := cmp.Diff(known, got); diff != "" || err != nil {
		t.Errorf("%v (-before +after):\n%s", err, diff)
	}
	// Nobody waits longer than there is time.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Ask(ctx); err != nil {
		t.Errorf("got %v", err)
	}
}

// While a look is under way, what it has found counts, then what the one before
// had, and the rest is pending.
func TestKnownSoFar(t *testing.T) {
	t.Parallel()
	p := NewProber(nil, nil, nil, time.Now)
	row := func(id string) controldb.ListPlacementsRow {
		return controldb.ListPlacementsRow{ID: id, Name: "N" + id, Status: active}
	}
	now := time.Now()
	check := func(what string, want ...State) {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		got, err := p.known()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, got.Tenants); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if asOf := now; p.last != nil && !got.AsOf.Equal(p.last.began) || p.last == nil && !got.AsOf.Equal(asOf) {
			t.Errorf("%s: as of %v", what, got.AsOf)
		}
	}
	if _, err := p.known(); !problem.Is(err, problem.Unavailable) {
		t.Errorf("nothing: got %v", err)
	}
	p.current = &look{began: now, found: map[string]finding{}}
	if _, err := p.known(); !problem.Is(err, problem.Unavailable) {
		t.Errorf("not listed yet: got %v", err)
	}
	p.current.tenants = []controldb.ListPlacementsRow{row("a"), row("b")}
	p.current.found["b"] = finding{users: 2, signedIn: 1}
	check("the first look", State{"a", "Na", active, pending, 0, 0}, State{"b", "Nb", active, "", 2, 1})
	p.last = &look{began: now.Add(-time.Minute), tenants: []controldb.ListPlacementsRow{row("a"), row("gone")}, found: map[string]finding{
		"a": {fault: pg.TimedOut, users: 7}, "b": {fault: pg.Refused}, "gone": {},
	}}
	check("the second look", State{"a", "Na", active, pg.TimedOut, 7, 0}, State{"b", "Nb", active, "", 2, 1})
	p.current.tenants = append(p.current.tenants, row("new"))
	check("with another tenant", State{"a", "Na", active, pg.TimedOut, 7, 0}, State{"b", "Nb", active, "", 2, 1}, State{"new", "Nnew", active, pending, 0, 0})
}

// A look that is broken off is not shown.
func TestCloseBreaksOff(t *testing.T) {
	t.Parallel()
	main := dbtest.New(t)
	p, _ := newTestProber(t, main)
	p.Close()
	if _, err := p.Ask(t.Context()); !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
}
