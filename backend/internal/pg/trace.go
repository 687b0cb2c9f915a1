package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gatehouse/internal/telemetry"
)

// queryBuckets are few, since every query has a histogram of its own: from what
// the cheapest take to the default bound of a statement.
var queryBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 10}

var (
	queryTimes     sync.Map // name -> *metrics.PrometheusHistogram
	connectsOK     = metrics.NewCounter(`backend_db_connects_total{outcome="ok"}`)
	connectsFailed = metrics.NewCounter(`backend_db_connects_total{outcome="failed"}`)
	queryErrors    = func() map[string]*metrics.Counter {
		m := map[string]*metrics.Counter{}
		for _, kind := range []string{failedConflict, failedConstraint, failedRefused, failedTimeout, failedUnavailable, failedOther} {
			m[kind] = metrics.NewCounter(fmt.Sprintf(`backend_db_errors_total{kind=%q}`, kind))
		}
		return m
	}()
)

// The kinds of errors that are counted.
const (
	failedConflict    = "conflict"
	failedConstraint  = "constraint"
	failedRefused     = "refused"
	failedTimeout     = "timeout"
	failedUnavailable = "unavailable"
	failedOther       = "other"
)

// tracer measures, and for a request that is traced records, what goes over the connections of a pool. Of a batch it takes
// the name of the last statement: the one before is the entry into its tenant.
type tracer struct{}

var (
	_ pgx.QueryTracer   = tracer{}
	_ pgx.BatchTracer   = tracer{}
	_ pgx.ConnectTracer = tracer{}
)

// span is a statement or batch under way.
type span struct {
	times *metrics.PrometheusHistogram
	begun time.Time
	trace *telemetry.Span
	ended bool // a batch that could not be sent is ended twice
}

type spanKey struct{}

func begin(ctx context.Context, sql string) context.Context {
	name := queryName(sql)
	trace := telemetry.SpanOf(ctx).Call(name)
	trace.Text(telemetry.DBSystem, "postgresql")
	trace.Text(telemetry.DBQuery, name)
	return context.WithValue(ctx, spanKey{}, &span{times: timesOf(name), begun: time.Now(), trace: trace})
}

func end(ctx context.Context, err error) {
	s, ok := ctx.Value(spanKey{}).(*span)
	if !ok || s.ended {
		return
	}
	s.ended = true
	s.times.UpdateDuration(s.begun)
	if err != nil {
		kind := failure(err)
		queryErrors[kind].Inc()
		s.trace.Fail(kind)
	}
	s.trace.End()
}

// TraceQueryStart implements pgx.QueryTracer.
func (tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	return begin(ctx, d.SQL)
}

// TraceQueryEnd implements pgx.QueryTracer.
func (tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	end(ctx, d.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	queued := d.Batch.QueuedQueries
	if len(queued) == 0 {
		return ctx
	}
	return begin(ctx, queued[len(queued)-1].SQL)
}

// TraceBatchQuery implements pgx.BatchTracer. The batch's end tells of the first
// error of its statements, too.
func (tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchEndData) {
	end(ctx, d.Err)
}

// TraceConnectStart implements pgx.ConnectTracer.
func (tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (tracer) TraceConnectEnd(_ context.Context, d pgx.TraceConnectEndData) {
	if d.Err != nil {
		connectsFailed.Inc()
		return
	}
	connectsOK.Inc()
}

// queryName returns the name that sqlc has put before a query. No other text gets
// into a label.
func queryName(sql string) string {
	if rest, ok := strings.CutPrefix(sql, "-- name: "); ok {
		if name, _, ok := strings.Cut(rest, " "); ok {
			return name
		}
	}
	switch word, _, _ := strings.Cut(sql, " "); word {
	case "begin", "commit", "rollback":
		return "transaction"
	}
	return "other"
}

// timesOf returns the histogram of a query, of which there are as many as in
// sql/*/queries.
func timesOf(name string) *metrics.PrometheusHistogram {
	if times, ok := queryTimes.Load(name); ok {
		return times.(*metrics.PrometheusHistogram)
	}
	times := metrics.GetOrCreatePrometheusHistogramExt(fmt.Sprintf(`backend_db_query_duration_seconds{query=%q}`, name), queryBuckets)
	queryTimes.Store(name, times)
	return times
}

// failure returns the kind of an error.
func failure(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return failedTimeout
		case unreachable(err):
			return failedUnavailable
		}
		return failedOther
	}
	switch e.Code {
	case stateSerializationFailure, stateDeadlock, stateLockTimeout:
		return failedConflict
	case stateQueryCanceled:
		return failedTimeout
	}
	switch {
	case strings.HasPrefix(e.Code, "GH"):
		return failedRefused
	case strings.HasPrefix(e.Code, "23"): // integrity constraints
		return failedConstraint
	case codeOf(e.Code) != "":
		return failedUnavailable
	}
	return failedOther
}
