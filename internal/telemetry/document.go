package telemetry

import (
	"fmt"
	"slices"
	"strings"
)

// Document renders [Table] in Markdown, for the documentation.
func Document() string {
	var b strings.Builder
	table := Table()
	for _, part := range []struct {
		title string
		has   func(Metric) bool
	}{
		{"Gateway", func(m Metric) bool { return m.Of == Gateway }},
		{"Backend", func(m Metric) bool { return m.Of == Backend }},
		{"Both", func(m Metric) bool { return m.Of == Both && !m.ofRuntime() }},
		{"Both: Go and the operating system", func(m Metric) bool { return m.Of == Both && m.ofRuntime() }},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n", part.title)
		for _, m := range table {
			if part.has(m) {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, m.labelNames(), m.Help)
			}
		}
	}
	b.WriteString("\n## Labels\n\n| Label | Of | Holds | At most |\n| --- | --- | --- | --- |\n")
	for _, l := range labelRows(table) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %d |\n", l.Name, strings.Join(l.of, ", "), l.holds(), l.Bound)
	}
	return b.String()
}

// ofRuntime reports whether the metrics library reads the metric from the
// runtime or the operating system.
func (m Metric) ofRuntime() bool {
	return strings.HasPrefix(m.Name, "go_") || strings.HasPrefix(m.Name, "process_")
}

func (m Metric) labelNames() string {
	var names []string
	for _, l := range m.Labels {
		names = append(names, "`"+l.Name+"`")
	}
	return strings.Join(names, ", ")
}

// labelRow is a label and the metrics that have it with the same meaning.
type labelRow struct {
	Label
	of []string
}

func labelRows(table []Metric) []labelRow {
	var rows []labelRow
	for _, m := range table {
		for _, l := range m.Labels {
			at := slices.IndexFunc(rows, func(r labelRow) bool { return r.Name == l.Name && r.holds() == l.holds() })
			if at < 0 {
				at = len(rows)
				rows = append(rows, labelRow{Label: l})
			}
			rows[at].of = append(rows[at].of, "`"+m.Name+"`")
		}
	}
	slices.SortStableFunc(rows, func(a, b labelRow) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

func (l Label) holds() string {
	if l.Form != nil {
		return l.Holds
	}
	var values []string
	for _, v := range l.Values {
		if v == "" {
			values = append(values, "nothing")
		} else {
			values = append(values, "`"+v+"`")
		}
	}
	return strings.Join(values, ", ")
}
