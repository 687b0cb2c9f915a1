package ratelimit

import (
	"slices"

	"github.com/VictoriaMetrics/metrics"
)

var (
	leasesGranted = metrics.NewCounter(`gateway_ratelimit_leases_total`)
	tokensSpent   = metrics.NewCounter(`gateway_ratelimit_lease_tokens_total{outcome="spent"}`)
	tokensLost    = metrics.NewCounter(`gateway_ratelimit_lease_tokens_total{outcome="lost"}`)
)

// lease is tokens that may be spent here until a deadline.
type lease struct {
	until instant
	left  int64
}

// maxLeases is how many leases of one bucket are told apart. Renewal ahead of
// need makes two; more are rare, and then two become one.
const maxLeases = 3

// leases are the tokens of one bucket that are on lease here, the oldest first,
// since those die first.
type leases struct {
	list  [maxLeases]lease
	n     int
	spent int64 // tokens that are not in the counter yet
}

// drop forgets what is spent or dead and reports whether a token is left.
func (l *leases) drop(now instant) bool {
	kept := 0
	for _, one := range l.list[:l.n] {
		if one.left > 0 && now.before(one.until) {
			l.list[kept] = one
			kept++
			continue
		}
		tokensLost.Add(int(one.left))
	}
	if kept < l.n {
		tokensSpent.Add(int(l.spent))
		l.n, l.spent = kept, 0
	}
	return kept > 0
}

// clear forgets all.
func (l *leases) clear() {
	for _, one := range l.list[:l.n] {
		tokensLost.Add(int(one.left))
	}
	tokensSpent.Add(int(l.spent))
	*l = leases{}
}

// take takes a token that lives at least until the given time, and returns it
// as a lease of its own, or nothing. Drop was called before.
func (l *leases) take(until instant) (token lease, ok bool) {
	for i := range l.list[:l.n] {
		if one := &l.list[i]; one.left > 0 && until.before(one.until) {
			one.left--
			return lease{until: one.until, left: 1}, true
		}
	}
	return lease{}, false
}

// put adds a lease, or a token that was not needed after all.
func (l *leases) put(added lease) {
	at := l.n
	for i := range l.list[:l.n] {
		if l.list[i].until == added.until {
			l.list[i].left += added.left
			return
		}
		if added.until.mono < l.list[i].until.mono {
			at = min(at, i)
		}
	}
	if l.n < maxLeases {
		copy(l.list[at+1:], l.list[at:l.n])
		l.list[at] = added
		l.n++
		return
	}
	// Giving up some of the time of one of them keeps the promise.
	last := &l.list[l.n-1]
	last.left += added.left
	last.until = last.until.earlier(added.until)
	slices.SortFunc(l.list[:l.n], func(a, b lease) int { return int(a.until.mono - b.until.mono) })
}

// tokens returns how many are left.
func (l *leases) tokens() int64 {
	var sum int64
	for i := range l.list[:l.n] {
		sum += l.list[i].left
	}
	return sum
}

// remains returns how long the newest lease still lives, in µs.
func (l *leases) remains(now instant) int64 {
	if l.n == 0 {
		return 0
	}
	return max(0, l.list[l.n-1].until.mono-now.mono)
}

// demand estimates how many requests a bucket sees within τ: those of the
// current stretch of length τ, and of the former one the part that a window
// ending now still covers.
type demand struct {
	since       int64 // by the monotonic clock, in µs
	now, former int64
}

func (d *demand) roll(now, stretch int64) {
	switch passed := now - d.since; {
	case passed < 0 || passed >= 2*stretch:
		*d = demand{since: now}
	case passed >= stretch:
		*d = demand{since: d.since + stretch, former: d.now}
	}
}

func (d *demand) count(now, stretch int64) {
	d.roll(now, stretch)
	d.now++
}

func (d *demand) estimate(now, stretch int64) int64 {
	d.roll(now, stretch)
	return d.now + d.former*(stretch-(now-d.since))/stretch
}
