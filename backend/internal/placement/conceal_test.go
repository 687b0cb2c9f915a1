package placement

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// relay stands before a server and can be cut.
type relay struct {
	net.Listener
	down  atomic.Bool  // lets nobody through
	came  atomic.Int64 // connections, let through or not
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: ln, conns: map[net.Conn]bool{}}
	t.Cleanup(r.cut)
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			r.came.Add(1)
			if r.down.Load() {
				_ = client.Close()
				continue
			}
			up, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			r.mu.Lock()
			r.conns[client], r.conns[up] = true, true
			r.mu.Unlock()
			go func() { _, _ = io.Copy(up, client); _ = up.Close() }()
			go func() { _, _ = io.Copy(client, up); _ = client.Close() }()
		}
	}()
	return r
}

// cut ends all connections, and takes no new ones.
func (r *relay) cut() {
	_ = r.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range maps.Keys(r.conns) {
		_ = c.(*net.TCPConn).SetLinger(0) // as a server that breaks down
		_ = c.Close()
	}
}

// Whatever happens to a dedicated database, no error tells how it is reached.
func TestErrorsDoNotTellTheConnectionString(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	r := newRelay(t, parse(t, own).Host)
	through := parse(t, own)
	through.Host = r.Addr().String()
	w.place("own", config.Secret(through.String()))
	sealed := dbtest.Value[[]byte](t, w.main.AdminURL, "select sealed_url from control.placements")
	serving, err := w.sealer.open("own", servingURL, sealed)
	if err != nil {
		t.Fatal(err)
	}
	login := parse(t, serving)
	password, _ := login.User.Password()
	ownerPassword, _ := through.User.Password()
	_, port, _ := net.SplitHostPort(through.Host)
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		for _, secret := range []string{"127.0.0.1", ":" + port, through.User.Username(), ownerPassword, login.User.Username(), password} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %q is in %s", what, secret, text)
			}
		}
	}
	// In the middle of an answer.
	rows, err := db(w, "own").Query(t.Context(), "select repeat('x', 10000) from generate_series(1, 5000)")
	if err != nil {
		t.Fatal(err)
	}
	rows.Next()
	err = w.InTx(t.Context(), pg.Scope{Tenant: "own", Write: true}, func(tx tenantdb.DBTX) error {
		r.cut()
		_, err := tx.Exec(t.Context(), "select 1")
		return err
	})
	check("in a transaction", err)
	for rows.Next() {
	}
	rows.Close()
	check("while reading", rows.Err())
	if !problem.Is(rows.Err(), problem.Unavailable) {
		t.Errorf("got %v", rows.Err())
	}
	// When it cannot be reached at all.
	_, err = w.where("own")
	check("in a query", err)
	if !problem.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
	_, err = db(w, "own").Exec(t.Context(), "select 1")
	check("in a statement", err)
	check("in a transaction", w.InTx(t.Context(), pg.Scope{Tenant: "own"}, func(tenantdb.DBTX) error { return nil }))
	fn := func(ctx context.Context, db *pg.DB) error { return db.CheckDedicated(ctx) }
	check("in a probe of the pool", w.Probe(t.Context(), "own", sealed, time.Second, fn))
	w.Forget("own")
	check("in a probe", w.Probe(t.Context(), "own", sealed, time.Second, fn))
	check("as owner", w.AsOwner(t.Context(), "own", w.sealer.sealOwner("own", config.Secret(through.String()), [16]byte{}), func(tenantdb.DBTX) error { return nil }))
	_, err = w.Provision(t.Context(), "own", through, nobody)
	check("while provisioning", err)
	check("while retiring", w.Retire(t.Context(), "own", through))
	// When the login is refused.
	wrong := parse(t, own)
	wrong.User = url.UserPassword(wrong.User.Username(), "Wrong-Horse-7")
	check("refused", w.Probe(t.Context(), "own", w.sealer.seal("own", servingURL, config.Secret(wrong.String())), time.Second, fn))
	check("refused as owner", w.AsOwner(t.Context(), "own", w.sealer.sealOwner("own", config.Secret(wrong.String()), [16]byte{}), func(tenantdb.DBTX) error { return nil }))
}
