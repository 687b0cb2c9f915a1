package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"gatehouse/internal/stack"
)

// drainDelay is production's; the stack's own, for tests, waits for no load balancer.
const drainDelay = "DRAIN_DELAY=5s"

const (
	// lead is how long a run goes on before the first restart.
	lead = 5 * time.Second
	// margin is what is left of a run after the last one: k6 lets those who are busy
	// then come to an end for 15 seconds.
	margin = 20 * time.Second
	// least is how often everything is restarted in any case: only the second time do
	// the others turn to what was restarted itself.
	least = 2
)

var errTooShort = errors.New("the run ended before everything had been restarted twice; make DURATION longer")

// balanced puts a load balancer in front of the gateways. The function stops it.
func balanced(ctx context.Context, s *stack.Stack) (bases []string, stop func(), err error) {
	var fleet []*member
	for _, g := range s.Gateways {
		u, err := url.Parse(g.HTTPS)
		if err != nil {
			return nil, nil, err
		}
		fleet = append(fleet, &member{address: u.Host, ops: g.Ops})
	}
	ctx, cancel := context.WithCancel(ctx)
	b, err := balance(ctx, fleet)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return []string{b.base()}, func() { cancel(); b.running.Wait() }, nil
}

// rounds are the restarts of a run.
type rounds struct {
	number int
	err    error
}

func (r rounds) String() string {
	switch {
	case r.err != nil:
		return fmt.Sprintf("\n## Restarts\n\n**Failed** in round %d: %v.\n", r.number+1, r.err)
	case r.number == 0:
		return ""
	}
	return fmt.Sprintf("\n## Restarts\n\nEvery gateway and every backend was restarted %d times, one after the other.\n", r.number)
}

// roll carries out the restarts of a scenario that has some, and tells at the end of
// the run how that went.
func (j *job) roll(ctx context.Context, s *stack.Stack, length time.Duration) <-chan rounds {
	done := make(chan rounds, 1)
	if !j.rolling {
		done <- rounds{}
		return done
	}
	go func() {
		n, err := restarts(ctx, s, length)
		done <- rounds{n, err}
	}()
	return done
}

// restarts restarts every gateway and every backend, each right after the one before
// as a deploy does: all of them twice, and again while a run of that length leaves time
// for it. It returns how many times each was restarted before ctx, the load's, ended.
func restarts(ctx context.Context, s *stack.Stack, length time.Duration) (n int, err error) {
	end := time.Now().Add(length - margin)
	select {
	case <-ctx.Done():
		return 0, errTooShort
	case <-time.After(min(lead, length)):
	}
	var parts []*stack.Process
	for _, g := range s.Gateways {
		parts = append(parts, g.Process)
	}
	for _, b := range s.Backends {
		parts = append(parts, b.Process)
	}
	for ; ; n++ {
		began := time.Now()
		for _, p := range parts {
			if err := p.Restart(context.WithoutCancel(ctx)); err != nil {
				return n, fmt.Errorf("restart %s: %w", p.Name(), err)
			}
			if ctx.Err() != nil {
				if n < least {
					return n, errTooShort
				}
				return n, nil
			}
		}
		if n+1 >= least && time.Now().Add(time.Since(began)).After(end) {
			return n + 1, nil
		}
	}
}
