package ratelimit

import "time"

// rule is a token bucket as the generic cell rate algorithm sees it (ITU-T
// I.371), in whole microseconds.
//
// The whole state of a bucket is one number, its theoretical arrival time
// (TAT): the moment at which it is full again. A full bucket's TAT lies in the
// past. Every admitted request moves it one interval on, and it may lie at most
// tolerance ahead of now. So at most tolerance/interval requests come at once,
// and in any stretch of length T at most (tolerance + T) / interval:
// burst + rate × T.
type rule struct {
	interval  int64 // µs between two requests at the rate
	tolerance int64 // µs, interval × burst
}

// start returns the TAT that counts at now. A bucket cannot be emptier than
// empty: a TAT further ahead comes from a clock that was set back, and would
// refuse for as long as the clock was wrong.
func (r rule) start(tat, now int64) int64 {
	return min(max(tat, now), now+r.tolerance)
}

// admits reports whether the bucket has a token at now.
func (r rule) admits(tat, now int64) bool {
	return r.start(tat, now)+r.interval-now <= r.tolerance
}

// take returns the TAT after one request that was admitted at now.
func (r rule) take(tat, now int64) int64 {
	return r.start(tat, now) + r.interval
}

// level describes the bucket at now: how many tokens it has, and how long until
// it has one more, which is zero when it is full.
func (r rule) level(tat, now int64) (remaining int64, wait time.Duration) {
	start := r.start(tat, now)
	if start == now {
		return r.tolerance / r.interval, 0
	}
	room := r.tolerance - (start - now)
	remaining = room / r.interval
	return remaining, time.Duration((remaining+1)*r.interval-room) * time.Microsecond
}

// decide sets the decision from the bucket's TAT. All says whether every
// bucket of the decision admitted, that is whether tat is the one after the
// request.
func (c *Charge) decide(r rule, tat, now int64, all bool) {
	c.Admitted = all || r.admits(tat, now)
	c.Remaining, c.Wait = r.level(tat, now)
}
