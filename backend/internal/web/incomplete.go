package web

import "strings"

// maxIncomplete bounds how many tenants the header names.
const maxIncomplete = 20

// Incomplete says in the header X-Incomplete that the list lacks what is in the
// databases of these tenants, because they gave no answer. The first 20 are
// named.
func (r *Request) Incomplete(tenants []string) {
	if len(tenants) > 0 {
		r.ctx.Response.Header.Set("X-Incomplete", strings.Join(tenants[:min(len(tenants), maxIncomplete)], ", "))
	}
}
