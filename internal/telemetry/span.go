package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Names of attributes, from OpenTelemetry's semantic conventions as far as those
// have one. Values never tell who asked for what: no paths, no parameters.
const (
	RequestMethod = "http.request.method"
	Resend        = "http.request.resend_count"
	StatusCode    = "http.response.status_code"
	HTTPRoute     = "http.route"
	URLScheme     = "url.scheme"
	ServerAddress = "server.address"
	ServerPort    = "server.port"
	ErrorType     = "error.type"

	DBSystem  = "db.system.name"
	DBQuery   = "db.query.summary" // the name of a statement
	Operation = "db.operation.name"

	RequestID  = "gatehouse.request_id"
	TenantHash = "gatehouse.tenant" // as in the logs
	Problem    = "gatehouse.problem"
	LimitName  = "gatehouse.limit"
	CacheKind  = "gatehouse.cache.kind"
	CacheHit   = "gatehouse.cache.hit"
)

// Span is a part of a request that is recorded. Nil is for what is not: its
// methods do nothing.
type Span struct {
	tracer trace.Tracer
	ctx    context.Context // carries span, for those inside it
	span   trace.Span
}

// Child begins a span of work inside s.
func (s *Span) Child(name string) *Span { return s.begin(name, trace.SpanKindInternal) }

// Call begins a span inside s for a call of another process.
func (s *Span) Call(name string) *Span { return s.begin(name, trace.SpanKindClient) }

func (s *Span) begin(name string, kind trace.SpanKind) *Span {
	if s == nil {
		return nil
	}
	ctx, span := s.tracer.Start(s.ctx, name, trace.WithSpanKind(kind))
	return &Span{tracer: s.tracer, ctx: ctx, span: span}
}

// Name sets the name, which must be one of few.
func (s *Span) Name(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// Text sets an attribute.
func (s *Span) Text(key, value string) {
	if s != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number sets an attribute.
func (s *Span) Number(key string, value int) {
	if s != nil {
		s.span.SetAttributes(attribute.Int(key, value))
	}
}

// Flag sets an attribute.
func (s *Span) Flag(key string, value bool) {
	if s != nil {
		s.span.SetAttributes(attribute.Bool(key, value))
	}
}

// Fail says that what s records went wrong, and how in one of few words. An
// error's own text would tell too much.
func (s *Span) Fail(how string) {
	if s != nil {
		s.span.SetAttributes(attribute.String(ErrorType, how))
		s.span.SetStatus(codes.Error, "")
	}
}

// End ends the span. It must be called once.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

// AppendParent appends the traceparent that makes s the parent of another
// process's span. Of a nil one that is nothing.
func (s *Span) AppendParent(b []byte) []byte {
	if s == nil {
		return b
	}
	return appendParent(b, s.span.SpanContext())
}

type spanKey struct{}

// WithSpan returns a context that carries s, for [SpanOf]; ctx itself when s is
// nil.
func WithSpan(ctx context.Context, s *Span) context.Context {
	if s == nil {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, s)
}

// SpanOf returns the span that ctx carries, or nil.
func SpanOf(ctx context.Context) *Span {
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}
