package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/health"
)

// Every test runs in a bubble of testing/synctest: its clock is a fake one, and
// the test fails when a goroutine is left behind for good.

func answers(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// takes answers after a while, or when its context ends.
func takes(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return fmt.Errorf("ping: %w", ctx.Err())
		}
	}
}

var errRefused = errors.New("connection refused")

func TestReadyWeighsRequiredAgainstOptional(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		required, optional error
		want               health.Status
		serving            bool
	}{
		{"all answer", nil, nil, health.Healthy, true},
		{"the optional one fails", nil, errRefused, health.Degraded, true},
		{"the required one fails", errRefused, nil, health.Unhealthy, false},
		{"both fail", errRefused, errRefused, health.Unhealthy, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			database := health.Check{Name: "database", Required: true, Run: answers(c.required)}
			redis := health.Check{Name: "redis", Run: answers(c.optional)}
			// The order of the checks makes no difference.
			for _, checks := range [][]health.Check{{database, redis}, {redis, database}} {
				synctest.Test(t, func(t *testing.T) {
					got := health.NewChecker(checks...).Ready(t.Context())
					if got.Status != c.want || got.Status.Serving() != c.serving {
						t.Errorf("status %q, serving %v, want %q, %v", got.Status, got.Status.Serving(), c.want, c.serving)
					}
					want := map[string]health.Result{"database": {Status: health.Healthy}, "redis": {Status: health.Healthy}}
					if c.required != nil {
						want["database"] = health.Result{Status: health.Unhealthy, Error: "connection refused"}
					}
					if c.optional != nil {
						want["redis"] = health.Result{Status: health.Degraded, Error: "connection refused"}
					}
					if diff := cmp.Diff(want, got.Checks); diff != "" {
						t.Errorf("checks differ (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}

func TestReadyWithoutChecksIsHealthy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := health.NewChecker().Ready(t.Context())
		if got.Status != health.Healthy || got.Checks == nil {
			t.Errorf("got %+v, want healthy with an empty list", got)
		}
	})
}

func TestReadyAsksInParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks []health.Check
		for i := range 20 {
			checks = append(checks, health.Check{Name: fmt.Sprint(i), Required: true, Run: takes(900 * time.Millisecond)})
		}
		start := time.Now()
		got := health.NewChecker(checks...).Ready(t.Context())
		if took := time.Since(start); took != 900*time.Millisecond {
			t.Errorf("20 checks of 900 ms took %v", took)
		}
		if got.Status != health.Healthy || len(got.Checks) != 20 || got.Checks["7"].LatencyMS != 900 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestReadyAnswersWithinOneSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		checker := health.NewChecker(
			health.Check{Name: "slow", Run: takes(time.Hour)},
			health.Check{Name: "impatient", Run: answers(fmt.Errorf("dial: %w", context.DeadlineExceeded))},
			health.Check{Name: "quick", Required: true, Run: answers(nil)},
		)
		start := time.Now()
		got := checker.Ready(t.Context())
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want 1 s", took)
		}
		want := map[string]health.Result{
			"slow":      {Status: health.Degraded, LatencyMS: 1000, Error: "no answer in time"},
			"impatient": {Status: health.Degraded, Error: "no answer in time"},
			"quick":     {Status: health.Healthy},
		}
		if diff := cmp.Diff(want, got.Checks); diff != "" {
			t.Errorf("checks differ (-want +got):\n%s", diff)
		}
	})
}

// TestHungCheckIsLeftBehindOnce: a check that does not heed its context costs
// each probe its second and the process one goroutine, not one for each probe.
func TestHungCheckIsLeftBehindOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		recovered := make(chan struct{})
		checker := health.NewChecker(health.Check{Name: "hung", Required: true, Run: func(context.Context) error {
			runs.Add(1)
			<-recovered
			return nil
		}})
		for range 100 {
			start := time.Now()
			got := checker.Ready(t.Context())
			if took := time.Since(start); took != time.Second {
				t.Fatalf("took %v, want 1 s", took)
			}
			if got.Status != health.Unhealthy || got.Checks["hung"].Error != "no answer in time" {
				t.Fatalf("got %+v", got)
			}
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("the check runs %d times at once, want 1", n)
		}

		close(recovered)
		synctest.Wait()
		if got := checker.Ready(t.Context()); got.Status != health.Healthy {
			t.Errorf("after its recovery: %+v", got)
		}
		if n := runs.Load(); n != 2 {
			t.Errorf("the check ran %d times, want once more after its recovery", n)
		}
	})
}

func TestConcurrentProbesShareTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		checker := health.NewChecker(health.Check{Name: "database", Required: true, Run: func(ctx context.Context) error {
			runs.Add(1)
			return takes(100 * time.Millisecond)(ctx)
		}})
		reports := make(chan health.Report)
		for range 50 {
			go func() { reports <- checker.Ready(t.Context()) }()
		}
		for range 50 {
			if got := <-reports; got.Status != health.Healthy {
				t.Errorf("got %+v", got)
			}
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("50 probes at once run the check %d times, want 1", n)
		}
		checker.Ready(t.Context())
		if n := runs.Load(); n != 2 {
			t.Errorf("a later probe is given the old answer")
		}
	})
}

func TestReadyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		checker := health.NewChecker(health.Check{Name: "slow", Required: true, Run: takes(500 * time.Millisecond)})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("the prober left"))
		defer cancel()
		start := time.Now()
		if got := checker.Ready(ctx); got.Status != health.Unhealthy {
			t.Errorf("got %+v, want no verdict of health", got)
		}
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("took %v, want 10 ms", took)
		}
		// The check goes on for the next one who asks.
		if got := checker.Ready(t.Context()); got.Status != health.Healthy || got.Checks["slow"].LatencyMS != 490 {
			t.Errorf("the next probe: %+v", got)
		}
	})
}

func TestDrainingIsNotReadyForGood(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{nil, errRefused} {
		synctest.Test(t, func(t *testing.T) {
			checker := health.NewChecker(health.Check{Name: "database", Required: true, Run: answers(fails)})
			checker.Drain()
			checker.Drain()
			for range 2 {
				got := checker.Ready(t.Context())
				if got.Status != health.Draining || got.Status.Serving() {
					t.Errorf("status %q, serving %v, want draining", got.Status, got.Status.Serving())
				}
				if len(got.Checks) != 1 {
					t.Errorf("the checks are not shown: %+v", got)
				}
			}
		})
	}
}

func TestRecentIsReusedForTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs int
		var fails error
		checker := health.NewChecker(health.Check{Name: "database", Required: true, Run: func(context.Context) error {
			runs++
			return fails
		}})
		recent := func(want health.Status, wantRuns int) {
			t.Helper()
			if got := checker.Recent(t.Context()); got != want || runs != wantRuns {
				t.Errorf("got %q after %d runs, want %q after %d", got, runs, want, wantRuns)
			}
		}
		recent(health.Healthy, 1)
		fails = errRefused
		time.Sleep(2 * time.Second) // of the bubble's clock
		recent(health.Healthy, 1)
		time.Sleep(time.Nanosecond)
		recent(health.Unhealthy, 2)
		fails = nil
		time.Sleep(2*time.Second + 1)
		recent(health.Healthy, 3)
		// Draining concerns load balancers, not clients.
		checker.Drain()
		recent(health.Healthy, 3)
	})
}

func TestRecentDoesNotDependOnWhoAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		checker := health.NewChecker(health.Check{Name: "database", Required: true, Run: takes(100 * time.Millisecond)})
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		checker.Recent(gone)
		if got := checker.Recent(t.Context()); got != health.Healthy {
			t.Errorf("somebody who left made it %q", got)
		}
	})
}

func TestUptimeAndVersionAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		checker := health.NewChecker(health.Check{Name: "redis", Run: answers(errRefused)})
		time.Sleep(90*time.Minute + 999*time.Millisecond) // of the bubble's clock
		got, err := json.Marshal(checker.Ready(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		want := `{"status":"degraded","version":"dev","uptime":5400,` +
			`"checks":{"redis":{"status":"degraded","latency_ms":0,"error":"connection refused"}}}`
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestServing(t *testing.T) {
	t.Parallel()
	for status, want := range map[health.Status]bool{
		health.Healthy: true, health.Degraded: true, health.Unhealthy: false, health.Draining: false, "": false,
	} {
		if got := status.Serving(); got != want {
			t.Errorf("%q.Serving() = %v, want %v", status, got, want)
		}
	}
}

func ExampleChecker() {
	checker := health.NewChecker(
		health.Check{Name: "database", Required: true, Run: func(context.Context) error { return nil }},
		health.Check{Name: "redis", Run: func(context.Context) error { return errors.New("connection refused") }},
	)
	report := checker.Ready(context.Background())
	fmt.Println(report.Status, report.Checks["redis"].Error)

	checker.Drain()
	fmt.Println(checker.Ready(context.Background()).Status)
	// Output:
	// degraded connection refused
	// draining
}

// TestLatestDoesNotWait: whoever asks is told what was found last, while what
// hangs is asked again.
func TestLatestDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		checker := health.NewChecker(health.Check{Name: "database", Required: true, Run: func(ctx context.Context) error {
			if hang.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}})
		at := func(what string, want health.Status) {
			t.Helper()
			start := time.Now()
			if got := checker.Latest(t.Context()); got != want || time.Since(start) != 0 {
				t.Errorf("%s: got %s after %v, want %s at once", what, got, time.Since(start), want)
			}
			synctest.Wait()
		}
		at("at first", health.Healthy)
		hang.Store(true)
		time.Sleep(2100 * time.Millisecond)
		at("when it begins to hang", health.Healthy)
		time.Sleep(1100 * time.Millisecond) // the check takes a second
		at("while it hangs", health.Unhealthy)
		hang.Store(false)
		time.Sleep(2100 * time.Millisecond)
		at("when it has ended", health.Unhealthy)
		at("and then", health.Healthy)
		checker.Drain()
		at("draining", health.Draining)
	})
}
