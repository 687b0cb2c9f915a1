// Package reference is the API reference, a page that shows the gateway's own
// document: Swagger UI, which is embedded and asks no other host for anything.
//
// Swagger UI is maintained, knows OpenAPI 3.1, and of those that do it is the one
// that works without inline styles, so under a policy that allows none.
package reference

import (
	"embed"
	"strings"

	"gatehouse/gateway/internal/asset"
	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/problem"
)

//go:embed page swagger-ui/*.gz
var files embed.FS

var served = asset.Load(files, "public, max-age=3600")

// prefix is where the page's files are; the page itself is there without the slash.
const prefix = "/docs/"

const page = "index.html"

// Handle answers for the page and its files.
func Handle(ex *edge.Exchange) {
	name, isFile := strings.CutPrefix(string(ex.Path), prefix)
	if !isFile {
		name = page
	}
	f, ok := served[name]
	if !ok || isFile && name == page {
		ex.Refuse(problem.New(problem.NotFound))
		return
	}
	ex.Page = true
	f.Answer(ex.Ctx)
}
