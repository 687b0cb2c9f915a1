package main

import (
	"strings"
	"testing"
)

func TestTableShowsMediansOfRatiosWithinARound(t *testing.T) {
	t.Parallel()
	table := &table{title: "Some load", columns: []string{"CPU", "÷ nginx"}}
	// The machine was slow in round 2, for both.
	for round, figures := range [][2]float64{{10, 12}, {40, 44}, {11, 14}} {
		table.add(round, nginx.name, []float64{figures[0], 0})
		table.add(round, "gateway", []float64{figures[1], 0})
	}
	table.divide(0, 1)
	var out strings.Builder
	table.print(&out)
	want := "\nSome load\n\n| | CPU | ÷ nginx |\n| --- | --- | --- |\n| gateway | 14.00 | 1.20 |\n| nginx | 11.00 | 1.00 |\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
