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

func TestAnswerLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                               -1,
		"HTTP/1.1 200 OK\r\nContent-Len": -1,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n":      19 + 17 + 2 + 5,
		"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello": 19 + 17 + 2 + 5,
		"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n":      25 + 11 + 2,
	} {
		if got := answerLength([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
