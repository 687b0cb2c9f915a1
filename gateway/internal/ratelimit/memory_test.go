package ratelimit

import (
	"context"
	"sync"
	"time"
)

// Memory is a [Store] without Redis. It does what the script does, which tests
// of both hold it to.
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

// extraPart: of what a bucket has left, at most an eighth is leased at once, so
// that leases shrink to nothing when it is nearly empty.
const extraPart = 8

// charge does what bucket.lua does: it answers asks at now by the state of each
// bucket, which it moves on.
func charge(asks []Ask, buckets []stored, now int64) {
	admitted := true
	for i := range asks {
		a := &asks[i]
		r := a.Policy.rule
		a.Fill = min(buckets[i].fill(r, now)+a.Debt, r.tolerance)
		if a.Need > 0 && !r.has(a.Fill) && !a.Policy.Shadow {
			admitted = false
		}
	}
	for i := range asks {
		a := &asks[i]
		r := a.Policy.rule
		a.Granted = 0
		if admitted && (a.Need == 0 || r.has(a.Fill)) {
			left := (r.tolerance-a.Fill)/r.interval - a.Need
			a.Granted = a.Need + min(a.Extra, left/extraPart)
			a.Fill += a.Granted * r.interval
		}
		buckets[i] = stored{now + a.Fill, r.interval}
	}
}
