package gateway

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// drip sends text a byte at a time until the other end has had enough. No pause
// between two bytes comes near a time-out: only the whole does.
func drip(conn net.Conn, text string) {
	for {
		for i := range len(text) {
			if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		text = "x"
	}
}

// A client that sends or reads as slowly as it can holds its connection for
// the time that is set and no longer, and is told why where it still can be.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	const (
		ask       = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
		large     = "GET /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
		upload    = "POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n"
		chunked   = "POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nC350\r\n"
		handshake = "\x16\x03\x01\x02\x00" // the head of a ClientHello of 512 bytes
	)
	const ( // what the client speaks first
		plain = iota
		raw   // into the TLS listener, without TLS
		secure
	)
	for name, c := range map[string]struct {
		over   int
		attack func(conn net.Conn, token string)
		status int // of the last answer; 0 for none
	}{
		"says nothing":                 {plain, func(net.Conn, string) {}, 408},
		"drips its headers":            {plain, func(conn net.Conn, _ string) { drip(conn, "GET /openapi.json HTTP/1.1\r\nHost: x\r\nX: ") }, 408},
		"drips its second headers":     {plain, func(conn net.Conn, _ string) { drip(conn, ask+"GET / HTTP/1.1\r\nX: ") }, 408},
		"drips its body":               {plain, func(conn net.Conn, token string) { fmt.Fprintf(conn, upload, token); drip(conn, "{") }, 408},
		"drips its chunks":             {plain, func(conn net.Conn, token string) { fmt.Fprintf(conn, chunked, token); drip(conn, "{") }, 408},
		"begins a body and goes":       {plain, func(conn net.Conn, token string) { fmt.Fprintf(conn, upload, token); closeWrite(conn) }, 400},
		"reads nothing":                {plain, func(conn net.Conn, token string) { unread(conn); fmt.Fprintf(conn, large, token) }, 0},
		"asks on and on, reads none":   {plain, func(conn net.Conn, _ string) { unread(conn); flood(conn, ask) }, 0},
		"shakes no hands":              {raw, func(net.Conn, string) {}, 0},
		"drips its handshake":          {raw, func(conn net.Conn, _ string) { drip(conn, handshake) }, 0},
		"says nothing over TLS":        {secure, func(net.Conn, string) {}, 408},
		"drips its headers over TLS":   {secure, func(conn net.Conn, _ string) { drip(conn, "GET / HTTP/1.1\r\nX: ") }, 408},
		"reads nothing over TLS":       {secure, func(conn net.Conn, token string) { unread(conn); fmt.Fprintf(conn, large, token) }, 0},
		"drips half a record over TLS": {secure, func(conn net.Conn, _ string) { drip(conn.(*tls.Conn).NetConn(), "\x17\x03\x03\x40\x00") }, 408},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certFile, keyFile, pool := certificate(t)
			r := newRig(t, func(c *Config) {
				c.TLSAddr, c.TLS.CertFiles, c.TLS.KeyFiles = "127.0.0.1:0", []string{certFile}, []string{keyFile}
				c.Edge.ReceiveTimeout, c.Edge.SendTimeout = 500*time.Millisecond, 500*time.Millisecond
			})
			r.backend.answerWith(func(ctx *fasthttp.RequestCtx) {
				ctx.SetContentType("application/json")
				ctx.SetBodyString(strings.Repeat(" ", 12<<20)) // more than sockets hold
			})
			addr := r.Addr("http")
			if c.over != plain {
				addr = r.Addr("tls")
			}
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			eventually(t, "the connection is open", func() bool { return r.edge.Connections() == 1 })
			if c.over == secure {
				conn = tls.Client(conn, tlsClient(pool))
			}
			if _, err := conn.Write(nil); err != nil { // shakes hands
				t.Fatal(err)
			}
			token := r.token(t, "tenant1")
			attacked := make(chan struct{})
			go func() {
				defer close(attacked)
				c.attack(conn, token)
			}()
			// Who does not read learns nothing.
			got := 0
			if c.status != 0 {
				got = lastStatus(t, conn)
			}
			eventually(t, "the connection is given back", func() bool { return r.edge.Connections() == 0 })
			if got != c.status {
				t.Errorf("status = %d, want %d", got, c.status)
			}
			_ = conn.Close()
			<-attacked
			if a := r.do(t, "GET", "/openapi.json", nil, ""); a.status != 200 {
				t.Errorf("another client gets %d", a.status)
			}
		})
	}
}

// lastStatus reads answers to the connection's end.
func lastStatus(t *testing.T, conn net.Conn) (status int) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for reader := bufio.NewReader(conn); ; {
		answer, err := http.ReadResponse(reader, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if err != nil {
			return status
		}
		status = answer.StatusCode
		_, _ = io.Copy(io.Discard, answer.Body) // its end shows with the next one
	}
}

// unread makes the client's window small; it is shut soon, since nobody reads.
func unread(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10) // the system's own would do, too
}

func closeWrite(conn net.Conn) { _ = conn.(*net.TCPConn).CloseWrite() }

// flood sends text until nothing more is taken.
func flood(conn net.Conn, text string) {
	text = strings.Repeat(text, 100)
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}
