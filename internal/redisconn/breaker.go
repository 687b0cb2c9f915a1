package redisconn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/redis/go-redis/v9"
)

// ErrOpen is returned, at once, while Redis is known not to answer.
var ErrOpen = errors.New("redis does not answer")

const (
	// tripAfter failures in a row open the breaker. A request whose connection
	// is accepted and then never greeted counts as two.
	tripAfter = 3
	// probeEvery bounds how long a Redis that hung stays unused after it has
	// recovered. The client's pool adds up to a second when Redis was gone.
	probeEvery   = 200 * time.Millisecond
	probeTimeout = 100 * time.Millisecond
)

var (
	breakerOpened = metrics.NewCounter(`redis_breaker_opened_total`)
	breakersOpen  = metrics.NewGauge(`redis_breaker_open`, nil)
	redisErrors   = metrics.NewCounter(`redis_errors_total`)
)

// breaker implements redis.Limiter. While open, a goroutine probes Redis, so no
// request pays for finding out.
type breaker struct {
	log   *slog.Logger
	probe func(context.Context) error // set before the first use

	failures atomic.Int32 // in a row
	open     atomic.Bool

	// patience is the longest that a call waits. The others tell a Redis that is
	// silent from a process that stood still: when the last call began, and when
	// calls began again after none did for longer than that. In nanoseconds of the
	// process's clock.
	patience time.Duration
	began    atomic.Int64
	resumed  atomic.Int64

	mu     sync.Mutex // guards the start and the end of the probe
	closed bool
	stop   context.CancelFunc
	ctx    context.Context
	wg     sync.WaitGroup
	leave  sync.Once // takes an open breaker that was closed out of the gauge
}

func newBreaker(log *slog.Logger, patience time.Duration) *breaker {
	ctx, stop := context.WithCancel(context.Background())
	return &breaker{log: log, patience: patience, ctx: ctx, stop: stop}
}

// Allow implements redis.Limiter.
func (b *breaker) Allow() error {
	if b.open.Load() {
		return ErrOpen
	}
	now := sinceStart()
	if last := b.began.Swap(int64(now)); last != 0 && now-time.Duration(last) > b.patience+oversleep {
		b.resumed.Store(int64(now))
	}
	return nil
}

// ReportResult implements redis.Limiter. An error that the server sent is an
// answer; only silence counts as a failure, unless this process stood still
// meanwhile.
func (b *breaker) ReportResult(err error) {
	if !silent(err) {
		b.failures.Store(0)
		return
	}
	if timedOut(err) && b.overslept() {
		return
	}
	redisErrors.Inc()
	if b.failures.Add(1) >= tripAfter {
		b.trip(err)
	}
}

// oversleep is well above the delay with which a busy machine notices that the
// time for a call is over.
const oversleep = 100 * time.Millisecond

// overslept reports that a call whose time is over began before this process
// stood still, or was stopped: none has begun for longer than one may wait, or
// those that have are too young.
func (b *breaker) overslept() bool {
	now := sinceStart()
	resumed := time.Duration(b.resumed.Load())
	return now-time.Duration(b.began.Load()) > b.patience+oversleep || resumed != 0 && now-resumed < b.patience
}

var start = time.Now()

// sinceStart is the process's own clock, which nobody sets.
func sinceStart() time.Duration { return time.Since(start) }

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func silent(err error) bool {
	var answer redis.Error
	return err != nil && !errors.As(err, &answer) && !errors.Is(err, ErrOpen) && !errors.Is(err, context.Canceled)
}

func (b *breaker) trip(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || !b.open.CompareAndSwap(false, true) {
		return
	}
	breakerOpened.Inc()
	breakersOpen.Inc()
	b.log.Warn("redis does not answer; going on without it", "cause", reason(cause))
	b.wg.Go(b.probeUntilAnswer)
}

// reason keeps addresses out of the log line when a shorter cause is known.
func reason(err error) string {
	if timedOut(err) {
		return "timeout"
	}
	return err.Error()
}

func (b *breaker) probeUntilAnswer() {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(b.ctx, probeTimeout)
		err := b.probe(ctx)
		cancel()
		if b.ctx.Err() != nil || errors.Is(err, redis.ErrClosed) {
			return // the probe or its client was stopped, which tells nothing
		}
		if !silent(err) {
			b.failures.Store(0)
			b.open.Store(false)
			breakersOpen.Dec()
			b.log.Info("redis answers again")
			return
		}
	}
}

func (b *breaker) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.stop()
	b.wg.Wait()
	if b.open.Load() { // and stays so, but nobody asks any more
		b.leave.Do(breakersOpen.Dec)
	}
}
