package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/buildinfo"
	"gatehouse/internal/config"
)

// TraceConfig says where spans go.
type TraceConfig struct {
	Endpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"Collector that gets spans, by OTLP over HTTP at /v1/traces below this URL; without one nothing is traced" kind:"an http or https URL" example:"http://127.0.0.1:4318"`
}

// Validate implements [config.Checked].
func (c *TraceConfig) Validate(m *config.Mistakes) {
	if c.Endpoint == "" {
		return
	}
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		m.Add("OTEL_EXPORTER_OTLP_ENDPOINT", "is no URL; one such as http://127.0.0.1:4318 is wanted")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		m.Add("OTEL_EXPORTER_OTLP_ENDPOINT", "has more than a host and a path; credentials belong into OTEL_EXPORTER_OTLP_HEADERS")
	}
}

// SampleConfig says which requests are traced. It is for the process that comes
// first; those behind it do as they are told.
type SampleConfig struct {
	Ratio float64 `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"0.01" doc:"Part of the requests that are traced, from 0 to 1; a traceparent from TRUSTED_PROXIES decides instead"`
}

// Validate implements [config.Checked].
func (c *SampleConfig) Validate(m *config.Mistakes) {
	if !(c.Ratio >= 0 && c.Ratio <= 1) { // nor is it, when it is no number
		m.Add("OTEL_TRACES_SAMPLER_ARG", "is %v; 0 to 1 is allowed", c.Ratio)
	}
}

const (
	// sendEvery is how long a span waits for others to be sent with.
	sendEvery = time.Second
	// sendTime bounds one request to the collector.
	sendTime = 5 * time.Second
	// flushTime bounds how long a process that ends waits for the collector.
	flushTime = 2 * time.Second
)

// Tracer makes spans and has them sent. Nil is for no traces: all of its methods,
// and those of a nil [Span], do nothing then and allocate nothing.
type Tracer struct {
	ratio    float64
	tracer   trace.Tracer
	provider *sdk.TracerProvider
	exporter *exporter
}

// OpenTraces returns the tracer of a service, such as "gateway", or nil when c
// names no collector, which need not be there. Ratio is the part of the requests
// that [Tracer.Enter] has recorded. Close it when nothing is traced any more.
func OpenTraces(c TraceConfig, service string, ratio float64, log *slog.Logger) (*Tracer, error) {
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // nil is a tracer
	}
	otlp, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpointURL(strings.TrimSuffix(c.Endpoint, "/")+"/v1/traces"),
		otlptracehttp.WithTimeout(sendTime),
		// What a collector does not take is lost: to keep it would fill the queue
		// with what is old.
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}),
	)
	if err != nil {
		return nil, fmt.Errorf("open the exporter of traces: %w", err)
	}
	// What the library cannot return, it reports here, and else on stderr.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("export traces", "cause", err) }))
	return newTracer(otlp, service, ratio, log), nil
}

// newTracer sends spans by means of an exporter, which it owns.
func newTracer(to sdk.SpanExporter, service string, ratio float64, log *slog.Logger) *Tracer {
	e := &exporter{to: to, log: log}
	t := &Tracer{ratio: ratio, exporter: e}
	t.provider = sdk.NewTracerProvider(
		// Whether a request is recorded was decided before it comes here.
		sdk.WithSampler(sdk.AlwaysSample()),
		sdk.WithSpanProcessor(&bounded{
			SpanProcessor: sdk.NewBatchSpanProcessor(e, sdk.WithMaxQueueSize(maxQueued),
				sdk.WithMaxExportBatchSize(maxBatch), sdk.WithBatchTimeout(sendEvery), sdk.WithExportTimeout(sendTime)),
			queued: &e.queued,
		}),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service),
			attribute.String("service.namespace", "gatehouse"),
			attribute.String("service.version", buildinfo.Version),
			attribute.String("service.instance.id", uuid.NewString()),
		)),
	)
	t.tracer = t.provider.Tracer("gatehouse")
	return t
}

// Close sends what is left, within two seconds. Spans that end later are lost.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil { // it still sends
		t.exporter.log.Warn("the last spans were not sent in time", "cause", err)
		_ = t.exporter.Shutdown(ctx) // ends that
	}
}

// Enter takes a request into the trace that its traceparent names, or into a new
// one. Whether it is recorded says a trusted peer's traceparent, and otherwise
// chance. It appends to onward the traceparent that goes on with the request, and
// returns the span of the request, which is nil when it is not recorded. Neither
// parent nor onward are kept.
func (t *Tracer) Enter(onward, parent []byte, trusted bool, start time.Time) ([]byte, *Span) {
	if t == nil {
		return onward, nil
	}
	from, continued := parseParent(parent)
	record := continued && from.IsSampled()
	if !continued || !trusted {
		record = rand.Float64() < t.ratio //nolint:gosec // there is nothing to guess
	}
	if record {
		span := t.serve(from, start)
		return span.AppendParent(onward), span
	}
	if continued {
		return appendParent(onward, from.WithTraceFlags(from.TraceFlags()&^trace.FlagsSampled)), nil
	}
	return appendParent(onward, newContext()), nil
}

// Continue returns the span of a request whose traceparent says that it is
// recorded, and else nil. The peer must be one that is believed.
func (t *Tracer) Continue(parent []byte, start time.Time) *Span {
	if t == nil {
		return nil
	}
	from, ok := parseParent(parent)
	if !ok || !from.IsSampled() {
		return nil
	}
	return t.serve(from, start)
}

func (t *Tracer) serve(from trace.SpanContext, start time.Time) *Span {
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), from)
	ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	return &Span{tracer: t.tracer, ctx: ctx, span: span}
}
