package gateway

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"gatehouse/gateway/internal/ratelimit"
	"gatehouse/gateway/internal/route"
	"gatehouse/internal/limit"
	"gatehouse/internal/watch"
)

// Report writes what a gateway with this configuration enforces, as tables: its
// listeners and backends, who may do what on which path, and the limits. The
// configuration must have passed Validate.
func (c *Config) Report(w io.Writer) error {
	document, err := c.document()
	if err != nil {
		return err
	}
	table, err := route.Compile(document)
	if err != nil {
		return err
	}
	policies, err := c.policies()
	if err != nil {
		return err
	}
	b := &strings.Builder{}
	c.reportPlaces(b)
	c.reportOperations(b, table)
	reportLimits(b, policies)
	_, err = io.WriteString(w, b.String())
	return err
}

// policies returns the limits to start with.
func (c *Config) policies() (p *ratelimit.Policies, err error) {
	if c.Limits.File == "" {
		return ratelimit.BuiltIn()
	}
	err = watch.Check(c.Limits.File, func(content []byte) error {
		p, err = ratelimit.ParsePolicies(content)
		return err
	})
	return p, err
}

// columns calls f with a writer that lines up what stands between tabs.
func columns(b *strings.Builder, f func(line func(cells ...string))) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	f(func(cells ...string) { _, _ = fmt.Fprintln(w, "  "+strings.Join(cells, "\t")) }) // a strings.Builder never fails
	_ = w.Flush()
}

func (c *Config) reportPlaces(b *strings.Builder) {
	b.WriteString("\nListeners and backends\n")
	columns(b, func(line func(...string)) {
		for _, l := range []struct{ name, addr, note string }{
			{"https", c.TLSAddr, ""}, {"http", c.HTTPAddr, c.redirectNote()}, {"ops", c.OpsAddr, ""},
		} {
			if isOff(l.addr) {
				line(l.name, off)
			} else {
				line(l.name, l.addr+l.note)
			}
		}
		backends := strings.Join(c.Proxy.Backends, ", ")
		if c.Upstream.UpstreamCAFile != "" {
			backends += ", over TLS"
		}
		line("backends", backends)
	})
}

func (c *Config) redirectNote() string {
	if port := c.Edge.Redirect.String(); port != off {
		return ", redirects to HTTPS on port " + port
	}
	return ""
}

func (c *Config) reportOperations(b *strings.Builder, table *route.Table) {
	source := c.DocumentFile
	if source == "" {
		source = "the built-in document"
	}
	fmt.Fprintf(b, "\nOperations of %s\n", source)
	columns(b, func(line func(...string)) {
		line("METHOD", "PATH", "ACCESS", "CLASS", "TIMEOUT", "SERVED BY", "BODY")
		for _, r := range table.Routes() {
			if !r.Implied {
				line(r.Method, r.Template, access(r), string(r.Class), r.Timeout.String(), servedBy(r), body(r))
			}
		}
	})
	b.WriteString("  HEAD is answered wherever GET is, OPTIONS everywhere and by the gateway. Other paths are 404, other methods 405.\n")
	if a := table.Alias; a != nil && c.Edge.Compat.On() {
		fmt.Fprintf(b, "  What is under %s answers under %s too.\n", a.To, a.From)
	}
}

func access(r *route.Route) string {
	switch {
	case r.Public:
		return "public"
	case r.Role != "":
		return string(r.Role)
	}
	return "signed in"
}

func servedBy(r *route.Route) string {
	if r.Local {
		return "gateway"
	}
	return "backend"
}

func body(r *route.Route) string {
	if !r.TakesBody() {
		return "none"
	}
	return size(r.MaxBody) + " of " + strings.Join(r.MediaTypes, ", ")
}

// size writes a number of bytes in the largest unit that it is a whole number
// of.
func size(bytes int64) string {
	unit := 0
	units := [...]string{"B", "KiB", "MiB", "GiB"}
	for bytes > 0 && bytes%1024 == 0 && unit < len(units)-1 {
		bytes, unit = bytes/1024, unit+1
	}
	return fmt.Sprintf("%d %s", bytes, units[unit])
}

func reportLimits(b *strings.Builder, p *ratelimit.Policies) {
	b.WriteString("\nLimits by client address: requests/period,burst\n")
	columns(b, func(line func(...string)) {
		for _, name := range limit.AddressPolicies() {
			line(name, limitText(p.ByAddress(name)))
		}
	})
	b.WriteString("\nLimits by plan\n")
	columns(b, func(line func(...string)) {
		line(append([]string{"PLAN"}, limit.CallerPolicies()...)...)
		for _, plan := range limit.Plans() {
			cells := []string{plan}
			for _, name := range limit.CallerPolicies() {
				cells = append(cells, limitText(p.Plan(plan).Policy(name)))
			}
			line(cells...)
		}
	})
}

func limitText(p ratelimit.Pair) string {
	text := "none"
	if p.Enforced != nil {
		text = p.Enforced.Limit.String()
	}
	if p.Shadow != nil {
		text += " (shadow " + p.Shadow.Limit.String() + ")"
	}
	return text
}
