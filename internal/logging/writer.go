package logging

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const (
	// writerBytes is how much may wait to be written: about 3,000 lines.
	writerBytes = 1 << 20
	// One call for many lines costs far less than one for each: those that can
	// wait do so for batchTime, or until there are batchBytes of them.
	batchTime  = 100 * time.Millisecond
	batchBytes = 64 << 10

	closeTimeout = 2 * time.Second
)

var (
	linesDropped = metrics.NewCounter(`log_lines_dropped_total`)
	writeErrors  = metrics.NewCounter(`log_write_errors_total`)
)

// Writer hands lines to a slower writer without ever waiting for it: lines that
// do not fit in its buffer are dropped and counted, and so are lines that cannot
// be written (a full disk). Each Write must be one line.
type Writer struct {
	out  io.Writer
	done chan struct{}
	some chan struct{} // holds a value when there is something to write
	now  chan struct{} // holds a value when that cannot wait

	mu      sync.Mutex
	pending []byte
	limit   int
	closed  bool
}

// NewWriter starts a writer that holds up to limit bytes. Close it to flush.
func NewWriter(out io.Writer, limit int) *Writer {
	w := &Writer{
		out: out, limit: limit, pending: make([]byte, 0, 4096),
		done: make(chan struct{}), some: make(chan struct{}, 1), now: make(chan struct{}, 1),
	}
	go w.run()
	return w
}

// Write implements io.Writer. The line is on its way at once, with all those
// before it. It never blocks on the output and never fails.
func (w *Writer) Write(line []byte) (int, error) {
	w.add(line)
	signal(w.some)
	signal(w.now)
	return len(line), nil
}

// writeSoon is Write for a line that others may join first, for at most
// batchTime.
func (w *Writer) writeSoon(line []byte) {
	switch before, after := w.add(line); {
	case before == 0:
		signal(w.some)
	case before < batchBytes && after >= batchBytes:
		signal(w.now)
	}
}

// add returns how much was pending before and is after.
func (w *Writer) add(line []byte) (before, after int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before = len(w.pending)
	if w.closed || before+len(line) > w.limit {
		linesDropped.Inc()
		return before, before
	}
	w.pending = append(w.pending, line...)
	return before, len(w.pending)
}

// signal leaves a value unless there is one already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close writes what is pending and stops. It gives up on an output that does
// not take it within two seconds, so that a process can always end.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	signal(w.some)
	signal(w.now)
	select {
	case <-w.done:
		return nil
	case <-time.After(closeTimeout):
		return errors.New("log: the output does not take the last lines")
	}
}

func (w *Writer) run() {
	defer close(w.done)
	var writing []byte
	for closed := false; !closed; {
		<-w.some
		timer := time.NewTimer(batchTime)
		select {
		case <-w.now:
		case <-timer.C:
		}
		timer.Stop()

		w.mu.Lock()
		closed = w.closed // nothing is added after that
		writing, w.pending = w.pending, writing[:0]
		w.mu.Unlock()
		if len(writing) == 0 {
			continue
		}
		if n, err := w.out.Write(writing); err != nil {
			writeErrors.Inc()
			linesDropped.Add(bytes.Count(writing[n:], []byte{'\n'}))
		}
	}
}
