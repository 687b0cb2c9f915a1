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

// bodyProblem sets what body is taken. One in chunks may yet turn out to be
// empty, and its length tells only its end, so for that the body itself stands
// in.
func (ex *Exchange) bodyProblem() *problem.Error {
	if !ex.Fields.HasBody() {
		return nil // whether one is required the backend knows
	}
	ex.Body.limit = ex.Route.MaxBody
	if ex.Body.Length > ex.Body.limit {
		return problem.New(problem.BodyTooLarge)
	}
	refusal := ex.bodyRefusal()
	if ex.Body.Length < 0 {
		ex.Body.refusal = refusal
		return nil
	}
	return refusal
}

// bodyRefusal says why the operation does not take such a body, or returns nil.
func (ex *Exchange) bodyRefusal() *problem.Error {
	switch f := &ex.Fields; {
	case !ex.Route.TakesBody():
		return problem.Newf(problem.BadFraming, "This operation takes no request body.")
	case f.ContentEncoding != nil && !equalFold(f.ContentEncoding, "identity"):
		return problem.Newf(problem.UnsupportedMediaType, "Content codings such as gzip are not supported for request bodies.")
	case !ex.Route.Accepts(f.ContentType):
		return problem.New(problem.UnsupportedMediaType)
	}
	return nil
}
