package proxy

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// verdict is what one health check found.
type verdict int

const (
	ready     verdict = iota
	notReady          // the backend says so itself
	noVerdict         // no answer, or one that says nothing
	verdicts
)

// String is the label of the verdict in metrics.
func (v verdict) String() string { return [verdicts]string{"ready", "not_ready", "failed"}[v] }

const (
	// checkTimeout bounds one health check.
	checkTimeout = time.Second
	// anxious is how often backends are asked while none is usable.
	anxious = 250 * time.Millisecond
)

// watch asks a backend for its health until it leaves, if that is wanted.
func (s *balance) watch(b *backend) {
	var ctx context.Context
	ctx, b.stopWatch = context.WithCancel(s.running)
	if s.config.HealthPath == off || s.config.HealthPath == "" {
		return
	}
	s.wg.Go(func() {
		for {
			v, why := b.check(ctx, s.config.HealthPath)
			s.learn(b, v, why)
			every := s.config.HealthInterval
			if !s.anyUsable() {
				every = min(every, anxious)
			}
			if !pause(ctx, every) {
				return
			}
		}
	})
}

// check asks once, over a connection of its own: whether new ones are taken is
// part of the question. A service that does not know the path, or wants somebody
// else to ask, is there all the same.
func (b *backend) check(ctx context.Context, path string) (verdict, string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var status int
	err := b.ask(ctx, path, func(conn net.Conn) error {
		var header fasthttp.ResponseHeader
		err := header.Read(bufio.NewReader(conn))
		status = header.StatusCode()
		return err
	})
	switch {
	case err != nil:
		return noVerdict, "health check: " + err.Error()
	case status == fasthttp.StatusServiceUnavailable:
		return notReady, "it says that it is not ready"
	case status >= 500:
		return noVerdict, fmt.Sprintf("health check: %d", status)
	}
	return ready, ""
}
