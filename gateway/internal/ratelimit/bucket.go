package ratelimit

// bucket is what this gateway knows of one bucket. Times are µs by the
// limiter's monotonic clock. It is guarded by its shard's lock.
type bucket struct {
	policy *Policy
	gone   bool // from its shard
	leases leases
	demand demand

	// fullAt is when the shared bucket will be full, as far as is known: its fill
	// at the last answer, counted from the receipt. Others may have taken more
	// since, so it never holds more than this says.
	fullAt int64
	// aloneAt is when this gateway's own share will be full; it counts while the
	// store does not answer, and lags behind fullAt otherwise. By how much it is
	// ahead is what was admitted without asking.
	aloneAt int64
	// low is the number of tokens at which a lease is renewed ahead of need; 0:
	// not at all.
	low int64
	// asking is set while a command is under way that may bring a lease and that
	// carries the debt, so that no two do.
	asking bool
	// changed is set from when the limit changes until the store has answered by
	// the new one.
	changed bool
}

const (
	// aheadPart: a lease is renewed when this part of its tokens or of its time
	// is left. A token that is not sure to outlive a command is not reserved over
	// one; that takes the same part of the time.
	aheadPart = 16
	// minAhead is the smallest lease that is renewed ahead of need. Below that the
	// bucket is slow or nearly empty.
	minAhead = 8
)

// adopt takes on the policy of the charge at hand. When the limit is another
// one than before, because of an override, the tokens on lease were counted by
// the former rule and are given up; those that were used stay used, as in the
// store. That may have heard of the new limit earlier, from another gateway, and
// have refilled by it since.
func (b *bucket) adopt(p *Policy, now instant) {
	if b.policy == p {
		return
	}
	if b.policy != nil && b.policy.rule != p.rule {
		b.leases.clear()
		b.low = 0
		former := b.policy.rule.interval
		b.fullAt = now.mono + stored{b.fullAt, former}.fill(p.rule, now.mono)
		b.aloneAt = now.mono + stored{b.aloneAt, former}.fill(p.rule, now.mono)
		b.changed = true
	}
	b.policy = p
}

// fill is how long the shared bucket takes to be full, at best.
func (b *bucket) fill(now instant) int64 { return b.policy.rule.fill(b.fullAt, now.mono) }

// empty reports whether the shared bucket is known to have no token.
func (b *bucket) empty(now instant) bool { return !b.changed && !b.policy.rule.has(b.fill(now)) }

// debt is what this gateway's share lags behind the shared bucket, for which it
// stands with 1/n of its rate.
func (b *bucket) debt(now instant, n int) int64 {
	return (max(b.aloneAt, b.fullAt, now.mono) - max(b.fullAt, now.mono)) / int64(n)
}

// admit counts a request that goes on.
func (b *bucket) admit(now instant) {
	if b.policy.rule.lease > 0 {
		b.demand.count(now.mono, b.policy.rule.lease)
	}
}

// due reports whether what is on lease should be renewed ahead of need.
func (b *bucket) due(now instant) bool {
	return b.low > 0 && !b.asking &&
		(b.leases.tokens() <= b.low || b.leases.remains(now) < b.policy.rule.lease/aheadPart)
}

// wants is how many tokens to lease: the demand within τ less what is here and
// will be spent in time. A request that waits for an answer always asks for
// more; one that has its token, and the renewal ahead, only from half of the
// demand on, for each lease is one more to keep apart.
func (b *bucket) wants(now instant, needs bool) int64 {
	r := b.policy.rule
	if r.lease == 0 {
		return 0
	}
	demand := b.demand.estimate(now.mono, r.lease)
	usable := min(b.leases.tokens(), demand*b.leases.remains(now)/r.lease)
	if !needs && (demand < minAhead || usable > demand/2) {
		return 0
	}
	return max(0, demand-usable)
}

// describe tells what is left and how long to wait.
func (b *bucket) describe(d *Decision, now instant) {
	tokens, wait := b.policy.rule.level(b.fill(now))
	d.Remaining, d.Wait = tokens+b.leases.tokens(), wait
}

// aloneFill is how long this gateway's share takes to be full. It starts from
// what the shared bucket last was.
func (b *bucket) aloneFill(r rule, now instant) int64 {
	return r.fill(max(b.aloneAt, b.fullAt), now.mono)
}

// takeAlone takes a token from this gateway's share.
func (b *bucket) takeAlone(r rule, now instant) {
	b.aloneAt = now.mono + min(b.aloneFill(r, now)+r.interval, r.tolerance)
}

// describeAlone is describe by this gateway's share.
func (b *bucket) describeAlone(d *Decision, r rule, now instant) {
	var tokens int64
	tokens, d.Wait = r.level(b.aloneFill(r, now))
	d.Remaining = tokens + b.leases.tokens()
}

// idle reports whether forgetting the bucket changes nothing.
func (b *bucket) idle(now instant) bool {
	return !b.asking && b.idleAt() <= now.mono && !b.leases.drop(now)
}

// learn takes in the answer that an ask got at now, or an error; until is when
// what was granted dies.
func (b *bucket) learn(a *Ask, p *part, err error, now, until instant) {
	if p.leads {
		b.asking = false
	}
	if err != nil {
		return
	}
	extra := a.Granted - min(a.Need, a.Granted)
	if b.policy.rule != a.Policy.rule {
		tokensLost.Add(int(extra))
		return
	}
	b.fullAt, b.changed = now.mono+a.Fill, false
	if p.leads {
		// The debt is paid, but not what was admitted alone since it was sent.
		since := b.aloneAt - p.aloneAt
		b.aloneAt = 0
		if since > 0 {
			b.aloneAt = b.fullAt + since
		}
	}
	if a.Extra == 0 {
		return
	}
	b.low = 0
	if extra == 0 {
		return
	}
	// If the answer is so late that these are dead already, the next look at the
	// leases drops them.
	leasesGranted.Inc()
	b.leases.drop(now)
	b.leases.put(lease{until: until, left: extra})
	if extra >= minAhead {
		b.low = max(1, extra/aheadPart)
	}
}

// idleAt is when the shared bucket and this gateway's share are full.
func (b *bucket) idleAt() int64 { return max(b.fullAt, b.aloneAt) }
