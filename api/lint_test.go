package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/internal/problem"
)

// maxBody is the largest body in bytes that an operation may ask for, and what
// holds for one that asks for nothing.
const maxBody = 1 << 20

// Bounds of x-timeout: less breaks on a busy machine, more outlives every
// client's patience and holds an upstream connection all the while.
const (
	minTimeout = time.Second
	maxTimeout = time.Minute
)

var (
	rateClasses = []string{"auth", "refresh", "read", "write", "probe"}
	extensions  = []string{"x-rate-class", "x-timeout", "x-max-body", "x-served-by"}
	camelCase   = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)
)

// operation is one operation with what a rule needs to judge it.
type operation struct {
	*openapi3.Operation
	name   string // "GET /api/v1/ping", for messages
	path   string
	method string
	params openapi3.Parameters // the path's and its own
	public bool
	edge   bool // answered by the gateway alone
}

// validate returns what makes the document invalid as OpenAPI, or an example
// or default invalid by its schema.
func validate(data []byte) []string {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return []string{"load: " + err.Error()}
	}
	err = doc.Validate(context.Background(), openapi3.EnableMultiError())
	if err == nil {
		return nil
	}
	var all openapi3.MultiError
	if !errors.As(err, &all) {
		all = openapi3.MultiError{err}
	}
	var found []string
	for _, err := range all {
		found = append(found, err.Error())
	}
	return found
}

// lint returns everything in a document that breaks a rule of this project.
func lint(data []byte) []string {
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return []string{"load: " + err.Error()}
	}
	var found []string
	ops := operations(doc)
	if len(ops) == 0 {
		found = append(found, "the document has no operation")
	}
	found = append(found, lintDocument(doc)...)
	found = append(found, lintNames(doc, ops)...)
	for _, op := range ops {
		for _, rule := range []func(*openapi3.T, operation) []string{
			lintExtensions, lintParameters, lintBody, lintStatuses, lintResponses,
		} {
			for _, complaint := range rule(doc, op) {
				found = append(found, op.name+": "+complaint)
			}
		}
	}
	return append(found, lintUnused(doc)...)
}

func operations(doc *openapi3.T) []operation {
	var ops []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			security := &doc.Security
			if op.Security != nil {
				security = op.Security
			}
			ops = append(ops, operation{
				Operation: op,
				name:      method + " " + path,
				path:      path,
				method:    method,
				params:    slices.Concat(item.Parameters, op.Parameters),
				public:    len(*security) == 0,
				edge:      op.Extensions["x-served-by"] == "gateway",
			})
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.name, b.name) })
	return ops
}

// lintDocument holds what is true of the document as a whole. Without the
// top-level security an operation that forgets its own would be public.
func lintDocument(doc *openapi3.T) (found []string) {
	if len(doc.Security) != 1 || doc.Security[0]["bearer"] == nil {
		found = append(found, "document: security is not [{bearer: []}], so operations would be public by default")
	}
	if len(doc.Servers) != 1 || doc.Servers[0].URL != "/" {
		found = append(found, "document: servers is not the one entry /, so paths would not be whole")
	}
	if !doc.IsOpenAPI31OrLater() {
		found = append(found, "document: openapi is not 3.1")
	}
	return found
}

func lintNames(doc *openapi3.T, ops []operation) (found []string) {
	ids := map[string]string{}
	for _, op := range ops {
		switch id := op.OperationID; {
		case !camelCase.MatchString(id):
			found = append(found, fmt.Sprintf("%s: operationId %q is not a camelCase name", op.name, id))
		case ids[id] != "":
			found = append(found, fmt.Sprintf("%s: operationId %q is also that of %s", op.name, id, ids[id]))
		default:
			ids[id] = op.name
		}
		if op.Summary == "" {
			found = append(found, op.name+": no summary")
		}
		if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
			found = append(found, fmt.Sprintf("%s: tags %q is not one tag of the document's list", op.name, op.Tags))
		}
	}
	return found
}

func lintExtensions(_ *openapi3.T, op operation) (found []string) {
	for name := range op.Extensions {
		if !slices.Contains(extensions, name) {
			found = append(found, fmt.Sprintf("extension %s is unknown; known are %s", name, strings.Join(extensions, ", ")))
		}
	}
	if class, _ := op.Extensions["x-rate-class"].(string); !slices.Contains(rateClasses, class) {
		found = append(found, fmt.Sprintf("x-rate-class %q is not one of %s", class, strings.Join(rateClasses, ", ")))
	}
	if by, ok := op.Extensions["x-served-by"]; ok && by != "gateway" {
		found = append(found, fmt.Sprintf("x-served-by %v is not gateway", by))
	}
	timeout, given := op.Extensions["x-timeout"]
	switch text, _ := timeout.(string); {
	case op.edge && given:
		found = append(found, "x-timeout bounds the wait for the backend, but the gateway answers by itself")
	case op.edge:
	default:
		d, err := time.ParseDuration(text)
		if err != nil || d < minTimeout || d > maxTimeout {
			found = append(found, fmt.Sprintf("x-timeout %v is not a duration from %s to %s", timeout, minTimeout, maxTimeout))
		}
	}
	if limit, ok := op.Extensions["x-max-body"]; ok {
		n, isNumber := limit.(float64)
		if op.RequestBody == nil {
			found = append(found, "x-max-body without a request body")
		}
		if !isNumber || n < 1 || n > maxBody || n != float64(int(n)) {
			found = append(found, fmt.Sprintf("x-max-body %v is not a number of bytes from 1 to %d", limit, maxBody))
		}
	}
	return found
}

// lintParameters holds that every parameter is bounded, so that nothing of
// any length or value passes the edge unjudged.
func lintParameters(_ *openapi3.T, op operation) (found []string) {
	for _, ref := range op.params {
		p := ref.Value
		where := p.In + " parameter " + p.Name
		if p.Description == "" {
			found = append(found, where+": no description")
		}
		if p.Schema == nil {
			found = append(found, where+": no schema")
			continue
		}
		if p.In == openapi3.ParameterInPath && p.Schema.Value.Pattern == "" && len(p.Schema.Value.Enum) == 0 {
			found = append(found, where+": no pattern")
		}
		found = append(found, unbounded(p.Schema.Value, where)...)
	}
	return found
}

func lintBody(_ *openapi3.T, op operation) (found []string) {
	if op.RequestBody == nil {
		return nil
	}
	body := op.RequestBody.Value
	if op.method == http.MethodGet || op.method == http.MethodDelete {
		found = append(found, "a request body on "+op.method)
	}
	if !body.Required {
		found = append(found, "the request body is not required")
	}
	media := body.Content["application/json"]
	if media == nil || len(body.Content) != 1 {
		return append(found, "the request body is not application/json alone")
	}
	if media.Example == nil && len(media.Examples) == 0 {
		found = append(found, "the request body has no example")
	}
	if media.Schema == nil {
		return append(found, "the request body has no schema")
	}
	found = append(found, loose(media.Schema.Value, "request body", false)...)
	return append(found, unbounded(media.Schema.Value, "request body")...)
}

// lintStatuses holds that an operation names each answer it can give.
func lintStatuses(doc *openapi3.T, op operation) (found []string) {
	need := map[int]string{
		400: "any request can be malformed",
		429: "every operation is limited",
		500: "a fault must be answered in shape",
		503: "every operation can be refused under load",
	}
	if !op.edge {
		need[502] = "the backend serves it"
		need[504] = "the backend serves it"
	}
	if !op.public {
		need[401] = "it needs a signed-in caller"
		need[403] = "X-Tenant-Id may disagree with the token"
		if !slices.ContainsFunc(op.params, func(p *openapi3.ParameterRef) bool {
			return p.Ref == "#/components/parameters/TenantGuard"
		}) {
			found = append(found, "no X-Tenant-Id parameter, though it needs a signed-in caller")
		}
	}
	if op.method != http.MethodGet {
		need[413] = "a body can be sent"
		need[415] = "a body can be sent"
	}
	if op.RequestBody != nil {
		need[408] = "it has a body"
	}
	if strings.Contains(op.path, "{") {
		need[404] = "its path has a parameter"
	}
	for _, status := range sortedKeys(need) {
		if op.Responses.Status(status) == nil {
			found = append(found, fmt.Sprintf("no %d response, but %s", status, need[status]))
		}
	}
	success := 0
	for _, status := range sortedKeys(op.Responses.Map()) {
		if _, err := strconv.Atoi(status); err != nil {
			found = append(found, fmt.Sprintf("response %s would let undocumented answers pass", status))
		}
		if strings.HasPrefix(status, "2") {
			success++
		}
	}
	if success == 0 {
		found = append(found, "no 2xx response")
	}
	created := op.Responses.Status(http.StatusCreated)
	if created != nil && hasItem(doc, op.path) && created.Value.Headers["Location"] == nil {
		found = append(found, "201: no Location header, though what was created has a path")
	}
	return found
}

// hasItem reports whether the collection at path has members with paths.
func hasItem(doc *openapi3.T, path string) bool {
	for other := range doc.Paths.Map() {
		if strings.HasPrefix(other, path+"/{") {
			return true
		}
	}
	return false
}

func lintResponses(_ *openapi3.T, op operation) (found []string) {
	for _, key := range sortedKeys(op.Responses.Map()) {
		ref := op.Responses.Value(key)
		status, err := strconv.Atoi(key)
		if err != nil {
			continue // refused by lintStatuses
		}
		complain := func(format string, args ...any) {
			found = append(found, key+": "+fmt.Sprintf(format, args...))
		}
		required := []string{"X-Request-Id"}
		switch status {
		case 401:
			required = append(required, "WWW-Authenticate")
		case 429, 503:
			required = append(required, "Retry-After")
		}
		for _, name := range required {
			if h := ref.Value.Headers[name]; h == nil || !h.Value.Required {
				complain("header %s is not required", name)
			}
		}
		for _, name := range []string{"RateLimit", "RateLimit-Policy"} {
			if ref.Value.Headers[name] == nil {
				complain("no header %s", name)
			}
		}
		if len(ref.Value.Content) == 0 {
			complain("no content")
		}
		for _, mime := range sortedKeys(ref.Value.Content) {
			media := ref.Value.Content[mime]
			if media.Example == nil && len(media.Examples) == 0 {
				complain("%s has no example", mime)
			}
			if media.Schema == nil {
				complain("%s has no schema", mime)
				continue
			}
			switch {
			case mime == problem.ContentType:
				for _, text := range lintProblem(status, media.Schema.Value) {
					complain("%s", text)
				}
			case mime == "application/json" && op.edge:
				// The document itself: its form is OpenAPI's, not ours.
			case mime == "application/json":
				for _, text := range loose(media.Schema.Value, "answer", true) {
					complain("%s", text)
				}
				if !isHealth(op.path) && !isEnvelope(media.Schema.Value) {
					complain("the answer is not the envelope of message and data")
				}
			default:
				complain("media type %s is neither application/json nor %s", mime, problem.ContentType)
			}
		}
		if status >= 400 {
			if ref.Ref == "" {
				complain("the error is not one of components/responses")
			}
			if ref.Value.Content[problem.ContentType] == nil {
				complain("the error is not %s", problem.ContentType)
			}
		}
	}
	return found
}

// lintProblem holds that an error is the shared problem, narrowed to its own
// status and to codes that are answered with this status.
func lintProblem(status int, s *openapi3.Schema) []string {
	if len(s.AllOf) != 2 || s.AllOf[0].Ref != "#/components/schemas/Problem" {
		return []string{"the problem is not allOf Problem and what it is narrowed to"}
	}
	narrowed := s.AllOf[1].Value.Properties
	if ref := narrowed["status"]; ref == nil || len(ref.Value.Enum) != 1 || ref.Value.Enum[0] != float64(status) {
		return []string{"the problem's status is not narrowed to the response's"}
	}
	if narrowed["code"] == nil || len(narrowed["code"].Value.Enum) == 0 {
		return []string{"the problem's code is not narrowed"}
	}
	var found []string
	for _, code := range narrowed["code"].Value.Enum {
		text, _ := code.(string)
		if c := problem.Code(text); !slices.Contains(problem.Codes(), c) {
			found = append(found, fmt.Sprintf("code %q is never answered", text))
		} else if c.Status() != status {
			found = append(found, fmt.Sprintf("code %q is answered with %d", text, c.Status()))
		}
	}
	return found
}

func isHealth(path string) bool { return strings.HasSuffix(path, "/health") }

// isEnvelope reports whether the schema is {message, data} or, for a list,
// {message, data, metadata}, with a fixed message.
func isEnvelope(s *openapi3.Schema) bool {
	message, data, metadata := s.Properties["message"], s.Properties["data"], s.Properties["metadata"]
	if message == nil || len(message.Value.Enum) != 1 || data == nil {
		return false
	}
	if data.Value.Type.Is("array") {
		return len(s.Properties) == 3 && metadata != nil
	}
	return len(s.Properties) == 2 && data.Value.Type.Is("object")
}

// loose returns the objects in a schema that would let a member pass which
// the document does not know. With all set, every member must be required.
func loose(s *openapi3.Schema, where string, all bool) (found []string) {
	walk(s, where, func(s *openapi3.Schema, where string) {
		if !s.Type.Is("object") {
			return
		}
		if extra := s.AdditionalProperties; extra.Has == nil || *extra.Has || extra.Schema != nil {
			found = append(found, where+": additionalProperties is not false")
		}
		if s.Properties == nil && (s.MaxProps == nil || *s.MaxProps != 0) {
			found = append(found, where+": an object without properties")
		}
		for _, name := range s.Required {
			if s.Properties[name] == nil {
				found = append(found, fmt.Sprintf("%s: required member %s is not a property", where, name))
			}
		}
		for _, name := range sortedKeys(s.Properties) {
			if all && !slices.Contains(s.Required, name) {
				found = append(found, fmt.Sprintf("%s: member %s is not required", where, name))
			}
		}
	})
	return found
}

// unbounded returns the values in a schema that have no type, or no least and
// largest value or length.
func unbounded(s *openapi3.Schema, where string) (found []string) {
	walk(s, where, func(s *openapi3.Schema, where string) {
		switch {
		case len(s.Enum) > 0:
		case s.Type == nil:
			found = append(found, where+": no type")
		case s.Type.Includes("string"):
			if s.MaxLength == nil {
				found = append(found, where+": string without maxLength or enum")
			}
			if s.MinLength == 0 && s.Pattern == "" {
				found = append(found, where+": string without minLength, pattern or enum")
			}
		case s.Type.Includes("integer"), s.Type.Includes("number"):
			if s.Min == nil || s.Max == nil {
				found = append(found, where+": number without minimum and maximum")
			}
		case s.Type.Includes("array"):
			if s.MaxItems == nil {
				found = append(found, where+": array without maxItems")
			}
		}
	})
	return found
}

// walk calls visit for a schema and for every schema of a value inside it.
// Members of allOf describe the same value again and have no type of their
// own, unless they are references.
func walk(s *openapi3.Schema, where string, visit func(*openapi3.Schema, string)) {
	if s.Type != nil || len(s.AllOf) == 0 {
		visit(s, where)
	}
	for _, name := range sortedKeys(s.Properties) {
		walk(s.Properties[name].Value, where+"/"+name, visit)
	}
	if s.Items != nil {
		walk(s.Items.Value, where+"/items", visit)
	}
	for _, group := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf} {
		for _, ref := range group {
			if ref.Value.Type != nil || ref.Ref != "" {
				walk(ref.Value, where, visit)
			}
		}
	}
}

// lintUnused returns the components that no operation reaches.
func lintUnused(doc *openapi3.T) (found []string) {
	data, err := json.Marshal(doc)
	if err != nil {
		return []string{"document: " + err.Error()}
	}
	var root map[string]any
	if err := json.Unmarshal(data, &root); err != nil {
		return []string{"document: " + err.Error()}
	}
	components, _ := root["components"].(map[string]any)
	delete(root, "components")

	reached := map[string]bool{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				follow(e)
			}
		case map[string]any:
			for key, e := range v {
				ref, ok := e.(string)
				if key != "$ref" || !ok {
					follow(e)
					continue
				}
				name, _ := strings.CutPrefix(ref, "#/components/")
				if reached[name] {
					continue
				}
				reached[name] = true
				kind, rest, _ := strings.Cut(name, "/")
				if group, ok := components[kind].(map[string]any); ok {
					follow(group[rest])
				}
			}
		}
	}
	follow(root)
	for _, requirement := range doc.Security {
		for name := range requirement {
			reached["securitySchemes/"+name] = true
		}
	}
	for kind, group := range components {
		for name := range group.(map[string]any) {
			if key := kind + "/" + name; !reached[key] {
				found = append(found, "components/"+key+" is not used")
			}
		}
	}
	slices.Sort(found)
	return found
}

func sortedKeys[K interface{ ~int | ~string }, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
