package ratelimit

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

var localEvictions = metrics.NewCounter(`gateway_ratelimit_local_evictions_total`)

const (
	localShards = 64
	// evictionSample is how many buckets are looked at to find one that can go.
	evictionSample = 8
)

// Local keeps buckets in this process. It holds a bounded number: when it is
// full, buckets that have refilled go first, because forgetting one changes
// nothing, and then those nearest to full; evictions of the latter are counted.
type Local struct {
	seed   maphash.Seed
	perMap int
	now    func() time.Time
	start  time.Time
	shards [localShards]localShard
}

type localShard struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	_       [48]byte // keeps two locks off one cache line
}

// bucket is kept behind a pointer, so that charging one that is known does not
// build its key as a string.
type bucket struct{ tat int64 } // µs since start

// NewLocal returns a store for up to max buckets, about 200 bytes each. Now is
// its clock, whose monotonic reading counts.
func NewLocal(maxBuckets int, now func() time.Time) *Local {
	l := &Local{
		seed:   maphash.MakeSeed(),
		perMap: max(16, maxBuckets/localShards),
		now:    now,
		start:  now(),
	}
	for i := range l.shards {
		l.shards[i].buckets = map[string]*bucket{}
	}
	return l
}

// maxCharges is how many buckets a decision may charge.
const maxCharges = 4

// Take implements [Store]. It never fails.
func (l *Local) Take(_ context.Context, tag []byte, charges []Charge) error {
	var found [maxCharges]*bucket
	var scratch [192]byte
	shard := &l.shards[maphash.Bytes(l.seed, tag)%localShards]

	shard.mu.Lock()
	defer shard.mu.Unlock()
	now := l.now().Sub(l.start).Microseconds()
	all := true
	for i := range charges {
		found[i] = shard.buckets[string(localKey(scratch[:0], tag, &charges[i]))]
		all = all && charges[i].Policy.local.admits(found[i].level(), now)
	}
	for i := range charges {
		c := &charges[i]
		if all && found[i] == nil {
			found[i] = shard.add(localKey(scratch[:0], tag, c), now, l.perMap)
		}
		if all {
			found[i].tat = c.Policy.local.take(found[i].tat, now)
		}
		c.decide(c.Policy.local, found[i].level(), now, all)
	}
	return nil
}

// level returns the TAT; a bucket that is not kept is full.
func (b *bucket) level() int64 {
	if b == nil {
		return 0
	}
	return b.tat
}

// localKey is the tag, the policy and the key, which the separators keep apart:
// none of them contains a NUL.
func localKey(b, tag []byte, c *Charge) []byte {
	b = append(b, tag...)
	b = append(b, 0)
	b = append(b, c.Policy.Name...)
	b = append(b, 0)
	return append(b, c.Key...)
}

func (s *localShard) add(key []byte, now int64, bound int) *bucket {
	if len(s.buckets) >= bound {
		s.evict(now)
	}
	b := &bucket{}
	s.buckets[string(key)] = b
	return b
}

// evict makes room for one bucket. A map is walked from a random place, so a
// few entries are a fair sample.
func (s *localShard) evict(now int64) {
	var nearest string // to full, of those in use
	freed, seen := false, 0
	for key, b := range s.buckets {
		switch {
		case b.tat <= now: // full: the same as absent
			delete(s.buckets, key)
			freed = true
		case nearest == "" || b.tat < s.buckets[nearest].tat:
			nearest = key
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	if !freed {
		delete(s.buckets, nearest)
		localEvictions.Inc()
	}
}

// len returns how many buckets are kept.
func (l *Local) len() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].buckets)
		l.shards[i].mu.Unlock()
	}
	return n
}
