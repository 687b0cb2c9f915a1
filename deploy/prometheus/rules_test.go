// Package prometheus_test holds rules, their tests and the runbook together.
package prometheus_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/promtest"
)

func rules(t *testing.T) []promtest.Rule {
	t.Helper()
	all, err := promtest.Rules("recording.yml", "alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// tested returns, for each alert, whether some test sees it fire and some test
// sees it stay quiet.
func tested(t *testing.T) (fires, quiet map[string]bool) {
	t.Helper()
	fires, quiet = map[string]bool{}, map[string]bool{}
	for _, name := range testFiles(t) {
		var file struct {
			RuleFiles          []string `yaml:"rule_files"`
			EvaluationInterval string   `yaml:"evaluation_interval"`
			Tests              []struct {
				Name        string              `yaml:"name"`
				Interval    string              `yaml:"interval"`
				InputSeries []map[string]string `yaml:"input_series"`
				Alerts      []struct {
					EvalTime  string           `yaml:"eval_time"`
					AlertName string           `yaml:"alertname"`
					Expected  []map[string]any `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			} `yaml:"tests"`
		}
		if err := promtest.Read(name, &file); err != nil {
			t.Fatal(err)
		}
		for _, test := range file.Tests {
			for _, a := range test.Alerts {
				if len(a.Expected) > 0 {
					fires[a.AlertName] = true
				} else {
					quiet[a.AlertName] = true
				}
			}
		}
	}
	return fires, quiet
}

func testFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*_test.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of rules: %v", err)
	}
	return files
}

// Each rule asks for metrics that there are; each alert has a severity, a summary,
// an entry in the runbook, a test in which it fires and one in which it does not.
func TestRules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for _, part := range strings.Split(string(text), "\n### ")[1:] {
		name, entry, _ := strings.Cut(part, "\n")
		entries[name], _, _ = strings.Cut(entry, "\n## ")
	}
	all := rules(t)
	checker := promtest.NewChecker(all)
	fires, quiet := tested(t)
	alerts := map[string]bool{}
	for _, r := range all {
		name := r.Alert + r.Record
		for _, wrong := range checker.Check(r.Expr) {
			t.Errorf("%s: %s", name, wrong)
		}
		if r.Alert == "" {
			continue
		}
		if alerts[name] {
			t.Errorf("%s is there twice", name)
		}
		alerts[name] = true
		severity := r.Labels["severity"]
		if len(r.Labels) != 1 || !slices.Contains([]string{"page", "ticket"}, severity) {
			t.Errorf("%s: the labels are %v; the severity page or ticket is wanted", name, r.Labels)
			continue
		}
		if got, want := r.Annotations["runbook_url"], "docs/runbook.md#"+strings.ToLower(name); got != want {
			t.Errorf("%s: the link to the runbook is %q, want %q", name, got, want)
		}
		head := fmt.Sprintf("**%s.** %s: `%s`", strings.ToUpper(severity[:1])+severity[1:], r.Annotations["summary"], strings.Join(strings.Fields(r.Expr), " "))
		if r.For != "" {
			head += " for " + r.For
		}
		entry := entries[name]
		for _, want := range []string{head + ".\n", "\nLook at\n\n- ", "\nDo\n\n- "} {
			if !strings.Contains(entry, want) {
				t.Errorf("%s: its entry in the runbook has no %q", name, want)
			}
		}
		if !fires[name] {
			t.Errorf("%s: no test sees it fire", name)
		}
		if !quiet[name] {
			t.Errorf("%s: no test sees it stay quiet", name)
		}
	}
	for name := range entries {
		if !alerts[name] {
			t.Errorf("the runbook has an entry for %s, which is no alert", name)
		}
	}
}

func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool := promtest.Program(t, "promtool")
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "--lint-fatal", "recording.yml", "alerts.yml"},
		append([]string{"test", "rules"}, testFiles(t)...),
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
