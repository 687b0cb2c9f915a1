package ratelimit

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

var (
	keysHeld  atomic.Int64
	_         = metrics.NewGauge(`gateway_ratelimit_keys`, func() float64 { return float64(keysHeld.Load()) })
	evictions = metrics.NewCounter(`gateway_ratelimit_evictions_total`)
)

const (
	shards = 64
	// evictionSample is how many buckets are looked at to find one that can go.
	evictionSample = 8
)

// table holds a bounded number of buckets. The buckets of one tag share a
// shard, so one lock guards a decision; but the bound is for all shards together,
// since one tag may be most of the traffic. A shard that has nothing to forget
// but the buckets of the decision at hand passes the bound, so there are at most
// shards × [MaxCharges] too many.
type table struct {
	seed   maphash.Seed
	bound  int64
	held   atomic.Int64
	hand   atomic.Uint64 // the shard that gives up its idle buckets next
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	table   *table
	buckets map[string]*bucket
	_       [40]byte // keeps two locks off one cache line
}

func newTable(keys int) *table {
	t := &table{seed: maphash.MakeSeed(), bound: int64(keys)}
	for i := range t.shards {
		t.shards[i].table = t
		t.shards[i].buckets = map[string]*bucket{}
	}
	return t
}

func (t *table) shard(tag []byte) *shard {
	return &t.shards[maphash.Bytes(t.seed, tag)%shards]
}

// appendKey appends the tag, the policy and the key, which the separators keep
// apart: none of them contains a NUL.
func appendKey(b, tag []byte, policy string, key []byte) []byte {
	b = append(b, tag...)
	b = append(b, 0)
	b = append(b, policy...)
	b = append(b, 0)
	return append(b, key...)
}

// find sets the buckets of the charges, new ones for those that are not known.
func (s *shard) find(found []*bucket, tag []byte, charges []Charge, now instant) {
	var scratch [192]byte
	for i := range charges {
		c := &charges[i]
		if found[i] = c.Held.of(c.Policy); found[i] == nil {
			found[i] = s.buckets[string(appendKey(scratch[:0], tag, c.Policy.bucket, c.Key))]
			if found[i] != nil {
				c.Held.remember(found[i])
			}
		}
	}
	// Only when all that are known are found, since none of them may make room.
	for i := range charges {
		c := &charges[i]
		if found[i] == nil {
			found[i] = s.add(string(appendKey(scratch[:0], tag, c.Policy.bucket, c.Key)), found, now)
			c.Held.remember(found[i])
		}
		found[i].adopt(c.Policy, now)
	}
}

// add adds a bucket. Those of the decision are kept.
func (s *shard) add(key string, decision []*bucket, now instant) *bucket {
	keysHeld.Add(1)
	if s.table.held.Add(1) > s.table.bound {
		s.makeRoom(decision, now)
	}
	b := &bucket{}
	s.buckets[key] = b
	return b
}

// makeRoom makes room for one bucket: those that are idle go first, because
// forgetting one changes nothing, here or in another shard, so that what a tag no
// longer uses comes free for all. Then the one here that is nearest to idle goes,
// which is counted. A forgotten bucket gives up its leases, so nothing is admitted
// twice.
func (s *shard) makeRoom(decision []*bucket, now instant) {
	freed, nearest := s.sweep(decision, now)
	if freed {
		return
	}
	// Another shard's lock is only tried, so no two wait for each other.
	other := &s.table.shards[s.table.hand.Add(1)%shards]
	if other != s && other.mu.TryLock() {
		freed, _ = other.sweep(nil, now)
		other.mu.Unlock()
	}
	if !freed && nearest != "" {
		s.forget(nearest)
		evictions.Inc()
	}
}

// sweep forgets the idle ones of a few buckets, or returns the key of the one
// that is nearest to it, or "". A map is walked from a random place, so a few
// entries are a fair sample.
func (s *shard) sweep(decision []*bucket, now instant) (freed bool, nearest string) {
	var soonest *bucket
	seen := 0
	for key, b := range s.buckets {
		if slices.Contains(decision, b) {
			continue
		}
		if b.idle(now) {
			s.forget(key)
			freed = true
		} else if soonest == nil || b.idleAt() < soonest.idleAt() {
			nearest, soonest = key, b
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	return freed, nearest
}

func (s *shard) forget(key string) {
	b := s.buckets[key]
	b.gone = true
	b.leases.clear()
	delete(s.buckets, key)
	s.table.held.Add(-1)
	keysHeld.Add(-1)
}
