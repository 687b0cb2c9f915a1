package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"gatehouse/internal/stack"
	"gatehouse/internal/telemetry"
)

// The bounds that docs/metrics.md states on what one process exposes. Most of it
// is histograms of routes and queries, whose number the code determines.
const (
	gatewaySeries    = 2500
	seriesPerBackend = 25 // more of a gateway, by backend
	backendSeries    = 4000
)

// series is one line of what a process exposes.
type series struct {
	name   string
	labels map[string]string
	value  string
}

var (
	seriesLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:, ?|$)`)
)

// exposed is what one process exposes.
type exposed struct {
	of     telemetry.Process
	base   string
	series []series
	// types and helps are by the name of the family.
	types, helps map[string]string
}

// scrape reads the metrics of the process whose ops listener is at base.
func scrape(of telemetry.Process, base string) (*exposed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	e := &exposed{of: of, base: base, types: map[string]string{}, helps: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			kind, rest, _ := strings.Cut(rest, " ")
			name, value, _ := strings.Cut(rest, " ")
			map[string]map[string]string{"TYPE": e.types, "HELP": e.helps}[kind][name] = value
			continue
		}
		m := seriesLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%s: %q is no sample", base, line)
		}
		s := series{name: m[1], labels: map[string]string{}, value: m[3]}
		for rest := m[2]; rest != ""; {
			pair := labelPair.FindStringSubmatch(rest)
			if pair == nil {
				return nil, fmt.Errorf("%s: %q has a bad label", base, line)
			}
			s.labels[pair[1]] = pair[2]
			rest = rest[len(pair[0]):]
		}
		e.series = append(e.series, s)
	}
	return e, nil
}

// scrapeAll reads the metrics of all processes of a stack that answer: a test may
// have stopped some.
func scrapeAll(s *stack.Stack) []*exposed {
	var all []*exposed
	for _, g := range s.Gateways {
		if e, err := scrape(telemetry.Gateway, g.Ops); err == nil {
			all = append(all, e)
		}
	}
	for _, b := range s.Backends {
		if e, err := scrape(telemetry.Backend, b.Ops); err == nil {
			all = append(all, e)
		}
	}
	return all
}

// strange says what the table of metrics does not allow: families that it does
// not know, other labels or values of them than it names, more of them than it
// bounds.
func (e *exposed) strange() []string {
	found := map[string]bool{}
	complain := func(format string, args ...any) {
		found[fmt.Sprintf("%s (%s): ", e.of, e.base)+fmt.Sprintf(format, args...)] = true
	}
	values := map[string]map[string]bool{} // by family and label
	backends := 0
	for _, s := range e.series {
		m, ok := telemetry.Find(s.name)
		if !ok || !m.Of.Has(e.of) {
			complain("%s is not in the table of metrics", s.name)
			continue
		}
		if e.types[m.Name] != string(m.Type) || e.helps[m.Name] != m.Help {
			complain("%s has type %q and help %q", m.Name, e.types[m.Name], e.helps[m.Name])
		}
		if m.Name == "gateway_proxy_backend_up" {
			backends++
		}
		labels := map[string]string{}
		maps.Copy(labels, s.labels)
		if m.Type == telemetry.Histogram {
			if _, ok := labels["le"]; ok != strings.HasSuffix(s.name, "_bucket") {
				complain("%s has the wrong form", s.name)
			}
			delete(labels, "le")
		}
		if m.Type == telemetry.Summary && s.name != m.Name {
			labels["quantile"] = "1" // its sum and count have none
		}
		for _, l := range m.Labels {
			value, ok := labels[l.Name]
			if delete(labels, l.Name); !ok || !l.Allows(value) {
				complain("%s has %s=%q", s.name, l.Name, value)
			}
			key := m.Name + " " + l.Name
			if values[key] == nil {
				values[key] = map[string]bool{}
			}
			if values[key][value] = true; len(values[key]) > l.Bound {
				complain("%s has more than %d values of %s", m.Name, l.Bound, l.Name)
			}
		}
		for name := range labels {
			complain("%s has the label %s", s.name, name)
		}
	}
	bound := backendSeries
	if e.of == telemetry.Gateway {
		bound = gatewaySeries + seriesPerBackend*backends
	}
	if len(e.series) > bound {
		complain("there are %d series, more than %d", len(e.series), bound)
	}
	return slices.Sorted(maps.Keys(found))
}

// missing returns the metrics that the table has and no process of its kind.
func missing(all []*exposed) []string {
	has := map[telemetry.Process]map[string]bool{telemetry.Gateway: {}, telemetry.Backend: {}}
	for _, e := range all {
		for _, s := range e.series {
			if m, ok := telemetry.Find(s.name); ok {
				has[e.of][m.Name] = true
			}
		}
	}
	var list []string
	for _, m := range telemetry.Table() {
		if strings.HasPrefix(m.Name, "process_pressure_") || strings.HasPrefix(m.Name, "process_") && runtime.GOOS != "linux" {
			continue // not every system has them
		}
		if !has[telemetry.Gateway][m.Name] && m.Of == telemetry.Gateway || !has[telemetry.Backend][m.Name] && m.Of == telemetry.Backend ||
			!has[telemetry.Gateway][m.Name] && !has[telemetry.Backend][m.Name] {
			list = append(list, m.Name)
		}
	}
	return list
}

// strangeMetrics returns what is strange about a whole stack.
func strangeMetrics(s *stack.Stack) (list []string) {
	for _, e := range scrapeAll(s) {
		list = append(list, e.strange()...)
	}
	return list
}
