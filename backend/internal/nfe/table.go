package nfe

import (
	"fmt"
	"strings"
)

// Table renders the rules as a Markdown table for the documentation.
func Table() string {
	var b strings.Builder
	b.WriteString("| rule | severity | meaning | significado | SEFAZ |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range rules {
		severity := string(r.Severity)
		if r.Form {
			severity += ", form"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.ID, severity, r.English, r.Portuguese, strings.Join(r.Codes, ", "))
	}
	return b.String()
}
