package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"gatehouse/internal/config"
)

// fakeCollector takes spans, refuses them, or hangs.
type fakeCollector struct {
	taken   atomic.Int64
	refuses atomic.Bool
	hangs   chan struct{} // until it is closed, if it is one
	stopped chan struct{}
}

func newFakeCollector() *fakeCollector { return &fakeCollector{stopped: make(chan struct{})} }

func (f *fakeCollector) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if f.hangs != nil {
		select {
		case <-f.hangs:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.stopped:
			return errors.New("stopped")
		}
	}
	if f.refuses.Load() {
		return errors.New("no room")
	}
	f.taken.Add(int64(len(spans)))
	return nil
}

func (f *fakeCollector) Shutdown(context.Context) error {
	select {
	case <-f.stopped:
	default:
		close(f.stopped)
	}
	return nil
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Off: nothing happens, and nothing is allocated. It is not parallel: AllocsPerRun
// counts what the whole process allocates.
func TestNoTraces(t *testing.T) {
	tracer, err := OpenTraces(TraceConfig{}, "gateway", 1, discard())
	if tracer != nil || err != nil {
		t.Fatalf("got %v, %v", tracer, err)
	}
	ctx, given := t.Context(), []byte(parent)
	onward := make([]byte, 0, 64)
	if got := testing.AllocsPerRun(100, func() {
		b, s := tracer.Enter(onward, given, true, time.Time{})
		if len(b) != 0 || s != nil || tracer.Continue(given, time.Time{}) != nil {
			t.Error("there is a span")
		}
		if WithSpan(ctx, s) != ctx || SpanOf(ctx) != nil {
			t.Error("the context carries a span")
		}
		child := s.Child("a")
		call := child.Call("b")
		call.Name("c")
		call.Text(DBSystem, "redis")
		call.Number(StatusCode, 1)
		call.Flag(CacheHit, true)
		call.Fail("d")
		call.AppendParent(onward)
		call.End()
		tracer.Close()
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestContinue(t *testing.T) {
	t.Parallel()
	tracer := newTracer(newFakeCollector(), "backend", 1, discard())
	t.Cleanup(tracer.Close)
	for given, want := range map[string]bool{
		parent: true, parent[:len(parent)-1] + "0": false, "": false, "00" + parent: false, parent[:len(parent)-1] + "3": true,
	} {
		s := tracer.Continue([]byte(given), time.Now())
		if (s != nil) != want {
			t.Errorf("%q: recorded %v, want %v", given, s != nil, want)
			continue
		}
		if onward := string(s.AppendParent(nil)); want && (TraceID([]byte(onward)) != traceID || strings.Contains(onward, span) || onward[len(onward)-3:] != given[len(given)-3:]) {
			t.Errorf("%q goes on as %q", given, onward)
		}
		s.End()
	}
}

// The ratio is that of the requests that nobody has decided about.
func TestRatio(t *testing.T) {
	t.Parallel()
	tracer := newTracer(newFakeCollector(), "gateway", 0.25, discard())
	t.Cleanup(tracer.Close)
	const requests = 20_000
	for _, given := range []string{"", parent} {
		recorded := 0
		for range requests {
			onward, s := tracer.Enter(nil, []byte(given), false, time.Now())
			if TraceID(onward) == "" || (s != nil) != strings.HasSuffix(string(onward), "-01") {
				t.Fatalf("goes on as %q", onward)
			}
			if s != nil {
				recorded++ // and never ended: nothing is sent
			}
		}
		// Ten standard deviations.
		if want := requests / 4; recorded < want-620 || recorded > want+620 {
			t.Errorf("%q: %d of %d recorded, want about %d", given, recorded, requests, want)
		}
	}
}

// What there is no room for, or the collector does not take, is dropped and
// counted, and nobody waits. The tests that count are not parallel: the metrics are
// those of the whole process.
func TestDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		collector := newFakeCollector()
		collector.hangs = make(chan struct{})
		var log strings.Builder
		tracer := newTracer(collector, "gateway", 1, slog.New(slog.NewTextHandler(&log, nil)))
		request := func() {
			_, s := tracer.Enter(nil, nil, false, time.Now())
			s.End()
		}
		sent, queue, export := spansSent.Get(), spansQueue.Get(), spansExport.Get()
		check := func(what string, wantSent, wantQueue, wantExport uint64) {
			t.Helper()
			got := []uint64{spansSent.Get() - sent, spansQueue.Get() - queue, spansExport.Get() - export}
			if diff := cmp.Diff([]uint64{wantSent, wantQueue, wantExport}, got); diff != "" {
				t.Errorf("%s: sent, dropped at the queue and at the collector (-want +got):\n%s", what, diff)
			}
		}
		begun := time.Now()
		for range maxQueued + 100 {
			request()
			synctest.Wait()
		}
		if time.Since(begun) > 0 {
			t.Error("requests wait for the collector")
		}
		check("hung", 0, 100, 0)
		close(collector.hangs)
		time.Sleep(sendEvery)
		synctest.Wait()
		check("well again", maxQueued, 100, 0)

		collector.refuses.Store(true)
		for range 3 {
			request()
			request()
			time.Sleep(sendEvery)
			synctest.Wait()
		}
		check("refusing", maxQueued, 100, 6)
		collector.refuses.Store(false)
		request()
		tracer.Close()
		check("closed", maxQueued+1, 100, 6)
		if text := log.String(); strings.Count(text, "takes no spans") != 1 || strings.Count(text, "takes spans again") != 1 {
			t.Errorf("the log says %s", text)
		}
	})
}

// A collector that hangs holds up the end of a process for flushTime and no longer.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		collector := newFakeCollector()
		collector.hangs = make(chan struct{})
		tracer := newTracer(collector, "gateway", 1, discard())
		_, s := tracer.Enter(nil, nil, false, time.Now())
		s.End()
		begun := time.Now()
		tracer.Close()
		if took := time.Since(begun); took != flushTime {
			t.Errorf("it took %v, want %v", took, flushTime)
		}
	})
}

func TestTraceSettings(t *testing.T) {
	t.Parallel()
	for endpoint, ok := range map[string]bool{
		"": true, "http://127.0.0.1:4318": true, "https://collector.example.com/otlp": true, "https://collector/": true,
		"collector:4318": false, "127.0.0.1:4318": false, "grpc://collector:4317": false, "http://": false, "http://:4318": false,
		"https://user:word@collector": false, "https://collector?key=word": false, "http://a b": false,
	} {
		var m config.Mistakes
		(&TraceConfig{endpoint}).Validate(&m)
		if got := len(m.Names()) == 0; got != ok {
			t.Errorf("%q: got %v", endpoint, &m)
		}
		if strings.Contains(m.Error(), "word") {
			t.Errorf("%q: the mistake quotes it: %v", endpoint, &m)
		}
	}
	nan := 0.0
	for ratio, ok := range map[float64]bool{0: true, 0.01: true, 1: true, -0.1: false, 1.1: false, nan / nan: false} {
		var m config.Mistakes
		(&SampleConfig{ratio}).Validate(&m)
		if got := len(m.Names()) == 0; got != ok {
			t.Errorf("%v: got %v", ratio, &m)
		}
	}
}
