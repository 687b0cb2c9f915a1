package ratelimit

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// redisServer is a kind of Redis that tests run against. All tests share one
// server of each kind, and keep apart by their tags.
type redisServer struct {
	name  string
	start func() (*redisconn.Client, error)
}

// redisServers are the installed server, whose absence is a failure with
// GATEHOUSE_REQUIRE_ALL, and the embedded one.
var redisServers = []redisServer{
	newRedisServer("installed", stack.RedisOptions{}),
	newRedisServer("embedded", stack.RedisOptions{Embedded: true}),
}

var (
	serversMu sync.Mutex
	servers   []*stack.Redis // to be closed at the end
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, server := range servers {
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func newRedisServer(name string, o stack.RedisOptions) redisServer {
	return redisServer{name, sync.OnceValues(func() (*redisconn.Client, error) {
		server, err := stack.StartRedis(context.Background(), o)
		if err != nil {
			return nil, err
		}
		serversMu.Lock()
		servers = append(servers, server)
		serversMu.Unlock()
		return redisconn.Open(redisconn.Config{URL: config.Secret(server.URL()), Timeout: time.Second}, quiet)
	})}
}

func (s redisServer) open(t testing.TB) *redisconn.Client {
	t.Helper()
	client, err := s.start()
	if err != nil {
		t.Fatal(err)
	}
	return client
}
