// Package grafana_test looks for mistakes in dashboards that Grafana would show
// as empty panels.
package grafana_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/internal/promtest"
)

// TestDashboards holds that each expression can be read and asks for metrics that
// there are, and that a dashboard is one that Grafana can lay out and choose a
// data source for.
func TestDashboards(t *testing.T) {
	t.Parallel()
	rules, err := promtest.Rules("../prometheus/recording.yml", "../prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	checker := promtest.NewChecker(rules)
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	seen := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d promtest.Dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if other := seen[d.UID]; d.UID == "" || d.Title == "" || other != "" {
			t.Errorf("%s: uid %q, title %q; %s has the same", file, d.UID, d.Title, other)
		}
		seen[d.UID] = file
		for _, expr := range d.Expressions() {
			for _, wrong := range checker.Check(expr) {
				t.Errorf("%s: %s: %s", file, expr, wrong)
			}
		}
		ids := map[int]bool{}
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			if p.ID == 0 || ids[p.ID] || p.Title == "" {
				t.Errorf("%s: panel %d, %q", file, p.ID, p.Title)
			}
			ids[p.ID] = true
			if p.Type == "row" {
				continue
			}
			if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: %s has %d expressions, unit %q, data source %q", file, p.Title, len(p.Targets), p.FieldConfig.Defaults.Unit, p.Datasource.UID)
			}
			for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
				for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: %s lies over %q, or beside the grid", file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}
