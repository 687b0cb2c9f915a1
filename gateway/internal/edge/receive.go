package edge

import (
	"errors"

	"gatehouse/internal/problem"
)

// Receive reads bodies of up to [WholeBody] bytes, so that a client that is slow
// to send holds up nobody else and takes no room at the backends meanwhile.
func Receive() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if err := ex.Body.receive(); err != nil {
				ex.RefuseBody(err)
				return
			}
			next(ex)
		}
	}
}

// RefuseBody tells the client what is wrong with the body that it sends, as a
// method of the body has said.
func (ex *Exchange) RefuseBody(err error) {
	var p *problem.Error
	if !errors.As(err, &p) {
		p = problem.Wrap(problem.BadFraming, err)
	}
	ex.Refuse(p)
}
