package telemetry

import "regexp"

// The labels of more than one metric.
var (
	methodLabel = oneOf("method", "", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
	routeLabel  = Label{
		Name: "route", Bound: 200,
		// A path would have to look like a template to get past this; it never gets
		// here, since handles are made at start.
		Form:  regexp.MustCompile(`^(unmatched|\*|(/[A-Za-z0-9._~{}-]*)+)$`),
		Holds: "a path's template in the OpenAPI document, `*` for preflights, or `unmatched` (then `method` is empty)",
	}
	statusLabel = oneOf("status", "1xx", "2xx", "3xx", "4xx", "5xx")
	feedLabel   = oneOf("kind", "session", "tenant", "seed", "other")
	fileLabel   = Label{
		Name: "file", Bound: 105,
		Form:  regexp.MustCompile(`^(keys\.json|limits|tls_certificate(_[0-9]+)?|tls_client_ca|upstream_ca|upstream_certificate)$`),
		Holds: "what the file is for: `keys.json`, `limits`, `tls_certificate` (`tls_certificate_2` and so on), `tls_client_ca`, `upstream_ca`, `upstream_certificate`",
	}
	versionLabel = Label{Name: "version", Bound: 1, Form: regexp.MustCompile(`^\S+$`), Holds: "the version"}
)

// sharedMetrics are those that both processes count, or one of them with code
// that both have.
var sharedMetrics = []Metric{
	{Name: "gatehouse_build_info", Type: Gauge, Help: "Always 1; its label is the running version", Labels: []Label{versionLabel}},

	{Name: "health_ready", Type: Gauge, Help: "1 while the process answers its readiness probe with 200: nothing it cannot do without is missing, and it does not drain"},
	{Name: "health_check_up", Type: Gauge, Help: "1 when the dependency answered the check that each scrape makes", Labels: []Label{
		oneOf("check", "backends", "database", "feed", "keys", "listeners", "redis"),
	}},

	{Name: "certificate_expiry_timestamp_seconds", Type: Gauge, Help: "When the certificate in force expires, in seconds since 1970", Labels: []Label{fileLabel}},
	{Name: "config_file_generation", Type: Gauge, Help: "How often the file was taken in since the start", Labels: []Label{fileLabel}},
	{Name: "config_file_refused_total", Type: Counter, Help: "Contents of the file that were refused, each counted once", Labels: []Label{fileLabel}},
	{Name: "config_file_stale", Type: Gauge, Help: "1 while the file is refused or cannot be read and its last good content is in force", Labels: []Label{fileLabel}},

	{Name: "feed_items_total", Type: Counter, Help: "Items of the feed that were applied: ended sessions, states of tenants, announcements that it was written anew", Labels: []Label{feedLabel}},
	{Name: "feed_malformed_total", Type: Counter, Help: "Entries of the feed that could not be read"},
	{Name: "feed_pending", Type: Gauge, Help: "Items that wait until Redis takes them; the backend publishes, so a gateway has 0"},
	{Name: "feed_publish_failures_total", Type: Counter, Help: "Tries to publish items that Redis did not take; they are repeated"},
	{Name: "feed_published_total", Type: Counter, Help: "Items that Redis has taken", Labels: []Label{feedLabel}},
	{Name: "feed_resyncs_total", Type: Counter, Help: "How often the whole feed was read, at start or since entries were missed"},
	{Name: "feed_seeds_total", Type: Counter, Help: "How often the feed was written anew from PostgreSQL, since Redis had lost it"},
	{Name: "feed_staleness_seconds", Type: Gauge, Help: "How long ago the process knew all that was announced; absent in a backend without a cache, which follows nothing"},

	{Name: "log_lines_dropped_total", Type: Counter, Help: "Log lines that were dropped since the output did not keep up"},
	{Name: "log_stream_lines_dropped_total", Type: Counter, Help: "Lines that a reader of the live log stream wanted and that were not sent: too many, too long, or Redis did not take them"},
	{Name: "log_stream_lines_published_total", Type: Counter, Help: "Lines that were sent to the live log stream"},
	{Name: "log_write_errors_total", Type: Counter, Help: "Writes of log lines that failed"},

	{Name: "redis_breaker_open", Type: Gauge, Help: "Redis servers that are not asked at the moment because they did not answer"},
	{Name: "redis_breaker_opened_total", Type: Counter, Help: "How often a Redis server was given up for a while"},
	{Name: "redis_errors_total", Type: Counter, Help: "Commands that got no answer in time, or none at all"},

	{Name: "revocations", Type: Gauge, Help: "Ended sessions that the gateway remembers since their tokens have not expired", Of: Gateway},
	{Name: "revocations_dropped_total", Type: Counter, Help: "Ended sessions that were too many to remember; the backend refuses those"},

	{Name: "trace_spans_dropped_total", Type: Counter, Help: "Spans that were not sent: too many were waiting (queue), or the collector did not take them (export)", Labels: []Label{
		oneOf("reason", "queue", "export"),
	}},
	{Name: "trace_spans_sent_total", Type: Counter, Help: "Spans that the collector has taken"},
}
