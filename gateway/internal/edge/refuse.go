package edge

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/problem"
)

// Refuse answers with a problem: the one place where the edge writes an error.
// It sets Retry-After, and WWW-Authenticate on a 401 (RFC 9110 section 11.6.1).
// A request that cannot be understood also ends its connection, because what
// follows on it cannot be trusted either, and so does one whose body is not waited
// for.
func (ex *Exchange) Refuse(p *problem.Error) {
	ex.Problem = p
	response := &ex.Ctx.Response
	status := p.Code.Status()
	response.SetStatusCode(status)
	response.Header.SetContentType(problem.ContentType)
	if seconds := p.RetryAfterSeconds(); seconds > 0 {
		response.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(seconds))
	}
	if status == fasthttp.StatusUnauthorized {
		challenge := `Bearer`
		if len(ex.Fields.Authorization) > 0 {
			challenge = `Bearer error="invalid_token"`
		}
		response.Header.Set(fasthttp.HeaderWWWAuthenticate, challenge)
	}
	switch p.Code {
	case problem.BadFraming, problem.BodyTooLarge, problem.RequestTimeout:
		response.SetConnectionClose()
		LingerOnClose(ex.Ctx.Conn())
	}
	ex.body = p.AppendJSON(ex.body[:0], string(ex.Path), ex.RequestID)
	response.SetBody(ex.body)
}
