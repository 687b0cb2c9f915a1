package placement

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// Nobody connects to this machine unless it is allowed, by whatever name: not to
// try a connection string, not as the owner and not to serve.
func TestLocalAddressesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := dbtest.NewDedicated(t)
	sealed := w.place("own", own)
	w.config.Local = []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16")}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan struct{})
	go func() {
		defer close(came)
		if conn, err := ln.Accept(); err == nil {
			_ = conn.Close()
			t.Error("somebody has connected")
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "[::1]"} {
		u, err := ParseURL("postgres://owner:Secret-Horse-7@" + host + ":" + port + "/own?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Provision(t.Context(), "new", u, nobody)
		if !errors.Is(err, pg.ErrForbidden) || !errors.Is(err, pg.ErrUnreachable) {
			t.Errorf("%s: got %v", host, err)
			continue
		}
		if strings.Contains(err.Error(), "owner:") || strings.Contains(err.Error(), port) {
			t.Errorf("%s: the error tells the connection string: %v", host, err)
		}
	}
	there := parse(t, own)
	there.Host = ln.Addr().String()
	sealedThere := func(u *url.URL) Sealed {
		return Sealed{w.sealer.sealOwner("own", config.Secret(u.String()), [16]byte{1}), w.sealer.seal("own", servingURL, config.Secret(u.String()))}
	}(there)
	w.route("own", own, sealedThere)
	w.Forget("own")
	for name, err := range map[string]error{
		"a probe": w.Probe(t.Context(), "own", sealedThere.ServingURL, time.Second, func(ctx context.Context, db *pg.DB) error { return db.CheckDedicated(ctx) }),
		// After the probe, which would take an open pool.
		"serving":  func() error { _, err := w.where("own"); return err }(),
		"as owner": w.AsOwner(t.Context(), "own", sealedThere.OwnerURL, func(tenantdb.DBTX) error { return nil }),
	} {
		if !errors.Is(err, pg.ErrForbidden) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := w.where("own"); !problem.Is(err, problem.Unavailable) {
		t.Errorf("serving: got %v", err)
	}
	m := w.migrator()
	m.Local = nil
	if all, err := m.Run(t.Context()); err != nil || !errors.Is(all[1].Err, pg.ErrForbidden) {
		t.Errorf("migrating: got %v, %v", all, err)
	}
	_ = ln.Close()
	<-came

	w.config.Local = dbtest.Local()
	w.route("own", own, sealed)
	w.Forget("own")
	w.wantWhere("own", own)
}
