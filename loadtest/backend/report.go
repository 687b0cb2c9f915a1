package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

const pgbenchName = "pgbench"

// figure is a column of the tables.
type figure int

const (
	client    figure = iota // CPU µs per request of the backend or of pgbench
	postgres                // of PostgreSQL
	redis                   // of Redis
	perSecond               // requests for each second of CPU time of all of them
	rate                    // requests in a second
	figures
)

// report is what was measured, by operation and by who carried it out.
type report struct {
	rows     map[string]map[string][][figures]float64
	halfLoad map[string][]latency                  // by who carried it out, each round
	signIn   struct{ backend, everything float64 } // shares of argon2
}

type latency struct {
	perSecond float64
	p50, p99  time.Duration
}

// addHalfLoad adds a round at half load.
func (r *report) addHalfLoad(name string, l latency) {
	if r.halfLoad == nil {
		r.halfLoad = map[string][]latency{}
	}
	r.halfLoad[name] = append(r.halfLoad[name], l)
}

// latency returns the medians of all rounds at half load.
func (r *report) latency(name string) (perSecond, p50, p99 float64) {
	var all [3][]float64
	for _, l := range r.halfLoad[name] {
		all[0], all[1], all[2] = append(all[0], l.perSecond), append(all[1], millis(l.p50)), append(all[2], millis(l.p99))
	}
	return median(all[0]), median(all[1]), median(all[2])
}

// add adds a round.
func (r *report) add(operation, name string, requests int, cpu spent, took time.Duration) {
	if r.rows == nil {
		r.rows = map[string]map[string][][figures]float64{}
	}
	if r.rows[operation] == nil {
		r.rows[operation] = map[string][][figures]float64{}
	}
	each := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / float64(requests) }
	row := [figures]float64{client: each(cpu.client), postgres: each(cpu.postgres), redis: each(cpu.redis), rate: float64(requests) / took.Seconds()}
	row[perSecond] = 1e6 / (row[client] + row[postgres] + row[redis])
	r.rows[operation][name] = append(r.rows[operation][name], row)
}

// median returns the median of a figure over all rounds, 0 without any.
func (r *report) median(operation, name string, f figure) float64 {
	var all []float64
	for _, row := range r.rows[operation][name] {
		all = append(all, row[f])
	}
	return median(all)
}

// ratio returns the median of a figure ÷ another's in the same round: what else the
// machine does meanwhile disturbs both.
func (r *report) ratio(operation, name, by string, f figure) float64 {
	var all []float64
	rows, others := r.rows[operation][name], r.rows[operation][by]
	for i := range min(len(rows), len(others)) {
		all = append(all, rows[i][f]/others[i][f])
	}
	return median(all)
}

func median(all []float64) float64 {
	slices.Sort(all)
	switch n := len(all); {
	case n == 0:
		return 0
	case n%2 == 0:
		return (all[n/2-1] + all[n/2]) / 2
	default:
		return all[n/2]
	}
}

const off, cached = "backend, CACHE=off", "backend, CACHE=redis"

// print writes the medians and how they compare with what is wanted, in Markdown.
func (r *report) print(w io.Writer) {
	for _, o := range operations {
		fmt.Fprintf(w, "\n| %s | client's CPU µs | PostgreSQL's | Redis' | requests/CPU second | ÷ pgbench | requests/s |\n| --- | --- | --- | --- | --- | --- | --- |\n", o.name)
		for _, name := range []string{pgbenchName, off, cached} {
			if len(r.rows[o.name][name]) == 0 {
				continue
			}
			fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f | %.0f | %.2f | %.0f |\n", name, r.median(o.name, name, client), r.median(o.name, name, postgres),
				r.median(o.name, name, redis), r.median(o.name, name, perSecond), r.ratio(o.name, name, pgbenchName, perSecond), r.median(o.name, name, rate))
		}
	}
	fmt.Fprint(w, "\n| half load | requests/s | p50 ms | p99 ms |\n| --- | --- | --- | --- |\n")
	for _, name := range []string{off, cached} {
		perSecond, p50, p99 := r.latency(name)
		fmt.Fprintf(w, "| %s | %.0f | %.2f | %.2f |\n", name, perSecond, p50, p99)
	}
	fmt.Fprintf(w, "\nargon2's share of a sign-in's CPU time: %.1f %% of the backend's, %.1f %% of all\n", 100*r.signIn.backend, 100*r.signIn.everything)
	fmt.Fprint(w, "\n| Target | measured | wanted | |\n| --- | --- | --- | --- |\n")
	byID, page := operations[0].name, operations[1].name
	if len(r.rows[byID][pgbenchName]) > 0 {
		target(w, byID+" ÷ pgbench's rate", r.ratio(byID, off, pgbenchName, perSecond), atLeast, 0.6)
		target(w, page+" ÷ pgbench's rate", r.ratio(page, off, pgbenchName, perSecond), atLeast, 0.6)
	}
	target(w, byID+", cached ÷ uncached", r.ratio(byID, cached, off, perSecond), atLeast, 3)
	target(w, page+", cached ÷ uncached", r.ratio(page, cached, off, perSecond), atLeast, 3)
	target(w, "the backend's own CPU µs for a cached contact", r.median(byID, cached, client), atMost, 40)
	for _, name := range []string{off, cached} {
		_, _, p99 := r.latency(name)
		target(w, "p99 in ms at half load, "+name, p99, atMost, 5)
	}
	target(w, "argon2's share of a sign-in's CPU time", r.signIn.everything, atLeast, 0.95)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// How a figure has to be.
const (
	atLeast = "≥"
	atMost  = "≤"
)

func target(w io.Writer, what string, measured float64, how string, wanted float64) {
	verdict := "missed"
	if how == atLeast && measured >= wanted || how == atMost && measured <= wanted {
		verdict = "met"
	}
	fmt.Fprintf(w, "| %s | %.2f | %s %g | %s |\n", what, measured, how, wanted, verdict)
}
