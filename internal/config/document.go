package config

import (
	"fmt"
	"strings"
)

// Section is the settings of one process in the generated documents.
type Section struct {
	Title  string  `json:"title"`
	Fields []Field `json:"fields"`
}

// EnvExample renders .env.example: every variable once, commented out, with
// its default or an example.
func EnvExample(sections []Section) string {
	var b strings.Builder
	b.WriteString("# Every setting of the gateway and the backend with its production default.\n" +
		"# Generated from the Config structs by `make generate`; do not edit.\n" +
		"# Each secret may be given as NAME_FILE instead, the path of a file that holds it.\n")
	seen := map[string]bool{}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n# ---- %s ----\n", s.Title)
		for _, f := range s.Fields {
			if seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			fmt.Fprintf(&b, "\n# %s\n", f.Doc)
			value := f.Example
			if value == "" {
				value = f.Default
			}
			fmt.Fprintf(&b, "#%s=%s\n", f.Name, value)
		}
	}
	return b.String()
}

// Table renders the settings of each section as a Markdown table.
func Table(sections []Section) string {
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| variable | default | meaning |\n| --- | --- | --- |\n", s.Title)
		for _, f := range s.Fields {
			name := "`" + f.Name + "`"
			if f.Secret {
				name += " or `" + f.Name + "_FILE`"
			}
			def := ""
			if f.Default != "" {
				def = "`" + f.Default + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s (%s) |\n", name, cell(def), cell(strings.TrimSuffix(f.Doc, ".")), cell(f.Kind))
		}
	}
	return b.String()
}

// cell escapes what would end a cell of a Markdown table, also inside a code
// span (GitHub Flavored Markdown, section 4.10).
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
