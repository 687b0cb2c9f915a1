package ratelimit

import (
	"math"
	"time"

	"gatehouse/internal/limit"
)

// rule is a token bucket as the generic cell rate algorithm sees it (ITU-T
// I.371), in whole microseconds.
//
// The whole state of a bucket is one number, its theoretical arrival time
// (TAT): the moment at which it is full again. A full bucket's TAT lies in the
// past. Every admitted request moves it one interval on, and it may lie at most
// tolerance ahead of now. So at most tolerance/interval requests come at once,
// and in any stretch of length T at most (tolerance + T) / interval.
//
// How far the TAT lies ahead is the bucket's fill: the µs until it is full. It
// means the same by every clock, so only it travels.
type rule struct {
	interval  int64 // µs between two requests at the rate
	tolerance int64 // µs, interval × burst less the lease
	lease     int64 // µs, τ: how long leased tokens may live; 0: no leases
}

const (
	// maxLease and leasePart bound what leases take from the burst: a tenth.
	maxLease  = 1_000_000 // µs
	leasePart = 10
	// minLeaseBurst: of a smaller burst each token counts, and such a bucket is
	// not busy.
	minLeaseBurst = 50
	// minLease is well above the time in which Redis answers. A shorter lease
	// would be over before it began.
	minLease = 20_000 // µs
)

// newRule returns the rule of the buckets that all gateways share.
func newRule(l limit.Limit) rule {
	r := rule{interval: l.Interval(), tolerance: l.Interval() * int64(l.Burst)}
	if lease := min(r.tolerance/leasePart, maxLease); l.Burst >= minLeaseBurst && lease >= minLease {
		r.lease = lease
		r.tolerance -= lease
	}
	return r
}

// alone is the share of one of n gateways. It takes as long to refill as the
// shared bucket does, so that a fill read from one holds for the other; it has
// at least one token.
func (r rule) alone(n int) rule {
	interval := r.interval * int64(n)
	return rule{interval: interval, tolerance: max(r.tolerance, interval)}
}

// life is how long a lease lives, in µs. It is a thousandth shorter than τ, so
// that the bound holds although this machine's clock may run that much slower
// than Redis's.
func (r rule) life() int64 { return r.lease - r.lease/1000 }

// fill returns how long a bucket takes to be full. A bucket cannot be emptier
// than empty: a TAT further ahead comes from a clock that was set back, and would
// refuse for too long.
func (r rule) fill(tat, now int64) int64 {
	return min(max(tat-now, 0), r.tolerance)
}

// scale is the fill of a bucket whose limit changes to this one: the tokens that
// were used stay the same number, rounded up to a µs. The interval is that of the
// former limit. The numbers are doubles, as in bucket.lua: products may pass 2^63.
// Whole tokens are exact, and the rest is to a ten-thousandth of a µs.
func (r rule) scale(fill, interval int64) int64 {
	if interval == r.interval {
		return min(fill, r.tolerance)
	}
	whole := float64(fill/interval) * float64(r.interval)
	rest := math.Ceil(float64(fill%interval) * float64(r.interval) / float64(interval))
	return int64(min(whole+rest, float64(r.tolerance)))
}

// has reports whether a bucket with this fill has a token.
func (r rule) has(fill int64) bool { return fill+r.interval <= r.tolerance }

// level says how many tokens a bucket has, and how long until it has one more,
// which is zero when it has all.
func (r rule) level(fill int64) (tokens int64, wait time.Duration) {
	room := r.tolerance - fill
	tokens = room / r.interval
	if tokens == r.tolerance/r.interval {
		return tokens, 0
	}
	return tokens, time.Duration((tokens+1)*r.interval-room) * time.Microsecond
}

// stored is what a store keeps of a bucket: its TAT, and the interval by which
// that was reckoned, since the limit may be another one the next time. The zero
// value is a full bucket.
type stored struct{ tat, interval int64 }

// fill is the bucket's fill under the rule r.
func (s stored) fill(r rule, now int64) int64 {
	if s.tat <= now {
		return 0
	}
	return r.scale(s.tat-now, s.interval)
}
