package edge

import (
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Authorize refuses a caller whose token does not hold the role that the
// operation asks for. What a role may do to which object is for the backend to
// know.
func Authorize() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			var role token.Role // none, of a public operation
			if ex.Claims != nil {
				role = ex.Claims.Role
			}
			if !role.Satisfies(ex.Route.Role) {
				ex.Refuse(problem.New(problem.Forbidden))
				return
			}
			next(ex)
		}
	}
}
