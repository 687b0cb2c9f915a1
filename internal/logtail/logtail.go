// Package logtail lets operators follow the log lines of all processes while they
// are written. It is a view, not a store: whoever is too slow loses lines and is
// told how many, and nobody ever waits for anybody.
//
// Each process has a [Publisher]. Once a second it asks Redis what is wanted;
// while something is, the lines that fit go into a bounded buffer and ten times a
// second from there to a channel of Redis's publish/subscribe. Nothing is sent
// while nobody listens.
//
// A process that answers operators has a [Hub]. While there are readers it says
// once a second what they want, and hands each of them what fits into a bounded
// queue.
//
// Every message says at which position in its process's stream of wanted lines
// it stands, so a reader learns of whatever was lost on the way: lines that did
// not fit in the buffer as well as messages that Redis did not pass on.
package logtail

import (
	"context"
	_ "embed"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/config"
)

const (
	// channel is where lines are published, wantedKey a sorted set of the filters
	// that are in force, by when they end.
	channel   = "{logtail}:lines"
	wantedKey = "{logtail}:wanted"

	// askEvery is how often a process asks what is wanted, and says what it wants:
	// the time until the first line comes.
	askEvery = time.Second
	// wantedFor is how long a wish lasts that nobody repeats.
	wantedFor = 5 * time.Second
	// flushEvery is how long lines wait for others. With the buffer's capacity it
	// bounds what a process sends.
	flushEvery = 100 * time.Millisecond
	// stepTime bounds each question to Redis.
	stepTime = time.Second

	// MaxLine is the longest line that is passed on, in bytes; a longer one counts
	// as lost.
	MaxLine = 16 << 10
	// maxMessage is how many bytes of lines go in one message, about.
	maxMessage = 256 << 10
	// maxFilters is how many filters a process tells apart. With more of them
	// everything is wanted.
	maxFilters = 64
)

var (
	published = metrics.NewCounter(`log_stream_lines_published_total`)
	dropped   = metrics.NewCounter(`log_stream_lines_dropped_total`)
)

// Config is the settings of every process that logs.
type Config struct {
	Buffer int `env:"LOG_STREAM_BUFFER" envDefault:"1000" doc:"Lines of the live log stream that a process holds: those of a tenth of a second before they are sent, and in the backend those that each reader has not taken yet; 1 to 100000"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	m.Range("LOG_STREAM_BUFFER", c.Buffer, 1, 100_000)
}

//go:embed wanted.lua
var wantedText string

var wantedScript = redis.NewScript(wantedText)

// exchange says what is wanted from now on, which may be nothing, and returns all
// that is wanted by anybody.
func exchange(ctx context.Context, c redis.Scripter, wants []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	args := []any{wantedFor.Milliseconds(), maxFilters + 1}
	for _, w := range wants {
		args = append(args, w)
	}
	return wantedScript.Run(ctx, c, []string{wantedKey}, args...).StringSlice()
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
