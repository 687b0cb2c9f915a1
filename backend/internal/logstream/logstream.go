// Package logstream shows operators the log lines of all processes while they are
// written, over a WebSocket.
package logstream

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/verdict"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/config"
	"gatehouse/internal/logtail"
)

// pingEvery is how often a reader is asked whether it is still there, which also
// keeps what is on the way from taking the connection for idle.
const pingEvery = 30 * time.Second

var (
	streams      = metrics.NewGauge(`backend_log_streams`, nil)
	linesSent    = metrics.NewCounter(`backend_log_stream_lines_sent_total`)
	linesDropped = metrics.NewCounter(`backend_log_stream_lines_dropped_total`)
)

// Config is the settings of the stream.
type Config struct {
	Readers int `env:"LOG_STREAM_READERS" envDefault:"16" doc:"Most readers of the live log stream at a time, in each backend; 1 to 1000"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	m.Range("LOG_STREAM_READERS", c.Readers, 1, 1000)
}

// Why a stream ends before its reader does.
var (
	errExpired  = errors.New("the token has expired")
	errStopping = errors.New("the process stops")
)

// Service serves the streams of one process.
type Service struct {
	config   Config
	hub      *logtail.Hub
	verdicts *verdict.Sessions

	running context.Context // done when the process stops
	stop    context.CancelCauseFunc
	mu      sync.Mutex // no stream is opened once stop was called under it
	open    sync.WaitGroup
}

// New returns the service of streams that the hub feeds.
func New(c Config, hub *logtail.Hub, verdicts *verdict.Sessions) *Service {
	s := &Service{config: c, hub: hub, verdicts: verdicts}
	s.running, s.stop = context.WithCancelCause(context.Background())
	return s
}

// Stop ends all streams, refuses new ones and returns when there are none.
func (s *Service) Stop() {
	s.mu.Lock()
	s.stop(errStopping)
	s.mu.Unlock()
	s.open.Wait()
}

// enter counts a stream. It reports false when the process stops.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running.Err() != nil {
		return false
	}
	s.open.Add(1)
	return true
}

// pass writes what the reader gets until ctx is done or the socket fails.
func pass(ctx context.Context, to *web.Socket, from *logtail.Reader) web.Farewell {
	streams.Inc()
	defer streams.Dec()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errExpired) {
				return web.PolicyViolation
			}
			return web.GoingAway
		case <-ping.C:
			err = to.Ping()
		case <-from.Ready():
			err = send(to, from.Take())
		}
		if err != nil {
			return web.GoingAway // which nobody hears
		}
	}
}

// send writes lines, and in the place of lost ones how many they were.
func send(to *web.Socket, items []logtail.Item) error {
	messages := make([]string, len(items))
	lines := 0
	for i, item := range items {
		if item.Dropped > 0 {
			linesDropped.Add(item.Dropped)
			messages[i] = `{"dropped":` + strconv.Itoa(item.Dropped) + `}`
			continue
		}
		messages[i] = item.Line
		lines++
	}
	err := to.Text(messages...)
	if err == nil {
		linesSent.Add(lines)
	}
	return err
}
