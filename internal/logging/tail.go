package logging

import (
	"log/slog"
	"math"
	"sync/atomic"
)

// Tail hands the lines of a log on while they are written. It costs next to
// nothing while nobody takes them.
type Tail struct {
	take atomic.Pointer[func(line []byte)]
}

// TailOf returns the tail of a log that [Open] has opened, or nil.
func TailOf(log *slog.Logger) *Tail {
	if h, ok := log.Handler().(*handler); ok {
		return h.tail
	}
	return nil
}

// To has every further line handed to take: JSON with the line break that ends
// it, whatever the log's own format. It is called by whoever logs, several at a
// time, so it must not wait, log or keep the line. Nil ends it.
func (t *Tail) To(take func(line []byte)) {
	if take == nil {
		t.take.Store(nil)
		return
	}
	t.take.Store(&take)
}

func (t *Tail) line(line []byte) {
	if take := t.take.Load(); take != nil {
		(*take)(line)
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
	if l.tail.take.Load() == nil {
		return math.MaxInt
	}
	return l.least
}
