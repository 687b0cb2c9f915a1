package telemetry

import "regexp"

var (
	backendLabel = Label{
		Name: "backend", Bound: 100,
		Form:  regexp.MustCompile(`^(unix:[^"]+|[A-Za-z0-9._\[\]:%-]+:[0-9]+)$`),
		Holds: "a backend's address as `BACKENDS` has it or as its name was resolved; its series go with it",
	}
	policyLabel = oneOf("policy", "address", "public", "tenant", "user", "auth", "refresh", "read", "write", "export", "admin")
)

// gatewayMetrics are what only a gateway counts.
var gatewayMetrics = []Metric{
	{Name: "gateway_http_requests_total", Type: Counter, Help: "Requests that were answered, refusals included", Labels: []Label{methodLabel, routeLabel, statusLabel}},
	{Name: "gateway_http_request_duration_seconds", Type: Histogram, Help: "From a request's first byte to the end of its answer; of a WebSocket, to the end of its handshake", Labels: []Label{methodLabel, routeLabel}},
	{Name: "gateway_alias_requests_total", Type: Counter, Help: "Requests that came by the unversioned path, which ends at the sunset", Labels: []Label{methodLabel, routeLabel}},
	{Name: "gateway_panics_total", Type: Counter, Help: "Requests that a mistake in the gateway ended with 500"},

	{Name: "gateway_connections", Type: Gauge, Help: "Client connections that are open"},
	{Name: "gateway_connections_total", Type: Counter, Help: "Client connections that were taken in"},
	{Name: "gateway_connections_refused_total", Type: Counter, Help: "Client connections that were closed at once: there were too many in total, or from one address", Labels: []Label{oneOf("reason", "total", "address")}},
	{Name: "gateway_connections_evicted_total", Type: Counter, Help: "Idle client connections that were closed to make room for others"},
	{Name: "gateway_connections_lingered_total", Type: Counter, Help: "Client connections that were kept for a moment after an early answer, so that the client could read it"},
	{Name: "gateway_accept_errors_total", Type: Counter, Help: "Connections that the system did not hand over, mostly for want of file descriptors"},
	{Name: "gateway_proxy_protocol_refused_total", Type: Counter, Help: "Connections without a good PROXY line where one is required", Labels: []Label{oneOf("reason", "missing", "malformed", "timeout")}},
	{Name: "gateway_tls_handshakes_total", Type: Counter, Help: "TLS handshakes with clients that were completed", Labels: []Label{oneOf("resumed", "false", "true")}},
	{Name: "gateway_tls_handshakes_failed_total", Type: Counter, Help: "TLS handshakes with clients that failed (docs/edge.md says why)", Labels: []Label{
		oneOf("reason", "timeout", "closed", "not_tls", "no_accord", "client_certificate", "refused_by_client", "other"),
	}},

	{Name: "gateway_auth_refused_total", Type: Counter, Help: "Requests whose token was refused, by what was wrong with it", Labels: []Label{
		oneOf("kind", "missing", "malformed", "unknown_key", "bad_signature", "expired", "not_yet_valid", "wrong_issuer", "wrong_audience", "revoked"),
	}},
	{Name: "gateway_token_cache_hits_total", Type: Counter, Help: "Tokens that had been verified before"},
	{Name: "gateway_token_cache_misses_total", Type: Counter, Help: "Tokens that had to be verified"},
	{Name: "gateway_token_cache_evictions_total", Type: Counter, Help: "Verified tokens that were forgotten before their time to make room"},
	{Name: "gateway_jwks_fetches_total", Type: Counter, Help: "Times that a backend was asked for the public keys: refused is an answer that is no key set", Labels: []Label{oneOf("outcome", "ok", "failed", "refused")}},
	{Name: "gateway_jwks_age_seconds", Type: Gauge, Help: "Time since a backend last served its public keys; 0 without JWT_JWKS"},
	{Name: "gateway_feed_refused_total", Type: Counter, Help: "Items of the feed that the gateway could not make sense of"},

	{Name: "gateway_ratelimit_admitted_total", Type: Counter, Help: "Requests that a policy let pass", Labels: []Label{policyLabel}},
	{Name: "gateway_ratelimit_refused_total", Type: Counter, Help: "Requests that a policy refused with 429", Labels: []Label{policyLabel}},
	{Name: "gateway_ratelimit_shadow_total", Type: Counter, Help: "Requests that a policy in shadow would have refused", Labels: []Label{policyLabel}},
	{Name: "gateway_ratelimit_shadow_dropped_total", Type: Counter, Help: "Counts for the report on policies in shadow that Redis did not take"},
	{Name: "gateway_ratelimit_fallback", Type: Gauge, Help: "1 while the gateway counts alone since Redis does not answer"},
	{Name: "gateway_ratelimit_fallback_total", Type: Counter, Help: "Decisions that were made without Redis"},
	{Name: "gateway_ratelimit_fleet_size", Type: Gauge, Help: "Gateways that are alive, as this one sees it"},
	{Name: "gateway_ratelimit_keys", Type: Gauge, Help: "Buckets that the gateway remembers"},
	{Name: "gateway_ratelimit_evictions_total", Type: Counter, Help: "Buckets that were forgotten while in use; raise RATE_LIMIT_KEYS"},
	{Name: "gateway_ratelimit_leases_total", Type: Counter, Help: "Leases of tokens that Redis granted"},
	{Name: "gateway_ratelimit_lease_tokens_total", Type: Counter, Help: "Tokens on lease that requests have spent, or that were lost at a lease's end", Labels: []Label{oneOf("outcome", "spent", "lost")}},
	{Name: "gateway_ratelimit_redis_commands_total", Type: Counter, Help: "Commands that the limits sent to Redis"},
	{Name: "gateway_ratelimit_redis_duration_seconds", Type: Histogram, Help: "Until Redis answered a command of the limits, or was given up"},

	{Name: "gateway_admission_in_flight", Type: Gauge, Help: "Requests that are on their way to backends or wait for an answer"},
	{Name: "gateway_admission_limit", Type: Gauge, Help: "Requests that may be in flight, as found from how fast backends answer"},
	{Name: "gateway_admission_quiet_seconds", Type: Gauge, Help: "Time to an answer when there is little to do, which the limit is found by"},
	{Name: "gateway_admission_refused_total", Type: Counter, Help: "Requests that were refused with 503: the limit is reached, the tenant has its fair share of it, or all that it may ever have", Labels: []Label{oneOf("reason", "limit", "fairness", "tenant")}},

	{Name: "gateway_proxy_backend_up", Type: Gauge, Help: "1 while requests are sent to the backend", Labels: []Label{backendLabel}},
	{Name: "gateway_proxy_in_flight", Type: Gauge, Help: "Requests that are with the backend", Labels: []Label{backendLabel}},
	{Name: "gateway_proxy_requests_total", Type: Counter, Help: "Attempts to have a request answered by the backend", Labels: []Label{
		backendLabel, oneOf("outcome", "answered", "not_sent", "busy", "no_answer", "broken", "timeout", "unsent"),
	}},
	{Name: "gateway_proxy_wait_seconds_total", Type: Counter, Help: "Time until the backend's answers; divided by the attempts answered, the mean", Labels: []Label{backendLabel}},
	{Name: "gateway_proxy_ejections_total", Type: Counter, Help: "How often the backend was left alone for a while after failures", Labels: []Label{
		backendLabel, oneOf("reason", "not_sent", "no_answer", "broken", "timeout"),
	}},
	{Name: "gateway_proxy_health_checks_total", Type: Counter, Help: "Readiness probes of the backend", Labels: []Label{backendLabel, oneOf("outcome", "ready", "not_ready", "failed")}},
	{Name: "gateway_proxy_resolve_failures_total", Type: Counter, Help: "Look-ups of a backend's name that failed; the addresses known are kept"},
	{Name: "gateway_proxy_retries_total", Type: Counter, Help: "Requests that were sent a second time"},
	{Name: "gateway_proxy_retries_denied_total", Type: Counter, Help: "Second attempts that the budget did not allow"},
	{Name: "gateway_proxy_streamed_answers_total", Type: Counter, Help: "Answers that were passed on as they came, not whole"},
	{Name: "gateway_proxy_streamed_answers_cut_total", Type: Counter, Help: "Streamed answers that ended before their end: the backend failed, or the client went away"},
	{Name: "gateway_websockets", Type: Gauge, Help: "WebSockets that are open"},
}
