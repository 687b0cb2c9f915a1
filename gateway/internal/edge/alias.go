package edge

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/route"
	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// deprecated is when the aliases of the OpenAPI document became deprecated.
var deprecated = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

// CompatConfig is how long clients of the paths without a version are served.
type CompatConfig struct {
	Alias  string `env:"COMPAT_ALIAS" envDefault:"on" doc:"Whether paths without a version answer as aliases of those under the version; off makes them 404" kind:"on or off"`
	Sunset Date   `env:"COMPAT_SUNSET" envDefault:"2027-12-31" doc:"First day, in UTC, on which the aliases are 410, announced in every answer of theirs; 2026-11-01 or later, and clients are promised at least 180 days from the first release" kind:"a date such as 2027-12-31"`
}

// Validate implements [config.Checked].
func (c *CompatConfig) Validate(m *config.Mistakes) {
	if c.Alias != "on" && c.Alias != "off" {
		m.Add("COMPAT_ALIAS", "is %q; on or off is wanted", c.Alias)
	}
	if c.Sunset.Before(deprecated) { // RFC 9745 section 4
		m.Add("COMPAT_SUNSET", "is %v; %v, when the aliases became deprecated, or later is wanted", c.Sunset, Date{deprecated})
	}
}

// On reports whether aliases answer at all.
func (c *CompatConfig) On() bool { return c.Alias == "on" }

// Date is a day, as the moment in UTC when it begins. As text it is YYYY-MM-DD.
type Date struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) (err error) {
	d.Time, err = time.Parse(time.DateOnly, string(text))
	return err
}

// String is the text form.
func (d Date) String() string { return d.Format(time.DateOnly) }

// Aliases says of answers that they came by a path which will not answer for
// ever, and ends that when its time has come.
type Aliases struct {
	alias    *route.Alias // nil: there are none
	sunset   time.Time
	now      func() time.Time
	headers  [2]header // the same for all
	requests map[*route.Route]*metrics.Counter
}

// NewAliases returns the aliases of a table. Now is the clock that the sunset
// is held against.
func NewAliases(table *route.Table, c CompatConfig, now func() time.Time) *Aliases {
	a := &Aliases{
		alias:  table.Alias,
		sunset: c.Sunset.Time,
		now:    now,
		headers: [2]header{
			{[]byte("Deprecation"), strconv.AppendInt([]byte{'@'}, deprecated.Unix(), 10)},
			{[]byte("Sunset"), fasthttp.AppendHTTPDate(nil, c.Sunset.Time)},
		},
		requests: map[*route.Route]*metrics.Counter{},
	}
	if a.alias == nil {
		return a
	}
	for _, r := range table.Routes() {
		// A preflight says nothing that the request after it does not say.
		if strings.HasPrefix(r.Template, a.alias.To) && r.Method != fasthttp.MethodOptions {
			a.requests[r] = metrics.GetOrCreateCounter(
				fmt.Sprintf(`gateway_alias_requests_total{method=%q,route=%q}`, r.Method, r.Template))
		}
	}
	return a
}

// use counts a request that came by an alias, and returns why it is refused or
// nil. The route is nil when the path does not have the method.
func (a *Aliases) use(r *route.Route) *problem.Error {
	if counter := a.requests[r]; counter != nil {
		counter.Inc()
	}
	if !a.now().Before(a.sunset) {
		return problem.New(problem.Gone)
	}
	return nil
}

var link = []byte(fasthttp.HeaderLink)

// Announce tells every client of an alias, refused ones included, since when
// it is deprecated (RFC 9745), when it will be gone (RFC 8594) and where the
// same is found for longer (RFC 5829). A backend's links stay beside that one.
func (a *Aliases) Announce() Step {
	return func(next Handler) Handler {
		if a.alias == nil {
			return next
		}
		return func(ex *Exchange) {
			next(ex)
			if !ex.Alias {
				return
			}
			h := &ex.Ctx.Response.Header
			for i := range a.headers {
				h.SetCanonical(a.headers[i].name, a.headers[i].value)
			}
			// The path passed Framing: nothing in it could end the reference.
			ex.body = append(ex.body[:0], '<')
			ex.body = append(ex.body, a.alias.To...)
			ex.body = append(ex.body, ex.Path[len(a.alias.From):]...)
			ex.body = append(ex.body, `>; rel="successor-version"`...)
			h.AddBytesKV(link, ex.body)
		}
	}
}
