// Package redisconn opens the one Redis client of a process, with timeouts
// that keep a slow or absent Redis from slowing requests.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"gatehouse/internal/config"
)

// Config is how Redis is reached.
type Config struct {
	URL     config.Secret `env:"REDIS_URL" doc:"Redis, as redis://[user:password@]host:port/db, or rediss:// for TLS" example:"redis://127.0.0.1:6379/0"`
	Timeout time.Duration `env:"REDIS_TIMEOUT" envDefault:"10ms" doc:"Longest that a request waits for Redis before it goes on without"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if c.URL == "" {
		m.Add("REDIS_URL", "is missing; redis://host:port/db is wanted")
	} else if _, err := redis.ParseURL(c.URL.Reveal()); err != nil {
		// The parser's message may quote the password.
		m.Add("REDIS_URL", "is not a Redis URL; redis://[user:password@]host:port/db is wanted")
	}
	if c.Timeout < time.Millisecond || c.Timeout > time.Second {
		m.Add("REDIS_TIMEOUT", "is %v; 1ms to 1s is allowed", c.Timeout)
	}
}

// Client is a Redis client with a circuit breaker in front: after a few
// failures calls fail at once with [ErrOpen] until a probe in the background
// gets an answer.
type Client struct {
	redis.UniversalClient

	timeout time.Duration
	breaker *breaker
}

// Open returns a client; it does not wait for Redis. Call Close to end its
// probe.
func Open(c Config, log *slog.Logger) (*Client, error) {
	// The library would print every failed dial to standard error; the breaker
	// says it once.
	redis.SetLogger(debugLog{log})
	options, err := redis.ParseURL(c.URL.Reveal())
	if err != nil {
		return nil, errors.New("REDIS_URL is not a Redis URL")
	}
	options.MaxRetries = -1 // 0 would mean 3
	options.DialerRetries = 1
	// For callers without a deadline; never shorter than what others may wait.
	options.DialTimeout = max(100*time.Millisecond, c.Timeout)
	options.ReadTimeout = max(50*time.Millisecond, c.Timeout)
	options.WriteTimeout = max(50*time.Millisecond, c.Timeout)
	options.PoolTimeout = c.Timeout
	options.ContextTimeoutEnabled = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

	options.PipelinePoolSize = -1 // one pool, for which one probe can speak

	b := newBreaker(log)
	options.Limiter = b
	client := redis.NewClient(options)
	// The probe uses the requests' own pool, around the breaker. The pool, too,
	// refuses to dial after a number of failures, and looks again once a second:
	// a probe on another connection would close the breaker before requests can
	// get through.
	probe := client.WithTimeout(probeTimeout)
	probe.Options().Limiter = nil // its own copy of the options
	b.probe = func(ctx context.Context) error { return probe.Ping(ctx).Err() }
	return &Client{UniversalClient: client, timeout: c.Timeout, breaker: b}, nil
}

// Bound derives a context that ends when a request must go on without Redis.
func (c *Client) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}

// Check asks Redis for a sign of life; it is a health check. It goes around
// the breaker's verdict only in so far as the breaker's own probe does.
func (c *Client) Check(ctx context.Context) error {
	if err := c.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Close ends the probe and closes the connections.
func (c *Client) Close() error {
	c.breaker.close()
	return c.UniversalClient.Close()
}

// debugLog passes the library's own lines on, for whoever asks for them.
type debugLog struct{ log *slog.Logger }

func (l debugLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, fmt.Sprintf(format, v...))
	}
}
