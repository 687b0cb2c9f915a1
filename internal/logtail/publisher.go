package logtail

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/internal/logging"
	"gatehouse/internal/redisconn"
)

// Publisher publishes the lines of its own process.
type Publisher struct {
	client redis.UniversalClient
	tail   *logging.Tail
	name   string // of the process, for the positions
	suffix string // what every line gets
	buffer buffer
	wanted atomic.Pointer[[]matcher]

	// The rest belongs to Run.
	filters []string
	heard   time.Time // when somebody wanted something
	untake  func()    // ends what the tail hands over; nil while nothing is wanted
}

// NewPublisher returns a publisher, which does nothing before Run. There is one
// in a process.
func NewPublisher(c Config, client *redisconn.Client, tail *logging.Tail) *Publisher {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &Publisher{
		client: client.Follow(), tail: tail, name: rand.Text(),
		suffix: fmt.Sprintf(`,"instance":%q`, fmt.Sprintf("%s:%d", host, os.Getpid())),
		buffer: buffer{capacity: c.Buffer},
	}
}

// Run publishes what is wanted until ctx is done, and then what is left.
func (p *Publisher) Run(ctx context.Context) {
	defer func() {
		p.rest()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		p.flush(last)
	}()
	for {
		p.ask(ctx)
		if p.wanted.Load() == nil {
			if !sleep(ctx, askEvery) {
				return
			}
			continue
		}
		for range int(askEvery / flushEvery) {
			if !sleep(ctx, flushEvery) {
				return
			}
			p.flush(ctx)
		}
	}
}

// ask looks up what is wanted. What was wanted up to now still is while Redis
// does not answer, and for a moment after it has forgotten: so readers learn how
// many lines they miss.
func (p *Publisher) ask(ctx context.Context) {
	filters, err := exchange(ctx, p.client, nil)
	now := time.Now()
	if err != nil || len(filters) == 0 {
		if err == nil && p.wanted.Load() != nil && now.Sub(p.heard) >= wantedFor {
			p.filters = nil
			p.wanted.Store(nil)
			p.rest()
		}
		return
	}
	p.heard = now
	slices.Sort(filters)
	if slices.Equal(filters, p.filters) {
		return
	}
	p.filters = filters
	matchers := matchersOf(filters)
	p.wanted.Store(&matchers)
	if p.untake == nil {
		p.untake = p.tail.To(p.offer)
	}
}

// rest takes no more lines.
func (p *Publisher) rest() {
	if p.untake != nil {
		p.untake()
		p.untake = nil
	}
}

// matchersOf leaves out filters that cannot be read: those who want them are of
// another version, and get what others want.
func matchersOf(filters []string) []matcher {
	if len(filters) > maxFilters {
		return []matcher{{level: math.MinInt}}
	}
	matchers := []matcher{}
	for _, text := range filters {
		if f, err := parseFilter(text); err == nil {
			matchers = append(matchers, f.matcher())
		}
	}
	return matchers
}

// offer takes a line if it is wanted.
func (p *Publisher) offer(line []byte) {
	wanted := p.wanted.Load()
	if wanted == nil {
		return
	}
	level := levelOf(line)
	for _, m := range *wanted {
		if m.fits(line, level) {
			if !p.buffer.add(line, p.suffix) {
				dropped.Inc()
			}
			return
		}
	}
}

// flush sends what is held. What Redis does not take is lost.
func (p *Publisher) flush(ctx context.Context) {
	var message []byte
	for _, part := range p.buffer.take() {
		message = append(appendHead(message[:0], p.name, part.at), part.text...)
		step, cancel := context.WithTimeout(ctx, stepTime)
		err := p.client.Publish(step, channel, message).Err()
		cancel()
		if err != nil {
			dropped.Add(part.lines)
		} else {
			published.Add(part.lines)
		}
	}
}
