package route

import (
	"maps"
	"slices"
	"time"
)

// timeouts reads x-timeout: a duration, which is the longest until the answer
// begins, or an object with one for each part.
func (c *compiler) timeouts(where string, r *Route, v any) {
	r.Timeout = DefaultTimeout
	parts, isObject := v.(map[string]any)
	switch {
	case v == nil:
		return
	case !isObject:
		r.Timeout = c.duration(where, "x-timeout", v)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		switch name {
		case "connect":
			r.Connect = c.duration(where, "x-timeout.connect", parts[name])
		case "response":
			r.Response = c.duration(where, "x-timeout.response", parts[name])
		case "total":
			r.Total = c.duration(where, "x-timeout.total", parts[name])
		default:
			c.addf("%s: x-timeout has the unknown part %q; connect, response and total are allowed", where, name)
		}
	}
	if r.Total > 0 {
		r.Timeout = r.Total
	}
	if r.Connect > r.Timeout || r.Response > r.Timeout {
		c.addf("%s: a part of x-timeout is longer than all of it, %v", where, r.Timeout)
	}
}

func (c *compiler) duration(where, name string, v any) time.Duration {
	text, _ := v.(string)
	d, err := time.ParseDuration(text)
	if err != nil || d < minTimeout || d > maxTimeout {
		c.addf("%s: %s is %v; %v to %v is allowed", where, name, v, minTimeout, maxTimeout)
		return DefaultTimeout
	}
	return d
}
