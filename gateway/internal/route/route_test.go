package route

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/api"
	"gatehouse/internal/goldentest"
	"gatehouse/internal/token"
)

func compileFile(t testing.TB, name string) (*Table, error) {
	t.Helper()
	document, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return Compile(document)
}

func mustCompile(t testing.TB, document []byte) *Table {
	t.Helper()
	table, err := Compile(document)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestMatch(t *testing.T) {
	t.Parallel()
	table, err := compileFile(t, "small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		want         string // operationId, "" for none
		allow        string
	}{
		{"GET", "/things", "listThings", "GET, HEAD, POST, OPTIONS"},
		{"HEAD", "/things", "listThings", "GET, HEAD, POST, OPTIONS"},
		{"POST", "/things", "createThing", "GET, HEAD, POST, OPTIONS"},
		{"DELETE", "/things", "", "GET, HEAD, POST, OPTIONS"},
		{"get", "/things", "", "GET, HEAD, POST, OPTIONS"},
		{"TRACE", "/things", "", "GET, HEAD, POST, OPTIONS"},
		{"GET", "/things/", "", ""},
		{"GET", "/thing", "", ""},
		{"GET", "/", "", ""},
		{"GET", "", "", ""},
		{"GET", "things", "", ""},
		{"GET", "/things/7", "getThing", "GET, HEAD, OPTIONS"},
		{"GET", "/things/7/", "", ""},
		{"GET", "/things/summary", "summary", "GET, HEAD, OPTIONS"},     // static before parameter
		{"GET", "/things/summary/parts", "parts", "GET, HEAD, OPTIONS"}, // and back when static leads nowhere
		{"GET", "/things//parts", "", ""},                               // a parameter is not empty
		{"GET", "/things/a/b/parts", "", ""},                            // and one segment
		{"GET", "/Things", "", ""},
	} {
		r, path := table.Match([]byte(c.method), []byte(c.path))
		got, allow := "", ""
		if r != nil {
			got = r.ID
		}
		if path != nil {
			allow = path.Allow
		}
		if got != c.want || allow != c.allow {
			t.Errorf("Match(%s %s) = %q, %q; want %q, %q", c.method, c.path, got, allow, c.want, c.allow)
		}
	}
	options, _ := table.Match([]byte("OPTIONS"), []byte("/things/7"))
	if options == nil || !options.Local || !options.Public || options.Class != Probe {
		t.Errorf("OPTIONS route = %+v; want a local, public one", options)
	}
}

func TestCompileReadsExtensions(t *testing.T) {
	t.Parallel()
	table, err := compileFile(t, "small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	create, _ := table.Match([]byte("POST"), []byte("/things"))
	got := []any{create.Class, create.Public, create.Role, create.Local, create.MaxBody, create.Timeout, create.MediaTypes}
	want := []any{Write, false, token.Operator, false, int64(1000), 1500 * time.Millisecond, []string{"application/json", "text/*"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("POST /things (-want +got):\n%s", diff)
	}
	list, _ := table.Match([]byte("GET"), []byte("/things"))
	got = []any{list.Class, list.Public, list.Role, list.Local, list.TakesBody(), list.Timeout}
	want = []any{Read, true, token.Role(""), true, false, DefaultTimeout}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("GET /things (-want +got):\n%s", diff)
	}
	for path, want := range map[string]token.Role{"/things/7": token.Admin, "/things/summary": ""} {
		for _, method := range []string{"GET", "HEAD"} {
			if r, _ := table.Match([]byte(method), []byte(path)); r.Role != want {
				t.Errorf("%s %s asks for role %q, want %q", method, path, r.Role, want)
			}
		}
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	r := &Route{MediaTypes: []string{"application/json", "text/*"}}
	for value, want := range map[string]bool{
		"application/json":                true,
		"Application/JSON":                true,
		"application/json; charset=utf-8": true,
		"application/json ;x=y":           true,
		"application/jsonp":               false,
		"application/problem+json":        false,
		"text/csv":                        true,
		"text/":                           false,
		"text":                            false,
		"":                                false,
		";application/json":               false,
	} {
		if got := r.Accepts([]byte(value)); got != want {
			t.Errorf("Accepts(%q) = %v, want %v", value, got, want)
		}
	}
}

func TestCompileReportsAllMistakes(t *testing.T) {
	t.Parallel()
	_, err := compileFile(t, "mistakes.yaml")
	var findings Findings
	if !errors.As(err, &findings) {
		t.Fatalf("error = %v (%T), want Findings", err, err)
	}
	goldentest.Compare(t, "mistakes.txt", findings.Error()+"\n")
}

func TestCompileRefusesUnreadableDocuments(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"empty":     "",
		"not yaml":  "{",
		"no paths":  "openapi: 3.1.0\ninfo: {title: t, version: '1'}\n",
		"twice":     "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {}\n  /a: {}\n",
		"reference": "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {$ref: 'other.yaml#/x'}\n",
	} {
		if _, err := Compile([]byte(document)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestGatehouseDocument holds the routes of the project's own document, so
// that a change of their protection shows in a review.
func TestGatehouseDocument(t *testing.T) {
	t.Parallel()
	table := mustCompile(t, api.Document)
	var b strings.Builder
	if a := table.Alias; a != nil {
		fmt.Fprintf(&b, "%s is an alias of %s\n", a.From, a.To)
	}
	for _, r := range table.Routes() {
		who := "signed-in"
		switch {
		case r.Public:
			who = "public"
		case r.Role != "":
			who = string(r.Role)
		}
		if r.Local {
			who += " local"
		}
		fmt.Fprintf(&b, "%-7s %-40s %-12s %-8s body=%d timeout=%v %s\n",
			r.Method, r.Template, who, r.Class, r.MaxBody, r.Timeout, strings.Join(r.MediaTypes, ","))
	}
	goldentest.Compare(t, "routes.txt", b.String())

	again := mustCompile(t, table.Document)
	if got, want := len(again.Routes()), len(table.Routes()); got != want {
		t.Errorf("the served document has %d routes, want %d", got, want)
	}
}

// FuzzMatch checks that no path panics, and that what matches has the
// template's number of segments.
func FuzzMatch(f *testing.F) {
	table, err := compileFile(f, "small.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"/things", "/things/7", "/things/summary/parts", "//", "/", "", "/things/%2F"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, _ := table.Match([]byte("GET"), []byte(target))
		if r == nil {
			return
		}
		if got, want := strings.Count(target, "/"), strings.Count(r.Template, "/"); got != want {
			t.Errorf("%q matched %s", target, r.Template)
		}
		for segment := range strings.SplitSeq(target[1:], "/") {
			if segment == "" {
				t.Errorf("%q matched %s with an empty segment", target, r.Template)
			}
		}
	})
}

// FuzzCompile checks that no document panics the compiler, and that none gets
// through with an operation that has no class or no timeout.
func FuzzCompile(f *testing.F) {
	for _, name := range []string{"small.yaml", "alias.yaml", "mistakes.yaml"} {
		document, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		table, err := Compile(document)
		if err != nil {
			return
		}
		for _, r := range table.Routes() {
			if r.Class == "" || r.Timeout <= 0 || r.MaxBody <= 0 {
				t.Errorf("route %+v", r)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	table := mustCompile(b, api.Document)
	method, path := []byte("GET"), []byte("/api/v1/address-book/019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d")
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := table.Match(method, path); r == nil {
			b.Fatal("no match")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		mustCompile(b, api.Document)
	}
}
