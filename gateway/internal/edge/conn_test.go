package edge

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"gatehouse/internal/config"
)

// failing is a listener whose first accepts fail, as they do for want of file
// descriptors.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, errors.New("accept: too many open files")
	}
	return f.Listener.Accept()
}

func TestAcceptGoesOnAfterErrors(t *testing.T) {
	t.Parallel()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := NewConnections(10, 10, nil, slog.New(slog.DiscardHandler)).Listen(&failing{raw, 3})
	go func() {
		if conn, err := net.Dial("tcp", raw.Addr().String()); err == nil {
			_ = conn.Close()
		}
	}()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatalf("Accept = %v", err)
	}
	_ = conn.Close()
	_ = raw.Close()
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after the end = %v", err)
	}
}

func TestLingerIsBounded(t *testing.T) {
	t.Parallel()
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	limits := NewConnections(10, 10, nil, slog.New(slog.DiscardHandler))
	ln := limits.Listen(raw)
	for name, send := range map[string]func(net.Conn){
		"a silent client": func(net.Conn) {},
		"an endless client": func(conn net.Conn) {
			b := make([]byte, 64<<10)
			for {
				if _, err := conn.Write(b); err != nil {
					return
				}
			}
		},
	} {
		client, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go send(client)
		LingerOnClose(server)
		began := time.Now()
		if err := server.Close(); err != nil {
			t.Errorf("%s: Close = %v", name, err)
		}
		if took := time.Since(began); took > lingerTime+time.Second {
			t.Errorf("%s: lingered for %v", name, took)
		}
		if n := limits.Len(); n != 0 {
			t.Errorf("%s: %d connections open", name, n)
		}
		if err := server.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: second Close = %v", name, err)
		}
		_, _ = io.Copy(io.Discard, client)
		_ = client.Close()
	}
}

func TestCORSConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origins     []string
		credentials bool
		ok          bool
	}{
		{nil, true, true},
		{[]string{"https://a.example.com", "http://localhost:3000"}, true, true},
		{[]string{"*"}, false, true},
		{[]string{"*"}, true, false},
		{[]string{"https://a.example.com", "*"}, true, false},
		{[]string{"https://a.example.com/"}, false, false},
		{[]string{"https://A.example.com"}, false, false},
		{[]string{"a.example.com"}, false, false},
		{[]string{"https://*.example.com"}, false, false},
		{[]string{"null"}, false, false},
		{[]string{"ftp://a"}, false, false},
	} {
		m := &config.Mistakes{}
		(&CORSConfig{c.origins, c.credentials}).Validate(m)
		if ok := len(m.Names()) == 0; ok != c.ok {
			t.Errorf("%v, credentials %v: %v", c.origins, c.credentials, m)
		}
	}
}
