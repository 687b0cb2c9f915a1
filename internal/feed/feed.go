// Package feed tells every gateway what the backends know and gateways must not
// ask for at each request: which sessions were revoked, and the state of each
// tenant. It is one Redis stream that each [Follower] reads, and a hash of the
// latest states.
//
// Redis may lose it. An epoch says that the feed is whole: a backend's
// [Publisher] that finds none, or misses its own latest entry, writes everything
// anew from the database and sets a new epoch, at which followers read everything
// again. Reading again only adds to what a follower knows, and no two clocks are
// ever compared to decide what counts.
package feed

import (
	"context"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/redisconn"
	"gatehouse/internal/token"
)

// Kinds of items.
const (
	Session = "session" // an event: the session was revoked
	Tenant  = "tenant"  // a state: what is in force for the tenant
)

// kindSeed marks the beginning of a seed; followers do not hear of it.
const kindSeed = "seed"

// Item is one thing that followers must know: an event, which matters until it
// expires, or a state, of which the latest version counts.
type Item struct {
	Kind string
	// Key says whom the item is about: the session's UUID, the tenant's id.
	Key string
	// Version orders the states of one key; 0 is an event. It is below 2^53.
	Version int64
	// Value is the JSON form of a state.
	Value []byte
	// Expires is when an event no longer matters, in whole milliseconds; zero for
	// a state. An event that matters for longer than token.MaxLifetime and twice
	// the leeway may be gone before a late follower reads it.
	Expires time.Time
}

// Options are what a [Publisher] or a [Follower] works with.
type Options struct {
	Client *redisconn.Client
	Log    *slog.Logger
	Now    func() time.Time // the monotonic reading counts

	// Seed, of a publisher, adds what the database knows: all states and, if full,
	// all events that matter. It reports false when another process is at it.
	Seed func(ctx context.Context, full bool, add func(...Item) error) (bool, error)
	// Apply, of a follower, is given what was read, in order; one call at a time.
	// It hears of the same items again whenever everything is read anew.
	Apply func([]Item)
}

// The keys share a tag, so that a Redis Cluster keeps them together.
const (
	epochKey = "gh:{feed}:epoch"
	logKey   = "gh:{feed}:log"
	stateKey = "gh:{feed}:state"
)

var (
	readKeys  = []string{epochKey, logKey}
	writeKeys = []string{epochKey, logKey, stateKey}
)

const (
	// horizon is the age at which entries leave the log: nobody needs them for
	// longer than the longest token lives, with a minute for what waits to be
	// published.
	horizon = token.MaxLifetime + 2*token.Leeway + time.Minute
	// stepTime bounds one command in the background, other than a long wait.
	stepTime = time.Second
)

// kinds are the values of the label kind; others are counted together.
var kinds = []string{Session, Tenant, kindSeed, "other"}

// byKind is one counter for each kind.
type byKind map[string]*metrics.Counter

func newByKind(name string) byKind {
	m := byKind{}
	for _, kind := range kinds {
		m[kind] = metrics.NewCounter(name + `{kind="` + kind + `"}`)
	}
	return m
}

func (m byKind) count(items []Item) {
	for i := range items {
		c, ok := m[items[i].Kind]
		if !ok {
			c = m["other"]
		}
		c.Inc()
	}
}
