package backend

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/backend/internal/web"
	"gatehouse/internal/config"
	"gatehouse/internal/health"
)

// socketDir is a directory whose name is short enough for sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestSocket(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	path := filepath.Join(dir, "api.sock")
	first, err := listenAPI("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|socketMode {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if got := first.Addr().String(); got != path {
		t.Errorf("address %q", got)
	}
	if _, err := listenAPI("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second process: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}

	// One that was left behind is replaced; a closed listener leaves its
	// successor's alone.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	second, err := listenAPI("unix:" + path)
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	third, err := listenAPI("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket of another listener was removed: %v", err)
	}
	_ = third.Close()

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAPI("unix:" + path); err == nil {
		t.Error("listens in place of a file")
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file: %q, %v", content, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSocketAddr(t *testing.T) {
	t.Parallel()
	for addr, right := range map[string]bool{
		"unix:/run/gatehouse/backend.sock": true, ":8081": true, "127.0.0.1:8081": true,
		"unix:": false, "unix:run/x": false, "unix:/" + strings.Repeat("x", maxSocketPath): false, "8081": false,
	} {
		m := &config.Mistakes{}
		c := validConfig(t)
		c.Addr = addr
		c.Validate(m)
		if got := len(m.Names()) == 0; got != right {
			t.Errorf("%s: mistakes %v", addr, m)
		}
	}
}

// TestReady asks as a gateway does: over a Unix socket, whose peers are trusted,
// and over TCP from an address that is not.
func TestReady(t *testing.T) {
	t.Parallel()
	failure := errors.New("gone")
	check := func(err *error) health.Check {
		return health.Check{Name: "database", Required: true, Run: func(context.Context) error { return *err }}
	}
	var fine error
	probe, broken := health.NewChecker(check(&fine)), health.NewChecker(check(&failure))
	app := &web.App{Log: slog.New(slog.DiscardHandler)}
	server, brokenServer := newServer(app, nil, probe, app.Log), newServer(app, nil, broken, app.Log)
	socket, err := listenAPI("unix:" + filepath.Join(socketDir(t), "api.sock"))
	if err != nil {
		t.Fatal(err)
	}
	brokenSocket, err := listenAPI("unix:" + filepath.Join(socketDir(t), "api.sock"))
	if err != nil {
		t.Fatal(err)
	}
	plain := listen(t)
	go func() { _ = server.Serve(socket) }()
	go func() { _ = server.Serve(plain) }()
	go func() { _ = brokenServer.Serve(brokenSocket) }()
	t.Cleanup(func() { _, _ = server.Shutdown(), brokenServer.Shutdown() })
	ask := func(addr net.Addr, request string) int {
		conn, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(request + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask(socket.Addr(), "GET /health/ready"); got != 200 {
		t.Errorf("ready: %d", got)
	}
	if got := ask(plain.Addr(), "GET /health/ready"); got != 404 {
		t.Errorf("somebody else is told: %d", got)
	}
	if got := ask(socket.Addr(), "POST /health/ready"); got != 404 {
		t.Errorf("POST: %d", got)
	}
	if got := ask(brokenSocket.Addr(), "GET /health/ready"); got != 503 {
		t.Errorf("without a database: %d", got)
	}
	probe.Drain()
	if got := ask(socket.Addr(), "GET /health/ready"); got != 503 {
		t.Errorf("draining: %d", got)
	}
}
