// Package limit holds what both processes must agree on about rate limits: how a
// limit is written and bounded, the names of the policies, the plans, and what
// the edge must know of a tenant. The gateway enforces limits; the backend stores
// the exceptions that operators make for tenants and users.
package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limit is how fast a bucket refills and how much it holds. As text it is
// requests/period,burst such as 60/1m,20; without a burst it has the default
// one.
type Limit struct {
	Requests int
	Period   time.Duration
	Burst    int
}

// Bounds of a limit. At 10,000 requests a second the interval between two is
// 100 µs, so rounding it up to a whole microsecond costs less than 1 %.
const (
	MinPeriod     = time.Second
	MaxPeriod     = 24 * time.Hour
	MaxPerSecond  = 10_000
	maxFill       = 7 * 24 * time.Hour // keeps the script's numbers far below 2^53
	defaultFill   = 10 * time.Second
	minBurst      = 10 // of a default burst
	maxPlainBurst = int64(maxFill / time.Second * MaxPerSecond)
)

// DefaultBurst is ten seconds of the rate, at least 10, unless so many would take
// longer to refill than is allowed. It is 1 for what is no rate.
func DefaultBurst(requests int, period time.Duration) int {
	if field, _ := (Limit{requests, period, 1}).Check(); field != "" {
		return 1
	}
	in := func(d time.Duration) int {
		return int(int64(requests) * int64(d/time.Second) / int64(period/time.Second))
	}
	return min(max(minBurst, in(defaultFill)), in(maxFill))
}

// MaxInFlight bounds a limit of requests in flight.
const MaxInFlight = 10_000

// InFlightLimit is a limit of n requests in flight in the form of the others: n
// at once, n in a second.
func InFlightLimit(n int) Limit { return Limit{Requests: n, Period: time.Second, Burst: n} }

// textError is a mistake in the text of a limit; the configuration shows it.
type textError string

func (e textError) Error() string         { return string(e) }
func (e textError) SettingReason() string { return string(e) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Limit) UnmarshalText(text []byte) error {
	rate, burst, hasBurst := strings.Cut(string(text), ",")
	requests, period, ok := strings.Cut(rate, "/")
	if !ok {
		return textError("there is no / between requests and period")
	}
	var parsed Limit
	var err error
	if parsed.Requests, err = strconv.Atoi(strings.TrimSpace(requests)); err != nil {
		return textError("the requests are not a whole number")
	}
	if parsed.Period, err = time.ParseDuration(strings.TrimSpace(period)); err != nil {
		return textError("the period is not a duration such as 1s, 1m or 1h")
	}
	if parsed.Burst = DefaultBurst(parsed.Requests, parsed.Period); hasBurst {
		if parsed.Burst, err = strconv.Atoi(strings.TrimSpace(burst)); err != nil {
			return textError("the burst is not a whole number")
		}
	}
	if reason := parsed.Wrong(); reason != "" {
		return textError(reason)
	}
	*l = parsed
	return nil
}

// Field says which part of a limit is out of bounds.
type Field string

// The parts of a limit.
const (
	Requests Field = "requests"
	Period   Field = "period"
	Burst    Field = "burst"
)

// Check returns the first part that is out of bounds and why, or "" twice.
func (l Limit) Check() (Field, string) {
	switch {
	case l.Period < MinPeriod || l.Period > MaxPeriod || l.Period%time.Second != 0:
		return Period, fmt.Sprintf("is %v; whole seconds from %v to %v are allowed", l.Period, MinPeriod, short(MaxPeriod))
	case l.Requests < 1 || int64(l.Requests) > int64(l.Period/time.Second)*MaxPerSecond:
		return Requests, fmt.Sprintf("is %d; 1 to %d in %v are allowed, which is %d a second",
			l.Requests, int64(l.Period/time.Second)*MaxPerSecond, short(l.Period), MaxPerSecond)
	case l.Burst < 1:
		return Burst, fmt.Sprintf("is %d; at least 1 is wanted", l.Burst)
	case int64(l.Burst) > maxPlainBurst || int64(l.Burst) > maxFill.Microseconds()/l.Interval():
		return Burst, fmt.Sprintf("is %d, which takes more than 7 days to refill", l.Burst)
	}
	return "", ""
}

// Wrong says what is out of bounds, or "".
func (l Limit) Wrong() string {
	field, reason := l.Check()
	if field == "" {
		return ""
	}
	return string(field) + " " + reason
}

// Interval is the time between two requests at the rate, in µs, rounded up.
func (l Limit) Interval() int64 {
	requests := int64(l.Requests)
	return (l.Period.Microseconds() + requests - 1) / requests
}

// String is the text form.
func (l Limit) String() string {
	return fmt.Sprintf("%d/%s,%d", l.Requests, short(l.Period), l.Burst)
}

// MarshalText implements encoding.TextMarshaler.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// short writes 1m0s as 1m and 1h0m0s as 1h.
func short(d time.Duration) string {
	text := d.String()
	if cut, ok := strings.CutSuffix(text, "m0s"); ok {
		text = cut + "m"
	}
	if cut, ok := strings.CutSuffix(text, "h0m"); ok {
		text = cut + "h"
	}
	return text
}
