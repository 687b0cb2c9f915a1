// Package ratelimit decides how many requests a client address, a tenant or a
// user may send, for all gateways together, and mostly without asking anybody.
//
// # Buckets
//
// A [Policy] is a token bucket with a name: requests per period, and a burst
// that may come at once. Its arithmetic is the generic cell rate algorithm in
// whole microseconds (gcra.go), apart from where the buckets are kept. The
// gateways share them in a [Store]: [Redis], which decides by one script and its
// own clock, or [Memory], which does the same within a process.
//
// Several buckets are charged in one decision: either all of them give a token
// or none does, so a request that is refused consumes nothing. The buckets of
// one decision carry a tag, which keeps them in one slot of a Redis Cluster and
// under one lock of the [Limiter]. A policy in shadow never refuses; it marks
// what it would have refused.
//
// # Leases
//
// Asking for each request would cost a round trip each. So with the token that
// a request needs, a limiter asks for more, as many as it saw requests within a
// time τ, and spends them on the requests that follow. It asks again, off the
// requests' path, when few tokens or little time is left; a key with n requests
// within τ costs about one command for n of them. A bucket leases out at most an
// eighth of what it has, so leases shrink to nothing when it is nearly empty,
// and a key at its limit is not refused what another gateway hoards. A lease
// that is not spent is lost: it is never handed back, which could admit twice.
//
// # Another limit
//
// When the limit of a bucket changes, the tokens that were used stay the same
// number, at most the new burst: who had used 3 of 10 has 17 of 20. A bucket is
// kept as time, so the store keeps with it the interval it was reckoned by. A
// limiter gives up its leases, does the same to what it knows of the bucket, and
// asks before it refuses.
//
// # Why the limit holds
//
// The promise: in every stretch of time of length T all gateways together admit
// a key at most burst + rate × T times.
//
// A token must not be spent here after the bucket has minted another in its
// place. So a lease dies τ after the gateway read its clock, which it did before
// it sent the command; and the shared bucket's burst is smaller by rate × τ. A
// token that is spent at s was granted after the clock was read and before s,
// which is between s−τ and s. All that is spent in [t, t+T] was therefore granted
// in [t−τ, t+T], and the shared bucket grants in a stretch of length T+τ at most
//
//	(burst − rate × τ) + rate × (T+τ) = burst + rate × T.
//
// Nothing in this needs two clocks to agree on the time, and nothing depends on
// what crashes, stalls or gets lost: a gateway that crashes spends less, a lost
// answer was granted and is not spent, and one that comes after its deadline
// gives nothing. The deadline is checked under the lock at every spend, by the
// monotonic clock and also by the wall clock, since the former stands still
// while a virtual machine sleeps. Tokens live a thousandth less than τ, for a
// clock that runs slower than Redis's by as much.
//
// τ is a tenth of the time in which the bucket refills, at most a second, so
// leases take at most a tenth of the burst. Buckets with a burst below 50, or
// that refill within 200 ms, do not lease: τ is 0 and every request asks. Such a
// request counts as admitted at the moment of the store's decision; an answer
// that takes longer than the store's bound is an error.
//
// The promise rests on the store's clock and memory. If its clock jumps ahead by
// d the bucket refills rate × d; if it forgets its buckets each is full once more;
// if its clock goes back, a bucket is never emptier than empty.
//
// # Refusals
//
// The answer of the store says how long the bucket takes to be full. Counted from
// its receipt that bounds what the bucket can have later, since others only take
// from it. While it cannot have a token, requests are refused here: a flood of
// them costs the store one command for each token that comes back.
//
// # Without the store
//
// When the store does not answer, a limiter goes on with its own share: a bucket
// with 1/n of the rate for n gateways, which takes as long to refill as the
// shared one and starts from what that last was. What the share lags behind is
// what was admitted without asking; the next command charges it as debt, which
// is kept until a command is known to have succeeded. [FallbackOpen] and
// [FallbackClosed] admit or refuse instead. The promise above is for the time in
// which the store answers; in the fallback the sum over the fleet stays near the
// limit.
package ratelimit
