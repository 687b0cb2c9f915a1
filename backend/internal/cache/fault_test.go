package cache

import "testing"

// While Redis is away writes go on, this process shows what they wrote, and
// Redis is told once it is back.
func TestRedisAway(t *testing.T) {
	onBoth(t, func(r *rig) {
		c, d := r.cache(), &table{row: "old"}
		d.reads(r.t, c, "old", 1)
		r.must(r.server.Kill())
		d.reads(r.t, c, "old", 2) // from the database
		d.row = "new"
		c.Wrote(r.t.Context(), "acme", Contacts, nil)
		d.reads(r.t, c, "new", 3)
		if !c.isPending(entry.scope()) {
			r.t.Fatal("the write is not remembered")
		}
		r.must(r.server.Start(r.t.Context())) // empty
		eventually(r.t, "Redis was told", func() bool { return !c.isPending(entry.scope()) })
		loads := d.loads
		d.reads(r.t, c, "new", loads+1)
		d.reads(r.t, c, "new", loads+1)
	})
}

// A Redis that hung has kept the past, and must not show it.
func TestRedisHangs(t *testing.T) {
	onBoth(t, func(r *rig) {
		c, d := r.cache(), &table{row: "old"}
		d.reads(r.t, c, "old", 1)
		r.must(r.server.Pause())
		d.row = "new"
		c.Wrote(r.t.Context(), "acme", Contacts, nil)
		d.reads(r.t, c, "new", 2)
		r.must(r.server.Resume())
		eventually(r.t, "Redis was told", func() bool { return !c.isPending(entry.scope()) })
		d.reads(r.t, r.cache(), "new", 3)
	})
}

// A write that comes while an earlier one is made known is made known, too.
func TestMarksAreApart(t *testing.T) {
	t.Parallel()
	c := New(Config{Mode: inRedis}, nil)
	s := entry.scope()
	c.pending[s] = 2
	c.settle(s, 1)
	if !c.isPending(s) {
		t.Error("the later write was forgotten")
	}
	c.settle(s, 2)
	if c.isPending(s) {
		t.Error("the write is still pending")
	}
}
