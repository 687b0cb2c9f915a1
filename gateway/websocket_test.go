package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	wsKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	wsAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// echo upgrades and sends back what comes; a message that begins with "end" ends it.
func echo(accept string) func(*far) {
	return func(f *far) {
		if f.next() == nil {
			return
		}
		f.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept)
		buffer := make([]byte, 32<<10)
		for {
			n, err := f.reader.Read(buffer)
			if err != nil || strings.HasPrefix(string(buffer[:n]), "end") {
				return
			}
			if _, err := f.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}

func (r *streamRig) socket(key, version string) string {
	return r.head("GET /socket", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: "+key, "Sec-WebSocket-Version: "+version)
}

func TestWebSocketEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*streamRig, *near){
		"by the backend": func(_ *streamRig, n *near) { _, _ = io.WriteString(n, "end") },
		"by the client":  func(_ *streamRig, n *near) { closeWrite(n.Conn) },
		"by the gateway": func(r *streamRig, _ *near) { go func() { _ = r.stop() }() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			r := newStreamRig(t, nil, func(f *far) {
				echo(wsAccept)(f)
				_ = f.Close()
				close(gone)
			})
			conn := r.dial(t)
			conn.say(t, r.socket(wsKey, "13"))
			if response := conn.open(t); response.StatusCode != 101 || response.Header.Get("Sec-Websocket-Accept") != wsAccept {
				t.Fatalf("answer = %d %v", response.StatusCode, response.Header)
			}
			body := noise(1 << 20)
			go func() { _, _ = io.WriteString(conn, body) }()
			got := make([]byte, len(body))
			if _, err := io.ReadFull(conn.reader, got); err != nil || string(got) != body {
				t.Fatalf("the echo differs: %v", err)
			}
			end(r, conn)
			<-gone
			conn.ended(t)
		})
	}
}

func TestWebSocketHandshakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key, version, accept string
		status               int
		code                 string
	}{
		"no version":        {wsKey, "", wsAccept, 400, "bad_framing"},
		"an old version":    {wsKey, "8", wsAccept, 400, "bad_framing"},
		"a short key":       {"dGhlIHNhbXBsZQ==", "13", wsAccept, 400, "bad_framing"},
		"no key":            {"", "13", wsAccept, 400, "bad_framing"},
		"another's promise": {wsKey, "13", "x3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 502, "bad_gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newStreamRig(t, nil, echo(c.accept))
			r.raw(t, r.socket(c.key, c.version), "GET").problem(t, c.status, c.code)
			r.idle(t, "/socket")
		})
	}
	r := newStreamRig(t, nil, func(f *far) {
		for q := f.next(); q != nil; q = f.next() {
			f.say("HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s", http.StatusForbidden, len(q.Header.Get("Upgrade")), q.Header.Get("Upgrade"))
		}
	})
	if a := r.raw(t, r.socket(wsKey, "13"), "GET"); a.status != 403 || a.body != "websocket" {
		t.Errorf("a refusal = %s", fmt.Sprint(a))
	}
	if a := r.raw(t, strings.Replace(r.socket(wsKey, "13"), "/socket", "/download", 1), "GET"); a.status != 403 || a.body != "" {
		t.Errorf("another operation = %s", fmt.Sprint(a))
	}
}
