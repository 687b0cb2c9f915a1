package ratelimit

import (
	"testing"
	"time"
)

func TestHeldBuckets(t *testing.T) {
	t.Parallel()
	l := New(Options{Store: NewMemory(time.Now), Keys: 100, Log: quiet})
	p := NewPolicy("user", lim(600, time.Minute, 100), PolicyOptions{})
	shadow := NewPolicy("user", lim(60, time.Minute, 10), PolicyOptions{Shadow: true})
	tag, key := []byte("t:acme"), []byte("ana")
	var h Held
	take := func(p *Policy) *bucket {
		charges := []Charge{{Policy: p, Key: key, Held: &h}}
		l.Take(t.Context(), tag, charges)
		return h.bucket.Load()
	}
	s := l.buckets.shard(tag)
	first := take(p)
	if first == nil || first != s.buckets[string(appendKey(nil, tag, "user", key))] || take(p) != first {
		t.Error("the bucket is not held")
	}
	if b := take(shadow); b == first || b.policy != shadow {
		t.Error("a policy in shadow was charged to the bucket of the enforced one")
	}
	if take(p) != first {
		t.Error("the bucket is another one now")
	}
	s.mu.Lock()
	s.forget(string(appendKey(nil, tag, "user", key)))
	s.mu.Unlock()
	if b := take(p); b == first || b != s.buckets[string(appendKey(nil, tag, "user", key))] {
		t.Error("a bucket that was forgotten is still charged")
	}
}
