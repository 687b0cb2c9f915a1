package proxy

import "time"

const (
	// slowReturn is how long the share of a backend grows that joins others or
	// comes back: its caches are cold, and what made it fail may not be over.
	slowReturn = 5 * time.Second
	// leastShare is what it begins with.
	leastShare = 0.1
)

// warmUp makes a backend's share grow from now on, if there are others to take
// the rest. It must not be usable yet.
func (s *balance) warmUp(b *backend) {
	b.warming.Store(0)
	for _, other := range *s.members.Load() {
		if other != b && other.standing() == usable && s.share(other) == 1 {
			b.warming.Store(max(1, int64(time.Since(s.start))))
			return
		}
	}
}

// share is how much of its full share a backend gets: 1 except for some seconds
// after it came back.
func (s *balance) share(b *backend) float64 {
	since := b.warming.Load()
	if since == 0 {
		return 1
	}
	age := int64(time.Since(s.start)) - since
	if age >= int64(slowReturn) {
		b.warming.CompareAndSwap(since, 0)
		return 1
	}
	return max(leastShare, float64(age)/float64(slowReturn))
}
