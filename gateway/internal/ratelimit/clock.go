package ratelimit

import "time"

// instant is a moment by two clocks of this machine, in µs. CLOCK_MONOTONIC
// never jumps but stands still while a virtual machine sleeps; the wall clock
// goes on but may be set. What must end in time ends by whichever comes first.
type instant struct {
	mono int64 // since the limiter was made
	wall int64 // since 1970
}

func (t instant) add(µs int64) instant { return instant{t.mono + µs, t.wall + µs} }

// before reports whether t comes before u by both clocks.
func (t instant) before(u instant) bool { return t.mono < u.mono && t.wall < u.wall }

// earlier returns the earlier one by each clock.
func (t instant) earlier(u instant) instant {
	return instant{min(t.mono, u.mono), min(t.wall, u.wall)}
}

// newClock returns a clock that reads now.
func newClock(now func() time.Time) func() instant {
	start := now()
	return func() instant {
		t := now()
		return instant{t.Sub(start).Microseconds(), t.UnixMicro()}
	}
}
