package ratelimit

import (
	"strconv"
	"time"
)

// AppendPolicies appends the value of RateLimit-Policy: every policy with its
// quota q and window w in seconds (draft-ietf-httpapi-ratelimit-headers-10,
// section 3).
func AppendPolicies(b []byte, charges []Charge) []byte {
	for i := range charges {
		p := charges[i].Policy
		b = appendName(b, i, p.Name)
		b = append(b, ";q="...)
		b = strconv.AppendInt(b, int64(p.Limit.Requests), 10)
		b = append(b, ";w="...)
		b = strconv.AppendInt(b, seconds(p.Limit.Period), 10)
	}
	return b
}

// AppendLevels appends the value of RateLimit: for every policy the remaining
// requests r and the seconds t until there are more (section 4).
func AppendLevels(b []byte, charges []Charge) []byte {
	for i := range charges {
		c := &charges[i]
		b = appendName(b, i, c.Policy.Name)
		b = append(b, ";r="...)
		b = strconv.AppendInt(b, c.Remaining, 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, seconds(c.Wait), 10)
	}
	return b
}

// appendName appends the name as a string of RFC 9651; names are ours and need
// no escapes.
func appendName(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ", "...)
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"')
}

// seconds rounds up: a client must not come back too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
