package redisconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// The breaker's own tests run in a bubble of testing/synctest: its clock is a
// fake one, and a test fails when a probe is left behind.

var errSilence = &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}

// fakeRedis is what a probe finds.
type fakeRedis struct {
	mu     sync.Mutex
	err    error
	probes []time.Time
}

func (f *fakeRedis) probe(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probes = append(f.probes, time.Now())
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.err
}

func (f *fakeRedis) answer(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeRedis) probed() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.probes
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newFakeBreaker(log *lines) (*breaker, *fakeRedis) {
	f := &fakeRedis{err: errSilence}
	b := newBreaker(log.logger(), budget)
	b.probe = f.probe
	return b, f
}

func report(b *breaker, errs ...error) {
	for _, err := range errs {
		_ = b.Allow()
		b.ReportResult(err)
	}
}

func TestBreakerOpensAfterThreeFailuresInARow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		results []error
		open    bool
	}{
		{"nothing", nil, false},
		{"two failures", []error{errSilence, errSilence}, false},
		{"three failures", []error{errSilence, errSilence, errSilence}, true},
		{"an answer between", []error{errSilence, errSilence, nil, errSilence, errSilence}, false},
		{"three after an answer", []error{errSilence, nil, errSilence, errSilence, errSilence}, true},
		{"an error of the server between", []error{errSilence, errSilence, redis.Nil, errSilence, errSilence}, false},
		{"deadlines", []error{context.DeadlineExceeded, context.DeadlineExceeded, context.DeadlineExceeded}, true},
		{"broken connections", []error{io.EOF, net.ErrClosed, fmt.Errorf("read: %w", io.ErrUnexpectedEOF)}, true},
		{"no free connection", []error{redis.ErrPoolTimeout, redis.ErrPoolTimeout, redis.ErrPoolTimeout}, true},
		// What says nothing about Redis.
		{"callers who left", []error{context.Canceled, context.Canceled, context.Canceled, context.Canceled}, false},
		{"refusals of the breaker", []error{ErrOpen, ErrOpen, ErrOpen, ErrOpen}, false},
		// What Redis itself said.
		{"nothing found", []error{redis.Nil, redis.Nil, redis.Nil, redis.Nil}, false},
		{"failed transactions", []error{redis.TxFailedErr, redis.TxFailedErr, redis.TxFailedErr}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, _ := newFakeBreaker(&lines{})
				defer b.close()
				report(b, c.results...)
				if err := b.Allow(); errors.Is(err, ErrOpen) != c.open {
					t.Errorf("Allow() = %v, want open = %v", err, c.open)
				}
			})
		})
	}
}

// A process that stood still finds the time of all its calls over. That says
// nothing about Redis, which may be well.
func TestBreakerOfAProcessThatStoodStill(t *testing.T) {
	t.Parallel()
	begin := func(b *breaker, calls int) {
		for range calls {
			_ = b.Allow()
		}
	}
	expire := func(b *breaker, calls int) {
		for range calls {
			b.ReportResult(errSilence)
		}
	}
	for name, c := range map[string]struct {
		run  func(b *breaker)
		open bool
	}{
		"stood still": {func(b *breaker) {
			begin(b, 5)
			time.Sleep(2 * time.Second)
			expire(b, 5)
		}, false},
		"stood still, and new calls come first": {func(b *breaker) {
			begin(b, 5)
			time.Sleep(2 * time.Second)
			begin(b, 1)
			expire(b, 5)
		}, false},
		"stood still before a Redis that is gone": {func(b *breaker) {
			begin(b, 5)
			time.Sleep(2 * time.Second)
			begin(b, 3)
			expire(b, 5)
			time.Sleep(budget)
			expire(b, 3)
		}, true},
		"a silent Redis": {func(b *breaker) {
			begin(b, 3)
			time.Sleep(budget)
			expire(b, 3)
		}, true},
		"a silent Redis that is seldom asked": {func(b *breaker) {
			for range 3 {
				begin(b, 1)
				time.Sleep(budget)
				expire(b, 1)
				time.Sleep(time.Second)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, _ := newFakeBreaker(&lines{})
				defer b.close()
				c.run(b)
				if err := b.Allow(); errors.Is(err, ErrOpen) != c.open {
					t.Errorf("Allow() = %v, want open = %v", err, c.open)
				}
			})
		})
	}
}

func TestBreakerProbesUntilRedisAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{"OK": nil, "an error": redis.Nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &lines{}
				b, f := newFakeBreaker(log)
				defer b.close()
				start := time.Now()
				report(b, errSilence, errSilence, errSilence)
				time.Sleep(1100 * time.Millisecond) // of the bubble's clock
				if b.Allow() == nil {
					t.Error("the breaker closed although no probe got an answer")
				}
				f.answer(answer)
				time.Sleep(100*time.Millisecond - 1)
				if b.Allow() == nil {
					t.Error("the breaker closed before the next probe")
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if err := b.Allow(); err != nil {
					t.Errorf("after an answer: %v", err)
				}
				// No more probes after that.
				time.Sleep(time.Hour)
				for i, at := range f.probed() {
					if want := time.Duration(i+1) * probeEvery; at.Sub(start) != want {
						t.Errorf("probe %d came after %v, want %v", i, at.Sub(start), want)
					}
				}
				if n := len(f.probed()); n != 6 {
					t.Errorf("%d probes, want 6", n)
				}
				// It starts from zero.
				report(b, errSilence, errSilence)
				if err := b.Allow(); err != nil {
					t.Errorf("two failures after the recovery: %v", err)
				}
				text := log.String()
				if down, up := strings.Count(text, "does not answer"), strings.Count(text, "answers again"); down != 1 || up != 1 {
					t.Errorf("%d lines say that Redis is gone and %d that it is back, want one each:\n%s", down, up, text)
				}
			})
		})
	}
}

// TestBreakerIsOpenedOnce: the failures of all requests that were under way
// start one probe and write one line.
func TestBreakerIsOpenedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		b, f := newFakeBreaker(log)
		defer b.close()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { report(b, errSilence, errSilence, errSilence) })
		}
		wg.Wait()
		time.Sleep(probeEvery) // of the bubble's clock
		synctest.Wait()
		if n := len(f.probed()); n != 1 {
			t.Errorf("%d probes at once, want 1", n)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines, want 1:\n%s", n, log)
		}
	})
}

func TestLateSuccessDoesNotCloseTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := newFakeBreaker(&lines{})
		defer b.close()
		report(b, errSilence, errSilence, errSilence, nil)
		if b.Allow() == nil {
			t.Error("an answer from before closes the breaker")
		}
	})
}

func TestCloseEndsTheProbeAndSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		b := newBreaker(log.logger(), budget)
		b.probe = func(ctx context.Context) error { // hangs until it is stopped
			<-ctx.Done()
			return fmt.Errorf("dial: %w", ctx.Err())
		}
		report(b, errSilence, errSilence, errSilence)
		time.Sleep(probeEvery + probeTimeout/2) // of the bubble's clock: in the middle of a probe
		before := time.Now()
		b.close()
		if took := time.Since(before); took != 0 {
			t.Errorf("close waited %v for the probe", took)
		}
		if text := log.String(); strings.Contains(text, "answers again") {
			t.Errorf("the end of the process is taken for an answer:\n%s", text)
		}
	})
}

// TestClosedBreakerStaysQuiet: requests that end after the close are no news.
// TestOpenBreakersAreCounted is not parallel: the gauge is that of the whole
// process.
func TestOpenBreakersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := func(when string, want float64) {
			t.Helper()
			if got := breakersOpen.Get(); got != want {
				t.Errorf("%s: %v are open, want %v", when, got, want)
			}
		}
		recovers, f := newFakeBreaker(&lines{})
		defer recovers.close()
		stays, _ := newFakeBreaker(&lines{})
		check("at first", 0)
		report(recovers, errSilence, errSilence, errSilence, errSilence)
		report(stays, errSilence, errSilence, errSilence)
		check("while Redis is silent", 2)
		f.answer(nil)
		time.Sleep(time.Second) // of the bubble's clock
		check("after one answered", 1)
		stays.close()
		stays.close()
		check("after the other's client was closed", 0)
	})
}

func TestClosedBreakerStaysQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		b, f := newFakeBreaker(log)
		b.close()
		report(b, errSilence, errSilence, errSilence)
		time.Sleep(time.Hour) // of the bubble's clock
		if n := len(f.probed()); n != 0 || log.String() != "" {
			t.Errorf("%d probes and the lines %q, want nothing", n, log)
		}
	})
}

func TestProbesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker((&lines{}).logger(), budget)
		took := make(chan time.Duration, 100)
		b.probe = func(ctx context.Context) error {
			start := time.Now()
			<-ctx.Done()
			took <- time.Since(start)
			return ctx.Err()
		}
		report(b, errSilence, errSilence, errSilence)
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		b.close()
		close(took)
		n := 0
		for d := range took {
			n++
			if d > probeTimeout {
				t.Errorf("a probe took %v, want at most %v", d, probeTimeout)
			}
		}
		if n < 4 {
			t.Errorf("%d probes in a second, want one every %v", n, probeEvery)
		}
	})
}

func TestReasonIsShortAndKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{context.DeadlineExceeded, "timeout"},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), "timeout"},
		{errSilence, "timeout"},
		{io.EOF, "EOF"},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("reason(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}
