package ratelimit

import (
	"hash/maphash"
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
	minPerShard    = 16
)

// table holds a bounded number of buckets. The buckets of one tag share a
// shard, so one lock guards a decision.
type table struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	bound   int
	_       [40]byte // keeps two locks off one cache line
}

func newTable(keys int) *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].buckets = map[string]*bucket{}
		t.shards[i].bound = max(minPerShard, keys/shards)
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
		key := appendKey(scratch[:0], tag, c.Policy.bucket, c.Key)
		b := s.buckets[string(key)]
		if b == nil {
			if len(s.buckets) >= s.bound {
				s.evict(now)
			}
			b = &bucket{}
			s.buckets[string(key)] = b
			keysHeld.Add(1)
		}
		b.adopt(c.Policy, now)
		found[i] = b
	}
}

// evict makes room for one bucket: those that are idle go first, because
// forgetting one changes nothing, and then the one nearest to it, which is
// counted. A forgotten bucket gives up its leases, so nothing is admitted twice.
// A map is walked from a random place, so a few entries are a fair sample.
func (s *shard) evict(now instant) {
	var nearest string
	var soonest *bucket
	freed, seen := false, 0
	for key, b := range s.buckets {
		if b.idle(now) {
			s.forget(key, b)
			freed = true
		} else if soonest == nil || b.idleAt() < soonest.idleAt() {
			nearest, soonest = key, b
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	if !freed {
		s.forget(nearest, soonest)
		evictions.Inc()
	}
}

func (s *shard) forget(key string, b *bucket) {
	b.leases.clear()
	delete(s.buckets, key)
	keysHeld.Add(-1)
}
