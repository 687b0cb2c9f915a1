package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// table holds the figures of every round of a variant, by proxy.
type table struct {
	title   string
	columns []string
	names   []string // in the order in which they first came
	rows    map[string]map[int][]float64
}

// add adds the figures of a round.
func (t *table) add(round int, name string, figures []float64) {
	if t.rows == nil {
		t.rows = map[string]map[int][]float64{}
	}
	if t.rows[name] == nil {
		t.rows[name] = map[int][]float64{}
		t.names = append(t.names, name)
	}
	t.rows[name][round] = figures
}

// divide fills a column with what another one is, ÷ nginx's in the same round:
// what else the machine does meanwhile disturbs both.
func (t *table) divide(column, into int) {
	for _, name := range t.names {
		for round, figures := range t.rows[name] {
			if by := t.rows[nginx.name][round]; len(by) > column && by[column] > 0 {
				figures[into] = figures[column] / by[column]
			}
		}
	}
}

// median returns the median of a column over all rounds.
func (t *table) median(name string, column int) float64 {
	var all []float64
	for _, figures := range t.rows[name] {
		all = append(all, figures[column])
	}
	slices.Sort(all)
	if len(all)%2 == 0 {
		return (all[len(all)/2-1] + all[len(all)/2]) / 2
	}
	return all[len(all)/2]
}

// print writes the medians in Markdown.
func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n\n| | %s |\n|%s\n", t.title, strings.Join(t.columns, " | "), strings.Repeat(" --- |", len(t.columns)+1))
	slices.Sort(t.names)
	for _, name := range t.names {
		fmt.Fprintf(w, "| %s |", name)
		for column := range t.columns {
			switch v := t.median(name, column); {
			case v == 0:
				fmt.Fprint(w, " |")
			case v >= 1000:
				fmt.Fprintf(w, " %.0f |", v)
			case v >= 100:
				fmt.Fprintf(w, " %.0f |", v)
			default:
				fmt.Fprintf(w, " %.2f |", v)
			}
		}
		fmt.Fprintln(w)
	}
}
