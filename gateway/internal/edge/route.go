package edge

import (
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/route"
	"gatehouse/internal/problem"
)

// Route finds the operation and holds the request against what the document
// says of it: an unknown path is 404, an alias after its time 410, another
// method 405 with Allow, a body that is too large 413, one of another media type
// or with a content coding 415, and one where none belongs 400.
func Route(table *route.Table, aliases *Aliases) Step {
	return func(next Handler) Handler {
		return func(ex *Exchange) {
			r, path := table.Match(ex.Method, ex.Path)
			if path == nil {
				ex.Refuse(problem.New(problem.NotFound))
				return
			}
			ex.Route, ex.Alias = r, path.Alias
			if path.Alias {
				if p := aliases.use(r); p != nil {
					ex.Refuse(p)
					return
				}
			}
			if r == nil {
				ex.Ctx.Response.Header.Set(fasthttp.HeaderAllow, path.Allow)
				ex.Refuse(problem.New(problem.MethodNotAllowed))
				return
			}
			if p := ex.bodyProblem(); p != nil {
				ex.Refuse(p)
				return
			}
			next(ex)
		}
	}
}

func (ex *Exchange) bodyProblem() *problem.Error {
	if ex.Fault != nil { // the body was larger than the operation's limit
		return ex.Fault
	}
	if len(ex.Ctx.Request.Body()) == 0 {
		return nil // whether one is required the backend knows
	}
	if !ex.Route.TakesBody() {
		return problem.Newf(problem.BadFraming, "This operation takes no request body.")
	}
	if ex.Fields.ContentEncoding != nil && !equalFold(ex.Fields.ContentEncoding, "identity") {
		return problem.Newf(problem.UnsupportedMediaType, "Content codings such as gzip are not supported for request bodies.")
	}
	if !ex.Route.Accepts(ex.Fields.ContentType) {
		return problem.New(problem.UnsupportedMediaType)
	}
	return nil
}
