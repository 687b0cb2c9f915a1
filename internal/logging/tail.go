package logging

import (
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Tail hands the lines of a log on while they are written. It costs next to
// nothing while nobody takes them.
type Tail struct {
	mu     sync.Mutex // held by those who change takers
	takers atomic.Pointer[[]*taker]
}

type taker struct{ take func(line []byte) }

// TailOf returns the tail of a log that [Open] has opened, or nil.
func TailOf(log *slog.Logger) *Tail {
	if h, ok := log.Handler().(*handler); ok {
		return h.tail
	}
	return nil
}

// To has every further line handed to take: JSON with the line break that ends
// it, whatever the log's own format. It is called by whoever logs, several at a
// time, so it must not wait, log or keep the line. Stop ends it; a line that is
// on its way may still come.
func (t *Tail) To(take func(line []byte)) (stop func()) {
	own := &taker{take}
	t.change(func(takers []*taker) []*taker { return append(takers, own) })
	return func() {
		t.change(func(takers []*taker) []*taker {
			return slices.DeleteFunc(takers, func(other *taker) bool { return other == own })
		})
	}
}

// change works on a copy, since lines are handed on meanwhile.
func (t *Tail) change(f func([]*taker) []*taker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var takers []*taker
	if now := t.takers.Load(); now != nil {
		takers = slices.Clone(*now)
	}
	if takers = f(takers); len(takers) == 0 {
		t.takers.Store(nil)
		return
	}
	t.takers.Store(&takers)
}

func (t *Tail) line(line []byte) {
	takers := t.takers.Load()
	if takers == nil {
		return
	}
	for _, taker := range *takers {
		taker.take(line)
	}
}

// Write implements io.Writer for slog's handler, which writes whole lines.
func (t *Tail) Write(line []byte) (int, error) {
	t.line(line)
	return len(line), nil
}

// tailLevel spares a log in text the lines in JSON that nobody takes.
type tailLevel struct {
	tail  *Tail
	least slog.Level
}

// Level implements slog.Leveler.
func (l tailLevel) Level() slog.Level {
	if l.tail.takers.Load() == nil {
		return math.MaxInt
	}
	return l.least
}
