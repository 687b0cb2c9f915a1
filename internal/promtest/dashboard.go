package promtest

import "strings"

// Dashboard is as much of a dashboard of Grafana as its tests need.
type Dashboard struct {
	UID         string
	Title       string
	Panels      []Panel
	Annotations struct {
		List []struct{ Expr string }
	}
}

// Panel is one panel of a [Dashboard].
type Panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ UID string }
	Grid       struct{ X, Y, W, H int } `json:"gridPos"`
	Targets    []struct{ Expr string }

	FieldConfig struct {
		Defaults struct{ Unit string }
	}
}

// Expressions returns what the dashboard asks Prometheus, with a value for
// Grafana's one variable in them.
func (d *Dashboard) Expressions() []string {
	var all []string
	add := func(expr string) { all = append(all, strings.ReplaceAll(expr, "$__rate_interval", "1m")) }
	for _, a := range d.Annotations.List {
		add(a.Expr)
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			add(target.Expr)
		}
	}
	return all
}
