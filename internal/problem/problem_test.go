package problem_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/problem"
)

// TestStatusesAreTheContract holds the codes against the table of the API's
// reference: a status is part of the contract and changes with it only.
func TestStatusesAreTheContract(t *testing.T) {
	t.Parallel()
	want := map[problem.Code]int{
		"invalid_json": 400, "validation_failed": 400, "invalid_cursor": 400, "invalid_query": 400, "bad_framing": 400,
		"unauthenticated": 401, "invalid_credentials": 401, "invalid_refresh_token": 401,
		"forbidden": 403, "tenant_mismatch": 403, "signup_closed": 403,
		"not_found":          404,
		"method_not_allowed": 405,
		"request_timeout":    408,
		"conflict":           409, "invalid_state": 409, "idempotency_in_progress": 409,
		"gone":                410,
		"precondition_failed": 412,
		"body_too_large":      413, "uri_too_long": 414, "unsupported_media_type": 415,
		"idempotency_mismatch": 422, "nfe_invalid": 422,
		"rate_limited": 429, "headers_too_large": 431,
		"internal":    500,
		"bad_gateway": 502, "unavailable": 503, "overloaded": 503, "tenant_moving": 503, "timeout": 504,
	}
	got := map[problem.Code]int{}
	for _, code := range problem.Codes() {
		got[code] = code.Status()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses differ (-want +got):\n%s", diff)
	}
}

func TestCodesAreOrderedByStatusAndDescribed(t *testing.T) {
	t.Parallel()
	last := 0
	for _, code := range problem.Codes() {
		if code.Status() < last {
			t.Errorf("%s (%d) comes after status %d", code, code.Status(), last)
		}
		last = code.Status()
		if code.Title() == "" || code.Detail() == "" {
			t.Errorf("%s has no title or no detail", code)
		}
	}
}

func TestUnknownCodeIsOurFault(t *testing.T) {
	t.Parallel()
	if got := problem.Code("no_such_code").Status(); got != 500 {
		t.Errorf("status = %d, want 500", got)
	}
}

func TestRetryAfterIsWholeSecondsRoundedUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code  problem.Code
		after time.Duration
		want  int
	}{
		{problem.RateLimited, 0, 0},
		{problem.RateLimited, -time.Second, 0},
		{problem.RateLimited, 1, 1},
		{problem.RateLimited, 999 * time.Millisecond, 1},
		{problem.RateLimited, time.Second, 1},
		{problem.RateLimited, time.Second + 1, 2},
		{problem.RateLimited, 59*time.Second + time.Millisecond, 60},
		{problem.RateLimited, time.Hour, 3600},
		{problem.RateLimited, math.MaxInt64, 9223372037},
		{problem.NotFound, 0, 0},
		// 503 always says when to come back.
		{problem.Unavailable, 0, 1},
		{problem.Overloaded, -time.Second, 1},
		{problem.TenantMoving, 1500 * time.Millisecond, 2},
	} {
		e := problem.New(c.code)
		e.RetryAfter = c.after
		if got := e.RetryAfterSeconds(); got != c.want {
			t.Errorf("%s after %v: got %d, want %d", c.code, c.after, got, c.want)
		}
	}
}

func TestFromFindsTheProblemInAnError(t *testing.T) {
	t.Parallel()
	inner := problem.Newf(problem.Conflict, "User %q is already registered", "ana")
	for name, err := range map[string]error{
		"itself":  inner,
		"wrapped": fmt.Errorf("sign up: %w", fmt.Errorf("insert: %w", inner)),
		"joined":  errors.Join(io.EOF, inner),
	} {
		if got := problem.From(err); got != inner {
			t.Errorf("%s: got %v, want %v", name, got, inner)
		}
	}
}

func TestFromHidesOtherErrors(t *testing.T) {
	t.Parallel()
	cause := fmt.Errorf("read /var/lib/secret: %w", io.ErrUnexpectedEOF)
	got := problem.From(cause)
	if got.Code != problem.Internal || got.Detail != "" || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("got %#v, want an internal problem with the cause and without a detail", got)
	}
	if diff := cmp.Diff(problem.Internal.Detail(), decode(t, got, "/", "r").Detail); diff != "" {
		t.Errorf("the client is shown something else than the fixed sentence (-want +got):\n%s", diff)
	}
}

func TestWrapShowsTheCauseToTheLogOnly(t *testing.T) {
	t.Parallel()
	err := problem.Wrap(problem.Unavailable, io.EOF)
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	if got, want := err.Error(), "unavailable: EOF"; got != want {
		t.Errorf("for the log: got %q, want %q", got, want)
	}
	if got := decode(t, err, "/", "r").Detail; got != problem.Unavailable.Detail() {
		t.Errorf("for the client: got %q, want the code's sentence", got)
	}
}

func TestErrorTextNamesCodeAndDetail(t *testing.T) {
	t.Parallel()
	if got, want := problem.New(problem.NotFound).Error(), "not_found"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := problem.Newf(problem.Conflict, "%d of %d", 1, 2).Error(), "conflict: 1 of 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIsLooksAtTheCode(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("read contact: %w", problem.New(problem.NotFound))
	if !problem.Is(err, problem.NotFound) {
		t.Error("a wrapped problem is not recognised")
	}
	if problem.Is(err, problem.Conflict) || problem.Is(io.EOF, problem.NotFound) || problem.Is(nil, problem.NotFound) {
		t.Error("something else is taken for the problem")
	}
	// The outermost problem is what the client sees.
	both := problem.Wrap(problem.Unavailable, problem.New(problem.NotFound))
	if problem.Is(both, problem.NotFound) || !problem.Is(both, problem.Unavailable) {
		t.Error("the cause of a problem is taken for the problem")
	}
}
