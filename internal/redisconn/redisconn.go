// Package redisconn opens the one Redis client of a process, with timeouts
// that keep a slow or absent Redis from slowing requests.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/internal/config"
)

// Config is how Redis is reached.
type Config struct {
	URL     config.Secret `env:"REDIS_URL" doc:"Required. Redis, as redis://[user:password@]host:port/db for one server, redis+cluster://[user:password@]host:port,host:port for a Cluster, or redis+sentinel://[user:password@]host:port,host:port/master for Sentinels (with ?sentinel_password= for their own); rediss in place of redis for TLS" example:"redis://127.0.0.1:6379/0"`
	Timeout time.Duration `env:"REDIS_TIMEOUT" envDefault:"10ms" doc:"Longest that a request waits for Redis before it goes on without"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if c.URL == "" {
		m.Add("REDIS_URL", "is missing; redis://host:port/db is wanted")
	} else if _, err := parse(c.URL.Reveal()); err != nil {
		m.Add("REDIS_URL", "%v", err)
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Second {
		m.Add("REDIS_TIMEOUT", "is %v; 1ms to 1s is allowed", c.Timeout)
	}
}

// Client is a client of one Redis server, of a Redis Cluster, or of the server
// that Redis Sentinels name. A circuit breaker is in front of each server: after
// a few failures calls to it fail at once with [ErrOpen] until a probe in the
// background gets an answer. In a cluster the other servers go on meanwhile.
//
// A command is sent once, apart from what a cluster's MOVED or ASK asks for. In
// a cluster the commands of a pipeline may be sent again when a connection
// breaks, and a command without a key goes to any of the servers.
type Client struct {
	redis.UniversalClient

	timeout  time.Duration
	guard    *guard
	follower redis.UniversalClient
}

// Open returns a client; it does not wait for Redis. Call Close to end its
// probes.
func Open(c Config, log *slog.Logger) (*Client, error) {
	// The library would print every failed dial to standard error; the breaker
	// says it once.
	redis.SetLogger(debugLog{log})
	source, err := parse(c.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL %w", err)
	}
	limits := requestLimits(c.Timeout)
	g := newGuard(log, limits.pool)
	return &Client{
		UniversalClient: source.open(limits, g),
		timeout:         c.Timeout,
		guard:           g,
		follower:        source.open(followLimits, nil),
	}, nil
}

// Bound derives a context that ends when a request must go on without Redis.
func (c *Client) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}

// Follow returns a second client for long waits in the background, such as
// XREAD with BLOCK: it has up to four connections of its own to a server, and no
// breaker refuses its calls or hears of them. A call ends with its context,
// which needs a deadline: a server that hangs would hold a command that blocks
// for its own time and ten seconds more. Any other command ends after a second
// at the latest. Close closes this client, too.
func (c *Client) Follow() redis.UniversalClient { return c.follower }

// Check asks Redis for a sign of life; it is a health check. It goes around
// the breaker's verdict only in so far as the breaker's own probe does. Of a
// cluster it asks every server that has slots.
func (c *Client) Check(ctx context.Context) error {
	var err error
	if cluster, ok := c.UniversalClient.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, checkNode)
	} else {
		err = c.Ping(ctx).Err()
	}
	if err != nil {
		return fmt.Errorf("redis: %w", reveal(err))
	}
	return nil
}

// checkNode asks a server of a cluster whether the cluster serves, which it does
// not while some slots have no server, unless it is told to.
func checkNode(ctx context.Context, node *redis.Client) error {
	info, err := node.ClusterInfo(ctx).Result()
	if err == nil && !strings.Contains(info, "cluster_state:ok") {
		err = errors.New("the cluster is down")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", node.Options().Addr, reveal(err))
	}
	return nil
}

// Close ends the probes and closes the connections.
func (c *Client) Close() error {
	c.guard.close()
	return errors.Join(c.follower.Close(), c.UniversalClient.Close())
}

// debugLog passes the library's own lines on, for whoever asks for them.
type debugLog struct{ log *slog.Logger }

func (l debugLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, fmt.Sprintf(format, v...))
	}
}
