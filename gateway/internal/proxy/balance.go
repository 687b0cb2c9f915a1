package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/token"
)

// Options is what a proxy is made of. All but Config may be left out.
type Options struct {
	Config Config
	// Dial connects to backends; nil is [Dial].
	Dial Dialer
	// Lookup resolves names; nil is the system's resolver.
	Lookup Lookup
	Log    *slog.Logger
	// Refused says that a caller's valid token does not count any more; nil is
	// never.
	Refused func(*token.Claims) bool
	// Now is the clock that tokens are held against; nil is time.Now.
	Now func() time.Time
	// Random spreads the requests over the backends, from all goroutines at once;
	// nil is a good source.
	Random func() uint64
}

// balance is the set of backends and the choice among them.
type balance struct {
	budget budget

	config Config
	dial   Dialer
	lookup Lookup
	log    *slog.Logger
	random func() uint64

	refused func(*token.Claims) bool
	now     func() time.Time
	tunnels tunnels

	start   time.Time
	running context.Context // ends with close
	end     context.CancelFunc
	wg      sync.WaitGroup

	members atomic.Pointer[[]*backend] // replaced as a whole
	mu      sync.Mutex                 // held to change who they are and what is known of them
}

// open takes up the backends that the configuration names. Names are looked up
// first, for a second at most.
func (s *balance) open(o Options) {
	s.config, s.dial, s.lookup, s.log, s.random = o.Config, o.Dial, o.Lookup, o.Log, o.Random
	if s.dial == nil {
		s.dial = Dial
	}
	if s.lookup == nil {
		s.lookup = systemLookup
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.refused = o.Refused; s.refused == nil {
		s.refused = func(*token.Claims) bool { return false }
	}
	if s.now = o.Now; s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Uint64
	}
	s.start = time.Now()
	s.running, s.end = context.WithCancel(context.Background())
	s.members.Store(new([]*backend))

	var names []*name
	for _, entry := range s.config.Backends {
		if n := nameIn(entry); n != nil {
			names = append(names, n)
		} else {
			s.adopt(entry, []string{entry})
		}
	}
	s.lookFirst(names)
	// Those that are there from the beginning are equals.
	for _, b := range *s.members.Load() {
		b.warming.Store(0)
	}
	for _, n := range names {
		s.wg.Go(func() { s.follow(n) })
	}
	s.wg.Go(s.housekeep)
}

// close closes the connections that no request is using, and ends what runs.
func (s *balance) close() {
	s.end()
	s.mu.Lock()
	for _, b := range *s.members.Load() {
		b.leave()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// housekeep closes connections that nobody uses before the backend does, and
// lets the retry budget forget.
func (s *balance) housekeep() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-s.running.Done():
			return
		case now := <-ticker.C:
			s.budget.forget()
			for _, b := range *s.members.Load() {
				b.closeIdle(now.Add(-maxIdle))
			}
		}
	}
}

// Check is a health check: it reports whether any backend is used and took the
// last connection. It asks none of them.
func (s *balance) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []error
	for _, b := range *s.members.Load() {
		switch {
		case b.standing() != usable:
			list = append(list, fmt.Errorf("%s is left out: %s", b.addr, b.why))
		case b.unreachable.Load():
			list = append(list, fmt.Errorf("%s takes no connections", b.addr))
		default:
			return nil
		}
	}
	if list == nil {
		return errors.New("no backend has an address")
	}
	return errors.Join(list...)
}

// tried is the set of backends that a request shall not go to any more. It
// needs no memory besides for the first eight.
type tried struct {
	few  [8]*backend
	n    int
	more []*backend
}

func (t *tried) add(b *backend) {
	if t.n < len(t.few) {
		t.few[t.n] = b
		t.n++
		return
	}
	t.more = append(t.more, b)
}

func (t *tried) has(b *backend) bool {
	return slices.Contains(t.few[:t.n], b) || slices.Contains(t.more, b)
}

// pick chooses a backend that was not tried yet, or returns nil when there is
// none left: a usable one, or else one of the last resort.
func (s *balance) pick(t *tried) *backend {
	list := *s.members.Load()
	if b := s.choose(list, t, usable); b != nil {
		return b
	}
	return s.choose(list, t, lastResort)
}

// choose returns, of two random backends of a standing, the one with fewer
// requests under way. Two choices spread load nearly as well as knowing all, and
// do not send every gateway to the same idle backend.
func (s *balance) choose(list []*backend, t *tried, of standing) *backend {
	var free [maxBackends]uint8 // indexes
	n := 0
	for i, b := range list {
		if b.standing() == of && !t.has(b) {
			free[n] = uint8(i)
			n++
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return list[free[0]]
	}
	first := s.below(n)
	// Bounded, since all of them may have small shares.
	for try := 0; try < 8 && s.passedOver(list[free[first]], 1); try++ {
		first = s.below(n)
	}
	second := s.below(n - 1)
	if second >= first {
		second++
	}
	a, b := list[free[first]], list[free[second]]
	if s.passedOver(b, s.share(a)) {
		return a
	}
	if b.inFlight.Load() < a.inFlight.Load() {
		return b
	}
	return a
}

// below returns a number below n.
func (s *balance) below(n int) int { return int(s.random() >> 32 * uint64(n) >> 32) }

// passedOver reports whether a backend whose share still grows is not to be
// chosen this time: as often as its share is smaller than the other one's.
func (s *balance) passedOver(b *backend, than float64) bool {
	share := s.share(b)
	return share < than && s.random() >= uint64(share/than*(1<<63))*2
}
