package stack

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	kinds := map[string]RedisOptions{"embedded": {Embedded: true}}
	if program, _ := findRedis(t.Context()); program != "" {
		kinds["real"] = RedisOptions{}
	}
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := StartRedis(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			if r.Embedded() != o.Embedded {
				t.Errorf("Embedded() = %v, want %v", r.Embedded(), o.Embedded)
			}
			redisLife(t, r)
		})
	}
}

func redisLife(t *testing.T, r *Redis) {
	addr := r.Addr()
	c := dialRedis(t, r)
	c.want("SET k v PX 1000", "+OK")
	c.want("GET k", "$1", "v")
	eventually(t, "the key has expired", func() bool {
		c.send("EXISTS k")
		return c.line() == ":0"
	})
	c.want("SET stays 1", "+OK")

	if err := r.Pause(); err != nil {
		t.Error(err)
	}
	c.send("GET stays")
	c.wantSilence()
	dial(t, addr) // it still accepts connections
	if err := r.Resume(); err != nil {
		t.Error(err)
	}
	c.read("$1", "1")

	if err := r.Pause(); err != nil {
		t.Error(err)
	}
	c.send("GET stays")
	for _, end := range []func() error{r.Stop, r.Kill} {
		if err := end(); err != nil {
			t.Error(err)
		}
		if _, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			t.Error("a stopped server accepts a connection")
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err == nil {
			t.Error("a second Start succeeded")
		}
		if r.Addr() != addr {
			t.Errorf("the address is %s now and was %s", r.Addr(), addr)
		}
		c = dialRedis(t, r)
		c.want("GET stays", "$-1") // without persistence
	}
	stranger := dial(t, addr)
	stranger.send("GET stays")
	if line := stranger.line(); !strings.HasPrefix(line, "-NOAUTH") {
		t.Errorf("without a password the answer is %q", line)
	}
}

// A redisConn speaks just enough of the protocol, since this package has no
// Redis client.
type redisConn struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *redisConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &redisConn{t, conn, bufio.NewReader(conn)}
}

func dialRedis(t *testing.T, r *Redis) *redisConn {
	t.Helper()
	c := dial(t, r.Addr())
	c.want("AUTH "+r.password, "+OK")
	return c
}

func (c *redisConn) send(command string) {
	words := strings.Fields(command)
	_, err := fmt.Fprintf(c, "*%d\r\n", len(words))
	for _, w := range words {
		if err == nil {
			_, err = fmt.Fprintf(c, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	if err != nil {
		c.t.Errorf("%s: %v", command, err)
	}
}

func (c *redisConn) line() string {
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Errorf("read: %v", err)
	}
	return strings.TrimSpace(line)
}

func (c *redisConn) read(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		if got := c.line(); got != want {
			c.t.Errorf("the answer has %q, want %q", got, want)
		}
	}
}

func (c *redisConn) want(command string, lines ...string) {
	c.t.Helper()
	c.send(command)
	c.read(lines...)
}

func (c *redisConn) wantSilence() {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
	if _, err := c.in.Peek(1); err == nil {
		c.t.Error("a paused server answers")
	}
}

func TestRequiredRedis(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(requireAll, "1")
	_, err := StartRedis(context.Background(), RedisOptions{})
	if err == nil || !strings.Contains(err.Error(), "redis") || !strings.Contains(err.Error(), "run `") {
		t.Errorf("without a redis-server: %v", err)
	}
	r, err := StartRedis(context.Background(), RedisOptions{Embedded: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
