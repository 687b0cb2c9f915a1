//go:build !race

// Under the race detector pools forget things on purpose.

package logging

import (
	"io"
	"log/slog"
	"testing"
	"time"
)

// TestLogAllocatesNothing is not parallel: AllocsPerRun counts what the whole
// process allocates.
func TestLogAllocatesNothing(t *testing.T) {
	w := NewWriter(io.Discard, writerBytes)
	log := slog.New(newHandler(w, slog.LevelInfo, false)).With("service", "gateway")
	attrs := []slog.Attr{slog.String("request_id", "abc"), slog.Int("status", 200), slog.Float64("duration_ms", 1.234)}
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { Log(log, now, slog.LevelInfo, "request", attrs) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
