package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gate is an output that takes a write only when it is let through.
type gate struct {
	through chan struct{} // one receive lets one write through; closing lets all

	mu      sync.Mutex
	written bytes.Buffer
}

func newGate() *gate { return &gate{through: make(chan struct{})} }

func (g *gate) Write(b []byte) (int, error) {
	<-g.through
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.written.Write(b)
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.written.String()
}

func writeLine(t *testing.T, w *Writer, line string) {
	t.Helper()
	if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("Write(%q) = %d, %v, want %d and no error", line, n, err, len(line))
	}
}

// The tests that count are not parallel: the counters are the process's.

func TestWriterDropsAndCountsWhatABlockedOutputCannotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dropped := linesDropped.Get()
		out := newGate()
		w := NewWriter(out, 10)

		writeLine(t, w, "1234\n")
		synctest.Wait() // the output has got it and blocks
		writeLine(t, w, "abcd\n")
		writeLine(t, w, "efgh\n") // now the buffer is full
		writeLine(t, w, "lost\n")
		writeLine(t, w, "\n")
		if got := linesDropped.Get() - dropped; got != 2 {
			t.Errorf("%d lines are counted as dropped, want 2", got)
		}

		out.through <- struct{}{}
		synctest.Wait()
		writeLine(t, w, "ijkl\n") // there is room again
		close(out.through)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got, want := out.String(), "1234\nabcd\nefgh\nijkl\n"; got != want {
			t.Errorf("written %q, want %q", got, want)
		}
		if got := linesDropped.Get() - dropped; got != 2 {
			t.Errorf("%d lines are counted as dropped at the end, want 2", got)
		}
	})
}

func TestWriterDropsALineLongerThanItsBuffer(t *testing.T) {
	dropped := linesDropped.Get()
	var out bytes.Buffer
	w := NewWriter(&out, 10)
	writeLine(t, w, "0123456789\n")
	writeLine(t, w, "fits in.\n")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got, want := out.String(), "fits in.\n"; got != want {
		t.Errorf("written %q, want %q", got, want)
	}
	if got := linesDropped.Get() - dropped; got != 1 {
		t.Errorf("%d lines are counted as dropped, want 1", got)
	}
}

// full is a disk that is full until it is mended.
type full struct {
	room    int // bytes that it takes before it is full
	mended  bool
	written bytes.Buffer
}

func (f *full) Write(b []byte) (int, error) {
	if f.mended {
		return f.written.Write(b)
	}
	n := min(len(b), f.room)
	f.room -= n
	f.written.Write(b[:n])
	return n, errors.New("no space left on device")
}

func TestWriterGoesOnAfterWriteErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dropped, failed := linesDropped.Get(), writeErrors.Get()
		out := &full{room: 5}
		w := NewWriter(out, 1000)
		writeLine(t, w, "1234\n") // still fits
		synctest.Wait()
		writeLine(t, w, "lost\n")
		synctest.Wait()
		out.mended = true
		writeLine(t, w, "5678\n")
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got, want := out.written.String(), "1234\n5678\n"; got != want {
			t.Errorf("written %q, want %q", got, want)
		}
		// The full disk failed both writes, the first after it had taken all.
		if got := writeErrors.Get() - failed; got != 2 {
			t.Errorf("%d errors are counted, want 2", got)
		}
		if got := linesDropped.Get() - dropped; got != 1 {
			t.Errorf("%d lines are counted as dropped, want 1", got)
		}
	})
}

func TestWriterCountsEveryLineOfAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dropped := linesDropped.Get()
		blocked := make(chan struct{})
		w := NewWriter(writerFunc(func(b []byte) (int, error) {
			<-blocked
			return 0, errors.New("gone")
		}), 1000)
		for range 7 {
			writeLine(t, w, "lost\n")
		}
		close(blocked)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got := linesDropped.Get() - dropped; got != 7 {
			t.Errorf("%d lines are counted as dropped, want 7", got)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestWriterDropsAndCountsAfterClose(t *testing.T) {
	dropped := linesDropped.Get()
	var out bytes.Buffer
	w := NewWriter(&out, 1000)
	for range 2 { // closing twice does no harm
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	writeLine(t, w, "late\n")
	if out.Len() != 0 {
		t.Errorf("written %q, want nothing", out.String())
	}
	if got := linesDropped.Get() - dropped; got != 1 {
		t.Errorf("%d lines are counted as dropped, want 1", got)
	}
}

func TestCloseWritesWhatIsPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newGate()
		w := NewWriter(out, writerBytes)
		var want strings.Builder
		for i := range 1000 {
			line := fmt.Sprintf("line %d\n", i)
			want.WriteString(line)
			writeLine(t, w, line)
		}
		go close(out.through)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got := out.String(); got != want.String() {
			t.Errorf("written %d bytes, want all %d in order", len(got), want.Len())
		}
	})
}

func TestCloseGivesUpOnABlockedOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newGate()
		w := NewWriter(out, 1000)
		writeLine(t, w, "1234\n")
		start := time.Now()
		if err := w.Close(); err == nil {
			t.Error("Close does not say that lines are lost")
		}
		if got := time.Since(start); got != closeTimeout {
			t.Errorf("Close took %v, want %v", got, closeTimeout)
		}
		close(out.through) // the test ends only when the writer's goroutine does
	})
}

// TestWriterKeepsNoReference: slog uses its buffer again after Write returned.
func TestWriterKeepsNoReference(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newGate()
		w := NewWriter(out, 1000)
		buffer := []byte("first\n")
		if _, err := w.Write(buffer); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		copy(buffer, "other\n")
		if _, err := w.Write(buffer); err != nil {
			t.Fatal(err)
		}
		copy(buffer, "wrong\n")
		close(out.through)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got, want := out.String(), "first\nother\n"; got != want {
			t.Errorf("written %q, want %q", got, want)
		}
	})
}

func TestConcurrentLinesStayWhole(t *testing.T) {
	t.Parallel()
	const writers, lines = 8, 500
	var out bytes.Buffer
	w := NewWriter(&out, 64<<20)
	log := slog.New(newHandler(w, slog.LevelInfo, false))
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			for line := range lines {
				log.Info("request", "writer", writer, "line", line, "filling", strings.Repeat("x", line))
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	next := [writers]int{}
	for text := range strings.Lines(out.String()) {
		var got struct {
			Writer, Line int
			Filling      string
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("a line is broken: %v in %q", err, text)
		}
		if got.Line != next[got.Writer] || len(got.Filling) != got.Line {
			t.Fatalf("writer %d: line %d with %d filling, want line %d", got.Writer, got.Line, len(got.Filling), next[got.Writer])
		}
		next[got.Writer]++
	}
	for writer, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines, want %d", writer, n, lines)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	w := NewWriter(writerFunc(func(p []byte) (int, error) { return len(p), nil }), writerBytes)
	line := []byte(strings.Repeat("x", 300) + "\n")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = w.Write(line)
		}
	})
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}
