// Package revocation keeps the sessions that were revoked and whose access tokens
// may still be valid. The feed tells of them.
package revocation

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"gatehouse/internal/feed"
)

// DefaultMax is how many sessions a set holds unless told otherwise, in about
// 110 MB.
const DefaultMax = 1_000_000

var dropped = metrics.NewCounter(`revocations_dropped_total`)

// Set is a bounded set of revoked sessions, safe for concurrent use. Looking up a
// session takes no lock and allocates nothing.
type Set struct {
	max  int
	now  func() time.Time
	seed maphash.Seed
	// buckets hold slices that are never changed, only replaced.
	buckets []atomic.Pointer[[]uuid.UUID]

	mu    sync.Mutex // of who changes the set
	queue queue
}

// maxBuckets times eight bytes is what an empty set takes.
const maxBuckets = 1 << 16

// NewSet returns a set of at most limit sessions, or DefaultMax if that is 0. A
// full set drops what expires first and counts it; then only the backend refuses
// those sessions. There is one in a process.
func NewSet(limit int, now func() time.Time) *Set {
	if limit <= 0 {
		limit = DefaultMax
	}
	n := 1
	for n < limit && n < maxBuckets {
		n *= 2
	}
	s := &Set{
		max: limit, now: now, seed: maphash.MakeSeed(),
		buckets: make([]atomic.Pointer[[]uuid.UUID], n),
		queue:   queue{until: map[uuid.UUID]int64{}},
	}
	metrics.GetOrCreateGauge(`revocations`, func() float64 { return float64(s.Len()) })
	return s
}

func (s *Set) bucket(session uuid.UUID) *atomic.Pointer[[]uuid.UUID] {
	return &s.buckets[maphash.Bytes(s.seed, session[:])&uint64(len(s.buckets)-1)]
}

// Revoked reports whether a session was revoked. A session may be forgotten once
// it has expired, and with it every token of it.
func (s *Set) Revoked(session uuid.UUID) bool {
	held := s.bucket(session).Load()
	if held == nil {
		return false
	}
	for i := range *held {
		if (*held)[i] == session {
			return true
		}
	}
	return false
}

// Add keeps a session until it expires, by this process's clock. Of several times
// for one session the latest counts.
func (s *Set) Add(session uuid.UUID, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	until := expires.UnixMilli()
	if until <= s.now().UnixMilli() {
		return
	}
	if !s.queue.put(session, until) {
		return
	}
	held := s.bucket(session)
	var grown []uuid.UUID
	if old := held.Load(); old != nil {
		grown = append(grown, *old...)
	}
	grown = append(grown, session)
	held.Store(&grown)
	for s.queue.len() > s.max {
		s.dropFirst()
		dropped.Inc()
	}
}

// Len drops what has expired and returns how many sessions are left.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return s.queue.len()
}

// expire drops what has expired. The caller holds mu.
func (s *Set) expire() {
	now := s.now().UnixMilli()
	for s.queue.len() > 0 && s.queue.first() <= now {
		s.dropFirst()
	}
}

// dropFirst drops what expires first. The caller holds mu.
func (s *Set) dropFirst() {
	session := s.queue.take()
	held := s.bucket(session)
	old := *held.Load()
	if len(old) == 1 {
		held.Store(nil)
		return
	}
	rest := make([]uuid.UUID, 0, len(old)-1)
	for _, other := range old {
		if other != session {
			rest = append(rest, other)
		}
	}
	held.Store(&rest)
}

// Item returns the item of the feed that says that a session was revoked, which
// matters until its last access token has expired.
func Item(session uuid.UUID, expires time.Time) feed.Item {
	return feed.Item{Kind: feed.Session, Key: session.String(), Expires: expires}
}

// Parse returns what [Item] was given, or false if the item is another one.
func Parse(item feed.Item) (session uuid.UUID, expires time.Time, ok bool) {
	if item.Kind != feed.Session || item.Expires.IsZero() || len(item.Key) != len(uuid.Nil.String()) {
		return uuid.Nil, time.Time{}, false
	}
	session, err := uuid.Parse(item.Key)
	return session, item.Expires, err == nil && session != uuid.Nil
}
