package ratelimit

import (
	"context"
	"sync"
	"time"
)

// Memory is a [Store] for limiters in one process: for tests, benchmarks and
// programs that run a gateway on its own. It does what the script in Redis does.
type Memory struct {
	now   func() time.Time
	start time.Time

	mu      sync.Mutex
	buckets map[string]stored // in µs since start
	sweepAt int
}

// minSweep is how many buckets are kept before full ones are looked for.
const minSweep = 1024

// NewMemory returns a store with no buckets. Now is its clock, whose monotonic
// reading counts.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, start: now(), buckets: map[string]stored{}, sweepAt: minSweep}
}

// Take implements [Store]. It never fails.
func (m *Memory) Take(_ context.Context, tag []byte, asks []Ask) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now().Sub(m.start).Microseconds()
	keys := make([]string, len(asks))
	buckets := make([]stored, len(asks))
	for i := range asks {
		keys[i] = string(appendKey(nil, tag, asks[i].Policy.bucket, asks[i].Key))
		buckets[i] = m.buckets[keys[i]]
	}
	charge(asks, buckets, now)
	for i, b := range buckets {
		if b.tat > now {
			m.buckets[keys[i]] = b
		}
	}
	if len(m.buckets) >= m.sweepAt {
		m.sweep(now)
	}
	return nil
}

// sweep forgets the buckets that are full, which changes nothing.
func (m *Memory) sweep(now int64) {
	for key, b := range m.buckets {
		if b.tat <= now {
			delete(m.buckets, key)
		}
	}
	m.sweepAt = max(minSweep, 2*len(m.buckets))
}
