// Package promtest holds what operators are given, rules and dashboards, against
// the table of metrics: an expression that asks for something that no process has
// shows nothing and never fires, and nobody notices.
//
// Expressions are parsed as MetricsQL, whose parser is small and on the same two
// modules as the metrics library, where Prometheus's own brings forty. It takes
// PromQL and a little more; promtool and a real Prometheus judge that part.
package promtest

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"go.yaml.in/yaml/v3"

	"gatehouse/internal/requiretest"
	"gatehouse/internal/telemetry"
)

// Rule is a recording or alerting rule.
type Rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Rules reads files of rules.
func Rules(files ...string) ([]Rule, error) {
	var all []Rule
	for _, name := range files {
		var file struct {
			Groups []struct {
				Name  string `yaml:"name"`
				Rules []Rule `yaml:"rules"`
			} `yaml:"groups"`
		}
		if err := Read(name, &file); err != nil {
			return nil, err
		}
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all, nil
}

// Read decodes a file of YAML that has no other members than v.
func Read(name string, v any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Checker knows what an expression may ask for.
type Checker struct {
	recorded []string
}

// NewChecker returns a checker that also knows what the rules record.
func NewChecker(rules []Rule) *Checker {
	c := &Checker{}
	for _, r := range rules {
		if r.Record != "" {
			c.recorded = append(c.recorded, r.Record)
		}
	}
	return c
}

// Check returns what is wrong with an expression: that it cannot be read, or what
// it asks for that there is not.
func (c *Checker) Check(expr string) []string {
	parsed, err := metricsql.Parse(expr)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				wrong = append(wrong, c.checkSelector(filters)...)
			}
		case *metricsql.AggrFuncExpr:
			for _, name := range e.Modifier.Args {
				if !slices.Contains(groupLabels, name) {
					wrong = append(wrong, fmt.Sprintf("no metric has the label %s", name))
				}
			}
		}
	})
	return wrong
}

// What Prometheus adds to every series, and to the buckets of histograms.
var addedLabels = []string{"job", "instance"}

// groupLabels are all labels that there are.
var groupLabels = func() []string {
	names := append([]string{"le"}, addedLabels...)
	for _, m := range telemetry.Table() {
		for _, l := range m.Labels {
			names = append(names, l.Name)
		}
	}
	return names
}()

func (c *Checker) checkSelector(filters []metricsql.LabelFilter) (wrong []string) {
	if len(filters) == 0 || filters[0].Label != "__name__" || filters[0].IsRegexp {
		return []string{"a selector has no name"}
	}
	name := filters[0].Value
	if name == "up" || name == "ALERTS" || slices.Contains(c.recorded, name) {
		return nil // their labels are not in the table
	}
	m, ok := telemetry.Find(name)
	if !ok || m.Type == telemetry.Histogram && m.Name == name {
		return []string{fmt.Sprintf("no process exposes %s", name)}
	}
	for _, f := range filters[1:] {
		if !allowed(m, f) {
			wrong = append(wrong, fmt.Sprintf("%s never has %s=%q", name, f.Label, f.Value))
		}
	}
	return wrong
}

var plain = regexp.MustCompile(`^[a-z0-9_]+(\|[a-z0-9_]+)*$`)

// allowed reports whether some series of the metric can have what the filter
// compares with. Of regular expressions only lists of words are looked at.
func allowed(m telemetry.Metric, f metricsql.LabelFilter) bool {
	if slices.Contains(addedLabels, f.Label) {
		return true
	}
	i := slices.IndexFunc(m.Labels, func(l telemetry.Label) bool { return l.Name == f.Label })
	if i < 0 {
		return false
	}
	words := []string{f.Value}
	if f.IsRegexp {
		if !plain.MatchString(f.Value) {
			return true
		}
		words = strings.Split(f.Value, "|")
	}
	for _, word := range words {
		if !m.Labels[i].Allows(word) {
			return false
		}
	}
	return true
}

// Program returns the path of a program of Prometheus, promtool or prometheus, as
// [requiretest.Program] does.
func Program(t testing.TB, name string) string {
	t.Helper()
	return requiretest.Program(t, "prometheus", name)
}
