// Package e2e holds the tests that run both programs as processes, over real
// sockets, with real PostgreSQL and Redis, and those that look at the
// repository as a whole, such as who imports whom.
package e2e
