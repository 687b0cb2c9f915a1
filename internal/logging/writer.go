package logging

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// writerBytes is how much may wait to be written: about 3,000 lines.
const writerBytes = 1 << 20

const closeTimeout = 2 * time.Second

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

	mu      sync.Mutex
	filled  sync.Cond // signals that pending is not empty or closed is set
	pending []byte
	limit   int
	closed  bool
}

// NewWriter starts a writer that holds up to limit bytes. Close it to flush.
func NewWriter(out io.Writer, limit int) *Writer {
	w := &Writer{out: out, limit: limit, done: make(chan struct{}), pending: make([]byte, 0, 4096)}
	w.filled.L = &w.mu
	go w.run()
	return w
}

// Write implements io.Writer. It never blocks on the output and never fails.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	if w.closed || len(w.pending)+len(line) > w.limit {
		w.mu.Unlock()
		linesDropped.Inc()
		return len(line), nil
	}
	w.pending = append(w.pending, line...)
	w.mu.Unlock()
	w.filled.Signal()
	return len(line), nil
}

// Close writes what is pending and stops. It gives up on an output that does
// not take it within two seconds, so that a process can always end.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.filled.Signal()
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
	for {
		w.mu.Lock()
		for len(w.pending) == 0 && !w.closed {
			w.filled.Wait()
		}
		if len(w.pending) == 0 {
			w.mu.Unlock()
			return
		}
		writing, w.pending = w.pending, writing[:0]
		w.mu.Unlock()
		if n, err := w.out.Write(writing); err != nil {
			writeErrors.Inc()
			linesDropped.Add(bytes.Count(writing[n:], []byte{'\n'}))
		}
	}
}
