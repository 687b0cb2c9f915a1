package placement

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// through is a connection string that leads through a relay.
func (w *world) through(u config.Secret) (config.Secret, *relay) {
	w.t.Helper()
	there := parse(w.t, u)
	r := newRelay(w.t, there.Host)
	there.Host = r.Addr().String()
	return config.Secret(there.String()), r
}

// A database to which nobody gets through is left alone for a while, and tried
// by one request at a time until one does.
func TestBreaker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	there, r := w.through(own)
	w.place("own", there)
	r.down.Store(true)
	began := r.came.Load()
	tried := func() bool {
		t.Helper()
		_, err := w.where("own")
		if !problem.Is(err, problem.Unavailable) {
			t.Errorf("got %v", err)
		}
		return !errors.Is(err, errTripped)
	}
	tries := 0
	for tried() {
		if tries++; t.Context().Err() != nil {
			t.Fatal("it is tried for ever")
		}
	}
	if tries < tripAfter || r.came.Load() < began+tripAfter {
		t.Errorf("given up after %d tries", tries)
	}
	for range 2 {
		if tried() {
			t.Error("it is tried again at once")
		}
	}
	w.wantWhere("acme", w.main.URL)
	for range 2 {
		w.clock.pass(tripPause)
		if !tried() {
			t.Error("it is not tried after the pause")
		}
		if tried() {
			t.Error("it is tried twice after the pause")
		}
	}
	r.down.Store(false)
	if tried() {
		t.Error("it is tried before the pause is over")
	}
	w.clock.pass(tripPause)
	w.wantWhere("own", own)
	w.wantWhere("own", own)
}

// While one request tries a database that was out of reach, others are refused.
func TestBreakerLetsOneTry(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	lost := &pgconn.ConnectError{}
	var b breaker
	for i := range tripAfter {
		if !b.allow(now) {
			t.Errorf("refused after %d failures", i)
		}
		b.note(lost, now)
	}
	if b.allow(now) || b.allow(now.Add(tripPause-1)) {
		t.Error("allowed during the pause")
	}
	now = now.Add(tripPause)
	if !b.allow(now) || b.allow(now) || b.allow(now.Add(tripPause-1)) {
		t.Error("not one may try")
	}
	// One that was under way for long.
	b.note(nil, now)
	for range 3 {
		if !b.allow(now) {
			t.Error("refused after a success")
		}
	}
	b.note(lost, now)
	b.note(problem.New(problem.NotFound), now) // it answers
	for range tripAfter - 1 {
		b.note(lost, now)
	}
	if !b.allow(now) {
		t.Error("failures are counted that were not in a row")
	}
	for _, err := range []error{context.DeadlineExceeded, context.Canceled, problem.New(problem.Overloaded)} {
		b.note(err, now)
	}
	b.note(lost, now)
	if b.allow(now) {
		t.Error("requests whose time was over are taken for a sign of life")
	}
}

// Requests of a tenant whose database is silent hold up nobody else.
func TestSilentDatabaseSlowsNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pool.PoolWait, w.config.Connect = time.Minute, time.Minute // longer than the test
	good := dbtest.NewDedicated(t)
	w.place("good", good)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	conns := make(chan net.Conn, 100)
	go func() {
		defer close(conns)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- conn
		}
	}()
	silent := parse(t, good)
	silent.Host = ln.Addr().String()
	u := config.Secret(silent.String())
	w.route("silent", u, Sealed{w.sealer.sealOwner("silent", u, [16]byte{1}), w.sealer.seal("silent", servingURL, u)})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var waiting sync.WaitGroup
	done := make(chan error, 20)
	for range cap(done) {
		waiting.Go(func() { done <- w.InTx(ctx, pg.Scope{Tenant: "silent"}, func(tenantdb.DBTX) error { return nil }) })
	}
	first := <-conns // they are at it
	for range 10 {
		w.wantWhere("good", good)
		w.wantWhere("acme", w.main.URL)
	}
	select {
	case err := <-done:
		t.Errorf("a request to the silent database has ended: %v", err)
	default:
	}
	_ = ln.Close()
	_ = first.Close()
	go func() {
		for conn := range conns {
			_ = conn.Close()
		}
	}()
	waiting.Wait()
	close(done)
	for err := range done {
		if !problem.Is(err, problem.Unavailable) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("got %v", err)
		}
	}
}

// Pools that no request uses are closed; probes are no use.
func TestIdlePoolsAreClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	idle, busy := dbtest.NewDedicated(t), dbtest.NewDedicated(t)
	sealed := w.place("idle", idle)
	w.place("busy", busy)
	w.wantWhere("idle", idle)
	err := w.InTx(t.Context(), pg.Scope{Tenant: "busy"}, func(tenantdb.DBTX) error {
		w.clock.pass(idleTime - time.Second)
		probe := func(ctx context.Context, db *pg.DB) error { return db.CheckDedicated(ctx) }
		if err := w.Probe(t.Context(), "idle", sealed.ServingURL, 5*time.Second, probe); err != nil {
			t.Error(err)
		}
		w.wantWhere("acme", w.main.URL)
		if _, pools := w.sizes(); pools != 2 {
			t.Errorf("got %d pools before their time", pools)
		}
		w.clock.pass(sweepEvery)
		w.wantWhere("acme", w.main.URL)
		if _, pools := w.sizes(); pools != 1 {
			t.Fatalf("got %d pools, want that in use", pools)
		}
		for w.connected(idle) > 0 {
			if t.Context().Err() != nil {
				t.Fatal("the connections of an idle pool stay")
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	w.wantWhere("idle", idle)
}
