package logging

import (
	"encoding/json"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Whoever takes the tail gets the lines that are written, as JSON, from then on
// and until it ends.
func TestTail(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var got []string
		text := logged(t, Config{Format: format}, func(log *slog.Logger) {
			tail := TailOf(log.With("x", 1))
			log.Info("before")
			stop := tail.To(func(line []byte) {
				var fields map[string]any
				if err := json.Unmarshal(line, &fields); err != nil || line[len(line)-1] != '\n' {
					t.Errorf("LOG_FORMAT=%s: %q: %v", format, line, err)
				}
				got = append(got, strings.Join(slices.Sorted(maps.Keys(fields)), " ")+": "+fields["msg"].(string))
			})
			log.Debug("nobody writes it")
			log.With("request_id", "r-1").Warn("slow")
			log.WithGroup("g").Error("grouped", "a", 1)
			Log(log, time.Now(), slog.LevelInfo, "fast", []slog.Attr{slog.String("route", "/x")})
			stop()
			log.Info("after")
		})
		want := []string{
			"level msg request_id service time: slow", "g level msg service time: grouped", "level msg route service time: fast",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("LOG_FORMAT=%s (-want +got):\n%s", format, diff)
		}
		if n := strings.Count(text, "\n"); n != 5 {
			t.Errorf("LOG_FORMAT=%s: %d lines are written: %s", format, n, text)
		}
	}
	if tail := TailOf(slog.New(slog.DiscardHandler)); tail != nil {
		t.Errorf("another log has a tail: %v", tail)
	}
}

// Several take the same lines, and one that stops takes nothing from the others.
func TestTailForSeveral(t *testing.T) {
	t.Parallel()
	log, closeLog, err := Open(Config{File: filepath.Join(t.TempDir(), "log"), Format: "json"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	tail := TailOf(log)
	var got [2]int
	count := func(i int) func([]byte) { return func([]byte) { got[i]++ } }
	stop0, stop1 := tail.To(count(0)), tail.To(count(1))
	log.Info("both")
	stop0()
	stop0()
	log.Info("one")
	stop1()
	log.Info("none")
	if want := [2]int{1, 2}; got != want {
		t.Errorf("got %v lines, want %v", got, want)
	}
	if err := closeLog(); err != nil {
		t.Error(err)
	}
}
