package gateway

import (
	"math"
	"testing"
)

func TestRoomForConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ limit, spare, want int }{
		{20000, 768, 19232},
		{1024, 768, 768}, // a quarter is spared
		{4, 768, 3},
		{0, 768, 1},
	} {
		if got := roomIn(c.limit, c.spare); got != c.want {
			t.Errorf("roomIn(%d, %d) = %d, want %d", c.limit, c.spare, got, c.want)
		}
	}
}

// More connections than files are never promised.
func TestConnectionsFitTheFiles(t *testing.T) {
	t.Parallel()
	limit, known := fileLimit()
	if !known {
		t.Skip("no limit on open files")
	}
	r := newRig(t, func(c *Config) { c.Edge.MaxConnections = math.MaxInt32 })
	lines := r.logs.lines(t, "the limit on open files is too low for MAX_CONNECTIONS; the gateway takes fewer connections")
	if len(lines) != 1 || lines[0]["files"] != float64(limit) || lines[0]["connections"].(float64) >= float64(limit) {
		t.Errorf("with %d files the log says %v", limit, lines)
	}
	r = newRig(t, func(c *Config) { c.Edge.MaxConnections = 1 })
	if lines := r.logs.lines(t, "the limit on open files is too low for MAX_CONNECTIONS; the gateway takes fewer connections"); len(lines) != 0 {
		t.Errorf("one connection and %d files: %v", limit, lines)
	}
}
