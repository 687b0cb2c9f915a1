package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// someAttrs are attributes of every kind, and strings that need care.
var someAttrs = []slog.Attr{
	slog.String("plain", "GET"), slog.String("quoted", `a "b" \ c`), slog.String("lines", "a\r\n\tb\x00\x1f\x7f"),
	slog.String("text", "ção 日本 <&>"), slog.String("broken", "a\xffb"), slog.String("", ""), slog.String("key", "v"),
	slog.Int("int", -7), slog.Int64("least", math.MinInt64), slog.Uint64("most", math.MaxUint64), slog.Bool("yes", true),
	slog.Float64("ms", 1.234), slog.Float64("whole", 12), slog.Float64("small", 0.001), slog.Float64("nan", math.NaN()),
	slog.Float64("inf", math.Inf(-1)), slog.Duration("took", 1500*time.Microsecond), slog.Any("error", errors.New("no \"room\"")),
	slog.Any("list", []string{"a", "b"}), slog.Any("nothing", nil), slog.Any("channel", make(chan int)),
}

// TestLogReadsLikeSlog holds each line of Log against the one that slog writes.
func TestLogReadsLikeSlog(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 20, 57, 1, 123456000, time.FixedZone("", -3*3600))
	for _, attrs := range append([][]slog.Attr{nil, someAttrs}, each(someAttrs)...) {
		var fast, slow bytes.Buffer
		w := NewWriter(&fast, writerBytes)
		log := slog.New(newHandler(w, slog.LevelInfo, false)).With("service", "gate\"way").With("n", 1)
		Log(log, at, slog.LevelWarn, "a \"request\"", attrs)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		h := slog.NewJSONHandler(&slow, nil).WithAttrs([]slog.Attr{slog.String("service", "gate\"way"), slog.Int("n", 1)})
		r := slog.NewRecord(at, slog.LevelWarn, "a \"request\"", 0)
		r.AddAttrs(attrs...)
		if err := h.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decoded(t, slow.Bytes()), decoded(t, fast.Bytes())); diff != "" {
			t.Errorf("%v: the line differs from slog's (-slog +Log):\n%s", attrs, diff)
		}
	}
}

func each(attrs []slog.Attr) (lists [][]slog.Attr) {
	for i := range attrs {
		lists = append(lists, attrs[i:i+1])
	}
	return lists
}

func decoded(t *testing.T, line []byte) (got map[string]any) {
	t.Helper()
	if bytes.Count(line, []byte("\n")) != 1 {
		t.Errorf("not one line: %q", line)
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Errorf("%v in %q", err, line)
	}
	return got
}

func TestLogLeavesOtherLogsToThemselves(t *testing.T) {
	t.Parallel()
	at := time.Now()
	var text bytes.Buffer
	w := NewWriter(&text, writerBytes)
	Log(slog.New(newHandler(w, slog.LevelInfo, true)), at, slog.LevelInfo, "as text", []slog.Attr{slog.Int("n", 1)})
	Log(slog.New(newHandler(w, slog.LevelInfo, false)).WithGroup("g"), at, slog.LevelInfo, "grouped", []slog.Attr{slog.Int("n", 1)})
	Log(slog.New(newHandler(w, slog.LevelWarn, false)), at, slog.LevelInfo, "not severe enough", nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.Contains(got, `msg="as text" n=1`) || !strings.Contains(got, `"g":{"n":1}`) || strings.Contains(got, "severe") {
		t.Errorf("got %s", got)
	}
}

func TestLinesWaitForOthersAndNotForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var list []string
		writes := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(list)
		}
		w := NewWriter(writerFunc(func(b []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, string(b))
			return len(b), nil
		}), writerBytes)
		for _, line := range []string{"1\n", "2\n", "3\n"} {
			w.writeSoon([]byte(line))
			time.Sleep(batchTime / 4)
		}
		synctest.Wait()
		if len(writes()) != 0 {
			t.Errorf("written %q already", writes())
		}
		time.Sleep(batchTime / 4)
		synctest.Wait()
		w.writeSoon([]byte("4\n"))
		writeLine(t, w, "at once\n")
		synctest.Wait()
		long := strings.Repeat("x", batchBytes/2) + "\n"
		w.writeSoon([]byte(long))
		synctest.Wait()
		w.writeSoon([]byte(long))
		synctest.Wait()
		if diff := cmp.Diff([]string{"1\n2\n3\n", "4\nat once\n", long + long}, writes()); diff != "" {
			t.Errorf("the writes differ (-want +got):\n%.500s", diff)
		}
		w.writeSoon([]byte("last\n"))
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if all := writes(); all[len(all)-1] != "last\n" {
			t.Errorf("the last writes are %.100q", all)
		}
	})
}

func BenchmarkLog(b *testing.B) {
	w := NewWriter(io.Discard, writerBytes)
	log := slog.New(newHandler(w, slog.LevelInfo, false)).With("service", "gateway")
	attrs := []slog.Attr{
		slog.String("request_id", "4f0c2a91d37b4e589a10c2b7d4e6f801"), slog.String("method", "GET"),
		slog.String("route", "/api/v1/address-book/{id}"), slog.Int("status", 200), slog.Float64("duration_ms", 1.234),
		slog.Int("bytes_in", 0), slog.Int("bytes_out", 1024), slog.String("client", "127.0.0.1"), slog.Float64("upstream_ms", 1.017),
		slog.String("tenant", "b1f7340988e900d5"),
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		Log(log, now, slog.LevelInfo, "request", attrs)
	}
	if err := w.Close(); err != nil {
		b.Error(err)
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		want := c >= ' ' && c < 0x7f && c != '"' && c != '\\'
		for at := range 20 {
			text := []byte("~ abcdefghijklmnop!#[]")
			text[at] = byte(c)
			if isPlain(string(text)) != want {
				t.Errorf("%q: %v", text, !want)
			}
		}
	}
}

func TestFloatsAreAsShortAsCanBe(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers each time
	list := []float64{0, 0.001, 0.01, 0.1, 1, 1.5, 0.0005, 0.0015, 999999999.999, 1e9, 1e18, 1e300, -1, -0.001, math.SmallestNonzeroFloat64, math.Copysign(0, -1)}
	for range 100_000 {
		list = append(list, float64(random.Int64N(1<<30))/1000, random.Float64()*100, float64(random.Int64N(1<<40))/1e6)
	}
	for _, f := range list {
		if got, want := string(appendFloat(nil, f)), strconv.FormatFloat(f, 'f', -1, 64); got != want && (f != 0 || got != "0") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
