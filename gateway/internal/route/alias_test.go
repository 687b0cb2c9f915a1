package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAliasesShareTheirOperations(t *testing.T) {
	t.Parallel()
	table, err := compileFile(t, "alias.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		canonical    string // "" when the path is none
		alias        bool
	}{
		{"GET", "/shop/v1/things", "/shop/v1/things", false},
		{"GET", "/shop/things", "/shop/v1/things", true},
		{"HEAD", "/shop/things", "/shop/v1/things", true},
		{"POST", "/shop/things", "/shop/v1/things", true},
		{"OPTIONS", "/shop/things", "/shop/v1/things", true},
		{"DELETE", "/shop/things", "/shop/v1/things", true}, // not an operation there either
		{"GET", "/shop/things/7", "/shop/v1/things/7", true},
		{"GET", "/shop/health", "/shop/health", false},
		{"GET", "/shop/v1/health", "", false}, // what is not under the prefix has no alias, in neither direction
		{"GET", "/shop/v1/v1/things", "", false},
		{"GET", "/shop/things/", "", false},
		{"GET", "/shop", "", false},
		{"GET", "/things", "", false},
	} {
		r, path := table.Match([]byte(c.method), []byte(c.path))
		if c.canonical == "" {
			if path != nil || r != nil {
				t.Errorf("%s %s matched %s", c.method, c.path, path.Template)
			}
			continue
		}
		want, canonical := table.Match([]byte(c.method), []byte(c.canonical))
		if path == nil || path.Alias != c.alias || path.Allow != canonical.Allow || path.Template != canonical.Template {
			t.Errorf("%s %s = %+v, want it like %+v", c.method, c.path, path, canonical)
		}
		if r != want || (r == nil) != (c.method == "DELETE") {
			t.Errorf("%s %s = %+v, want the operation of %s itself", c.method, c.path, r, c.canonical)
		}
	}
	if got := len(table.Routes()); got != 3+4+3 {
		t.Errorf("%d routes, want each once", got)
	}
	if diff := cmp.Diff(&Alias{From: "/shop/", To: "/shop/v1/"}, table.Alias); diff != "" {
		t.Errorf("alias (-want +got):\n%s", diff)
	}
	// What clients read says the same.
	again := mustCompile(t, table.Document)
	if _, path := again.Match([]byte("GET"), []byte("/shop/things")); path == nil || !path.Alias {
		t.Error("the served document has no aliases")
	}

	without := table.WithoutAliases()
	for path, want := range map[string]bool{"/shop/things": false, "/shop/things/7": false, "/shop/v1/things": true, "/shop/health": true} {
		if r, p := without.Match([]byte("GET"), []byte(path)); (p != nil) != want || (r != nil) != want {
			t.Errorf("without aliases %s = %+v", path, p)
		}
	}
	if _, p := table.Match([]byte("GET"), []byte("/shop/things")); p == nil {
		t.Error("the table that the other was made of lost its aliases")
	}
}

func TestAliasMistakes(t *testing.T) {
	t.Parallel()
	const wanted = "x-alias: {from: /api/, to: /api/v1/} is wanted, two different prefixes that begin and end with a slash"
	for _, c := range []struct{ alias, paths, want string }{
		{`{from: /api/, to: /api/v1/}`, "/api/v1/a /api/v1/a/{id} /a", ""},
		{`{from: /, to: /v1/}`, "/v1/a", ""},
		{`{from: /old/, to: /v1/}`, "/v1/{id} /{id}", ""},
		{`/api/`, "/api/v1/a", wanted},
		{`{from: /api/}`, "/api/v1/a", wanted},
		{`{from: /api/, to: /api/v1/, until: 2027}`, "/api/v1/a", wanted},
		{`{from: 1, to: /api/v1/}`, "/api/v1/a", wanted},
		{`{from: /api, to: /api/v1/}`, "/api/v1/a", wanted},
		{`{from: api/, to: /api/v1/}`, "/api/v1/a", wanted},
		{`{from: /api//, to: /api/v1/}`, "/api/v1/a", wanted},
		{`{from: "/{x}/", to: /api/v1/}`, "/api/v1/a", wanted},
		{`{from: /a b/, to: /api/v1/}`, "/api/v1/a", wanted},
		{`{from: /api/, to: /api/}`, "/api/a", wanted},
		{`{from: /api/, to: /api/v2/}`, "/api/v1/a /api/v2", "x-alias: no path begins with /api/v2/"},
		// Requests that were another operation's.
		{`{from: /api/, to: /api/v1/}`, "/api/v1/a /api/a", "/api/v1/a: its alias /api/a would match requests of /api/a"},
		{`{from: /api/, to: /api/v1/}`, "/api/v1/a /api/{id}", "/api/v1/a: its alias /api/a would match requests of /api/{id}"},
		{`{from: /api/, to: /api/v1/}`, "/api/v1/a/{x} /api/a/b", "/api/v1/a/{x}: its alias /api/a/{x} would match requests of /api/a/b"},
		{`{from: /api/, to: /api/v1/}`, "/api/v1/a /api/v1/{x}/{y}", "/api/v1/{x}/{y}: its alias /api/{x}/{y} would match requests of /api/v1/a"},
		// Requests that were nobody's.
		{`{from: /api/, to: /api/v1/}`, "/api/v1/{x}/b", "/api/v1/{x}/b: its alias /api/{x}/b would match requests of /api/v1/"},
		{`{from: /v1/v1/, to: /v1/}`, "/v1/a", "/v1/a: its alias /v1/v1/a would match requests of /v1/"},
	} {
		var document strings.Builder
		fmt.Fprintf(&document, "openapi: 3.1.0\ninfo: {title: t, version: '1'}\nx-alias: %s\npaths:\n", c.alias)
		for template := range strings.SplitSeq(c.paths, " ") {
			fmt.Fprintf(&document, "  %s:\n", template)
			var parameters []string
			for segment := range strings.SplitSeq(template, "/") {
				if name, ok := strings.CutPrefix(segment, "{"); ok {
					parameters = append(parameters, fmt.Sprintf("{name: %s, in: path, required: true, schema: {type: string}}", strings.TrimSuffix(name, "}")))
				}
			}
			fmt.Fprintf(&document, "    parameters: [%s]\n", strings.Join(parameters, ", "))
			document.WriteString("    get: {x-rate-class: read, responses: {'200': {description: ok}}}\n")
		}
		_, err := Compile([]byte(document.String()))
		var findings Findings
		if err != nil && !errors.As(err, &findings) {
			t.Fatalf("%s for %s: %v", c.alias, c.paths, err)
		}
		if got := strings.Join(findings, "; "); got != c.want {
			t.Errorf("x-alias %s for %s: got  %s\nwant %s", c.alias, c.paths, got, c.want)
		}
	}
}
