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
