package telemetry

import "regexp"

var (
	placementLabel = oneOf("placement", "main", "maint")
	queryLabel     = Label{
		Name: "query", Bound: 200,
		Form:  regexp.MustCompile(`^([A-Z][A-Za-z0-9]*|transaction|other)$`),
		Holds: "the name of a query in `sql/*/queries`, `transaction` for its begin, commit and rollback, or `other`",
	}
)

// backendMetrics are what only a backend counts.
var backendMetrics = []Metric{
	{Name: "backend_http_requests_total", Type: Counter, Help: "Requests that were answered", Labels: []Label{methodLabel, routeLabel, statusLabel}},
	{Name: "backend_http_request_duration_seconds", Type: Histogram, Help: "From a request's first byte to the end of its answer", Labels: []Label{methodLabel, routeLabel}},
	{Name: "backend_http_in_flight", Type: Gauge, Help: "Requests that are being answered"},
	{Name: "backend_panics_total", Type: Counter, Help: "Requests that a mistake in the backend ended with 500"},
	{Name: "backend_tls_handshakes_failed_total", Type: Counter, Help: "TLS handshakes with gateways that failed"},

	{Name: "backend_token_cache_hits_total", Type: Counter, Help: "Tokens that had been verified before"},
	{Name: "backend_token_cache_misses_total", Type: Counter, Help: "Tokens that had to be verified"},
	{Name: "backend_token_cache_evictions_total", Type: Counter, Help: "Verified tokens that were forgotten before their time to make room"},
	{Name: "backend_auth_logins_total", Type: Counter, Help: "Sign-ins", Labels: []Label{oneOf("outcome", "ok", "bad_password", "unknown_user", "unknown_tenant", "inactive", "backoff")}},
	{Name: "backend_auth_refreshes_total", Type: Counter, Help: "Refresh tokens that were presented: reused ones end their session, and error says that the database did not decide", Labels: []Label{
		oneOf("outcome", "ok", "refused", "reused", "limited", "error"),
	}},
	{Name: "backend_password_hash_duration_seconds", Type: Histogram, Help: "What hashing or verifying a password took, the wait for its turn included"},
	{Name: "backend_password_waiting", Type: Gauge, Help: "Passwords that wait for their turn to be hashed"},
	{Name: "backend_password_refused_total", Type: Counter, Help: "Requests that were refused with 503 since too many passwords waited already"},
	{Name: "backend_sessions_ended_total", Type: Counter, Help: "Sessions that ended by sign-out, revocation or a change of their user; those that a suspended tenant loses are not counted"},
	{Name: "backend_session_verdicts_total", Type: Counter, Help: "Checks of callers who got a cached value, from memory or by asking PostgreSQL", Labels: []Label{oneOf("source", "memory", "database")}},
	{Name: "backend_security_events_total", Type: Counter, Help: "What operators may want to be told of: a spent refresh token that came again, sign-ins refused after failures, a role that changed, an operator who changed a tenant", Labels: []Label{
		oneOf("event", "refresh_reuse", "login_backoff", "role_change", "operator_action"),
	}},
	{Name: "backend_announce_dedicated_failures_total", Type: Counter, Help: "Dedicated databases that did not say which of their sessions have ended; they are asked again"},

	{Name: "backend_db_query_duration_seconds", Type: Histogram, Help: "From sending a statement to the end of its result, the entry into its tenant included", Labels: []Label{queryLabel}},
	{Name: "backend_db_errors_total", Type: Counter, Help: "Statements that failed: conflict is a lost race or a lock that was held, refused a tenant or session that may not be served, constraint a rule of the schema", Labels: []Label{
		oneOf("kind", "conflict", "constraint", "refused", "timeout", "unavailable", "other"),
	}},
	{Name: "backend_db_connects_total", Type: Counter, Help: "Connections to PostgreSQL that were opened, or could not be", Labels: []Label{oneOf("outcome", "ok", "failed")}},
	{Name: "backend_db_transaction_retries_total", Type: Counter, Help: "Transactions that were run again since they lost a race"},
	{Name: "backend_db_pool_connections", Type: Gauge, Help: "Connections of the pool: main serves requests, maint operators' work", Labels: []Label{placementLabel}},
	{Name: "backend_db_pool_connections_busy", Type: Gauge, Help: "Connections of the pool that are in use", Labels: []Label{placementLabel}},
	{Name: "backend_db_pool_connections_max", Type: Gauge, Help: "Connections that the pool may have", Labels: []Label{placementLabel}},
	{Name: "backend_db_pool_wait_seconds_total", Type: Counter, Help: "Time that was spent on getting a connection of the pool", Labels: []Label{placementLabel}},
	{Name: "backend_db_pool_busy_total", Type: Counter, Help: "Requests that were refused with 503 since no connection came free in time"},

	{Name: "backend_tenant_pools_opened_total", Type: Counter, Help: "Pools of dedicated databases that were opened"},
	{Name: "backend_tenant_pools_closed_total", Type: Counter, Help: "Pools of dedicated databases that were closed: unused, to make room, or after a change"},
	{Name: "backend_tenant_pools_refused_total", Type: Counter, Help: "Requests that were refused with 503 since all pools were in use; raise TENANT_POOLS"},
	{Name: "backend_tenant_breaker_opened_total", Type: Counter, Help: "How often a dedicated database was taken for out of reach"},
	{Name: "backend_tenant_breaker_refused_total", Type: Counter, Help: "Requests that were refused with 503 at once since their database was out of reach"},

	{Name: "backend_cache_reads_total", Type: Counter, Help: "Reads through the cache: error says that Redis did not answer, bypass that it has not heard of a write yet", Labels: []Label{
		oneOf("kind", "catalogue", "contacts", "nfe", "users"), oneOf("outcome", "hit", "miss", "error", "bypass"),
	}},
	{Name: "backend_cache_lookup_seconds", Type: Histogram, Help: "Until Redis answered a look-up, or was given up"},
	{Name: "backend_cache_bytes_total", Type: Counter, Help: "Bytes of cached values", Labels: []Label{oneOf("direction", "read", "written")}},
	{Name: "backend_cache_oversized_total", Type: Counter, Help: "Values that were too large to be kept"},
	{Name: "backend_cache_store_errors_total", Type: Counter, Help: "Values that Redis did not take"},
	{Name: "backend_cache_invalidations_total", Type: Counter, Help: "Writes that Redis was told of; while one fails, another backend may show the past for at most 30 s", Labels: []Label{oneOf("outcome", "ok", "error")}},

	{Name: "backend_housekeeping_rounds_total", Type: Counter, Help: "Rounds of housekeeping: busy says that another process was at it, failed that the main database did not answer", Labels: []Label{oneOf("outcome", "done", "busy", "failed")}},
	{Name: "backend_housekeeping_round_duration_seconds", Type: Histogram, Help: "What a round of housekeeping that was done took"},
	{Name: "backend_housekeeping_rows_deleted_total", Type: Counter, Help: "Rows that housekeeping deleted", Labels: []Label{
		oneOf("table", "refresh_tokens", "sessions", "idempotency_keys", "login_events", "login_failures", "invitations"),
	}},
	{Name: "backend_housekeeping_dedicated_failures_total", Type: Counter, Help: "Dedicated databases that could not be tidied; the next round tries again"},

	{Name: "backend_log_streams", Type: Gauge, Help: "Readers of the live log stream"},
	{Name: "backend_log_stream_lines_sent_total", Type: Counter, Help: "Lines that readers of the live log stream got"},
	{Name: "backend_log_stream_lines_dropped_total", Type: Counter, Help: "Lines of which readers of the live log stream were told that they are missing"},
}
