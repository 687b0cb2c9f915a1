package admission

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	shards = 64
	// idleTenants is how many tenants without a request in flight each shard keeps,
	// so that one who comes again costs no allocation.
	idleTenants = 64
)

// tenants counts the requests of each tenant that are in flight. Memory is
// bounded by the requests in flight, and a few thousand tenants more.
//
// The limit is for the sum of all. When it is reached, a tenant that holds less
// than the others gets past it by up to a half, and one that holds more waits until
// the sum is below again: in a few latencies each has what is due, while nothing
// is kept free for who may never come. The measure is what the tenant of a slot
// picked at random holds, the sum of squares divided by the sum: with one that
// is greedy it is near to what that one holds, with equals it is what each holds.
// The number of tenants would be no measure: many of those that are there have
// but one short request now and then.
type tenants struct {
	seed    maphash.Seed
	squares atomic.Int64 // sum of the squares of slots
	public  tenant
	shards  [shards]shard
}

type shard struct {
	mu    sync.Mutex
	known map[string]*tenant
	_     [48]byte // keeps two locks off one cache line
}

// tenant is one tenant's requests. Those of who is not signed in are one tenant
// without a shard: addresses cost nothing to come by, so a share for each would
// be no bound.
type tenant struct {
	shard *shard
	n     atomic.Int64 // written under the shard's lock, if there is one
	slots atomic.Int64 // how many of them hold a slot of the limit
}

// hold takes a slot and returns how many the tenant has with it.
func (s *tenants) hold(t *tenant) int64 {
	n := t.slots.Add(1)
	s.squares.Add(2*n - 1)
	return n
}

func (s *tenants) release(t *tenant) {
	s.squares.Add(-2*t.slots.Add(-1) - 1)
}

// modest reports whether who has mine of all slots has less than the others.
func (s *tenants) modest(mine, all int64) bool { return mine*all < s.squares.Load() }

func (s *tenants) init() {
	s.seed = maphash.MakeSeed()
	for i := range s.shards {
		s.shards[i].known = map[string]*tenant{}
	}
}

func (s *tenants) shard(id string) *shard {
	return &s.shards[maphash.String(s.seed, id)%shards]
}

// enter counts a request, or returns nil when the tenant has as many as it may
// have. No most is no bound.
func (s *tenants) enter(id string, most int) *tenant {
	if id == "" {
		s.public.n.Add(1)
		return &s.public
	}
	sh := s.shard(id)
	sh.mu.Lock()
	t := sh.known[id]
	if t == nil {
		t = sh.add(id)
	}
	n := t.n.Load()
	if most > 0 && n >= int64(most) {
		sh.mu.Unlock()
		return nil
	}
	t.n.Store(n + 1)
	sh.mu.Unlock()
	return t
}

// add makes room by forgetting who has nothing in flight.
func (s *shard) add(id string) *tenant {
	if len(s.known) >= idleTenants {
		for id, t := range s.known {
			if t.n.Load() == 0 {
				delete(s.known, id)
			}
		}
	}
	t := &tenant{shard: s}
	s.known[strings.Clone(id)] = t
	return t
}

func (s *tenants) leave(t *tenant) {
	if t.shard == nil {
		t.n.Add(-1)
		return
	}
	t.shard.mu.Lock()
	t.n.Store(t.n.Load() - 1)
	t.shard.mu.Unlock()
}

func (s *tenants) count(id string) int {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if t := sh.known[id]; t != nil {
		return int(t.n.Load())
	}
	return 0
}
