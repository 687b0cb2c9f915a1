package revocation

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/feed"
)

// clock is a clock that a test sets.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time        { return time.UnixMilli(c.ms.Load()) }
func (c *clock) at(ms int64) time.Time { return time.UnixMilli(ms) }
func (c *clock) set(ms int64)          { c.ms.Store(ms) }
func newSet(limit int) (*Set, *clock)  { c := &clock{}; return NewSet(limit, c.now), c }
func session(n int) (id uuid.UUID)     { id[0], id[1], id[15] = byte(n>>8), byte(n), 1; return id }
func (s *Set) holds(t *testing.T, ns ...int) {
	t.Helper()
	want := map[int]bool{}
	for _, n := range ns {
		want[n] = true
	}
	for n := range 300 {
		if got := s.Revoked(session(n)); got != want[n] {
			t.Errorf("Revoked(%d) = %v", n, got)
		}
	}
	if got := s.Len(); got != len(ns) {
		t.Errorf("Len() = %d, want %d", got, len(ns))
	}
}

func TestSetForgetsWhatHasExpired(t *testing.T) {
	t.Parallel()
	s, c := newSet(0)
	s.holds(t)
	s.Add(session(1), c.at(10))
	s.Add(session(2), c.at(20))
	s.Add(session(3), c.at(30))
	s.holds(t, 1, 2, 3)
	c.set(10)
	s.holdsAfterLen(t, 2, 2, 3)
	s.Add(session(4), c.at(10)) // too late to matter
	s.holds(t, 2, 3)
	c.set(25)
	s.Add(session(5), c.at(40)) // adding drops, too
	s.holds(t, 3, 5)
	c.set(100)
	s.holdsAfterLen(t, 0)
}

// holdsAfterLen looks at the length first, which drops what has expired.
func (s *Set) holdsAfterLen(t *testing.T, n int, ns ...int) {
	t.Helper()
	if got := s.Len(); got != n {
		t.Errorf("Len() = %d, want %d", got, n)
	}
	s.holds(t, ns...)
}

// Reading the feed again adds what is known, which changes nothing; a session
// that was added twice stays for as long as the longer one says.
func TestSetKeepsTheLatestExpiry(t *testing.T) {
	t.Parallel()
	s, c := newSet(3)
	s.Add(session(1), c.at(30))
	s.Add(session(1), c.at(10))
	s.Add(session(2), c.at(10))
	s.Add(session(2), c.at(50))
	s.Add(session(2), c.at(50))
	s.Add(session(3), c.at(40))
	s.holds(t, 1, 2, 3)
	// Which one goes first is told by the latest expiry, too.
	before := dropped.Get()
	s.Add(session(4), c.at(60))
	s.holds(t, 2, 3, 4)
	if dropped.Get() == before {
		t.Error("what was dropped is not counted")
	}
	c.set(45)
	s.holdsAfterLen(t, 2, 2, 4)
	// One that would go first is not taken in.
	s.Add(session(5), c.at(70))
	s.Add(session(6), c.at(46))
	s.holds(t, 2, 4, 5)
}

// Any order of additions against a plain model.
func TestSetAgainstAModel(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers every time
	s, c := newSet(0)
	model := map[int]int64{}
	for now := int64(0); now < 3000; now++ {
		c.set(now)
		n, until := random.IntN(300), now+1+random.Int64N(500)
		s.Add(session(n), c.at(until))
		model[n] = max(model[n], until)
		want := 0
		for n, until := range model {
			live := until > now
			if live {
				want++
			}
			if got := s.Revoked(session(n)); got != live {
				t.Fatalf("at %d: Revoked(%d) = %v, and it expires at %d", now, n, got, until)
			}
		}
		if got := s.Len(); got != want {
			t.Fatalf("at %d: Len() = %d, want %d", now, got, want)
		}
	}
}

func TestSetIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 100
	s, c := newSet(limit)
	for n := range 300 {
		s.Add(session(n), c.at(int64(1+(n*7)%300)))
	}
	if s.Len() != limit || len(s.queue.heap) != limit {
		t.Errorf("%d sessions, %d waiting", s.Len(), len(s.queue.heap))
	}
	// Those that expire last are left.
	for n := range 300 {
		if got, want := s.Revoked(session(n)), (n*7)%300 >= 200; got != want {
			t.Errorf("Revoked(%d) = %v", n, got)
		}
	}
}

func TestSetIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	s, c := newSet(64)
	stays := session(299)
	s.Add(stays, c.at(1<<40))
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				s.Revoked(session(n % 299))
				if !s.Revoked(stays) {
					t.Error("a session was let in while others were added")
					return
				}
				runtime.Gosched()
			}
		})
	}
	for n := range 20_000 {
		c.set(int64(n))
		s.Add(session(n%299), c.at(int64(n+1+n%100)))
	}
	close(done)
	readers.Wait()
}

func TestRevokedAllocatesNothing(t *testing.T) {
	s, c := newSet(0)
	s.Add(session(1), c.at(10))
	known, unknown := session(1), session(2)
	if n := testing.AllocsPerRun(1000, func() {
		if !s.Revoked(known) || s.Revoked(unknown) {
			t.Error("wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestItem(t *testing.T) {
	t.Parallel()
	id, expires := uuid.New(), time.UnixMilli(1_700_000_000_123)
	item := Item(id, expires)
	if item.Kind != feed.Session || item.Version != 0 {
		t.Errorf("item %+v", item)
	}
	if got, until, ok := Parse(item); got != id || !until.Equal(expires) || !ok {
		t.Errorf("parsed as %v until %v (%v)", got, until, ok)
	}
	good := item
	for name, wrong := range map[string]func(*feed.Item){
		"another kind":      func(item *feed.Item) { item.Kind = feed.Tenant },
		"no expiry":         func(item *feed.Item) { item.Expires = time.Time{} },
		"no session":        func(item *feed.Item) { item.Key = uuid.Nil.String() },
		"another form":      func(item *feed.Item) { item.Key = "urn:uuid:" + id.String() },
		"not a UUID at all": func(item *feed.Item) { item.Key = "0198c0de-0000-7000-8000-00000000000g" },
	} {
		item := good
		wrong(&item)
		if _, _, ok := Parse(item); ok {
			t.Errorf("%s: %+v was taken", name, item)
		}
	}
}

func BenchmarkRevoked(b *testing.B) {
	s := NewSet(0, time.Now)
	for range 100_000 {
		s.Add(uuid.New(), time.Now().Add(time.Hour))
	}
	id := uuid.New()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Revoked(id)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	s := NewSet(0, time.Now)
	expires := time.Now().Add(time.Hour)
	for b.Loop() {
		s.Add(uuid.New(), expires)
	}
}
