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
	var last time.Time // guarded by s.reviving
	return func(err error) {
		s.reviving.Lock()
		defer s.reviving.Unlock()
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
			err := start(s.running)
			s.reviving.Lock()
			last = time.Now()
			s.reviving.Unlock()
			if err == nil {
				say(s.options.Progress, "%s is back", name)
			} else if s.running.Err() == nil {
				s.died(err)
			}
		})
	}
}

// noMoreRevivals waits for starts that are breaking off; from now on a server
// that ends stays down.
func (s *Stack) noMoreRevivals() {
	s.reviving.Lock()
	s.endRunning()
	s.reviving.Unlock()
	s.revivals.Wait()
}
