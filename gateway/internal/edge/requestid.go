package edge

import "gatehouse/internal/requestid"

var requestIDName = []byte(requestid.Header)

// RequestID gives every request an identifier, which answers carry in
// X-Request-Id and the logs of all processes repeat. One that came along is
// kept only from a trusted proxy, so nobody else can write into our logs or make
// two requests look like one.
func RequestID() Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			if ex.Trusted && requestid.Valid(ex.Fields.RequestID) {
				ex.RequestID = string(ex.Fields.RequestID)
			} else {
				ex.RequestID = requestid.New()
			}
			next(ex)
			ex.body = append(ex.body[:0], ex.RequestID...)
			ex.Ctx.Response.Header.SetCanonical(requestIDName, ex.body)
		}
	}
}
