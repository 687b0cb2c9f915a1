package main

import (
	"strings"
	"testing"
	"time"
)

func TestRatiosAreOfOneRound(t *testing.T) {
	t.Parallel()
	var r report
	// The machine was slow in round 2, for both.
	for _, cpu := range []time.Duration{100 * time.Microsecond, time.Millisecond, 100 * time.Microsecond} {
		r.add("x", pgbenchName, 10, spent{postgres: cpu}, time.Second)
		r.add("x", off, 10, spent{client: cpu, postgres: cpu}, time.Second)
	}
	if got := r.ratio("x", off, pgbenchName, perSecond); got != 0.5 {
		t.Errorf("got %g", got)
	}
	if got := r.median("x", off, client); got != 10 {
		t.Errorf("got %g", got)
	}
	if got := r.ratio("x", cached, pgbenchName, perSecond); got != 0 {
		t.Errorf("got %g for what was not measured", got)
	}
}

// One round that was disturbed is not what half load is like.
func TestHalfLoadIsTheMedianOfRounds(t *testing.T) {
	t.Parallel()
	var r report
	for _, p99 := range []time.Duration{3 * time.Millisecond, 900 * time.Millisecond, 2 * time.Millisecond} {
		r.addHalfLoad(off, latency{1000, time.Millisecond, p99})
	}
	if perSecond, p50, p99 := r.latency(off); perSecond != 1000 || p50 != 1 || p99 != 3 {
		t.Errorf("got %g, %g, %g", perSecond, p50, p99)
	}
}

// Every statement is found, and every parameter is one that pgbench is given.
func TestScripts(t *testing.T) {
	t.Parallel()
	c, err := readCommands()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range operations {
		script := c.script(o, 3)
		if !strings.Contains(script, "app.require_session(") || !strings.Contains(script, "tenant.contacts") || strings.ContainsAny(script, "@") || strings.Contains(script, "sqlc.") {
			t.Errorf("%s: got %s", o.name, script)
		}
		for name := range o.values {
			if !strings.Contains(script, ":"+name) {
				t.Errorf("%s: nobody asks for %s", o.name, name)
			}
		}
	}
}
