package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"gatehouse/api"
)

func init() {
	for _, plain := range []string{"text/vcard", "text/html", "text/css", "application/xml", "application/pdf"} {
		openapi3filter.RegisterBodyDecoder(plain, openapi3filter.PlainBodyDecoder)
	}
}

var document = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromData(api.Document)
})

// checkContract holds an answer against what api/openapi.yaml says of it: the
// status is documented, the headers are there, the body fits its schema. What
// no operation answers for is a problem all the same.
func checkContract(t testing.TB, a answer) {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	if a.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: no X-Request-Id", a.Request.Method, a.Request.URL)
	}
	template, params := match(doc, a.Request.URL.EscapedPath())
	op := operation(doc, template, a.Request.Method)
	if op == nil || op.Responses.Status(a.StatusCode) == nil && oneOf(a.StatusCode, 404, 405, 414, 431) {
		if a.Request.Method != http.MethodOptions {
			checkProblem(t, doc, a)
		}
		return
	}
	if a.Request.Method == http.MethodHead {
		return // it has no body, and no operation of its own
	}
	if a.StatusCode < 300 {
		succeeded.Store(a.Request.Method+" "+template, true)
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: a.Request, PathParams: params,
			Route: &routers.Route{Spec: doc, Path: template, PathItem: doc.Paths.Value(template), Method: a.Request.Method, Operation: op},
		},
		Status:  a.StatusCode,
		Header:  a.Header,
		Body:    io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		t.Errorf("%s %s answered %d, against the document: %v\n%s", a.Request.Method, a.Request.URL, a.StatusCode, err, a.body)
	}
}

func checkProblem(t testing.TB, doc *openapi3.T, a answer) {
	t.Helper()
	if a.Request.Method == http.MethodHead {
		return
	}
	var body any
	if err := json.Unmarshal(a.body, &body); err != nil {
		t.Errorf("%s %s answered %d with no problem: %s", a.Request.Method, a.Request.URL, a.StatusCode, a.body)
		return
	}
	if err := doc.Components.Schemas["Problem"].Value.VisitJSON(body); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %s answered %d with a bad problem: %v\n%s", a.Request.Method, a.Request.URL, a.StatusCode, err, a.body)
	}
}

func oneOf(n int, list ...int) bool {
	for _, m := range list {
		if n == m {
			return true
		}
	}
	return false
}

// match finds the path template that a path belongs to; a fixed segment goes
// before a parameter, and an unversioned path is one of the first version.
func match(doc *openapi3.T, path string) (template string, params map[string]string) {
	if rest, ok := strings.CutPrefix(path, "/api/"); ok && !strings.HasPrefix(rest, "v1/") {
		path = "/api/v1/" + rest
	}
	if doc.Paths.Value(path) != nil {
		return path, map[string]string{}
	}
	got := strings.Split(path, "/")
	for candidate := range doc.Paths.Map() {
		want := strings.Split(candidate, "/")
		if len(want) != len(got) {
			continue
		}
		params, fits := map[string]string{}, true
		for i, w := range want {
			if strings.HasPrefix(w, "{") && got[i] != "" {
				params[strings.Trim(w, "{}")] = got[i]
			} else if w != got[i] {
				fits = false
			}
		}
		if fits {
			return candidate, params
		}
	}
	return "", nil
}

func operation(doc *openapi3.T, template, method string) *openapi3.Operation {
	item := doc.Paths.Value(template)
	if item == nil {
		return nil
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return item.GetOperation(method)
}
