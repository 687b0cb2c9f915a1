package ratelimit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatehouse/internal/config"
)

// Limit is how fast a bucket refills and how much it holds. As text it is
// requests/period,burst such as 60/1m,20; without a burst it is ten seconds of
// the rate, at least 10.
type Limit struct {
	Requests int
	Period   time.Duration
	Burst    int
}

// Bounds of a limit. At 10,000 requests a second the interval between two is
// 100 µs, so rounding it up to a whole microsecond costs less than 1 %.
const (
	minPeriod   = time.Second
	maxPeriod   = 24 * time.Hour
	minInterval = 100                // µs
	maxFill     = 7 * 24 * time.Hour // keeps the script's numbers far below 2^53
)

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
	if hasBurst {
		if parsed.Burst, err = strconv.Atoi(strings.TrimSpace(burst)); err != nil {
			return textError("the burst is not a whole number")
		}
	} else if parsed.Period > 0 {
		parsed.Burst = max(10, int(int64(parsed.Requests)*int64(10*time.Second)/int64(parsed.Period)))
	}
	if reason := parsed.wrong(); reason != "" {
		return textError(reason)
	}
	*l = parsed
	return nil
}

// wrong says what is out of bounds, or "".
func (l Limit) wrong() string {
	switch {
	case l.Period < minPeriod || l.Period > maxPeriod:
		return fmt.Sprintf("the period is %v; %v to %v is allowed", l.Period, minPeriod, maxPeriod)
	case l.Requests < 1 || int64(l.Requests) > l.Period.Microseconds()/minInterval:
		return "the requests are out of bounds; 1 to 10000 a second are allowed"
	case l.Burst < 1:
		return fmt.Sprintf("the burst is %d; at least 1 is wanted", l.Burst)
	case int64(l.Burst) > maxFill.Microseconds()/l.rule(1).interval:
		return "the burst takes more than 7 days to refill"
	}
	return ""
}

// String is the text form.
func (l Limit) String() string {
	period := l.Period.String() // such as 1m0s
	if short, ok := strings.CutSuffix(period, "m0s"); ok {
		period = short + "m"
	}
	if short, ok := strings.CutSuffix(period, "h0m"); ok {
		period = short + "h"
	}
	return fmt.Sprintf("%d/%s,%d", l.Requests, period, l.Burst)
}

// rule is the limit in microseconds, divided among gateways; each gets at
// least a burst of one.
func (l Limit) rule(gateways int) rule {
	requests, n := int64(l.Requests), int64(gateways)
	interval := (l.Period.Microseconds()*n + requests - 1) / requests
	return rule{interval: interval, tolerance: interval * max(1, int64(l.Burst)/n)}
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	for _, l := range []struct {
		name  string
		limit Limit
	}{
		{"RATE_LIMIT_PUBLIC", c.Public},
		{"RATE_LIMIT_ADDRESS", c.Address},
		{"RATE_LIMIT_TENANT", c.Tenant},
		{"RATE_LIMIT_USER", c.User},
	} {
		// A limit whose text could not be read is zero, and reported already.
		if reason := l.limit.wrong(); reason != "" {
			m.Add(l.name, "is %v: %s", l.limit, reason)
		}
	}
	m.Range("RATE_LIMIT_FLEET_SIZE", c.FleetSize, 1, 1000)
}
