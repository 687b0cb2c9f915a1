package edge

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/asset"
	"gatehouse/gateway/internal/route"
)

// Dispatch is the end of the pipeline: operations that the document says are
// served by the gateway go to their handlers, by operationId, all others to the
// proxy. An operation without a handler is an error.
func Dispatch(table *route.Table, local map[string]Handler, proxy Handler) (Handler, error) {
	if err := CheckLocal(table, slices.Collect(maps.Keys(local))); err != nil {
		return nil, err
	}
	return func(ex *Exchange) {
		switch {
		case !ex.Route.Local:
			proxy(ex)
		case ex.Route.Method == fasthttp.MethodOptions:
			ex.Ctx.Response.Header.Set(fasthttp.HeaderAllow, ex.Route.Allow)
			ex.Ctx.SetStatusCode(fasthttp.StatusNoContent)
		default:
			local[ex.Route.ID](ex)
		}
	}, nil
}

// CheckLocal returns an error that names all operations which the document wants
// served by the gateway and which are not among known.
func CheckLocal(table *route.Table, known []string) error {
	var missing []string
	for _, r := range table.Routes() {
		if r.Local && !r.Implied && !slices.Contains(known, r.ID) {
			missing = append(missing, fmt.Sprintf("%s %s: x-served-by is gateway, but the gateway has no operation %q", r.Method, r.Template, r.ID))
		}
	}
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, "\n    "))
	}
	return nil
}

// Document serves the OpenAPI document.
func Document(table *route.Table) Handler {
	document := asset.New("application/json", "public, max-age=300", table.Document)
	return func(ex *Exchange) { document.Answer(ex.Ctx) }
}
