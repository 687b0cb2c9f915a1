package stack

import (
	"context"
	"time"
)

// soonAgain is how soon after its revival the end of a server is taken as a
// sign that it cannot live.
const soonAgain = 10 * time.Second

// revive returns what to do when a server of this stack ends though the stack
// has not stopped it: start it again after [Options.Revive], once at a time.
func (s *Stack) revive(name string, start func(context.Context) error) func(error) {
	var last time.Time
	return func(err error) {
		if s.running.Err() != nil {
			return
		}
		pause := s.options.Revive
		if pause <= 0 || time.Since(last) < soonAgain {
			s.died(err)
			return
		}
		s.revivals.Go(func() {
			say(s.options.Progress, "%s; it is started again in %v", headline(err), pause)
			select {
			case <-s.running.Done():
				return
			case <-time.After(pause):
			}
			last = time.Now()
			if err := start(s.running); err == nil {
				say(s.options.Progress, "%s is back", name)
			} else if s.running.Err() == nil {
				s.died(err)
			}
		})
	}
}
