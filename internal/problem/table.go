package problem

import (
	"fmt"
	"strings"
)

// Table renders the codes as a Markdown table, ordered by status, for the
// documentation.
func Table() string {
	var b strings.Builder
	b.WriteString("| status | code | title | detail |\n| --- | --- | --- | --- |\n")
	for _, k := range kinds {
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s |\n", k.status, k.code, k.title, k.detail)
	}
	return b.String()
}
