package ratelimit

import (
	"strconv"
	"time"
)

// AppendPolicies appends the value of RateLimit-Policy: every policy that is
// enforced with its quota q and window w in seconds
// (draft-ietf-httpapi-ratelimit-headers-10, section 3).
func AppendPolicies(b []byte, charges []Charge) []byte {
	start := len(b)
	for i := range charges {
		p := charges[i].Policy
		if p.Shadow {
			continue
		}
		b = append(separate(b, start), p.quota...)
	}
	return b
}

// AppendLevels appends the value of RateLimit: for every policy that is enforced
// the remaining requests r and the seconds t until there are more (section 4).
func AppendLevels(b []byte, charges []Charge) []byte {
	start := len(b)
	for i := range charges {
		c := &charges[i]
		if c.Policy.Shadow {
			continue
		}
		b = append(separate(b, start), c.Policy.level...)
		b = strconv.AppendInt(b, c.Remaining, 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, seconds(c.Wait), 10)
	}
	return b
}

// separate divides the members of a list that begins at start.
func separate(b []byte, start int) []byte {
	if len(b) > start {
		b = append(b, ", "...)
	}
	return b
}

// seconds rounds up: a client must not come back too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
