package edge

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"gatehouse/gateway/internal/route"
)

// quickly is how soon the servers of these tests park a connection.
const quickly = 20 * time.Millisecond

// startServer serves an empty 200 to everything on a loopback port and parks what
// is idle for that long.
func startServer(t *testing.T, secure *tls.Config, park time.Duration, change func(*Config)) (*Server, string) {
	t.Helper()
	c := Config{MaxConnections: 10, MaxPerAddress: 10, ReceiveTimeout: 5 * time.Second, SendTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	if change != nil {
		change(&c)
	}
	s := NewServer(c, &route.Table{}, func(*Exchange) {}, slog.New(slog.DiscardHandler))
	s.conns.parkAfter = park
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		if secure != nil {
			ended <- s.ServeTLS(ln, secure)
			return
		}
		ended <- s.Serve(ln)
	}()
	t.Cleanup(func() {
		s.Shutdown(t.Context()) // whose end cuts off what is left
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, ln.Addr().String()
}

// selfSigned returns a certificate that nobody trusts.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// caller is a client's end of a connection.
type caller struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
}

func call(t *testing.T, addr string, secure bool) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return over(t, conn, secure)
}

func over(t *testing.T, conn net.Conn, secure bool) *caller {
	t.Helper()
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is about the bytes
	}
	return &caller{conn, t, bufio.NewReader(conn)}
}

// say sends text.
func (c *caller) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// hear reads an answer and returns its Connection field.
func (c *caller) hear() string {
	c.t.Helper()
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 {
		c.t.Fatalf("status %d, %v", answer.StatusCode, err)
	}
	if answer.Close {
		return "close"
	}
	return ""
}

func (c *caller) ask() string {
	c.t.Helper()
	c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	return c.hear()
}

// ended waits for the end of the connection.
func (c *caller) ended() {
	c.t.Helper()
	if b, err := c.reader.ReadByte(); err == nil || isDeadline(err) {
		c.t.Fatalf("read %q, %v; want the connection's end", b, err)
	}
}

func isDeadline(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (s *Server) parked() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.parked.Len()
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// both runs a test over plain and over encrypted connections.
func both(t *testing.T, test func(t *testing.T, secure bool, config *tls.Config)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) { t.Parallel(); test(t, false, nil) })
	t.Run("tls", func(t *testing.T) { t.Parallel(); test(t, true, selfSigned(t)) })
}

func TestParkedConnectionsAreServed(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool, config *tls.Config) {
		s, addr := startServer(t, config, quickly, nil)
		c := call(t, addr, secure)
		for range 3 {
			c.ask()
			await(t, "the connection is parked", func() bool { return s.parked() == 1 })
		}
		c.say("GET / HTTP/1.1\r\nHo")
		await(t, "the connection is served", func() bool { return s.parked() == 0 })
		c.say("st: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.hear()
		c.hear()
		await(t, "the connection is parked", func() bool { return s.parked() == 1 })
		_ = c.Close()
		await(t, "the connection is given back", func() bool { return s.Connections() == 0 })
	})
}

// One that has not asked yet is parked, too; its first request has all the time
// that requests have, and it ends without an answer when there is none.
func TestSilentConnectionsAreParked(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool, config *tls.Config) {
		s, addr := startServer(t, config, quickly, nil)
		c := call(t, addr, secure)
		if _, err := c.Write(nil); err != nil { // shakes hands
			t.Fatal(err)
		}
		await(t, "the connection is parked", func() bool { return s.parked() == 1 })
		c.ask()
		slow := call(t, addr, secure)
		slow.say("GET / HTTP/1.1\r\n")
		await(t, "one connection is parked, and one served", func() bool { return s.parked() == 1 && s.Connections() == 2 })
		time.Sleep(3 * quickly) // more than the server waits for the first byte
		slow.say("Host: x\r\n\r\n")
		slow.hear()

		_, addr = startServer(t, config, quickly, func(c *Config) { c.ReceiveTimeout = 200 * time.Millisecond })
		c = call(t, addr, secure)
		if _, err := c.Write(nil); err != nil {
			t.Fatal(err)
		}
		c.ended()
	})
}

// A proxy that is about to say whom it has a connection from is waited for as
// long as a first request is.
func TestProxiedConnectionsAreParkedOnceTheyAreKnown(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool, config *tls.Config) {
		s, addr := startServer(t, config, quickly, func(c *Config) {
			c.ProxyProtocol, c.TrustedProxies = "on", Trust{netip.MustParsePrefix("127.0.0.0/8")}
		})
		conn := call(t, addr, false)
		time.Sleep(3 * quickly) // more than the server waits for the first byte
		conn.say("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
		c := over(t, conn.Conn, secure)
		for range 2 {
			c.ask()
			await(t, "the connection is parked", func() bool { return s.parked() == 1 })
		}
	})
}

func TestParkedConnectionsEndAtTheIdleTimeout(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool, config *tls.Config) {
		s, addr := startServer(t, config, quickly, func(c *Config) { c.IdleTimeout = 200 * time.Millisecond })
		c := call(t, addr, secure)
		c.ask()
		await(t, "the connection is parked", func() bool { return s.parked() == 1 })
		c.ended()
		await(t, "the connection is given back", func() bool { return s.Connections() == 0 })
	})
}

func TestLongestIdleMakesRoom(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool, config *tls.Config) {
		s, addr := startServer(t, config, quickly, func(c *Config) { c.MaxConnections = 3 })
		var idle []*caller
		for n := range 2 {
			c := call(t, addr, secure)
			c.ask()
			await(t, "the connection is parked", func() bool { return s.parked() == n+1 })
			idle = append(idle, c)
		}
		busy := call(t, addr, secure)
		busy.ask()
		busy.say("GET / HTTP/1.1\r\n") // and so not idle
		call(t, addr, secure).ask()
		idle[0].ended()
		idle[1].ask()
		busy.say("Host: x\r\n\r\n")
		busy.hear()
		if got := s.Connections(); got != 3 {
			t.Errorf("%d connections are open, want 3", got)
		}
	})
}

// halting is a connection that keeps back the second half of what is written
// until go on.
type halting struct {
	net.Conn
	goOn <-chan struct{}
	half bool
}

func (h *halting) Write(b []byte) (int, error) {
	if !h.half {
		return h.Conn.Write(b)
	}
	n, err := h.Conn.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	<-h.goOn
	m, err := h.Conn.Write(b[n:])
	return n + m, err
}

// A stopping server ends idle and silent connections, and none on which a
// request has begun to arrive: neither in clear nor as half a TLS record, which
// the server above TLS knows nothing of.
func TestStopWaitsForWhatArrives(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, secure bool, config *tls.Config) {
		s, addr := startServer(t, config, time.Minute, nil) // the server itself is to be seen
		silent := call(t, addr, false)
		kept := call(t, addr, secure)
		kept.ask()
		goOn := make(chan struct{})
		line := &halting{Conn: call(t, addr, false).Conn, goOn: goOn}
		arriving := over(t, line, secure)
		arriving.ask()
		line.half = true
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.WriteString(arriving, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		}()
		await(t, "half a request has arrived", func() bool {
			for _, conn := range s.conns.all() {
				if conn.is(active) || conn.is(idle) && conn.reads.Load() != conn.spent.Load() {
					return true
				}
			}
			return false
		})

		stopped := make(chan int)
		go func() { stopped <- s.Shutdown(t.Context()) }()
		kept.ended()
		silent.ended()
		await(t, "only the connection that is heard from is open", func() bool { return s.Connections() == 1 })
		close(goOn)
		<-sent
		if got := arriving.hear(); got != "close" {
			t.Errorf("Connection = %q", got)
		}
		if cut := <-stopped; cut != 0 {
			t.Errorf("%d requests were cut off", cut)
		}
	})
}
