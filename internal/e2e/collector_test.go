package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spanCollector is where the processes of a test send their spans: what speaks
// OTLP over HTTP in production.
type spanCollector struct {
	*httptest.Server
	// held, while it is set, holds requests until it is closed, and counts them.
	held    atomic.Pointer[chan struct{}]
	holding atomic.Int64

	mu    sync.Mutex
	raw   bytes.Buffer
	spans map[string][]*recorded // by trace
}

// recorded is a span, with the service that sent it.
type recorded struct {
	*otlp.Span
	service string
}

func newSpanCollector(t *testing.T) *spanCollector {
	c := &spanCollector{spans: map[string][]*recorded{}}
	c.Server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.Close)
	return c
}

func (c *spanCollector) take(w http.ResponseWriter, r *http.Request) {
	if held := c.held.Load(); held != nil {
		c.holding.Add(1)
		<-*held
	}
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "no spans", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				trace := hex.EncodeToString(s.GetTraceId())
				c.spans[trace] = append(c.spans[trace], &recorded{s, textOf(resource.GetResource().GetAttributes(), "service.name")})
			}
		}
	}
}

// trace returns the spans of a trace that have come until now.
func (c *spanCollector) trace(id string) []*recorded {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans[id])
}

// text returns all that has come, as it came.
func (c *spanCollector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw.String()
}

// value returns an attribute, or nil.
func value(list []*common.KeyValue, key string) *common.AnyValue {
	for _, a := range list {
		if a.GetKey() == key {
			return a.GetValue()
		}
	}
	return nil
}

func textOf(list []*common.KeyValue, key string) string { return value(list, key).GetStringValue() }

func (s *recorded) text(key string) string          { return textOf(s.GetAttributes(), key) }
func (s *recorded) number(key string) int64         { return value(s.GetAttributes(), key).GetIntValue() }
func (s *recorded) flag(key string) bool            { return value(s.GetAttributes(), key).GetBoolValue() }
func (s *recorded) failed() bool                    { return s.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR }
func (s *recorded) is(kind otlp.Span_SpanKind) bool { return s.GetKind() == kind }

// path names a span by those that it stands in, outermost first. The spans are
// those of its trace.
func (s *recorded) path(all []*recorded) string {
	own := s.service + ":" + s.GetName()
	for _, parent := range all {
		if bytes.Equal(parent.GetSpanId(), s.GetParentSpanId()) {
			return parent.path(all) + " > " + own
		}
	}
	return own
}

// newTrace returns the name of a trace, and the traceparent of a client in it.
func newTrace() (id, parent string) {
	var b [24]byte
	rand.Read(b[:])
	text := hex.EncodeToString(b[:])
	return text[:32], "00-" + text[:32] + "-" + text[32:] + "-00"
}
