// Package telemetry holds the metrics that both processes count alike. Labels
// are route templates, methods and status classes, never paths or identities.
package telemetry

import (
	"fmt"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Route counts the requests of one route (rate, errors, duration). Handles are
// resolved once, at start.
type Route struct {
	requests [6]*metrics.Counter // by hundreds of the status
	duration *metrics.PrometheusHistogram
}

// NewRoute registers the metrics of a route: prefix is "gateway" or "backend",
// template the route's path as the OpenAPI document writes it.
func NewRoute(prefix, method, template string) *Route {
	labels := fmt.Sprintf(`method=%q,route=%q`, method, template)
	r := &Route{
		duration: metrics.GetOrCreatePrometheusHistogramExt(
			fmt.Sprintf(`%s_http_request_duration_seconds{%s}`, prefix, labels), durationBuckets),
	}
	for class := 1; class < len(r.requests); class++ {
		r.requests[class] = metrics.GetOrCreateCounter(
			fmt.Sprintf(`%s_http_requests_total{%s,status="%dxx"}`, prefix, labels, class))
	}
	return r
}

// RedisBuckets are for the time that Redis takes, in seconds: from a good answer
// on the same machine to ten times the bound that REDIS_TIMEOUT sets by default.
var RedisBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1}

// durationBuckets spans a cache hit at the edge to the longest timeout.
var durationBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Observe counts one answered request.
func (r *Route) Observe(status int, took time.Duration) {
	if class := status / 100; class >= 1 && class < len(r.requests) {
		r.requests[class].Inc()
	}
	r.duration.Update(took.Seconds())
}
