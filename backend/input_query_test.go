package backend

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// Each query parameter at its bounds and one past them; what is refused is
// named.
func TestQueriesAtTheirBounds(t *testing.T) {
	t.Parallel()
	w := newInputs(t)
	for _, op := range operations(t) {
		if op.public && op.param("query", "limit") == nil && op.body != nil {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			c := queries{inputs{t: t, s: w.s.in(t), world: w.world, op: op}}
			// Whether a parameter is known is asked before anything else is done.
			for _, name := range []string{"unknown", "tenant", "Limit", "limit[]", "a b", "%00", "é", "x\x00y"} {
				c.refuses(url.Values{name: {"1"}}.Encode(), "is unknown")
			}
			c.refuses("&&=&unknown", "has no name")
			for _, p := range op.params {
				if p.In == "query" {
					c.parameter(p.Name, p.Schema.Value)
				}
			}
		})
	}
}

// queries sends queries to one operation.
type queries struct{ inputs }

func (c *queries) get(query string) answer {
	c.t.Helper()
	bearer := c.world.admin.Access
	if c.op.role == "operator" {
		bearer = c.world.operator.Access
	}
	id := c.world.ids[c.op.collection()]
	var body any
	var headers []string
	if c.op.file != "" {
		body, headers = c.op.file, []string{"Content-Type", c.op.media[0]}
	}
	a := c.s.do(c.op.method, strings.Replace(c.op.path, "{id}", id, 1)+"?"+query, bearer, body, headers...)
	if a.StatusCode >= 500 {
		c.t.Errorf("%s: %.200s is %d: %s", c.op.name, query, a.StatusCode, a.body)
	}
	return a
}

// query is what the operation needs, with a parameter's value as it is written.
func (c *queries) query(name, raw string) string {
	q := c.op.required()
	q.Del(name)
	return strings.TrimPrefix(q.Encode()+"&"+name+"="+raw, "&")
}

func (c *queries) accepts(name, raw string) {
	c.t.Helper()
	if a := c.get(c.query(name, raw)); a.StatusCode >= 300 {
		c.t.Errorf("%s: %s=%.100s: got %d: %s", c.op.name, name, raw, a.StatusCode, a.body)
	}
}

// refuses fails the test unless the query is refused, with a finding.
func (c *queries) refuses(query, why string) {
	c.t.Helper()
	a := c.get(query)
	var p problemBody
	if a.StatusCode != 400 || json.Unmarshal(a.body, &p) != nil || p.Code != "invalid_query" || len(p.Errors) == 0 {
		c.t.Errorf("%s: a parameter %s (%.100s): got %d: %s", c.op.name, why, query, a.StatusCode, a.body)
	}
}

// refusesValue fails the test unless the parameter is refused by name.
func (c *queries) refusesValue(name, raw string) {
	c.t.Helper()
	a := c.get(c.query(name, raw))
	if a.StatusCode != 400 || !strings.Contains(string(a.body), `"invalid_query"`) || len(a.findings(name)) == 0 {
		c.t.Errorf("%s: %s=%.100s: got %d, want it refused: %s", c.op.name, name, raw, a.StatusCode, a.body)
	}
}

func (c *queries) parameter(name string, s *openapi3.Schema) {
	c.t.Helper()
	right, wrong := values(s)
	if name == "cursor" {
		c.cursor()
		return
	}
	if right == nil {
		c.t.Errorf("%s: the test does not know how %s is written: %v", c.op.name, name, s)
	}
	for _, raw := range right {
		c.accepts(name, raw)
	}
	for _, raw := range slices.Concat(wrong, []string{"%00", "a%00", "%ff", "%ed%a0%80", "%07"}) {
		c.refusesValue(name, raw)
	}
	if len(right) > 0 {
		twice := c.query(name, right[0])
		c.refuses(twice+"&"+name+"="+right[0], "is given twice")
		if c.op.required().Has(name) {
			c.refuses("", "is missing")
		}
	}
}

// values returns how a parameter may be written and how not, from its schema.
func values(s *openapi3.Schema) (right, wrong []string) {
	switch {
	case s.Enum != nil:
		for _, v := range s.Enum {
			right = append(right, v.(string))
			wrong = append(wrong, strings.ToUpper(v.(string)), v.(string)+"+", "%20"+v.(string))
		}
		return right, append(wrong, "", "x", strings.Repeat("x", 5000))
	case s.Type.Is("integer"):
		low, high := int64(*s.Min), int64(*s.Max)
		return []string{fmt.Sprint(low), fmt.Sprint(high)}, []string{
			fmt.Sprint(low - 1), fmt.Sprint(high + 1), "", "x", "1.0", "1e1", "0x1", "%2B1", "+1", "1+", "01", "-0", "1e400", "9223372036854775808",
			"%D9%A1", strings.Repeat("9", 400), "NaN",
		}
	case s.Type.Is("boolean"):
		return []string{"true", "false"}, []string{"", "1", "0", "TRUE", "yes", "null"}
	case s.Format == "uuid":
		id := "019aab10-6f3c-7d52-8a41-2f6b7c8d9e01"
		return []string{id, strings.ToUpper(id)}, []string{"", "x", id + "0", id[:35], "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), "+" + id}
	case s.Format == "date-time":
		return []string{"2026-11-22T00:00:00Z", "2026-11-22T00:00:00.123456789Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"},
			[]string{"", "x", "2026-11-22", "2026-11-22T00:00:00", "2026-13-22T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z", "-001-01-01T00:00:00Z",
				"0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "1764547200", "2026-11-22T00:00:00Z+", "now", "infinity"}
	case strings.HasPrefix(s.Pattern, "^[0-9]{4}-("): // a month, of those that a summary covers
		return []string{time.Now().UTC().Format("2006-01")}, []string{"", "x", "2026-00", "2026-13", "2026-1", "0000-01", "2026-11-01", "11-2026", "-026-11", "+026-11"}
	case strings.HasPrefix(s.Pattern, "^(0|[1-9]"): // a series
		return []string{"0", "1", "999"}, []string{"", "x", "00", "01", "1000", "-1", "+1", "1.0", "1e1", "%D9%A1"}
	case strings.HasPrefix(s.Pattern, "^[0-9]{1,13}"): // an amount
		return []string{"0", "0.1", "1234.50", "9999999999999.99", "0000000000001"}, []string{
			"", "x", "-1", "%2B1", "1.234", "1,50", "1e3", "NaN", "Infinity", "10000000000000", "9999999999999.999", ".5", "5.", strings.Repeat("9", 400),
		}
	case s.Type.Is("string") && s.MaxLength != nil:
		n := int(*s.MaxLength)
		right = []string{"a", strings.Repeat("a", n)}
		wrong = []string{"", strings.Repeat("a", n+1), strings.Repeat("a", 5000)}
		if !strings.Contains(s.Pattern, "A-Z") { // free text
			right = append(right, "%25", "_", "%5C", "%27", url.QueryEscape(strings.Repeat("\U0001F600", n)), url.QueryEscape(strings.Repeat("e\u0301", n)),
				"+"+strings.Repeat("a", n)+"+")
			wrong = append(wrong, "+", "%E2%80%83", url.QueryEscape(strings.Repeat("\U0001F600", n+1)))
		} else {
			wrong = append(wrong, "_a", "a.b", "a+b", "%C3%A4")
		}
		return right, wrong
	}
	return nil, nil
}

// cursor sends what is no cursor.
func (c *queries) cursor() {
	c.t.Helper()
	for _, raw := range []string{"", "x", "AAAA", strings.Repeat("A", 100), strings.Repeat("A", 2048), strings.Repeat("A", 2049), strings.Repeat("A", 10_000), "%00", "%ff", "a+b", "=", "e30="} {
		a := c.get(c.query("cursor", raw))
		if a.StatusCode != 400 || !strings.Contains(string(a.body), "invalid_cursor") && len(a.findings("cursor")) == 0 {
			c.t.Errorf("%s: cursor=%.100s: got %d: %s", c.op.name, raw, a.StatusCode, a.body)
		}
	}
}

// What is no id names nothing.
func TestMalformedIDs(t *testing.T) {
	t.Parallel()
	w := newInputs(t)
	id := "019aab10-6f3c-7d52-8a41-2f6b7c8d9e01"
	for _, op := range operations(t) {
		if op.collection() == "" {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			bearer := w.world.admin.Access
			if op.role == "operator" {
				bearer = w.world.operator.Access
			}
			for _, malformed := range []string{
				"17", "0", "-1", "nil", "null", "undefined", id[:35], id + "0", strings.ReplaceAll(id, "-", ""), "{" + id + "}", "urn:uuid:" + id,
				" " + id, id + " ", "x\x00", "\x00", "\xff", "é", "\U0001F600", "' or 1=1 --", "%", "..", ".", "a/b", "a%2Fb", strings.Repeat("a", 37), strings.Repeat("a", 5000), "*", id,
			} {
				a, _ := op.send(w.s.in(t), call{id: malformed, token: bearer})
				if a.StatusCode != 404 {
					t.Errorf("%s of %.50q: got %d: %s", op.name, malformed, a.StatusCode, a.body)
				}
			}
		})
	}
}

// Malformed headers are refused by name, and those that clients may send choose
// nothing.
func TestHeadersAtTheirBounds(t *testing.T) {
	t.Parallel()
	w := newInputs(t)
	// How each header that the document names may be written and how not.
	headers := map[string]struct{ right, wrong []string }{
		"Idempotency-Key": {
			right: []string{"a", "!", "~", strings.Repeat("k", 255), `";drop`},
			wrong: []string{"", strings.Repeat("k", 256), "a b", "a\tb", "é", "\x80", "\U0001F600"},
		},
		"If-Match": {
			right: []string{`*`, ` * `, `"1", "2"`, `"1","1"`, `"x"`, `""`, `W/"1"`, `"9223372036854775808"`, `"` + strings.Repeat("1", 1000) + `"`},
			wrong: []string{"", "1", `"1`, `1"`, `*, "1"`, `"1", *`, `"1" "2"`, `w/"1"`, "null", `'1'`},
		},
		"Accept-Language": {right: []string{"pt-BR", "", "*", "é", "en;q=x", strings.Repeat("pt,", 1500)}},
		"X-Tenant-Id":     {right: []string{"platform", "", "é", "../x", strings.Repeat("a", 5000)}},
	}
	for _, op := range operations(t) {
		for _, p := range op.params {
			if p.In != "header" {
				continue
			}
			values, known := headers[p.Name]
			if !known {
				t.Errorf("%s: the test does not know the header %s", op.name, p.Name)
			}
			if op.public || strings.HasPrefix(op.name, "logout") || op.name == "endOwnSession" {
				continue
			}
			t.Run(op.name+" "+p.Name, func(t *testing.T) {
				t.Parallel()
				c := inputs{t: t, s: w.s.in(t), world: w.world, op: op}
				for _, value := range values.right {
					if a := c.withHeader(p.Name, value); a.StatusCode == 400 || a.StatusCode >= 500 || a.StatusCode == 401 || a.StatusCode == 403 {
						t.Errorf("%s with %s %.50q: got %d: %s", op.name, p.Name, value, a.StatusCode, a.body)
					}
				}
				for _, value := range values.wrong {
					a := c.withHeader(p.Name, value)
					if a.StatusCode != 400 || !slices.Contains(a.findings(p.Name), "malformed_header") {
						t.Errorf("%s with %s %.50q: got %d: %s", op.name, p.Name, value, a.StatusCode, a.body)
					}
				}
			})
		}
	}
}

// withHeader makes a request that is in order but for its header; what it is
// about does not exist, so that it stays as it is.
func (c *inputs) withHeader(name, value string) answer {
	c.t.Helper()
	request := call{id: "019aab10-6f3c-7d52-8a41-2f6b7c8d9e01", header: []string{name, value}, token: c.world.admin.Access}
	if c.op.role == "operator" {
		request.token = c.world.operator.Access
	}
	if base := baseBodies[c.op.name]; base != nil {
		request.body, request.token = base(c)
	}
	a, _ := c.op.send(c.s, request)
	return a
}
