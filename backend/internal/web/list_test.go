package web

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"gatehouse/internal/problem"
)

// listOf reads a query as the handler of a list with every kind of filter does.
func listOf(query string) (*List, error) {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.SetRequestURI("/api/v1/things?" + query)
	r := &Request{ctx: ctx, route: "/api/v1/things"}
	l := r.List("-created_at", "name")
	l.Text("q", 1, 3)
	l.Bool("active")
	l.Time("created_gte")
	l.UUID("actor_id")
	l.Int("age", 0, 150)
	l.Choice("gender", "male", "female")
	l.Matching("serie", func(s string) bool { return len(s) == 1 }, "must be one character")
	l.CountExact()
	var position struct{}
	return l, l.Start(&position)
}

func TestListRefusals(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"q=":         "q out_of_range",
		"q=%20%20":   "q out_of_range",
		"q=abcd":     "q out_of_range",
		"q=a%00":     "q control_character",
		"q=%ff":      "q invalid_utf8",
		"q=a&q=b":    "q repeated",
		"active=yes": "active invalid_value",
		"active=":    "active invalid_value",
		"created_gte=2026-11-22T09:30:00%2B02:00":         "created_gte invalid_format",
		"created_gte=yesterday":                           "created_gte invalid_format",
		"created_gte=2026-11-22":                          "created_gte invalid_format",
		"created_gte=0000-01-01T00:00:00Z":                "created_gte invalid_format",
		"created_gte=99999-01-01T00:00:00Z":               "created_gte invalid_format",
		"actor_id=17":                                     "actor_id invalid_format",
		"actor_id={019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d}": "actor_id invalid_format",
		"age=151":                  "age out_of_range",
		"age=%2B1":                 "age out_of_range",
		"age=1.0":                  "age out_of_range",
		"age=99999999999999999999": "age out_of_range",
		"gender=other":             "gender invalid_value",
		"count=true":               "count invalid_value",
		"sort=age":                 "sort invalid_value",
		"sort=":                    "sort invalid_value",
		"limit=0":                  "limit out_of_range",
		"limit=501":                "limit out_of_range",
		"page=2":                   "page unknown_parameter",
		"Q=a":                      "Q unknown_parameter",
		"page=2&limit=x&active=1":  "limit out_of_range, active invalid_value, page unknown_parameter",
	} {
		_, err := listOf(query)
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != problem.InvalidQuery {
			t.Errorf("%s: got %v", query, err)
			continue
		}
		var got []string
		for _, f := range p.Fields {
			got = append(got, f.Name+" "+f.Code)
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestListDefaultsAndValues(t *testing.T) {
	t.Parallel()
	l, err := listOf("")
	if err != nil || l.Limit != 50 || l.Sort != "created_at" || !l.Desc || l.Count {
		t.Errorf("got %+v, %v", l, err)
	}
	l, err = listOf("limit=500&sort=name&count=exact&q=%C3%A9&active=false&created_gte=2026-11-22T09:30:00Z")
	if err != nil || l.Limit != 500 || l.Sort != "name" || l.Desc || !l.Count {
		t.Errorf("got %+v, %v", l, err)
	}
}

// A cursor belongs to its filters, however they are written, and to the order;
// the size of the page and the count may change.
func TestListScope(t *testing.T) {
	t.Parallel()
	scope := func(query string) string {
		l, err := listOf(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return string(l.scope())
	}
	for _, same := range [][2]string{
		{"limit=1&q=a", "q=a&limit=500"},
		{"count=exact", ""},
		{"created_gte=2026-11-22T09:30:00Z", "created_gte=2026-11-22T09:30:00.000Z"},
		{"q=e%CC%81", "q=%C3%A9"},
	} {
		if scope(same[0]) != scope(same[1]) {
			t.Errorf("%q and %q differ", same[0], same[1])
		}
	}
	seen := map[string]string{}
	for _, query := range []string{"", "sort=created_at", "sort=name", "sort=-name", "q=a", "q=b", "active=true", "active=false",
		"age=1", "gender=male", "serie=1", "created_gte=2026-11-22T09:30:00Z", "actor_id=019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d"} {
		s := scope(query)
		if other, ok := seen[s]; ok {
			t.Errorf("%q and %q share cursors", query, other)
		}
		seen[s] = query
	}
}

func TestListTimeIsExact(t *testing.T) {
	t.Parallel()
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.SetRequestURI("/?t=2026-11-22T09:30:00.123456Z")
	l := (&Request{ctx: ctx}).List("created_at")
	want := time.Date(2026, 11, 22, 9, 30, 0, 123456000, time.UTC)
	if got := l.Time("t"); got == nil || !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
