package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// maxQueued bounds the spans that wait for the collector, those on their way to
	// it among them. It is about 4 MiB.
	maxQueued = 4096
	// maxBatch bounds the spans of one request to the collector.
	maxBatch = 512
)

var (
	spansSent   = metrics.NewCounter(`trace_spans_sent_total`)
	spansQueue  = metrics.NewCounter(`trace_spans_dropped_total{reason="queue"}`)
	spansExport = metrics.NewCounter(`trace_spans_dropped_total{reason="export"}`)
)

// bounded passes on as many spans as there is room for, and counts the others.
// The queue behind it has room for all of them, so that it drops none silently.
type bounded struct {
	sdk.SpanProcessor
	queued *atomic.Int64
}

// OnEnd implements sdk.SpanProcessor.
func (b *bounded) OnEnd(s sdk.ReadOnlySpan) {
	if b.queued.Add(1) > maxQueued {
		b.queued.Add(-1)
		spansQueue.Inc()
		return
	}
	b.SpanProcessor.OnEnd(s)
}

// exporter sends spans and counts them. The log is told when the collector begins
// and ceases to take them, and not of each time.
type exporter struct {
	to      sdk.SpanExporter
	log     *slog.Logger
	queued  atomic.Int64
	failing atomic.Bool
}

// ExportSpans implements sdk.SpanExporter. It returns no error, since nobody could
// do more about it.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer e.queued.Add(-int64(len(spans)))
	err := e.to.ExportSpans(ctx, spans)
	if err != nil {
		spansExport.Add(len(spans))
		if !e.failing.Swap(true) {
			e.log.Warn("the collector takes no spans", "cause", err)
		}
		return nil
	}
	spansSent.Add(len(spans))
	if e.failing.Swap(false) {
		e.log.Info("the collector takes spans again")
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error { return e.to.Shutdown(ctx) }
