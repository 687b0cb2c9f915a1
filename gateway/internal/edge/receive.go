package edge

import (
	"errors"

	"gatehouse/internal/problem"
	"gatehouse/internal/telemetry"
)

// Receive reads bodies of up to [WholeBody] bytes, so that a client that is slow
// to send holds up nobody else and takes no room at the backends meanwhile.
func Receive() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			var span *telemetry.Span
			if ex.Fields.HasBody() {
				span = ex.Span.Child("receive body")
			}
			err := ex.Body.receive()
			span.End()
			if err != nil {
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
