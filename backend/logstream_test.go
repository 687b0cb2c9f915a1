package backend

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/logtail"
	"gatehouse/internal/stack"
)

// logSocket is a reader of the log stream that may be slow.
type logSocket struct {
	t    testing.TB
	conn *net.TCPConn
	in   io.ReadWriter
}

func (s *testServer) followLogs(bearer string) *logSocket {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	tcp := conn.(*net.TCPConn) // what tcp gives
	if err := tcp.SetReadBuffer(256 << 10); err != nil {
		s.t.Fatal(err)
	}
	if err := tcp.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /api/v1/admin/logs/stream?level=error HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", bearer)
	buffered := bufio.NewReader(conn)
	response, err := http.ReadResponse(buffered, nil)
	if err != nil || response.StatusCode != 101 {
		s.t.Fatalf("got %v, %v", response, err)
	}
	return &logSocket{s.t, tcp, struct {
		io.Reader
		io.Writer
	}{buffered, conn}}
}

// next returns the number of the next line, or how many were lost in its place.
func (l *logSocket) next() (n, lost int) {
	l.t.Helper()
	text, err := wsutil.ReadServerText(l.in)
	if err != nil {
		l.t.Fatal(err)
	}
	line := struct{ N, Dropped int }{}
	if err := json.Unmarshal(text, &line); err != nil {
		l.t.Fatalf("%v in %.100q", err, text)
	}
	return line.N, line.Dropped
}

// A reader that does not read loses lines, is told how many in their place, and
// keeps nobody from getting theirs.
func TestSlowLogReader(t *testing.T) {
	t.Parallel()
	server := startRedis(t, stack.RedisOptions{Embedded: true})
	s := newTestServer(t, cacheIn(server), func(c *Config) {
		c.LogTail, c.Streams.Readers = logtail.Config{Buffer: 40}, 2
	})
	operator := s.operator("log.operator").Access
	slow, quick := s.followLogs(operator), s.followLogs(operator)

	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	publisher := redis.NewClient(options)
	defer publisher.Close()
	padding := strings.Repeat("x", 15<<10)
	publish := func(at int) { // as a process does, in the name of one that nobody runs
		message := fmt.Sprintf("process %d\n", at)
		for n := at; n < at+10; n++ {
			message += fmt.Sprintf(`{"time":"","level":"ERROR","n":%d,"padding":%q}`+"\n", n, padding)
		}
		if err := publisher.Publish(context.Background(), "{logtail}:lines", message).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for subscribed := false; !subscribed; { // of which the two readers share one
		counts, err := publisher.PubSubNumSub(t.Context(), "{logtail}:lines").Result()
		subscribed = err == nil && counts["{logtail}:lines"] == 1
	}
	// 18 MB, which no connection holds. The quick one has read what came before.
	const lines = 1200
	for at := 0; at < lines; at += 10 {
		publish(at)
		for n := at; n < at+10; n++ {
			if got, lost := quick.next(); got != n || lost != 0 {
				t.Fatalf("the quick one got line %d, and %d lost, want %d", got, lost, n)
			}
		}
	}
	total := 0
	for next := 0; next < lines; {
		n, lost := slow.next()
		if total += lost; lost > 0 {
			next += lost
			continue
		}
		if n != next {
			t.Fatalf("line %d in the place of line %d", n, next)
		}
		next++
	}
	if total == 0 {
		t.Error("the slow one lost nothing")
	}
}
