package watch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/watch"
)

// watched is a file with all that happens to it. Content with the word bad in
// it is refused.
type watched struct {
	*watch.File
	path string

	mu      sync.Mutex
	asked   int // how often Apply was called
	applied []string
	logs    bytes.Buffer
}

func (w *watched) apply(content []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if bytes.Contains(content, []byte("bad")) {
		return errors.New("is bad")
	}
	w.applied = append(w.applied, string(content))
	return nil
}

// Write implements io.Writer for the log.
func (w *watched) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(line)
}

func (w *watched) lines(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.logs.String(), text)
}

func (w *watched) wantApplied(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := strings.Join(w.applied, " "); got != strings.Join(want, " ") {
		t.Errorf("applied %q, want %q", got, want)
	}
}

func (w *watched) metric(name string) float64 {
	label := fmt.Sprintf("{file=%q}", w.path)
	if name == "config_file_refused_total" {
		return float64(metrics.GetOrCreateCounter(name + label).Get())
	}
	return metrics.GetOrCreateGauge(name+label, nil).Get()
}

func (w *watched) options() watch.Options {
	return watch.Options{
		Name: w.path, // of its own, so that tests do not share metrics
		Path: w.path, Every: time.Second, Apply: w.apply, Log: slog.New(slog.NewTextHandler(w, nil)),
	}
}

func open(t *testing.T, path string) *watched {
	t.Helper()
	w := &watched{path: path}
	var err error
	if w.File, err = watch.Open(w.options()); err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func temp(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, content)
	return path
}

func TestOpenWantsGoodContent(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no file":     filepath.Join(t.TempDir(), "gone"),
		"a folder":    t.TempDir(),
		"a pipe":      pipe,
		"bad content": temp(t, "bad"),
		"too large":   temp(t, strings.Repeat("x", watch.MaxBytes+1)),
	} {
		w := &watched{path: path}
		if _, err := watch.Open(w.options()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
	w := open(t, temp(t, strings.Repeat("x", watch.MaxBytes)))
	if w.metric("config_file_generation") != 1 {
		t.Error("the largest file was not read")
	}
}

// TestRunAppliesNewContent: each content once, within a poll and its jitter,
// and until the context ends.
func TestRunAppliesNewContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t, temp(t, "one"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		const poll = 1200 * time.Millisecond // a second and its jitter

		time.Sleep(10 * poll)
		w.wantApplied(t, "one")
		write(t, w.path, "two")
		time.Sleep(poll)
		w.wantApplied(t, "one", "two")
		// Written in place instead of renamed.
		if err := os.WriteFile(w.path, []byte("three"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(poll)
		w.wantApplied(t, "one", "two", "three")
		if got := w.metric("config_file_generation"); got != 3 {
			t.Errorf("generation %v, want 3", got)
		}
		cancel()
		<-done
		write(t, w.path, "four")
		time.Sleep(10 * poll)
		w.wantApplied(t, "one", "two", "three")
	})
}

func TestPollsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var looks []time.Duration
		path := temp(t, "0")
		last := time.Now()
		n := 0
		f, err := watch.Open(watch.Options{
			Name: path, Path: path, Every: time.Second, Log: slog.New(slog.DiscardHandler),
			Apply: func([]byte) error {
				mu.Lock()
				defer mu.Unlock()
				looks = append(looks, time.Since(last))
				last = time.Now()
				n++
				return os.WriteFile(path, fmt.Append(nil, n), 0o600) // for the next look
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		f.Run(ctx)
		short, long := time.Hour, time.Duration(0)
		for _, pause := range looks[1:] {
			short, long = min(short, pause), max(long, pause)
		}
		if short < 800*time.Millisecond || long > 1200*time.Millisecond || long-short < 200*time.Millisecond {
			t.Errorf("%d pauses between %v and %v, want them spread over 0.8 s to 1.2 s", len(looks), short, long)
		}
	})
}

func TestRefusedContentKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t, temp(t, "one"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.Run(ctx)

		for i, step := range []struct {
			name    string
			change  func()
			refused float64 // since the start
			stale   float64
			applied []string
		}{
			{"bad content", func() { write(t, w.path, "bad") }, 1, 1, []string{"one"}},
			{"other bad content", func() { write(t, w.path, "bad too") }, 2, 1, []string{"one"}},
			{"the old content", func() { write(t, w.path, "one") }, 2, 0, []string{"one"}},
			{"gone", func() { _ = os.Remove(w.path) }, 3, 1, []string{"one"}},
			{"new content", func() { write(t, w.path, "two") }, 3, 0, []string{"one", "two"}},
			{"bad again", func() { write(t, w.path, "bad") }, 4, 1, []string{"one", "two"}},
		} {
			step.change()
			time.Sleep(20 * time.Second) // and many looks
			if got := w.metric("config_file_refused_total"); got != step.refused {
				t.Errorf("%s: refused %v times, want %v", step.name, got, step.refused)
			}
			if got := w.lines("level=ERROR"); got != int(step.refused) {
				t.Errorf("%s: logged %v times, want %v", step.name, got, step.refused)
			}
			if got := w.metric("config_file_stale"); got != step.stale {
				t.Errorf("%s (step %d): stale = %v, want %v", step.name, i, got, step.stale)
			}
			w.wantApplied(t, step.applied...)
		}
		if w.asked != 5 {
			t.Errorf("Apply was called %d times for 5 contents", w.asked)
		}
		// Who asks for it is told again.
		if err := w.Reload(); err == nil || w.metric("config_file_refused_total") != 5 {
			t.Errorf("Reload of refused content: %v, refused %v times", err, w.metric("config_file_refused_total"))
		}
	})
}

func TestReloadLooksAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t, temp(t, "one"))
	write(t, w.path, "two")
	if err := w.Reload(); err != nil {
		t.Error(err)
	}
	if err := w.Reload(); err != nil {
		t.Error(err)
	}
	w.wantApplied(t, "one", "two")
}

// TestFilesThatBelongTogether: a change of any of them is a change of all.
func TestFilesThatBelongTogether(t *testing.T) {
	t.Parallel()
	w := &watched{path: temp(t, "one")}
	o := w.options()
	o.Also = []string{temp(t, "key"), temp(t, "more")}
	var err error
	if w.File, err = watch.Open(o); err != nil {
		t.Fatal(err)
	}
	write(t, o.Also[1], "other")
	if err := w.Look(); err != nil {
		t.Error(err)
	}
	_ = os.Remove(o.Also[0])
	if err := w.Look(); err == nil || !strings.Contains(err.Error(), o.Also[0]) {
		t.Errorf("a file is gone: %v", err)
	}
	w.wantApplied(t, "one\nkey\nmore", "one\nkey\nother")
	if _, err := watch.Open(o); err == nil {
		t.Error("opened with a file missing")
	}
}

// TestContentThatIsNotGoodYet is counted once and asked about at each look.
func TestContentThatIsNotGoodYet(t *testing.T) {
	t.Parallel()
	w := &watched{path: temp(t, "one")}
	o := w.options()
	good := false
	o.Apply = func(content []byte) error {
		if string(content) == "two" && !good {
			return fmt.Errorf("too early: %w", watch.ErrNotYet)
		}
		return w.apply(content)
	}
	var err error
	if w.File, err = watch.Open(o); err != nil {
		t.Fatal(err)
	}
	write(t, w.path, "two")
	for range 3 {
		if err := w.Look(); !errors.Is(err, watch.ErrNotYet) {
			t.Errorf("Look = %v", err)
		}
	}
	if got := w.metric("config_file_refused_total"); got != 1 {
		t.Errorf("refused %v times, want 1", got)
	}
	good = true
	if err := w.Look(); err != nil {
		t.Error(err)
	}
	w.wantApplied(t, "one", "two")
}

// TestSymlinkSwap changes a file as Kubernetes changes a mounted secret: the
// name is a link through ..data, which is a link to a folder of a time, and
// ..data is renamed over.
func TestSymlinkSwap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	publish := func(version, content string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "file"), content)
		if err := os.Symlink(version, filepath.Join(dir, "..data.new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data.new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("v1", "one")
	path := filepath.Join(dir, "file")
	if err := os.Symlink(filepath.Join("..data", "file"), path); err != nil {
		t.Fatal(err)
	}
	w := open(t, path)
	for i, content := range []string{"two", "three"} {
		publish(fmt.Sprint("v", i+2), content)
		if err := os.RemoveAll(filepath.Join(dir, fmt.Sprint("v", i+1))); err != nil {
			t.Fatal(err)
		}
		if err := w.Reload(); err != nil {
			t.Error(err)
		}
	}
	w.wantApplied(t, "one", "two", "three")
}

func TestReloadConcurrently(t *testing.T) {
	t.Parallel()
	w := open(t, temp(t, "0"))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 50 {
				if i == 0 {
					_ = os.WriteFile(w.path+".0", fmt.Append(nil, n+1), 0o600)
					_ = os.Rename(w.path+".0", w.path)
				}
				if err := w.Reload(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if last := w.applied[len(w.applied)-1]; last != "50" {
		t.Errorf("the last content in force is %s, want 50", last)
	}
}
