package logtail

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// line returns a line as a process writes it.
func line(level slog.Level, attrs ...any) []byte {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log.With("service", "gateway").Log(nil, level, "request", attrs...) //nolint:staticcheck // no handler looks at the context
	return out.Bytes()
}

func TestFilterFits(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef"
	access := line(slog.LevelInfo, "request_id", id, "route", "/api/v1/things/{id}", "status", 200)
	for name, tc := range map[string]struct {
		filter Filter
		line   []byte
		want   bool
	}{
		"everything":             {Filter{}, access, true},
		"everything, not debug":  {Filter{}, line(slog.LevelDebug), false},
		"debug":                  {Filter{Level: slog.LevelDebug}, line(slog.LevelDebug), true},
		"less severe":            {Filter{Level: slog.LevelWarn}, access, false},
		"as severe":              {Filter{Level: slog.LevelWarn}, line(slog.LevelWarn), true},
		"more severe":            {Filter{Level: slog.LevelWarn}, line(slog.LevelError), true},
		"between two levels":     {Filter{Level: slog.LevelWarn}, line(slog.LevelWarn + 1), true},
		"service":                {Filter{Service: "gateway"}, access, true},
		"another service":        {Filter{Service: "backend"}, access, false},
		"route":                  {Filter{Route: "/api/v1/things/{id}"}, access, true},
		"the route's beginning":  {Filter{Route: "/api/v1/things"}, access, false},
		"no route":               {Filter{Route: "/api/v1/things"}, line(slog.LevelInfo), false},
		"request":                {Filter{RequestID: id}, access, true},
		"another request":        {Filter{RequestID: id + "0"}, access, false},
		"all of them":            {Filter{Service: "gateway", Route: "/api/v1/things/{id}", RequestID: id}, access, true},
		"all of them but one":    {Filter{Service: "gateway", Route: "/api/v1/things/{id}", RequestID: "another-one"}, access, false},
		"in another's text":      {Filter{Route: "/x/y"}, line(slog.LevelInfo, "cause", `a "route":"/x/y" that is quoted`), false},
		"a level in a text":      {Filter{Level: slog.LevelError}, line(slog.LevelInfo, "cause", `"level":"ERROR"`), false},
		"what is no line at all": {Filter{}, []byte("panic\n"), true},
	} {
		if got := tc.filter.matcher().fits(tc.line, levelOf(tc.line)); got != tc.want {
			t.Errorf("%s: got %v for %s", name, got, tc.line)
		}
	}
}

func TestFilterText(t *testing.T) {
	t.Parallel()
	for _, f := range []Filter{
		{}, {Level: slog.LevelDebug}, {Level: slog.LevelError, Service: "backend"},
		{Level: slog.LevelWarn, Service: "gateway", Route: "/api/v1/things/{id}", RequestID: "a.request-ID_1"},
	} {
		if got, err := parseFilter(f.text()); err != nil || got != f {
			t.Errorf("%+v: got %+v, %v from %q", f, got, err, f.text())
		}
	}
	for _, text := range []string{
		"", "level=LOUD", "service=gateway", "level=INFO&service=redis", "level=INFO&route=a+b", "level=INFO&request_id=short",
		"level=INFO&since=now", "level=INFO&level=WARN", "level=info", "%", "level=INFO&route=" + strings.Repeat("x", 201),
	} {
		if got, err := parseFilter(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add("level=WARN&request_id=a.request-ID_1&route=%2Fapi%2Fv1%2Fthings%2F%7Bid%7D&service=gateway")
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := parseFilter(text)
		if err == nil && filter.text() != text {
			t.Errorf("%q became %q", text, filter.text())
		}
	})
}

func TestManyFiltersAreEverything(t *testing.T) {
	t.Parallel()
	var filters []string
	for range maxFilters + 1 {
		filters = append(filters, Filter{Level: slog.LevelError, RequestID: time.Now().Format("20060102150405.000000000")}.text())
	}
	if m := matchersOf(filters); len(m) != 1 || !m[0].fits(line(slog.LevelDebug), slog.LevelDebug) {
		t.Errorf("got %v", m)
	}
	if m := matchersOf(append(filters[:2:2], "since=now")); len(m) != 2 {
		t.Errorf("got %v, want what can be read", m)
	}
}
