package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"gatehouse/internal/limit"
	"gatehouse/internal/revocation"
	"gatehouse/internal/token"
)

// tunnelRig is a gateway with WebSockets to a backend that sends back what comes.
type tunnelRig struct {
	*streamRig
	name    string        // on all goroutines of the gateway
	ahead   atomic.Int64  // how far its clock is
	session uuid.UUID     // of the rig's caller
	ends    chan net.Conn // the backend's, of the WebSockets
	over    chan struct{} // told at the end of each of them
}

func newTunnelRig(t *testing.T, change func(*Config)) *tunnelRig {
	t.Helper()
	r := &tunnelRig{name: uuid.NewString(), session: uuid.New(), ends: make(chan net.Conn, 4), over: make(chan struct{}, 4)}
	now := func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }
	pprof.Do(t.Context(), pprof.Labels("rig", r.name), func(context.Context) {
		r.streamRig = newStreamRigAt(t, now, change, func(f *far) {
			r.ends <- f.Conn
			echo(wsAccept)(f)
			_ = f.Close()
			r.over <- struct{}{}
		})
	})
	var err error
	r.signed, err = r.keys.Sign(token.Claims{
		UserID: uuid.New(), Tenant: "tenant1", Username: "demo", Session: r.session, Role: token.Member,
	}, 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// opens returns both ends of a new WebSocket.
func (r *tunnelRig) opens(t *testing.T) (client *near, backend net.Conn) {
	t.Helper()
	client = r.dial(t)
	client.say(t, r.socket(wsKey, "13"))
	if got := client.open(t); got.StatusCode != 101 || got.Header.Get("Connection") != "Upgrade" {
		t.Fatalf("answer = %d %v", got.StatusCode, got.Header)
	}
	client.echoes(t, "hello")
	return client, <-r.ends
}

func (n *near) echoes(t *testing.T, text string) {
	t.Helper()
	n.say(t, text)
	got := make([]byte, len(text))
	if _, err := io.ReadFull(n.reader, got); err != nil || string(got) != text {
		t.Fatalf("the echo of %q is %q, %v", text, got, err)
	}
}

var goroutineCount = regexp.MustCompile(`^\d+`)

// goroutines returns how many of the gateway's goroutines serve a WebSocket.
func (r *tunnelRig) goroutines(t *testing.T) (n int) {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(record, r.name) && strings.Contains(record, "proxy.(*tunnel)") {
			m, _ := strconv.Atoi(goroutineCount.FindString(record))
			n += m
		}
	}
	return n
}

// TestTunnelsEnd is not parallel: the number of WebSockets is the process's.
func TestTunnelsEnd(t *testing.T) {
	reset := func(conn net.Conn) {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	open := metrics.GetOrCreateGauge(`gateway_websockets`, nil)
	for name, end := range map[string]func(*testing.T, *tunnelRig, *near, net.Conn){
		"when the token expires": func(_ *testing.T, r *tunnelRig, _ *near, _ net.Conn) {
			r.ahead.Store(int64(15*time.Minute + token.Leeway))
		},
		"when the session is revoked": func(t *testing.T, r *tunnelRig, _ *near, _ net.Conn) {
			r.publisher(t).Publish(t.Context(), revocation.Item(r.session, time.Now().Add(time.Hour)))
		},
		"when the tenant is suspended": func(t *testing.T, r *tunnelRig, _ *near, _ net.Conn) {
			r.publisher(t, limit.Tenant{ID: "tenant1", Version: 1, Status: "suspended", Plan: "free"})
		},
		"when the gateway stops":   func(_ *testing.T, r *tunnelRig, _ *near, _ net.Conn) { go func() { _ = r.stop() }() },
		"with the client":          func(_ *testing.T, _ *tunnelRig, n *near, _ net.Conn) { _ = n.Close() },
		"with the client's reset":  func(_ *testing.T, _ *tunnelRig, n *near, _ net.Conn) { reset(n.Conn) },
		"with the backend":         func(_ *testing.T, _ *tunnelRig, _ *near, far net.Conn) { _ = far.Close() },
		"with the backend's reset": func(_ *testing.T, _ *tunnelRig, _ *near, far net.Conn) { reset(far) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newTunnelRig(t, nil)
			client, backend := r.opens(t)
			if n := r.goroutines(t); n == 0 || open.Get() != 1 {
				t.Fatalf("%d goroutines, %v WebSockets", n, open.Get())
			}
			if lines := r.logs.lines(t, "request"); len(lines) != 0 {
				t.Errorf("it counts as over: %v", lines)
			}
			end(t, r, client, backend)
			if _, err := client.reader.ReadByte(); err == nil || isTimeout(err) {
				t.Fatalf("the client reads %v, want the connection's end", err)
			}
			<-r.over // the backend has seen the end, too
			eventually(t, "nothing is left of it", func() bool { return r.goroutines(t) == 0 && open.Get() == 0 })
			eventually(t, "its line in the log", func() bool { return len(r.logs.lines(t, "request")) == 1 })
			if line := r.logs.lines(t, "request")[0]; line["status"] != 101.0 || line["route"] != "/socket" {
				t.Errorf("access line %v", line)
			}
		})
	}
}

// What arrives together with the handshake, on either side, is a part of the
// WebSocket.
func TestTunnelsLoseNothing(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) {
		if f.next() == nil {
			return
		}
		f.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\nfirst", wsAccept)
		_, _ = io.Copy(f, f.reader)
	})
	conn := r.dial(t)
	conn.say(t, r.socket(wsKey, "13")+"early")
	if got := conn.open(t).StatusCode; got != 101 {
		t.Fatalf("status = %d", got)
	}
	got := make([]byte, len("firstearly"))
	if _, err := io.ReadFull(conn.reader, got); err != nil || string(got) != "firstearly" {
		t.Errorf("the client got %q, %v", got, err)
	}
}

func TestTunnelCountsForItsTenant(t *testing.T) {
	t.Parallel()
	r := newTunnelRig(t, limits(t, "standard.in_flight=2"))
	first, _ := r.opens(t)
	second, _ := r.opens(t)
	if n := r.admission.InFlight(); n != 0 {
		t.Errorf("they take %d slots of the limit for all", n)
	}
	for _, target := range []string{"/socket", "/download"} {
		a := r.raw(t, strings.Replace(r.socket(wsKey, "13"), "/socket", target, 1), "GET")
		if p := a.problem(t, 429, "rate_limited"); !strings.Contains(fmt.Sprint(p["detail"]), `"in_flight"`) {
			t.Errorf("%s: detail %v", target, p["detail"])
		}
	}
	first.echoes(t, "still open")
	_ = first.Close()
	<-r.over
	var third *near
	eventually(t, "the slot comes back", func() bool {
		third = r.dial(t)
		third.say(t, r.socket(wsKey, "13"))
		return third.open(t).StatusCode == 101
	})
	third.echoes(t, "hello")
	second.echoes(t, "still open")
}

// A handshake while the gateway drains is served like any request; the WebSocket
// ends when the drain does.
func TestTunnelsWhileDraining(t *testing.T) {
	t.Parallel()
	r := newTunnelRig(t, nil)
	before, _ := r.opens(t)
	r.edge.Drain()
	during, _ := r.opens(t)
	before.echoes(t, "still open")
	during.echoes(t, "still open")
	r.proxy.EndTunnels()
	before.ended(t)
	during.ended(t)
	r.raw(t, r.socket(wsKey, "13"), "GET").problem(t, 503, "unavailable")
}

func TestTunnelsWantHTTP11(t *testing.T) {
	t.Parallel()
	r := newStreamRig(t, nil, func(f *far) { t.Error("the backend was asked"); f.gone() })
	r.raw(t, strings.Replace(r.socket(wsKey, "13"), "HTTP/1.1", "HTTP/1.0", 1), "GET").problem(t, 400, "bad_framing")
}
