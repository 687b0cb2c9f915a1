package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"gatehouse/internal/certs/certtest"
)

// secure connects to a TLS server that is in the test's hands.
func secure(t *testing.T, version uint16) (client *conn, server *tls.Conn, wire *coalescing) {
	t.Helper()
	a := certtest.NewAuthority(t)
	files := a.Issue(t, certtest.Leaf{Names: []string{"backend.test"}})
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if raw, err := ln.Accept(); err == nil {
			accepted <- raw
		}
		close(accepted)
	}()
	raw, err := Dial(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, ok := <-accepted
	if !ok {
		t.Fatal("not accepted")
	}
	t.Cleanup(func() { _, _ = raw.Close(), other.Close() })
	wire = &coalescing{Conn: other}
	server = tls.Server(wire, &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: version, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	secured, err := Secure(t.Context(), raw, &tls.Config{
		RootCAs: a.Pool(), ServerName: "backend.test", ClientSessionCache: tls.NewLRUClientSessionCache(1), MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return newConn(secured), server, wire
}

// coalescing keeps what is written until it is let go, all at once.
type coalescing struct {
	net.Conn
	hold bool
	held []byte
}

// Write implements net.Conn.
func (h *coalescing) Write(b []byte) (int, error) {
	if !h.hold {
		return h.Conn.Write(b)
	}
	h.held = append(h.held, b...)
	return len(b), nil
}

// becomes waits for what is on its way through the kernel.
func becomes(t *testing.T, want bool, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ask() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("quiet is %v and stays so", !want)
		}
	}
}

func TestQuietOverTLS(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, c := range map[string]struct {
			send  func(server *tls.Conn, wire *coalescing)
			quiet bool
		}{
			"nothing but tickets": {func(*tls.Conn, *coalescing) {}, true},
			"a stray byte":        {func(s *tls.Conn, _ *coalescing) { _, _ = s.Write([]byte("x")) }, false},
			"the end":             {func(_ *tls.Conn, w *coalescing) { _ = w.Close() }, false},
			"a goodbye":           {func(s *tls.Conn, _ *coalescing) { _ = s.CloseWrite() }, false},
			"part of a header":    {func(_ *tls.Conn, w *coalescing) { _, _ = w.Write([]byte{23, 3}) }, false},
			"part of a record":    {func(_ *tls.Conn, w *coalescing) { _, _ = w.Write([]byte{23, 3, 3, 0, 9, 1}) }, false},
			"an empty record":     {func(_ *tls.Conn, w *coalescing) { _, _ = w.Write([]byte{23, 3, 3, 0, 0}) }, false},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				t.Parallel()
				client, server, wire := secure(t, version)
				// An answer, as before every reuse.
				if _, err := server.Write([]byte("answer")); err != nil {
					t.Fatal(err)
				}
				answer := make([]byte, len("answer"))
				if _, err := io.ReadFull(client.reader, answer); err != nil {
					t.Fatal(err)
				}
				if !client.quiet() {
					t.Fatal("not quiet after an answer")
				}
				c.send(server, wire)
				becomes(t, c.quiet, client.quiet)
			})
		}
	}
}

// TestStrayRecordBehindAnAnswer arrives in the same segment as the answer, so
// that the socket is empty when it is looked at.
func TestStrayRecordBehindAnAnswer(t *testing.T) {
	t.Parallel()
	client, server, wire := secure(t, tls.VersionTLS13)
	wire.hold = true
	for _, text := range []string{"answer", "stray"} {
		if _, err := server.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := wire.Conn.Write(wire.held); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("answer"))
	if _, err := io.ReadFull(client.reader, answer); err != nil {
		t.Fatal(err)
	}
	if client.quiet() {
		t.Error("quiet, though another record came with the answer's")
	}
}

// TestTicketsBeforeAnyAnswer do not speak against a connection that was opened
// ahead of need.
func TestTicketsBeforeAnyAnswer(t *testing.T) {
	t.Parallel()
	client, server, _ := secure(t, tls.VersionTLS13)
	// The tickets were sent when the server had the last word of the handshake.
	if !client.quiet() {
		t.Error("tickets are taken for an answer")
	}
	if _, err := server.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	becomes(t, false, client.quiet)
}
