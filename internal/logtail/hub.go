package logtail

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/internal/redisconn"
)

// maxProcesses is how many processes' positions are known at a time.
const maxProcesses = 4096

// Hub hands the lines of all processes to its readers. It keeps a connection to
// Redis only while there are some.
type Hub struct {
	client   redis.UniversalClient
	capacity int
	changed  chan struct{} // holds a value when readers came or went

	mu      sync.Mutex
	readers map[*Reader]struct{}

	next map[string]uint64 // the position that each process goes on with; belongs to Run
}

// NewHub returns a hub, which does nothing before Run. There is one in a process.
func NewHub(c Config, client *redisconn.Client) *Hub {
	return &Hub{client: client.Follow(), capacity: c.Buffer, changed: make(chan struct{}, 1), readers: map[*Reader]struct{}{}}
}

// Open adds a reader, unless there are most of them already. It must be closed.
func (h *Hub) Open(f Filter, most int) (*Reader, bool) {
	r := &Reader{hub: h, filter: f.text(), matcher: f.matcher(), ready: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readers) >= most {
		return nil, false
	}
	h.readers[r] = struct{}{}
	signal(h.changed)
	return r, true
}

func (h *Hub) remove(r *Reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
	signal(h.changed)
}

// wants returns the filters of all readers, each once.
func (h *Hub) wants() (filters []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string]bool{}
	for r := range h.readers {
		if !seen[r.filter] {
			seen[r.filter] = true
			filters = append(filters, r.filter)
		}
	}
	return filters
}

// Run serves the readers until ctx is done.
func (h *Hub) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.changed:
		}
		if len(h.wants()) > 0 {
			h.follow(ctx)
		}
	}
}

// follow passes on what is published until there is no reader any more. The
// subscription looks after itself: one that broke, or whose server is silent, is
// made anew.
func (h *Hub) follow(ctx context.Context) {
	h.next = map[string]uint64{}
	subscription := h.client.Subscribe(ctx, channel)
	defer func() { _ = subscription.Close() }() // nothing is left of it either way
	messages := subscription.Channel(redis.WithChannelHealthCheckInterval(askEvery))
	again := time.NewTicker(askEvery)
	defer again.Stop()
	for {
		wants := h.wants()
		if len(wants) == 0 {
			return
		}
		// When Redis does not take it, there is nothing to read either.
		_, _ = exchange(ctx, h.client, wants)
		for repeat := false; !repeat; {
			select {
			case <-ctx.Done():
				return
			case <-again.C:
				repeat = true
			case <-h.changed:
				repeat = true
			case m, ok := <-messages:
				if !ok {
					return
				}
				h.deliver(m.Payload)
			}
		}
	}
}

// deliver hands a message's lines to the readers that want them, and all of them
// the news of what is missing before it.
func (h *Hub) deliver(message string) {
	name, at, lines, ok := parseHead(message)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if next, known := h.next[name]; known && at > next {
		for r := range h.readers {
			r.drop(int(min(at-next, 1<<30)))
		}
	}
	for line := range strings.Lines(lines) {
		at++
		h.pass(strings.TrimSuffix(line, "\n"))
	}
	if len(h.next) >= maxProcesses {
		clear(h.next)
	}
	h.next[name] = at
}

// pass is called with mu held.
func (h *Hub) pass(line string) {
	text, kept := []byte(line), ""
	level := levelOf(text)
	for r := range h.readers {
		if r.matcher.fits(text, level) {
			if kept == "" {
				kept = string(text) // of its own, and not a part of the message
			}
			r.push(kept)
		}
	}
}
