// Package gateway is the edge of Gatehouse: the process that clients reach.
//
// It takes HTTPS requests, holds them against the OpenAPI document, limits
// them, finds out who calls, and passes them on to a backend. It keeps no data
// of its own; gateways share nothing but Redis.
//
// # Reading order
//
// pipeline.go lists the steps that a request passes, outermost first, and says
// why each stands where it does. Each step is one file of package edge and
// reads alone. Around it:
//
//   - config.go: all settings, composed of the parts' own
//   - gateway.go: how the parts are put together, start and stop
//   - tls.go: certificates
//   - internal/route: the document, compiled into the route table
//   - internal/ratelimit: token buckets, in Redis and in this process
//   - internal/proxy: backends, connections to them, what crosses
//
// # What is trusted
//
// Nothing that a client sends. The verified access token alone says who calls.
// Headers about the request's origin are believed from TRUSTED_PROXIES only,
// and headers that could tell a backend something else than the gateway checked
// do not cross. A path, method or media type that the document does not have is
// refused here, and so is a caller without the role that the document asks for.
//
// # When Redis is gone
//
// Requests go on. Limits are counted by each gateway alone, with its share, and
// a request waits for Redis at most REDIS_TIMEOUT, a few times, until the
// breaker of package redisconn opens.
package gateway
