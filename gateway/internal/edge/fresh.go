package edge

import "gatehouse/internal/problem"

// Fresh refuses a request while it is not known which sessions have ended. It
// stands before operations that the edge answers by itself: no backend checks
// the caller's session again there.
func Fresh(known func() bool, next Handler) Handler {
	return func(ex *Exchange) {
		if !known() {
			ex.Refuse(problem.New(problem.Unavailable))
			return
		}
		next(ex)
	}
}
