// Package verdict remembers for a second that a session lives, so that answers
// from the cache need no question to PostgreSQL. Writes, and all operations on
// accounts, ask for the session's row each time and do without it.
//
// A verdict ends at once when this process ends the session, and as soon as the
// feed tells of what another one has done. The feed may be silent: then a second
// is the bound.
package verdict

import (
	"context"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"gatehouse/backend/internal/pg"
	"gatehouse/internal/feed"
	"gatehouse/internal/revocation"
)

const (
	// age is the longest that a verdict is relied on, from before the question.
	age = time.Second
	// most is how many verdicts of one second are kept, about 150 bytes each.
	// Other sessions are asked about each time.
	most = 50_000
)

var (
	relied = metrics.NewCounter(`backend_session_verdicts_total{source="memory"}`)
	asked  = metrics.NewCounter(`backend_session_verdicts_total{source="database"}`)
)

// A Database tells whether the session of a scope lives and its tenant may be
// served.
type Database interface {
	Admit(ctx context.Context, s pg.Scope) error
}

// Sessions are the verdicts of one process. They are safe for concurrent use.
type Sessions struct {
	db  Database
	now func() time.Time // the monotonic reading counts

	mu sync.RWMutex
	// Those of this second and of the one before, by session.
	young, old map[uuid.UUID]verdict
	turned     time.Time // when young began
	// ends counts what has ended, so that a verdict which was asked for before is
	// not kept after it.
	ends uint64
}

// verdict is that a session was alive.
type verdict struct {
	tenant string
	user   uuid.UUID
	at     time.Time
}

// New returns no verdicts yet.
func New(db Database, now func() time.Time) *Sessions {
	return &Sessions{db: db, now: now, young: map[uuid.UUID]verdict{}, turned: now()}
}

// Admit returns nil if the scope's session was alive less than a second ago, and
// nobody has told of its end; otherwise what the database says now.
func (s *Sessions) Admit(ctx context.Context, scope pg.Scope) error {
	now := s.now()
	known, ends := s.look(scope, now)
	if known {
		relied.Inc()
		return nil
	}
	asked.Inc()
	if err := s.db.Admit(ctx, scope); err != nil {
		return err
	}
	s.keep(scope, now, ends)
	return nil
}

func (s *Sessions) look(scope pg.Scope, now time.Time) (known bool, ends uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.young[scope.Session]
	if !ok {
		v, ok = s.old[scope.Session]
	}
	return ok && v.tenant == scope.Tenant && v.user == scope.User && now.Sub(v.at) < age, s.ends
}

// keep keeps a verdict that was asked for at a time, unless anything has ended
// since: it may have been that.
func (s *Sessions) keep(scope pg.Scope, at time.Time, ends uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends != ends {
		return
	}
	if now := s.now(); now.Sub(s.turned) >= age {
		s.young, s.old, s.turned = make(map[uuid.UUID]verdict, len(s.young)), s.young, now
	}
	if len(s.young) < most {
		s.young[scope.Session] = verdict{scope.Tenant, scope.User, at}
	}
}

// Apply ends the verdicts about which the feed's items have news.
func (s *Sessions) Apply(items []feed.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends++
	tenants := map[string]bool{}
	for _, item := range items {
		if session, _, ok := revocation.Parse(item); ok {
			delete(s.young, session)
			delete(s.old, session)
		} else if item.Kind == feed.Tenant {
			tenants[item.Key] = true
		}
	}
	if len(tenants) == 0 {
		return
	}
	for _, verdicts := range []map[uuid.UUID]verdict{s.young, s.old} {
		for session, v := range verdicts {
			if tenants[v.tenant] {
				delete(verdicts, session)
			}
		}
	}
}
