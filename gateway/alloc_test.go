package gateway

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/internal/proxy"
)

// TestConnectionAllocations holds the bound of the hot path from socket to
// socket: a request on an open connection, through all steps and a backend, and
// its answer, whatever fasthttp and the proxy do for it included. It is not
// parallel: AllocsPerRun counts what the whole process allocates.
func TestConnectionAllocations(t *testing.T) {
	p := proxy.New(proxy.Options{Config: proxy.Config{Backends: []string{plainBackend(t)}, DialTimeout: time.Second, MaxConns: 4}})
	defer p.Close()
	b := newBenchBefore(t, plenty{}, p.Handle)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() { _ = b.server.Serve(ln) }() // ends with the listener
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 8<<10)
	request := func() {
		if _, err := conn.Write(b.header); err != nil {
			t.Fatal(err)
		}
		n := 0
		for !bytes.HasSuffix(answer[:n], plainEnd) {
			read, err := conn.Read(answer[n:])
			if err != nil {
				t.Fatalf("%v after %q", err, answer[:n])
			}
			n += read
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
			t.Fatalf("got %q", answer[:n])
		}
	}
	for range 100 { // what is kept for later requests grows to its size
		request()
	}
	if got := testing.AllocsPerRun(2000, request); got > mostAllocations {
		t.Errorf("%v allocations per request, want at most %d", got, mostAllocations)
	}
}

// plainEnd ends the answers of plainBackend.
var plainEnd = []byte(`"}}`)

// plainBackend answers every request without a body with 1 KiB of JSON and
// allocates nothing for it. It returns its address.
func plainBackend(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	const head = `{"message":"ok","data":{"note":"`
	body := head + strings.Repeat("x", 1024-len(head)-len(plainEnd)) + string(plainEnd)
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nETag: \"7\"\r\n\r\n%s", len(body), body)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buffer := make([]byte, 8<<10)
				for n := 0; ; {
					read, err := conn.Read(buffer[n:])
					if err != nil {
						return
					}
					if n += read; !bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
						continue
					}
					n = 0
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}
