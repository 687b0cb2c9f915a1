package cache

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/telemetry"
)

// Kind is what is cached together and gets out of date together.
type Kind string

// What is cached.
const (
	Catalogue Kind = "catalogue" // single emitters, recipients and products of invoices, and pages of them
	Contacts  Kind = "contacts"  // single contacts, and pages of them
	Invoices  Kind = "nfe"       // single documents, and pages of them
	Users     Kind = "users"     // the signed-in user's own record
)

var (
	hits       = perKind("hit")
	misses     = perKind("miss")
	bypassed   = perKind("bypass")
	lookErrors = perKind("error")

	lookTime     = metrics.NewPrometheusHistogramExt(`backend_cache_lookup_seconds`, telemetry.RedisBuckets)
	bytesRead    = metrics.NewCounter(`backend_cache_bytes_total{direction="read"}`)
	bytesWritten = metrics.NewCounter(`backend_cache_bytes_total{direction="written"}`)
	oversized    = metrics.NewCounter(`backend_cache_oversized_total`)
	storeErrors  = metrics.NewCounter(`backend_cache_store_errors_total`)

	replaced      = metrics.NewCounter(`backend_cache_invalidations_total{outcome="ok"}`)
	replaceErrors = metrics.NewCounter(`backend_cache_invalidations_total{outcome="error"}`)
)

// perKind returns the counters of one outcome of reads.
func perKind(outcome string) map[Kind]*metrics.Counter {
	counters := map[Kind]*metrics.Counter{}
	for _, kind := range []Kind{Catalogue, Contacts, Invoices, Users} {
		counters[kind] = metrics.NewCounter(fmt.Sprintf(`backend_cache_reads_total{kind=%q,outcome=%q}`, kind, outcome))
	}
	return counters
}
