package backend

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/api"
)

// operation is one of the document's, with what a walk needs to call it.
type operation struct {
	name   string // operationId
	method string
	path   string
	role   string // x-role
	public bool
	params []*openapi3.Parameter
	media  []string // of the request's body
	body   *openapi3.Schema
	// example and file are bodies that fit the document: the first of JSON, and
	// that of other media types.
	example map[string]any
	file    string
}

var document = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(api.Document) })

// What the walks know. Whoever adds something to the document, such as a
// stream, has to teach them how to attack it first.
var (
	knownExtensions = []string{"x-rate-class", "x-role", "x-timeout", "x-max-body", "x-served-by"}
	knownMedia      = []string{"application/json", "application/problem+json", "application/jwk-set+json", "text/csv", "text/vcard", "application/xml", "text/xml", "application/pdf"}
	knownStatuses   = []byte("245") // no redirects, no upgrades
	// Operations that open a WebSocket and show nothing of a tenant's; they have
	// tests of their own.
	knownSockets = []string{"streamLogs"}
)

// operations returns what the backend answers, in the document's order of
// paths. A part of the document that is not known fails the test.
func operations(t testing.TB) []operation {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var list []operation
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for _, method := range slices.Sorted(maps.Keys(item.Operations())) {
			o := item.GetOperation(method)
			if o.Extensions["x-served-by"] == "gateway" || slices.Contains(knownSockets, o.OperationID) {
				continue
			}
			op := operation{name: o.OperationID, method: method, path: path, public: o.Security != nil && len(*o.Security) == 0}
			op.role, _ = o.Extensions["x-role"].(string)
			for _, ref := range slices.Concat(item.Parameters, o.Parameters) {
				op.params = append(op.params, ref.Value)
			}
			checkKnown(t, op.name, o)
			if o.RequestBody != nil {
				op.readBody(t, o.RequestBody.Value.Content)
			}
			list = append(list, op)
		}
	}
	return list
}

func checkKnown(t testing.TB, name string, o *openapi3.Operation) {
	t.Helper()
	for extension := range o.Extensions {
		if !slices.Contains(knownExtensions, extension) {
			t.Errorf("%s has %s, which this test cannot attack", name, extension)
		}
	}
	if len(o.Callbacks) > 0 {
		t.Errorf("%s has callbacks, which this test cannot attack", name)
	}
	var contents []openapi3.Content
	if o.RequestBody != nil {
		contents = append(contents, o.RequestBody.Value.Content)
	}
	for status, ref := range o.Responses.Map() {
		if !slices.Contains(knownStatuses, status[0]) {
			t.Errorf("%s answers %s, which this test does not know", name, status)
		}
		contents = append(contents, ref.Value.Content)
	}
	for _, content := range contents {
		for media := range content {
			if !slices.Contains(knownMedia, media) {
				t.Errorf("%s has %s, which this test cannot attack", name, media)
			}
		}
	}
}

func (op *operation) readBody(t testing.TB, content openapi3.Content) {
	t.Helper()
	op.media = slices.Sorted(maps.Keys(content))
	example := content[op.media[0]].Example
	if examples := content[op.media[0]].Examples; example == nil && len(examples) > 0 {
		example = examples[slices.Sorted(maps.Keys(examples))[0]].Value.Value
	}
	if op.media[0] != "application/json" {
		op.file, _ = example.(string)
		return
	}
	op.body = content["application/json"].Schema.Value
	if op.example, _ = example.(map[string]any); op.example == nil {
		t.Fatalf("%s has no example", op.name)
	}
}

// param returns the parameter of a place and name, or nil.
func (op *operation) param(in, name string) *openapi3.Parameter {
	for _, p := range op.params {
		if p.In == in && p.Name == name {
			return p
		}
	}
	return nil
}

// member returns the schema of a member of the body, or nil.
func (op *operation) member(name string) *openapi3.Schema {
	if op.body == nil || op.body.Properties[name] == nil {
		return nil
	}
	return op.body.Properties[name].Value
}

// required is the query without which there is no answer.
func (op *operation) required() url.Values {
	q := url.Values{}
	for _, p := range op.params {
		if p.In == "query" && p.Required {
			q.Set(p.Name, p.Schema.Value.Enum[0].(string))
		}
	}
	return q
}

// collection is the kind of thing that the path's {id} is of: the segment
// before it. It is "" when the path has none.
func (op *operation) collection() string {
	before, _, found := strings.Cut(op.path, "/{id}")
	if !found {
		return ""
	}
	return before[strings.LastIndex(before, "/")+1:]
}

// changes reports whether the operation may change anything.
func (op *operation) changes() bool { return op.method != http.MethodGet }

// call is a request of an operation.
type call struct {
	id     string // for {id}
	query  url.Values
	body   map[string]any // instead of the example
	header []string
	alias  bool // at the unversioned path
	token  string
}

// send makes the request and returns the answer and its path.
func (op *operation) send(s *testServer, c call) (answer, string) {
	s.t.Helper()
	path := strings.Replace(op.path, "{id}", url.PathEscape(c.id), 1)
	if c.alias {
		path = strings.Replace(path, "/api/v1/", "/api/", 1)
	}
	q := op.required()
	maps.Copy(q, c.query)
	target := path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	var body any
	header := c.header
	switch {
	case op.file != "":
		body = op.file
		header = append(slices.Clone(header), "Content-Type", op.media[0])
	case c.body != nil:
		body = c.body
	case op.example != nil:
		body = op.example
	}
	return s.do(op.method, target, c.token, body, header...), path
}

// with returns a copy of the example with other values.
func (op *operation) with(changes map[string]any) map[string]any {
	body := maps.Clone(op.example)
	maps.Copy(body, changes)
	return body
}

// encode returns a value as JSON, to search in it.
func encode(t testing.TB, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
