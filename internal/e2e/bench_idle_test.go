package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/internal/stack"
)

// idleConnections is how many connections BenchmarkIdle opens.
const idleConnections = 10_000

// BenchmarkIdle reports what connections cost that nobody uses: kept ones that
// have been answered once, and silent ones that have shaken hands at most. It
// tells the gateway's resident memory with all of them open, how fast they were
// opened, and how fast further ones are turned away.
func BenchmarkIdle(b *testing.B) {
	for _, bench := range []struct {
		name, scheme string
		use          func(net.Conn) error
	}{
		{"http", "http", askOnce},
		{"https", "https", askOnce},
		{"http-silent", "http", func(net.Conn) error { return nil }},
		{"https-silent", "https", func(net.Conn) error { return nil }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := ownStack(b, stack.Options{GatewayEnv: []string{
				fmt.Sprintf("MAX_CONNECTIONS=%d", idleConnections),
				fmt.Sprintf("MAX_CONNECTIONS_PER_ADDRESS=%d", idleConnections),
				"IDLE_TIMEOUT=10m",
				"REQUEST_RECEIVE_TIMEOUT=10m",
			}})
			dial := idleDialer(s, bench.scheme)
			for b.Loop() {
				pid := s.Gateways[0].PID()
				before := residentMiB(b, pid)
				conns, took := openIdle(b, dial, bench.use)
				time.Sleep(5 * time.Second) // for a collection of what opening them has left
				resident := residentMiB(b, pid)
				b.ReportMetric(resident, "MiB-resident")
				b.ReportMetric(1024*(resident-before)/idleConnections, "KiB/connection")
				b.ReportMetric(idleConnections/took.Seconds(), "opened/s")
				b.ReportMetric(1000/refused(b, s.Gateways[0].HTTPS, 1000).Seconds(), "refused/s")
				for _, conn := range conns {
					_ = conn.Close()
				}
			}
		})
	}
}

func idleDialer(s *stack.Stack, scheme string) func(context.Context) (net.Conn, error) {
	if scheme == "http" {
		addr := strings.TrimPrefix(s.Gateways[0].HTTP, "http://")
		return func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", addr) }
	}
	addr := strings.TrimPrefix(s.Gateways[0].HTTPS, "https://")
	secure := &tls.Dialer{Config: &tls.Config{RootCAs: s.CertPool(), MinVersion: tls.VersionTLS12}}
	return func(ctx context.Context) (net.Conn, error) { return secure.DialContext(ctx, "tcp", addr) }
}

// openIdle opens connections, sixteen at a time, and uses each once.
func openIdle(b *testing.B, dial func(context.Context) (net.Conn, error), use func(net.Conn) error) ([]net.Conn, time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var conns []net.Conn
	var group errgroup.Group
	group.SetLimit(16)
	start := time.Now()
	for range idleConnections {
		group.Go(func() error {
			conn, err := dial(b.Context())
			if err != nil {
				return err
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			return use(conn)
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return conns, time.Since(start)
}

func askOnce(conn net.Conn) error {
	if _, err := fmt.Fprint(conn, "GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

// refused returns how long it takes until n connections were closed unanswered.
func refused(b *testing.B, base string, n int) time.Duration {
	b.Helper()
	start := time.Now()
	for range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "https://"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			b.Fatal("a connection above the limit was answered")
		}
		_ = conn.Close()
	}
	return time.Since(start)
}
