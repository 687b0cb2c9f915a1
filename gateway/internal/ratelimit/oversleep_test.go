package ratelimit

import (
	"context"
	"errors"
	"testing"
	"time"
)

// sleeper is a store whose first command this process slept through. It may have
// been executed.
type sleeper struct {
	Store
	now      *time.Time
	commands int
	executes bool
}

func (s *sleeper) Take(ctx context.Context, tag []byte, asks []Ask) error {
	if s.commands++; s.commands > 1 {
		return s.Store.Take(ctx, tag, asks)
	}
	if s.executes {
		if err := s.Store.Take(ctx, tag, asks); err != nil {
			return err
		}
	}
	*s.now = s.now.Add(time.Minute)
	return errOverslept
}

// A gateway that was stopped in the middle of a command asks again when it wakes,
// and does not decide by its own share.
func TestOversleptCommandsAreSentAgain(t *testing.T) {
	t.Parallel()
	for _, executes := range []bool{false, true} {
		now := time.Now()
		clock := func() time.Time { return now }
		store := &sleeper{Store: NewMemory(clock), now: &now, executes: executes}
		l := New(Options{Store: store, Keys: 10, Log: quiet, Now: clock})
		charges := []Charge{{Policy: NewPolicy("p", lim(60, time.Minute, 100), PolicyOptions{})}}
		l.Take(t.Context(), []byte("tag"), charges)
		if !charges[0].Admitted || store.commands != 2 || l.fallback.Load() {
			t.Errorf("executed %v: admitted %v, %d commands, decided alone %v", executes, charges[0].Admitted, store.commands, l.fallback.Load())
		}
	}
}

// That the time for a command was over long ago when it is noticed tells that
// this process stood still.
func TestOversleepIsNoticed(t *testing.T) {
	t.Parallel()
	s := NewRedis(redisServers[0].open(t))
	asks := []Ask{{Policy: NewPolicy("p", lim(60, time.Minute, 100), PolicyOptions{}), Need: 1}}
	for ago, want := range map[time.Duration]bool{time.Second: true, 0: false} {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-ago))
		if err := s.Take(ctx, []byte("t:overslept"), asks); err == nil || errors.Is(err, errOverslept) != want {
			t.Errorf("%v too late: %v", ago, err)
		}
		cancel()
	}
}
