package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// An entry is what is kept of one line until the script is written.
type entry struct {
	start          time.Time
	operation      int    // index of operations
	tenant, client string // as the log has them; they leave this program as pseudonyms only
}

// Why a line has no request in the script.
const (
	noAccessLine = "lines that are no access line of a gateway, or damaged"
	notPlayed    = "requests to operations that are not played, or to nothing in the contract"
	nobodys      = "requests that were refused because nobody was signed in"
	leftOut      = "writes that were to be left out"
)

// longest is how long one request may have taken, to tell a damaged line.
const longest = 24 * time.Hour

// parse reads one line. Of what is in it only the fields named here are looked at;
// why is "" when there is an entry.
func parse(line []byte) (e entry, why string) {
	var l struct {
		Time     time.Time `json:"time"`
		Msg      string    `json:"msg"`
		Service  string    `json:"service"`
		Method   string    `json:"method"`
		Route    string    `json:"route"`
		Status   int       `json:"status"`
		Duration *float64  `json:"duration_ms"`
		Client   string    `json:"client"`
		Tenant   string    `json:"tenant"`
	}
	if err := json.Unmarshal(line, &l); err != nil || l.Msg != "request" || l.Service != "gateway" || l.Duration == nil || l.Time.IsZero() {
		return entry{}, noAccessLine
	}
	took := time.Duration(*l.Duration * float64(time.Millisecond))
	if *l.Duration < 0 || *l.Duration > float64(longest/time.Millisecond) {
		return entry{}, noAccessLine
	}
	operation := find(l.Method, l.Route)
	switch {
	case operation < 0:
		return entry{}, notPlayed
	case l.Status == http.StatusUnauthorized && !operations[operation].public:
		return entry{}, nobodys
	}
	// A line is written when the answer is complete.
	return entry{start: l.Time.Add(-took), operation: operation, tenant: l.Tenant, client: l.Client}, ""
}

// A reading collects what is to be played.
type reading struct {
	entries    []entry
	skipped    map[string]int
	skipWrites bool
}

func newReading(skipWrites bool) *reading {
	return &reading{skipped: map[string]int{}, skipWrites: skipWrites}
}

func (r *reading) read(log io.Reader) error {
	return lines(log, func(line []byte) {
		e, why := parse(line)
		if why == "" && r.skipWrites && operations[e.operation].write {
			why = leftOut
		}
		if why != "" {
			r.skipped[why]++
			return
		}
		r.entries = append(r.entries, e)
	})
}

// report says what became of the lines, without showing anything of them.
func (r *reading) report(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%d requests are played\n", len(r.entries))
	for _, why := range []string{noAccessLine, notPlayed, nobodys, leftOut} {
		if n := r.skipped[why]; n > 0 {
			_, _ = fmt.Fprintf(w, "%d %s\n", n, why)
		}
	}
}
