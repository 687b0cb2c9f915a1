package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestAmbiguousRequestsAreRefused sends, over a raw socket, what two programs
// could read differently. Each must be refused as one problem, end its
// connection, and never reach the backend.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	token := r.token(t, "tenant1")
	auth := "Authorization: Bearer " + token + "\r\n"
	post := "POST /things HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Type: application/json\r\n"
	get := "GET /things/7 HTTP/1.1\r\nHost: x\r\n" + auth
	for _, c := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"both lengths", post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "bad_framing"},
		{"both lengths, swapped", post + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "bad_framing"},
		{"identity coding", post + "Content-Length: 2\r\nTransfer-Encoding: identity\r\n\r\n{}", 400, "bad_framing"},
		{"two lengths", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, "bad_framing"},
		{"a list of lengths", post + "Content-Length: 2, 2\r\n\r\n{}", 400, "bad_framing"},
		{"a signed length", post + "Content-Length: +2\r\n\r\n{}", 400, "bad_framing"},
		{"a hexadecimal length", post + "Content-Length: 0x2\r\n\r\n{}", 400, "bad_framing"},
		{"gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "bad_framing"},
		{"chunked twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_framing"},
		{"chunked in HTTP/1.0", strings.Replace(post, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_framing"},
		{"space before the colon", post + "Content-Length : 2\r\n\r\n{}", 400, "bad_framing"},
		{"space in a name", get + "X Y: 1\r\n\r\n", 400, "bad_framing"},
		{"folded header", get + "X-A: 1\r\n 2\r\n\r\n", 400, "bad_framing"},
		{"folded header with a tab", get + "X-A: 1\r\n\t2\r\n\r\n", 400, "bad_framing"},
		{"bare LF between headers", "GET /things/7 HTTP/1.1\r\nHost: x\nX-A: 1\r\n\r\n", 400, "bad_framing"},
		{"bare CR in a value", get + "X-A: 1\r2\r\n\r\n", 400, "bad_framing"},
		{"NUL in a value", get + "X-A: 1\x002\r\n\r\n", 400, "bad_framing"},
		{"no colon", get + "X-A\r\n\r\n", 400, "bad_framing"},
		{"no Host", "GET /things/7 HTTP/1.1\r\n" + auth + "\r\n", 400, "bad_framing"},
		{"two Hosts", get + "Host: y\r\n\r\n", 400, "bad_framing"},
		{"user information in Host", "GET /things/7 HTTP/1.1\r\nHost: a@b\r\n" + auth + "\r\n", 400, "bad_framing"},
		{"path in Host", "GET /things/7 HTTP/1.1\r\nHost: a/b\r\n" + auth + "\r\n", 400, "bad_framing"},
		{"two Content-Types", post + "content-type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 400, "bad_framing"},
		{"two tenants", get + "X-Tenant-Id: tenant1\r\nx-tenant-id: tenant2\r\n\r\n", 400, "bad_framing"},
		{"two If-Matches", get + "If-Match: \"1\"\r\nIf-Match: \"2\"\r\n\r\n", 400, "bad_framing"},
		{"two Idempotency-Keys", get + "Idempotency-Key: 1\r\nIdempotency-Key: 2\r\n\r\n", 400, "bad_framing"},
		{"HTTP/1.2", strings.Replace(get, "1.1", "1.2", 1) + "\r\n", 400, "bad_framing"},
		{"HTTP/2.0", strings.Replace(get, "1.1", "2.0", 1) + "\r\n", 400, "bad_framing"},
		{"no version", "GET /things/7\r\nHost: x\r\n\r\n", 400, "bad_framing"},
		{"method in lower case", strings.Replace(get, "GET", "get", 1) + "\r\n", 400, "bad_framing"},
		{"unknown method", strings.Replace(get, "GET", "BREW", 1) + "\r\n", 400, "bad_framing"},
		{"TRACE", strings.Replace(get, "GET", "TRACE", 1) + "\r\n", 400, "bad_framing"},
		{"CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 400, "bad_framing"},
		{"absolute form", "GET http://y/things/7 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n", 400, "bad_framing"},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_framing"},
		{"body on GET", get + "Content-Length: 2\r\n\r\n{}", 400, "bad_framing"},
		{"chunked body on GET", get + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "bad_framing"},
		{"TLS on the plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_framing"},
		{"long target", "GET /" + strings.Repeat("a", 8200) + " HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"},
		{"large header", get + "X-A: " + strings.Repeat("a", 20_000) + "\r\n\r\n", 431, "headers_too_large"},
		{"many headers", get + strings.Repeat("X-A: 1\r\n", 3000) + "\r\n", 431, "headers_too_large"},
		{"broken chunk", post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n", 400, "bad_framing"},
		{"target with //", "GET /things//7 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n", 400, "bad_framing"},
		{"target with ..", "GET /things/../things/7 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n", 400, "bad_framing"},
		{"target with an escaped dot", "GET /things/%2E%2E/7 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n", 400, "bad_framing"},
		{"target with an escaped slash", "GET /things%2F7 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n", 400, "bad_framing"},
	} {
		conn, err := net.Dial("tcp", r.Addr("http"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		// The second request must not be answered: it might be part of the first.
		fmt.Fprint(conn, c.request+get+"\r\n")
		reader := bufio.NewReader(conn)
		t.Run(c.name, func(t *testing.T) {
			a := readAnswer(t, reader, "POST")
			a.problem(t, c.status, c.code)
			if c.status == 414 {
				return // understood well enough to go on
			}
			if a.header.Get("Connection") != "close" {
				t.Errorf("Connection = %q, want close", a.header.Get("Connection"))
			}
			if rest, _ := io.ReadAll(reader); len(rest) > 0 {
				t.Errorf("more came: %q", rest)
			}
		})
		_ = conn.Close()
	}
	if got, n := r.backend.last(); n != 0 && got.target != "/things/7" {
		t.Errorf("the backend got %+v", got)
	}
	// Only the second requests behind a 414 could have been answered.
	if _, n := r.backend.last(); n > 1 {
		t.Errorf("%d requests reached the backend", n)
	}
	for _, line := range r.logs.lines(t, "request") {
		if line["request_id"] == "" || line["client"] != "127.0.0.1" {
			t.Errorf("log line %v", line)
		}
		if strings.Contains(fmt.Sprint(line), token) {
			t.Errorf("a log line shows the token: %v", line)
		}
	}
}

func TestHTTP10(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.raw(t, "GET /probe HTTP/1.0\r\n\r\n", "GET")
	if a.status != 200 || a.header.Get("Connection") != "close" {
		t.Errorf("answer = %d %v", a.status, a.header)
	}
	if got, _ := r.backend.last(); got.header.Get("X-Forwarded-Host") != "" {
		t.Errorf("X-Forwarded-Host = %q without a Host", got.header.Get("X-Forwarded-Host"))
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	conn, err := net.Dial("tcp", r.Addr("http"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, path := range []string{"/probe", "/nowhere", "/openapi.json"} {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	}
	reader := bufio.NewReader(conn)
	for _, want := range []int{200, 404, 200} {
		if got := readAnswer(t, reader, "GET").status; got != want {
			t.Errorf("status = %d, want %d", got, want)
		}
	}
}

// TestSlowRequests checks that the time for a request bounds all of it: a byte
// now and then does not keep it alive.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Edge.ReceiveTimeout = 300 * time.Millisecond })
	head := "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
	for name, start := range map[string]string{
		"nothing":          "",
		"a dripping head":  "GET /probe HTTP/1.1\r\nHost: x\r\nX-A: ",
		"a dripping body":  head,
		"a dripping chunk": strings.Replace(head, "Content-Length: 900", "Transfer-Encoding: chunked", 1) + "ff\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", r.Addr("http"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			began := time.Now()
			fmt.Fprint(conn, start)
			if start != "" {
				go func() {
					for range 40 {
						if _, err := conn.Write([]byte("x")); err != nil {
							return
						}
						time.Sleep(50 * time.Millisecond)
					}
				}()
			}
			a := readAnswer(t, bufio.NewReader(conn), "POST")
			a.problem(t, 408, "request_timeout")
			if took := time.Since(began); took < 250*time.Millisecond || took > 1500*time.Millisecond {
				t.Errorf("refused after %v, want about 300 ms", took)
			}
		})
	}
}

// TestRefusalReachesASendingClient sends far more than is accepted, without
// reading: the answer must still arrive instead of a reset.
func TestRefusalReachesASendingClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	certFile, keyFile, pool := certificate(t)
	secure := newRig(t, func(c *Config) {
		c.TLSAddr, c.TLS.CertFiles, c.TLS.KeyFiles = "127.0.0.1:0", []string{certFile}, []string{keyFile}
	})
	body := strings.Repeat("x", 4<<20)
	head := "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	send := func(t *testing.T, conn net.Conn, request string) {
		t.Helper()
		defer conn.Close()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatalf("send: %v", err)
		}
		readAnswer(t, bufio.NewReader(conn), "POST").problem(t, 413, "body_too_large")
	}
	for name, request := range map[string]string{
		"by length": head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body,
		"by chunks": head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(body)) + body + "\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				conn, err := net.Dial("tcp", r.Addr("http"))
				if err != nil {
					t.Fatal(err)
				}
				send(t, conn, request)
			}
			conn, err := dialTLS(t, secure.Addr("tls"), tlsClient(pool))
			if err != nil {
				t.Fatal(err)
			}
			send(t, conn, request)
		})
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	conn, err := net.Dial("tcp", r.Addr("http"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("first line = %q, %v", line, err)
	}
	if _, err := reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "{}")
	if a := readAnswer(t, reader, "POST"); a.status != 200 {
		t.Errorf("answer = %d %s", a.status, a.body)
	}
	if got, _ := r.backend.last(); got.header.Get("Expect") != "" || got.body != "{}" {
		t.Errorf("the backend got %+v", got)
	}
}
