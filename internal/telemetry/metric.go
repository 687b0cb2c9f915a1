package telemetry

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Type is a metric's type, by its name in the exposition format.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
	Summary   Type = "summary"
)

// Process says which processes have a metric.
type Process string

// The processes.
const (
	Gateway Process = "gateway"
	Backend Process = "backend"
	Both    Process = "both"
)

// Has reports whether a metric of p is to be found in the process, which is
// [Gateway] or [Backend].
func (p Process) Has(process Process) bool { return p == Both || p == process }

// Metric is one family of series, as [Table] knows it.
type Metric struct {
	Name string
	Type Type
	// Help is one sentence without its full stop.
	Help   string
	Labels []Label
	Of     Process
}

// Label is a label and what it may hold. Nothing that identifies a tenant, a
// user or a client is ever among it.
type Label struct {
	Name string
	// Values are all that there may be, or empty when Form says it.
	Values []string
	// Form is what all of a value matches.
	Form *regexp.Regexp
	// Holds says what a value is where Values do not.
	Holds string
	// Bound is how many different values one process has at most; with Values it
	// is their number.
	Bound int
}

// oneOf is a label that has one of the values.
func oneOf(name string, values ...string) Label {
	return Label{Name: name, Values: values, Bound: len(values)}
}

// Allows reports whether the label may have the value.
func (l Label) Allows(value string) bool {
	if l.Form != nil {
		return l.Form.MatchString(value)
	}
	return slices.Contains(l.Values, value)
}

// Table returns all metrics of both processes, ordered by name.
func Table() []Metric {
	var all []Metric
	for of, list := range map[Process][]Metric{Gateway: gatewayMetrics, Backend: backendMetrics} {
		for _, m := range list {
			m.Of = of
			all = append(all, m)
		}
	}
	for _, m := range slices.Concat(sharedMetrics, runtimeMetrics) {
		m.Of = cmp.Or(m.Of, Both)
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the metric that a series' name belongs to: for
// x_bucket, x_sum and x_count that is the histogram or summary x.
func Find(series string) (Metric, bool) {
	if m, ok := byName[series]; ok {
		return m, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(series, suffix); ok {
			if m, known := byName[base]; known && (m.Type == Histogram || m.Type == Summary) {
				return m, true
			}
		}
	}
	return Metric{}, false
}

var byName = func() map[string]Metric {
	all := map[string]Metric{}
	for _, m := range Table() {
		all[m.Name] = m
	}
	return all
}()
