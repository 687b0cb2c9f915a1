package route

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/mutatetest"
)

// naive matches as a reader of the document would: segment by segment, and of
// the templates that match the one that says most in the first segment where
// they differ.
func naive(templates []string, path string) string {
	best := ""
	for _, template := range templates {
		if fits(template, path) && (best == "" || saysMore(template, best)) {
			best = template
		}
	}
	return best
}

func fits(template, path string) bool {
	t, p := strings.Split(template, "/"), strings.Split(path, "/")
	if len(t) != len(p) {
		return false
	}
	for i, segment := range t {
		prefix, suffix, hasParam := literals(segment)
		if !hasParam && segment != p[i] || hasParam && (len(p[i]) <= len(prefix)+len(suffix) ||
			!strings.HasPrefix(p[i], prefix) || !strings.HasSuffix(p[i], suffix)) {
			return false
		}
	}
	return true
}

func saysMore(a, b string) bool {
	s, t := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range s {
		if s[i] == t[i] {
			continue
		}
		p, q, param := literals(s[i])
		u, v, other := literals(t[i])
		if !param || !other {
			return !param
		}
		if p == u && q == v {
			continue
		}
		if n, m := len(p)+len(q), len(u)+len(v); n != m {
			return n > m
		}
		if len(p) != len(u) {
			return len(p) > len(u)
		}
		return p+"\x00"+q < u+"\x00"+v
	}
	return false
}

var pathSeeds = [][2]string{
	{"/a\n/{a}\n/a/{b}\n/{a}/b", "/a/b"}, {"/files/{n}.json\n/files/{n}\n/files/x{n}", "/files/x.json"}, {"/v1/{id}:cancel\n/v1/{id}", "/v1/7:cancel"},
	{"/a/\n/a", "/a/"}, {"/a{x}b{y}", "/aab"}, {"/{x}a\n/b{y}", "/ba"}, {"//", "//"}, {"/{}", "/a"}, {"/}{", "/}"}, {"/{a}b/c\n/{a}/d", "/xb/d"},
}

// FuzzPaths builds a document from templates, one a line, and holds its table
// against the naive reading.
func FuzzPaths(f *testing.F) {
	for _, seed := range pathSeeds {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(judgePath)
}

func TestChangedPaths(t *testing.T) {
	t.Parallel()
	var seeds [][]byte
	for _, seed := range pathSeeds {
		seeds = append(seeds, []byte(seed[0]+" "+seed[1]))
	}
	mutatetest.Each(1000, seeds, func(in []byte) {
		lines, path, _ := strings.Cut(string(in), " ")
		judgePath(t, lines, path)
	})
}

func judgePath(t *testing.T, lines, path string) {
	t.Helper()
	templates := strings.Split(lines, "\n")
	if len(templates) > 8 {
		return
	}
	var b strings.Builder
	b.WriteString("openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths:\n")
	for _, template := range templates {
		if strings.ContainsAny(template, "\"\\") || strings.ContainsFunc(template, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // YAML's business
		}
		fmt.Fprintf(&b, "  \"%s\":\n    get:\n      security: []\n      x-rate-class: read\n      responses: {'200': {description: ok}}\n", template)
		if _, rest, ok := strings.Cut(template, "{"); ok {
			name, _, _ := strings.Cut(rest, "}")
			fmt.Fprintf(&b, "      parameters: [{name: \"%s\", in: path, required: true, schema: {type: string}}]\n", name)
		}
	}
	table, err := Compile([]byte(b.String()))
	if err != nil {
		return
	}
	r, p := table.Match([]byte("GET"), []byte(path))
	if (r == nil) != (p == nil) {
		t.Fatalf("route %v and path %v", r, p)
	}
	got := ""
	if r != nil {
		got = r.Template
	}
	want := ""
	if strings.HasPrefix(path, "/") {
		want = naive(templates, path)
	}
	if got != want {
		t.Errorf("%q matched %q, want %q of %q", path, got, want, templates)
	}
}

// FuzzDocument mutates a foreign document: no change of it panics the compiler,
// and what compiles has no path that a request in canonical form could not ask
// for, and no operation that nothing limits.
func FuzzDocument(f *testing.F) {
	for _, name := range []string{"small.yaml", "alias.yaml", "foreign.yaml"} {
		document, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		// What is replaced by what, so that most of the mutations stay YAML.
		f.Add(document, "x-rate-class", "x-rate")
		f.Add(document, "{id}", "{id}:do")
		f.Add(document, "get:", "trace:")
		f.Add(document, "security: []", "security: [{}]")
	}
	f.Fuzz(judgeDocument)
}

func TestChangedDocuments(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("testdata/foreign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	mutatetest.Each(300, [][]byte{document}, func(in []byte) { judgeDocument(t, in, "", "") })
}

func judgeDocument(t *testing.T, document []byte, old, by string) {
	t.Helper()
	if old != "" {
		document = []byte(strings.ReplaceAll(string(document), old, by))
	}
	table, err := Compile(document)
	if err != nil {
		return
	}
	for _, r := range table.Routes() {
		if r.Class == "" || r.Timeout <= 0 || r.MaxBody <= 0 || r.Metrics == nil || r.Allow == "" {
			t.Errorf("route %+v", r)
		}
		// A path that fits the template finds the template or one before it.
		path := strings.NewReplacer("{", "", "}", "").Replace(r.Template)
		if found, _ := table.Match([]byte(r.Method), []byte(path)); found == nil && !strings.Contains(r.Template, "//") {
			t.Errorf("%s %s does not match %s", r.Method, r.Template, path)
		}
	}
}
